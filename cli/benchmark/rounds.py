"""The command `molgen benchmark rounds`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any, Literal

import typer

from ..console import options, show
from ..console.outputs import check_outputs, require_folder

RunProposer = Callable[..., Any]
"""From a file, an assay, a proposer, a specification and a seed to the result, read from the file if it is there."""


@check_outputs
def rounds(  # noqa: PLR0913 - one parameter per option
    data: Annotated[list[Path], typer.Argument(help="Files of measured molecules, as for `molgen curate`.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", writable=True, file_okay=False, help="Folder of the results, new or to be resumed."
        ),
    ],
    property: Annotated[
        str | None,
        typer.Option("--property", help="Column of the measurements; by default the only column of numbers."),
    ] = None,
    is_minimized: Annotated[
        bool, typer.Option("--minimize", help="Smaller values are better; by default larger ones.")
    ] = False,
    proposer: Annotated[
        list[str] | None, typer.Option("--proposer", help="Proposer; repeatable; by default all.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of runs of each proposer on each file: seeds 0, 1, ...")
    ] = 10,
    start: Annotated[int, typer.Option(min=2, help="Number of compounds known at the start.")] = 50,
    beginning: Annotated[
        Literal["series", "oldest"],
        typer.Option(help="Compounds known at the start: of a random series, or the first of the file."),
    ] = "series",
    n_rounds: Annotated[int, typer.Option("--rounds", min=1, help="Number of rounds.")] = 8,
    n: Annotated[int, typer.Option("-n", min=1, help="Compounds per round.")] = 20,
    limit: Annotated[int, typer.Option(min=20, help="Number of random compounds of each file.")] = 4000,
    is_generative: Annotated[
        bool,
        typer.Option(
            "--new-molecules", help="Propose one batch of new molecules, scored by a random forest of the whole assay."
        ),
    ] = False,
    checkpoint: options.Checkpoint = None,
    is_json: options.Json = False,
) -> None:
    """Run rounds of proposals on a measured assay, and report the share of its best compounds found.

    The batches of `molgen propose` are compared with those of a random forest, of a Gaussian process on fingerprints,
    and with random ones. With --new-molecules, one batch of new molecules is compared with edits of the best known
    compounds. The same command resumes a stopped benchmark.

    Example: molgen benchmark rounds data/d3_ki.csv --property y --seeds 3 --out rounds
    """
    from molgen.bench.measured_assay import MeasuredAssay, read_assay
    from molgen.bench.pmo.run import open_folder
    from molgen.bench.rounds import RoundsSpec
    from molgen.device import use_threads
    from molgen.latent.space import LatentSpace

    require_folder(out)
    run, proposers = _new_molecules(proposer or []) if is_generative else _rounds(proposer or [])
    use_threads(1)
    space = LatentSpace.load(checkpoint)
    spec = RoundsSpec(start, beginning, n_rounds, n)
    sign = -1.0 if is_minimized else 1.0
    facts = {"property": property or "", "sign": int(sign), "limit": limit, **asdict(spec)}
    open_folder(out, space.model.digest, kind="new molecules" if is_generative else "rounds", **facts)
    results: list[Any] = []
    with show.progress(float(len(data) * seeds * len(proposers)), "Proposing") as advance:
        for path in data:
            name, compounds = read_assay(path, property, limit)
            assay = MeasuredAssay.of(path.stem, compounds, name, sign, space)
            for seed, one in product(range(seeds), proposers):
                file = out / f"{path.stem}-{one.replace(' ', '-')}-{seed}.json"
                results.append(run(file, assay, one, spec, seed))
                advance(float(len(results)), f"{path.stem}, seed {seed}")
    if is_json:
        show.as_json([asdict(result) for result in results])
    elif is_generative:
        columns = ["assay", "proposer", f"of {n}, better than all known", "mean by forest", "best by forest", "runs"]
        show.table(f"{n} new molecules", columns, _rows(results, ("n_better", "mean", "best")))
    else:
        columns = ["assay", "proposer", "best 5 % found", "best value", "runs"]
        show.table(f"{n_rounds} rounds of {n}", columns, _rows(results, ("found", "best")))


def _rounds(names: Sequence[str]) -> tuple[RunProposer, list[str]]:
    """The function that runs a proposer for several rounds, and the proposers, by default all."""
    from molgen.bench.rounds import PROPOSERS, RoundsResult, play_rounds, read_or_make, require_proposers

    def run(file: Path, *arguments: Any) -> Any:
        return read_or_make(file, RoundsResult, lambda: play_rounds(*arguments))

    return run, require_proposers(names, PROPOSERS)


def _new_molecules(names: Sequence[str]) -> tuple[RunProposer, list[str]]:
    """The function that runs a proposer of new molecules, and the proposers, by default all."""
    from molgen.bench.inventions import INVENTORS, Inventions, invent
    from molgen.bench.rounds import read_or_make, require_proposers

    def run(file: Path, *arguments: Any) -> Any:
        return read_or_make(file, Inventions, lambda: invent(*arguments))

    return run, require_proposers(names, INVENTORS)


def _rows(results: Sequence[Any], figures: Sequence[str]) -> list[list[str]]:
    """One row per assay and proposer: means over the seeds with standard errors, after the last round."""
    rows = []
    for assay, proposer in dict.fromkeys((result.assay, result.proposer) for result in results):
        own = [result for result in results if (result.assay, result.proposer) == (assay, proposer)]
        values = [[getattr(result, figure) for result in own] for figure in figures]
        last = [[value[-1] if isinstance(value, tuple) else value for value in column] for column in values]
        rows.append([assay, proposer, *map(_mean, last), str(len(own))])
    return rows


def _mean(values: Sequence[float]) -> str:
    error = f" ± {stdev(values) / len(values) ** 0.5:.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.3f}{error}"
