"""Start and resumption of campaigns from a specification."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from molgen.chem.admission import NO_REFERENCE, extend_reference
from molgen.chem.molecule import Molecule
from molgen.device import MAX_THREADS, use_threads
from molgen.errors import SpecError
from molgen.explore.liked import read_liking
from molgen.interrupt import stop_requested
from molgen.latent.combined_model import make_predict_function
from molgen.latent.space import LatentSpace, default_checkpoint
from molgen.latent.trust import make_trust_function
from molgen.model.checkpoint import MolecularModel
from molgen.run import SPEC, RunFolder, describe_input, file_digest, now
from molgen.sample.series import CoreSeries, keep_constraints, read_series
from molgen.score.constraint import Constraint
from molgen.score.defaults import add_default_constraints
from molgen.score.docking import receptor_digest
from molgen.score.external.docking import DockingScorer, find_docking_scorers
from molgen.score.external.executor import parallelise
from molgen.score.external.function import InProcessScorer, ScoreFunction
from molgen.score.external.plugin import find_installed_scorers, health_check, parse_scorers
from molgen.score.external.scorer import InstalledScorer, PythonScorer, Scorer
from molgen.score.measure import LIKED, POSE, MeasureContext, is_own
from molgen.score.objective import labelled_property, parse_objectives
from molgen.score.oracle import Oracle
from molgen.search import ledger, start, study
from molgen.search.campaign import CampaignLoop, CampaignStatus
from molgen.search.ledger import Evaluation
from molgen.search.resumption import find_changed_scorers, find_larger_budget, read_budgets, write_changes
from molgen.search.spec import CampaignSpec
from molgen.search.start import StartMolecule, parse_option, start_molecules, write_start
from molgen.workers.tasks import Workers

EXPORTS = tuple(f"candidates{suffix}" for suffix in (".sdf", ".csv", ".smi", ".svg", ".png"))
"""Files that `molgen export` writes into the folder of a campaign, which another process may hold."""
FILES = (ledger.NAME, start.NAME, study.NAME, f"{study.NAME}.lock*", *EXPORTS)
"""The files of a campaign, besides those of every run."""


@dataclass(frozen=True)
class Machine:
    """Device and threads of a campaign; they affect speed and last digits only.

    Attributes:
        device: Torch device of the model.
        threads: CPU threads.
        workers: Where the scorers of the user run, with one molecule per call; None for one process per scorer, with a
            batch per call.
    """

    device: str
    threads: int
    workers: Workers | None = None


@dataclass(frozen=True)
class Reports:
    """Callbacks of a campaign.

    Attributes:
        on_status: Called after each batch.
        on_note: Called with messages for the user.
        is_pause_requested: Called before each batch; if true, the campaign stops there, as at a signal.
    """

    on_status: Callable[[CampaignStatus], object]
    on_note: Callable[[str], object]
    is_pause_requested: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Result:
    """The result of a finished campaign."""

    status: CampaignStatus
    evaluations: Sequence[Evaluation]


def launch(
    out: Path,
    spec: CampaignSpec,
    machine: Machine,
    reports: Reports,
    *,
    functions: Mapping[str, ScoreFunction] = MappingProxyType({}),
    is_forced: bool = False,
) -> Result:
    """Runs a new campaign in the folder `out`.

    Args:
        out: New folder.
        spec: The specification.
        machine: Device and threads.
        reports: Callbacks.
        functions: Python functions of the running program as scorers, by name.
        is_forced: Whether to replace a campaign in `out`.

    Raises:
        RunError: `out` exists and is not replaced.
        MolgenError: `spec` is wrong, or the campaign fails; see `CampaignLoop.run`.
    """
    with ExitStack() as stack:
        parts = _assemble(spec, machine, functions, stack)
        with stop_requested():
            for warning in filter(None, map(health_check, parts.running.values())):
                reports.on_note(warning)
        facts = {**parts.identity, "device": machine.device, "threads": machine.threads, "seed": spec.seed}
        inputs = _list_inputs(parts)
        run = RunFolder.begin(
            out, spec.to_toml(), FILES, facts=facts, exports=EXPORTS, inputs=inputs, is_forced=is_forced
        )
        folder = stack.enter_context(run)
        return _run(folder, spec, parts, reports)


def resume(
    out: Path,
    machine: Machine,
    reports: Reports,
    *,
    functions: Mapping[str, ScoreFunction] = MappingProxyType({}),
    budget: int | None = None,
    accepts_changed_scorer: bool = False,
) -> Result:
    """Resumes the campaign in the folder `out`, with its original number of threads.

    A finished campaign is not changed, unless the budget grows; it then continues with the larger budget.

    Args:
        out: Folder of the campaign.
        machine: Device and threads.
        reports: Callbacks.
        functions: Python functions as scorers, by name; the same as at the start.
        budget: Total number of molecules to score; by default unchanged.
        accepts_changed_scorer: Continue although the file of a scorer changed; its earlier values stay in the ledger.

    Raises:
        RunError: `out` is no campaign, or its inputs, checkpoint, scorers or versions changed, or another process
            works there.
        SpecError: The budget is smaller than before.
        MolgenError: See `launch`.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(RunFolder.resume(out, FILES, exports=EXPORTS))
        spec = CampaignSpec.from_options(folder.spec(), f"{out / SPEC}: ")
        manifest = folder.manifest()
        if isinstance(manifest.get("threads"), int) and 1 <= manifest["threads"] <= MAX_THREADS:
            machine = replace(machine, threads=manifest["threads"])
        parts = _assemble(spec, machine, functions, stack)
        scorers = parts.identity["scorers"]
        same = {key: value for key, value in parts.identity.items() if key != "scorers"}
        folder.require_same(**same, device=machine.device)
        changed = find_changed_scorers(folder, scorers, is_accepted=accepts_changed_scorer)
        larger = find_larger_budget(folder, spec, budget)
        with stop_requested():
            for name in changed:
                health_check(parts.running[name])
        write_changes(folder, scorers if changed else None, larger)
        return _run(folder, spec, parts, reports)


