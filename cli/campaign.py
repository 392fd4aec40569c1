"""The command `molgen campaign`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .console import options, show
from .console.admission import AllowUnfamiliar, AllowUnstable
from .console.outputs import check_outputs

if TYPE_CHECKING:
    from molgen.search.campaign import CampaignStatus
    from molgen.search.launch import Machine, Reports, Result


N_SHOWN = 10


def _repeatable(name: str, help_text: str) -> Any:
    return typer.Option(name, help=f"{help_text} Repeatable.")


@check_outputs
def campaign(  # noqa: PLR0913 - one parameter per option
    spec: Annotated[Path | None, typer.Argument(help="A TOML file with the options below.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", writable=True, file_okay=False, help="Folder for the new run.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", help="Folder of a run to resume; with --budget, to extend a finished run."),
    ] = None,
    accept_changed_scorer: Annotated[
        bool,
        typer.Option(
            "--accept-changed-scorer", help="Resume although the file of a scorer changed; its earlier values are kept."
        ),
    ] = False,
    maximize: Annotated[
        list[str] | None, _repeatable("--maximize", "Measure to maximise, such as qed or predicted:pKi.")
    ] = None,
    minimize: Annotated[list[str] | None, _repeatable("--minimize", "Measure to minimise, such as sa.")] = None,
    target: Annotated[list[str] | None, _repeatable("--target", 'Measure with a target, such as "logp = 2.5".')] = None,
    range_: Annotated[
        list[str] | None, _repeatable("--range", 'Measure with a range, such as "mw = 300..450".')
    ] = None,
    weight: Annotated[list[str] | None, _repeatable("--weight", 'Weight of an objective, such as "qed = 2".')] = None,
    scale: Annotated[
        list[str] | None,
        _repeatable("--scale", 'Values at which an objective counts 0 and 1, such as "penalized_logp = -5..5".'),
    ] = None,
    constraint: Annotated[
        list[str] | None, _repeatable("--constraint", 'Bound on a measure, such as "similarity >= 0.4".')
    ] = None,
    record: Annotated[list[str] | None, _repeatable("--record", "Further measure to record.")] = None,
    pareto: Annotated[
        bool | None,
        typer.Option("--pareto", help="Search for the Pareto front of the objectives, not for the best total."),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        _repeatable("--scorer", "A Python function of a list of SMILES, as file.py:function."),
    ] = None,
    scorer_command: Annotated[
        list[str] | None,
        _repeatable("--scorer-command", "A program that reads SMILES, one per line, and prints one number per line."),
    ] = None,
    time_limit_s: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            help="Time limit, in seconds, for the answer of a scorer to a batch of molecules, or with --executor "
            "to one; default 300.",
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            help="Where scorers run, on one molecule at a time: local:N (N processes), dask://HOST:PORT, "
            "file.py:make_executor; by default in one process, on a batch at a time."
        ),
    ] = None,
    on_failure: Annotated[
        Literal["stop", "skip", "penalise"] | None,
        typer.Option(
            "--on-failure",
            help="For a molecule without a value: stop the campaign (default), skip (record it, learn nothing) or "
            "penalise (counts as the worst). Either way it counts as a call.",
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        _repeatable(
            "--start",
            "SMILES or file of start molecules. In a file, a column with the name of an objective gives known values, "
            "which are not scored again.",
        ),
    ] = None,
    start_limit: Annotated[
        int | None,
        typer.Option(
            "--start-limit", help="Maximum number of start molecules, best known values first; default half the budget."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="Reference molecule of the measure `similarity`; by default the start molecule, if there is only one.",
        ),
    ] = None,
    core: options.Core = None,
    vary: options.Vary = None,
    keep: options.Keep = None,
    allow_unfamiliar: AllowUnfamiliar = False,
    allow_unstable: AllowUnstable = False,
    charge: Annotated[
        Literal["keep", "neutralise"] | None,
        typer.Option("--charge", help="Keep charges of proposals, or take neutral forms only (default)."),
    ] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", help="Number of calls: molecules to score; default 1000.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Number of molecules proposed at once.")] = None,
    overlap: Annotated[
        bool | None,
        typer.Option(
            "--overlap",
            help="Propose each batch while scorers work on the previous one, without the scores of that one.",
        ),
    ] = None,
    sampler: Annotated[
        Literal["latent", "cmaes", "tpe", "nsga2", "gp", "perturb", "random"] | None,
        typer.Option("--sampler", help="Sampler that proposes molecules; default latent."),
    ] = None,
    checkpoint: options.Checkpoint = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Random seed; default 0.")] = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_forced: options.Force = False,
    json: options.Json = False,
) -> None:
    """Search the latent space for better molecules.

    By default, proposals are familiar, stable and neutral. A call is one scored molecule; molecules that violate a
    constraint on a built-in measure are not scored.

    Measures: qed logp sa np_score mw tpsa hbd hba rotatable_bonds rings fsp3 heavy_atoms penalized_logp,
    similarity, similarity:SMILES, smarts:PATTERN, scaffold:SMILES, core:CORE, shape:FILE.sdf, dock:FOLDER,
    alerts:pains, alerts:brenk, unfamiliar, unstable, charge, trust, predicted:NAME, std:NAME, lcb:NAME, ucb:NAME, and
    your own scorers by name.

    Example: molgen campaign --maximize qed --constraint "sa <= 3" --budget 500 --out run
    """
    given = {
        "maximize": maximize,
        "minimize": minimize,
        "target": target,
        "range": range_,
        "weight": weight,
        "scale": scale,
        "constraint": constraint,
        "record": record,
        "pareto": pareto,
        "scorer": scorer,
        "scorer_command": scorer_command,
        "time_limit_s": time_limit_s,
        "on_failure": on_failure,
        "start": start,
        "start_limit": start_limit,
        "reference": reference,
        "core": core,
        "vary": vary,
        "keep": keep,
        "allow_unfamiliar": allow_unfamiliar or None,
        "allow_unstable": allow_unstable or None,
        "charge": charge,
        "budget": budget,
        "batch": batch,
        "overlap": overlap,
        "sampler": sampler,
        "checkpoint": str(checkpoint) if checkpoint else None,
        "seed": seed,
    }
    flags = {key: value for key, value in given.items() if value not in (None, [])}
    machine = _choose_machine(device, threads, executor)
    if resume is not None:
        others = [*flags, *(["spec"] if spec else []), *(["out"] if out else [])]
        result = _resume(resume, others, budget, machine, accepts_changed=accept_changed_scorer)
        folder = resume
    else:
        result, folder = _launch(spec, out, flags, machine, is_forced=is_forced)
    _report(result, folder, is_json=json)


def _launch(
    spec: Path | None,
    out: Path | None,
    flags: Mapping[str, object],
    machine: Machine,
    *,
    is_forced: bool,
) -> tuple[Result, Path]:
    from molgen.errors import SpecError
    from molgen.search import launch
    from molgen.search.spec import CampaignSpec, read_spec

    if out is None:
        raise SpecError("out", "names no folder", remedy="Add --out RUN.")
    request = CampaignSpec.from_options((read_spec(spec) if spec else {}) | dict(flags))
    with _progress(request.budget) as reports:
        return launch.launch(out, request, machine, reports, is_forced=is_forced), out


def _resume(run: Path, others: Sequence[str], budget: int | None, machine: Machine, *, accepts_changed: bool) -> Result:
    """Resumes a run; `others` are the names of the other given options."""
    from molgen.errors import SpecError
    from molgen.search import launch

    if set(others) - {"checkpoint", "budget"}:  # the checkpoint may be set by the environment
        remedy = "Give --resume RUN alone, or with a larger --budget."
        raise SpecError("resume", "a resumed run keeps its options", remedy=remedy)
    with _progress() as reports:
        return launch.resume(run, machine, reports, budget=budget, accepts_changed_scorer=accepts_changed)


def _choose_machine(device: str, threads: int | None, executor: str | None) -> Machine:
    from molgen.device import available_threads, resolve_device
    from molgen.search.launch import Machine
    from molgen.workers.executor import read_executor

    workers = read_executor(executor) if executor else None
    return Machine(resolve_device(device), threads or available_threads(), workers)


@contextmanager
def _progress(budget: int | None = None) -> Iterator[Reports]:
    """Reports progress as a bar, and notes on standard error."""
    from molgen.search.launch import Reports

    with show.progress(budget, "campaign") as advance:
        yield Reports(lambda status: advance(status.n_scored, _line(status)), show.note)


def _line(status: CampaignStatus) -> str:
    rate = status.n_scored / status.seconds if status.seconds > 0 else 0.0
    numbers = {"best": f"{status.best:.4g}", "top 10": f"{status.top_10:.4g}", "unique": f"{status.unique_rate:.0%}"}
    parts = [f"{name} {'-' if 'nan' in text else text}" for name, text in numbers.items()]
    if status.n_filtered:
        parts.append(f"{status.n_filtered} proposals outside constraints")
    if not math.isnan(status.hypervolume):
        parts.append(f"hypervolume {status.hypervolume:.4f}")
    return "  ".join([*parts, f"{rate:.0f} calls/s"])


def _report(result: Result, folder: Path, *, is_json: bool) -> None:
    from molgen.output.candidates import rank_feasible

    status = result.status
    has_best = any(evaluation.is_feasible for evaluation in result.evaluations)
    best = rank_feasible(result.evaluations)[:N_SHOWN] if has_best else []
    if is_json:
        top = [{"smiles": e.smiles, "total": e.total, **e.values} for e, _ in best]
        show.as_json({"run": str(folder), **asdict(status), "best_10": top})
        return
    columns = ["call", "total", *(best[0][0].values if best else ()), "SMILES"]
    rows = [[str(e.index), f"{e.total:.4g}", *(f"{v:.4g}" for v in e.values.values()), e.smiles] for e, _ in best]
    if math.isnan(status.hypervolume):
        title = f"best of {status.n_scored} molecules"
    else:
        columns = ["front", *columns]
        rows = [["yes" if is_on_front else "", *row] for (_, is_on_front), row in zip(best, rows, strict=True)]
        title = f"Pareto front of {status.n_scored} molecules, then the best of the others"
    show.table(title, columns, rows)
    show.note(f"{_line(status)}; {status.n_invalid} invalid, {status.n_duplicate} duplicates")
    if status.n_known:
        show.note(f"{status.n_known} start molecules have known values and were not scored")
    if status.n_failed:
        show.note(f"{status.n_failed} calls gave no value; the column failure of evaluations.csv has the reasons")
    show.note(f"next: molgen export {folder} -o {folder / 'candidates.sdf'}")
