"""The command `molgen benchmark rounds`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import options, show
from ..console.outputs import check_outputs, require_folder

if TYPE_CHECKING:
    from molgen.bench.rounds import RoundsResult


@check_outputs
def rounds(  # noqa: PLR0913 - one parameter an option
    data: Annotated[list[Path], typer.Argument(help="Files of measured molecules, as for `molgen curate`.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", writable=True, file_okay=False, help="Folder of the results, new or begun.")
    ],
    property: Annotated[
        str | None, typer.Option("--property", help="Column of the measurements; by default the only one with numbers.")
    ] = None,
    is_minimized: Annotated[bool, typer.Option("--minimize", help="Less is better; else more is.")] = False,
    proposer: Annotated[
        list[str] | None, typer.Option("--proposer", help="Who proposes, once for each; by default all.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each: seeds 0, 1, ...")] = 10,
    start: Annotated[int, typer.Option(min=2, help="Compounds known at the beginning.")] = 50,
    beginning: Annotated[
        Literal["series", "oldest"],
        typer.Option(help="A series drawn at random, or the first compounds of the file."),
    ] = "series",
    n_rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds.")] = 8,
    n: Annotated[int, typer.Option("-n", min=1, help="Compounds a round.")] = 20,
    checkpoint: options.Checkpoint = None,
    is_json: options.Json = False,
) -> None:
    """Play the assay loop on an assay whose results are known, and count how many of its best compounds are found.

    The batches of `molgen propose` are compared with those of a random forest, of a Gaussian process on fingerprints,
    and with random ones. A benchmark that was stopped goes on when the same command is given again.

    Example: molgen benchmark rounds data/d3_ki.csv --property y --seeds 3 --out rounds
    """
    from molgen.bench.pmo.run import open_folder
    from molgen.bench.predictors import read_assay
    from molgen.bench.rounds import PlayedAssay, RoundsSpec, replay_rounds, require_proposers
    from molgen.device import use_threads
    from molgen.latent.space import LatentSpace

    require_folder(out)
    proposers = require_proposers(proposer or [])
    use_threads(1)
    space = LatentSpace.load(checkpoint)
    spec = RoundsSpec(start, beginning, n_rounds, n)
    sign = -1.0 if is_minimized else 1.0
    open_folder(out, space.model.digest, property=property or "", sign=int(sign), **asdict(spec))
    results: list[RoundsResult] = []
    with show.progress(float(len(data) * seeds * len(proposers)), "Playing") as advance:
        for path in data:
            name, compounds = read_assay(path, property)
            assay = PlayedAssay.of(path.stem, compounds, name, sign, space)
            for seed in range(seeds):
                for one in proposers:
                    results.append(replay_rounds(out, assay, one, spec, seed))
                    advance(float(len(results)), f"{path.stem}, seed {seed}")
    if is_json:
        show.as_json([asdict(result) for result in results])
        return
    columns = ["assay", "proposer", f"best 5 % found after {n_rounds} rounds", "best value", "runs"]
    show.table(f"{n_rounds} rounds of {n}", columns, _rows(results))


def _rows(results: Sequence[RoundsResult]) -> list[list[str]]:
    rows = []
    for assay, proposer in dict.fromkeys((result.assay, result.proposer) for result in results):
        own = [result for result in results if (result.assay, result.proposer) == (assay, proposer)]
        found, best = [result.found[-1] for result in own], [result.best[-1] for result in own]
        error = f" ± {stdev(found) / len(found) ** 0.5:.3f}" if len(found) > 1 else ""
        rows.append([assay, proposer, f"{fmean(found):.3f}{error}", f"{fmean(best):.2f}", str(len(own))])
    return rows