@dataclass(frozen=True)
class _Parts:
    """The objects that a specification names; `running` are the scorers as they are called, on workers or not."""

    space: LatentSpace
    oracle: Oracle
    start: list[StartMolecule]
    series: CoreSeries | None
    scorers: Mapping[str, Scorer]
    running: Mapping[str, Scorer]
    identity: Mapping[str, Any]


def _assemble(spec: CampaignSpec, machine: Machine, functions: Mapping[str, ScoreFunction], stack: ExitStack) -> _Parts:
    """Makes the objects that `spec` names, so that mistakes are found before a folder is made."""
    objectives = parse_objectives(
        maximize=spec.maximize,
        minimize=spec.minimize,
        target=spec.target,
        range_=spec.range,
        weight=spec.weight,
        scale=spec.scale,
    )
    constraints = [constraint for text in spec.constraint for constraint in Constraint.parse(text)]
    is_tolerant = spec.on_failure != "stop"
    scorers = parse_scorers(spec.scorer, spec.scorer_command, spec.time_limit_s, is_tolerant=is_tolerant)
    scorers |= {name: InProcessScorer(name, each, is_tolerant=is_tolerant) for name, each in functions.items()}
    named = [*(each.name for each in objectives), *(each.name for each in constraints), *spec.record]
    others = [name for name in named if name not in scorers and not is_own(name)]
    scorers |= find_installed_scorers(others, spec.time_limit_s, is_tolerant=is_tolerant)
    scorers |= find_docking_scorers(others, spec.time_limit_s)
    if machine.workers is not None:
        stack.enter_context(machine.workers)
    running = {name: _running(scorer, machine.workers) for name, scorer in scorers.items()}
    for scorer in running.values():
        stack.callback(scorer.close)
    labels = dict.fromkeys([*(labelled_property(objective.name) for objective in objectives), *scorers])
    given, tallies = start_molecules(spec.start, spec.policy, list(labels))
    use_threads(machine.threads)
    path = Path(spec.checkpoint) if spec.checkpoint else default_checkpoint()
    space = LatentSpace.load(path, device=machine.device)
    molecules = [one.molecule for one in given]
    series = read_series(spec.core, spec.vary, molecules, space)
    constraints += [*([series.constraint] if series else []), *keep_constraints(spec.keep)]
    context = MeasureContext(
        reference=_reference(spec, given),
        predict=make_predict_function(space),
        property_names=space.property_names,
        scorers=running,
        trust=make_trust_function(space),
        familiarity=extend_reference(space.model.familiarity, [*molecules, *(series.members if series else ())]),
        liking=partial(read_liking, space),
    )
    constraints = add_default_constraints(spec.rules, constraints, has_reference=context.familiarity is not None)
    oracle = Oracle(objectives, constraints, context, extra=spec.record)
    _require_pareto_makes_sense(spec, oracle)
    identity = {
        "checkpoint": _identify(space.model, path),
        "inputs": [describe_input(file, tally) for file, tally in tallies.items()],
        "scorers": {name: _scorer_digest(scorer) for name, scorer in scorers.items()},
        **_identify_files(named),
    }
    return _Parts(space, oracle, given, series, scorers, running, identity)


