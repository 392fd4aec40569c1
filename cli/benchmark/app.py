"""The commands `molgen benchmark ...`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import options, show
from ..console.outputs import check_outputs, require_folder, require_free
from . import instruments, predictors, rounds

app = typer.Typer(no_args_is_help=True, help="Run the benchmarks of molgen.")
app.command()(instruments.instruments)
app.command()(predictors.predictors)
app.command()(rounds.rounds)


@app.command()
def speed(
    data: Annotated[
        Path | None, typer.Argument(help="File of molecules; by default, the shipped sample of MOSES.")
    ] = None,
    checkpoint: options.Checkpoint = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="Seconds per round; each task has three rounds.")] = 10.0,
    limit: Annotated[int, typer.Option(min=2, help="Number of random rows of the file.")] = 5000,
    threads: options.Threads = None,
    is_json: options.Json = False,
) -> None:
    """Measure molecules per second in training, encoding and decoding, beside the VAE of MOSES.

    Example: molgen benchmark speed --threads 1
    """
    from molgen.bench.speed import measure_speeds
    from molgen.chem.sampling import read_sample
    from molgen.device import describe_machine, use_threads
    from molgen.latent.space import LatentSpace
    from molgen.paths import find_shipped

    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    smiles = read_sample(data or find_shipped("data") / "moses_sample.csv", limit)
    with show.progress(1.0, "Measuring") as advance:
        speeds = measure_speeds(space, smiles, seconds, advance)
    about = describe_machine()
    if is_json:
        rows = [asdict(each) | {"ratio": each.ratio} for each in speeds]
        show.as_json({"machine": about, "checkpoint_sha256": space.model.digest, "speeds": rows})
        return
    show.table(
        f"Molecules per second, {about['threads']} thread(s) of {about['processor']}",
        ["task", "molgen", "MOSES VAE", "ratio"],
        [[s.task, _whole(s.molgen), _whole(s.moses), "" if s.ratio is None else f"{s.ratio:.1f}"] for s in speeds],
    )


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


@app.command()
@check_outputs
def pmo(  # noqa: PLR0913 - one parameter per option
    tasks: Annotated[str, typer.Option(help="Names of oracles, separated by commas, or `all`.")] = "all",
    budget: Annotated[int, typer.Option(min=1, help="Oracle calls of a run.")] = 10_000,
    seeds: Annotated[int, typer.Option(min=1, help="Number of runs of each task, with consecutive seeds.")] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of these seeds.")] = 0,
    is_filtered: Annotated[
        bool,
        typer.Option("--kept", help="PMO-kept: score only familiar, stable, neutral molecules without a BRENK alert."),
    ] = False,
    sampler: Annotated[
        str,
        typer.Option(
            help="Sampler: latent or a variant of it (see the docs), tanimoto-bo, random, perturb, cmaes, tpe, gp."
        ),
    ] = "latent",
    checkpoint: options.Checkpoint = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of parallel runs, each on one thread.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", writable=True, help="Folder of the runs, new or to be resumed; with --score, a CSV file."
        ),
    ] = None,
    score: Annotated[
        Path | None,
        typer.Option("--score", help="Only write the value of every oracle for the molecules of this file."),
    ] = None,
    is_self_test: Annotated[
        bool, typer.Option("--self-test", help="Only compare the oracles with reference values.")
    ] = False,
    is_json: options.Json = False,
    is_forced: Annotated[bool, typer.Option("--force", help="With --score, replace an existing file.")] = False,
) -> None:
    """Run PMO (practical molecular optimisation): 23 oracles, and how fast a search finds good molecules.

    Reports the area under the curve of the mean score of the ten best molecules over the calls, beside published
    results. The same command resumes a stopped run.

    Example: molgen benchmark pmo --tasks qed,median1 --budget 1000 --seeds 1 --out pmo
    """
    from molgen.bench.pmo.report import summarise_run, summarise_runs
    from molgen.bench.pmo.run import PmoRun, execute_all, open_folder, require_tasks
    from molgen.bench.pmo.tasks import make_oracles, self_test
    from molgen.bench.proposer import require_reference, require_sampler
    from molgen.errors import SpecError
    from molgen.latent.space import LatentSpace
    from molgen.paths import write_text

    if out is not None and score is not None:
        require_free(out, is_forced)
    elif out is not None:
        require_folder(out)
    worst = self_test()
    show.note(f"{len(make_oracles())} oracles give the reference values; the largest difference is {worst:.1g}")
    if is_self_test:
        return
    if out is None:
        raise SpecError("out", "is missing", remedy="Name it with --out.")
    if score is not None:
        _score_file(score, out)
        return
    require_sampler(sampler)
    space = LatentSpace.load(checkpoint)
    if is_filtered:
        require_reference(space, sampler)
    open_folder(out, space.model.digest, sampler=sampler, budget=budget, molecules="kept" if is_filtered else "all")
    names = require_tasks(tasks.split(","))
    each_seed = range(first_seed, first_seed + seeds)
    runs = [PmoRun(task, seed, budget, sampler, checkpoint, out, is_filtered) for seed in each_seed for task in names]
    with show.progress(float(len(runs) * budget), "Calling oracles") as advance:
        execute_all(runs, workers, advance)
    report = summarise_runs([summarise_run(run, space) for run in runs], budget)
    write_text(out / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    if is_json:
        show.as_json(report)
        return
    _show_report(report)


SHOWN = ("NF-BO", "Tanimoto BO", "InVirtuoGen")
"""Published methods beside the result: the best latent method, and the two best ones that use neither labels beyond
the budget nor a large language model."""


def _score_file(path: Path, out: Path) -> None:
    """Writes the value of every oracle for the molecules of a file."""
    from molgen.bench.pmo.tasks import score_file

    with show.progress(None, "Scoring") as advance:
        n_molecules, n_without = score_file(path, out, advance)
    show.note(f"{out}: {n_molecules} molecules scored, {n_without} rows without one")


def _show_report(report: dict[str, Any]) -> None:
    from molgen.bench.pmo.report import SET_APART

    published = {name: report["published"][name] for name in SHOWN}
    rows = [
        [task, _format_with_std(figures["auc_top_10"]), _format_with_std(figures["auc_1k"]), *_figures(figures)]
        + [f"{table[task]:.3f}" for table in published.values()]
        for task, figures in report["tasks"].items()
    ]
    names = ("auc_top_10", "auc_1k", "top_10_after_100", "final_top_10")
    for label, key, apart in (("sum", "sums", ""), (f"without {SET_APART}", f"sums_without_{SET_APART}", SET_APART)):
        totals = [sum(value for task, value in table.items() if task != apart) for table in published.values()]
        if key == "sums" or apart in report["tasks"]:
            figures = [_format_with_std(report[key][name]) for name in names]
            rows.append([label, *figures, "", "", "", "", "", *(f"{total:.3f}" for total in totals)])
    columns = [
        "task",
        "AUC top-10",
        "first 1,000",
        "100 calls",
        "final top-10",
        "diversity",
        "SA",
        "novel",
        "no BRENK alert",
        "kept",
        *published,
    ]
    show.table(f"PMO, {report['budget']:,} calls, {len(report['seeds'])} seed(s)", columns, rows)


def _figures(figures: dict[str, dict[str, float]]) -> list[str]:
    names = ("top_10_after_100", "final_top_10", "diversity", "sa", "novelty", "passes_brenk", "kept")
    return [f"{figures[name]['mean']:.3f}" for name in names]


def _format_with_std(figure: dict[str, float | None]) -> str:
    spread = "" if figure["deviation"] is None else f" ± {figure['deviation']:.3f}"
    return f"{figure['mean']:.3f}{spread}"


@app.command()
def assay(
    data: Annotated[
        Path | None, typer.Argument(help="File of measured molecules; by default, the shipped D3 assay.")
    ] = None,
    column: Annotated[str, typer.Option("--property", help="Column of the measurements; larger is better.")] = "y",
    budget: Annotated[int, typer.Option(min=20, help="Oracle calls.")] = 200,
    seeds: Annotated[int, typer.Option(min=1, help="Number of random halvings: seeds 0, 1, ...")] = 3,
    checkpoint: options.Checkpoint = None,
    is_json: options.Json = False,
) -> None:
    """Search with the measurements of half an assay, scored by a random forest fitted to the other half.

    Example: molgen benchmark assay data/d3_ki.csv --property y --seeds 1
    """
    from molgen.bench.assay import COMPARED, Assay, search_assay
    from molgen.device import use_threads
    from molgen.latent.space import LatentSpace
    from molgen.paths import find_shipped

    use_threads(1)
    space = LatentSpace.load(checkpoint)
    path = data or find_shipped("data") / "d3_ki.csv"
    results = []
    with show.progress(float(seeds * len(COMPARED)), "Searching") as advance:
        for seed in range(seeds):
            halves = Assay.read(path, column, seed)
            for name in COMPARED:
                results.append(search_assay(halves, space, name, budget))
                advance(float(len(results)), name)
    if is_json:
        show.as_json([asdict(result) for result in results])
        return
    columns = ["search", "seed", "of 20 above best known", "best known", "best", "mean of 20", "SA", "no BRENK alert"]
    rows = [
        [r.search, str(r.seed), str(r.n_above)]
        + [f"{x:.3f}" for x in (r.best_known, r.best, r.mean_top, r.sa, r.passes_brenk)]
        for r in results
    ]
    show.table(f"{path.name}, {budget} calls", columns, rows)