def _identify_files(measures: Sequence[str]) -> dict[str, dict[str, str]]:
    """The manifest entries of the files that measures name, if any: SHA-256 by measure."""
    found: dict[str, dict[str, str]] = {}
    for entry, prefix in (("poses", POSE), ("likes", LIKED)):
        files = {name: Path(name.removeprefix(prefix)).expanduser() for name in measures if name.startswith(prefix)}
        found |= {entry: {name: file_digest(path) for name, path in files.items()}} if files else {}
    return found


def _running(scorer: Scorer, workers: Workers | None) -> Scorer:
    return parallelise(scorer, workers) if workers else scorer


def _identify(model: MolecularModel, path: Path) -> dict[str, str]:
    """The manifest entry of a checkpoint: its path and SHA-256."""
    familiarity = {"familiarity_sha256": model.familiarity.digest} if model.familiarity else {}
    return {"path": str(path.resolve()), "sha256": model.digest, **familiarity}


def _list_inputs(parts: _Parts) -> list[Path]:
    """The files that a campaign reads."""
    scorers = [scorer.path for scorer in parts.scorers.values() if isinstance(scorer, PythonScorer)]
    inputs = [Path(entry["path"]) for entry in parts.identity["inputs"]]
    return [Path(parts.identity["checkpoint"]["path"]), *inputs, *scorers]


def _reference(spec: CampaignSpec, given: Sequence[StartMolecule]) -> Molecule | None:
    if spec.reference is not None:
        return parse_option("reference", spec.reference, spec.policy)
    return given[0].molecule if len(given) == 1 else None


def _require_pareto_makes_sense(spec: CampaignSpec, oracle: Oracle) -> None:
    if spec.pareto and len(oracle.objectives) < 2:
        raise SpecError("pareto", "there is only one objective", remedy="Give several, or leave --pareto out.")


def _scorer_digest(scorer: Scorer) -> str:
    """What identifies a scorer: the SHA-256 of its files, or the version of its package; "" for a program."""
    if isinstance(scorer, DockingScorer):
        return receptor_digest(scorer.folder)
    if isinstance(scorer, InstalledScorer):
        return scorer.version
    if isinstance(scorer, InProcessScorer):
        return scorer.digest
    return file_digest(scorer.path) if isinstance(scorer, PythonScorer) else ""


def _run(folder: RunFolder, spec: CampaignSpec, parts: _Parts, reports: Reports) -> Result:
    folder.log(f"begin: {' '.join(sys.argv)}")
    write_start(folder.path / start.NAME, parts.start)
    if parts.space.model.familiarity is None and not spec.allow_unfamiliar:
        reports.on_note(NO_REFERENCE)
    budgets = read_budgets(folder, spec)
    campaign = CampaignLoop(folder.path, spec, parts.space, parts.oracle, parts.start, budgets[1:], parts.series)

    def on_status(status: CampaignStatus) -> None:
        if status.n_scored:
            folder.keep()
        reports.on_status(status)

    for smiles, reason in _unencodable(campaign):
        reports.on_note(f"start molecule {smiles} cannot be encoded: {reason}")
    with stop_requested() as is_stop_requested:
        campaign.run(on_status, lambda: is_stop_requested() or reports.is_pause_requested())
    status = campaign.status()
    if campaign.feasibility.removed.total():
        reports.on_note(str(campaign.feasibility))
    if status.n_scored < budgets[-1]:
        reports.on_note(
            f"stopped at {status.n_scored} of {budgets[-1]} calls: no new molecules were found; {campaign.feasibility}"
        )
    counts = {"scored": status.n_scored, "proposed": status.n_proposed, "invalid": status.n_invalid}
    counts |= {"duplicate": status.n_duplicate, "filtered": status.n_filtered, "failed": status.n_failed}
    counts |= {"known": status.n_known}
    removed = {str(constraint): n for constraint, n in campaign.feasibility.removed.items()}
    folder.update(end=now(), counts=counts, checked=campaign.feasibility.n_checked, removed=removed)
    folder.log(f"end: {status.n_scored} molecules scored, best {status.best:.6g}")
    return Result(status, campaign.evaluations)


def _unencodable(campaign: CampaignLoop) -> list[tuple[str, str]]:
    """The starting molecules that cannot be encoded, with reasons."""
    smiles = [one.molecule.smiles for one in campaign.start]
    reasons = campaign.space.explain(smiles, is_refined=False).reasons
    return [pair for pair in zip(smiles, reasons, strict=True) if pair[1]]
