"""The command `molgen benchmark predictors`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import options, show

if TYPE_CHECKING:
    from molgen.bench.predictors import PredictorResult

FIGURES = ("r2", "rmse", "spearman", "coverage")


def predictors(
    data: Annotated[list[Path], typer.Argument(help="Files of measured molecules, as for `molgen curate`.")],
    property: Annotated[
        str | None,
        typer.Option("--property", help="Column of the measurements; by default the only column of numbers."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of splits: seeds 0, 1, ...")] = 3,
    limit: Annotated[int, typer.Option(min=20, max=5000, help="Number of random compounds of each file.")] = 4000,
    trees: Annotated[int, typer.Option(min=1, help="Number of trees of the forest.")] = 500,
    checkpoint: options.Checkpoint = None,
    is_json: options.Json = False,
) -> None:
    """Compare the fitted predictor with a random forest on Morgan fingerprints, on held-out scaffolds.

    Example: molgen benchmark predictors data/d3_ki.csv --property y --seeds 1 --limit 500
    """
    from molgen.bench.measured_assay import MeasuredAssay, read_assay
    from molgen.bench.predictors import compare_predictors
    from molgen.device import use_threads
    from molgen.latent.space import LatentSpace

    use_threads(1)
    space = LatentSpace.load(checkpoint)
    splits: list[list[PredictorResult]] = []
    with show.progress(float(len(data) * seeds), "Comparing") as advance:
        for path in data:
            name, compounds = read_assay(path, property, limit)
            assay = MeasuredAssay.of(path.stem, compounds, name, 1.0, space)
            for seed in range(seeds):
                splits.append(compare_predictors(assay, seed, trees))
                advance(float(len(splits)), path.stem)
    results = list(chain.from_iterable(splits))
    if is_json:
        show.as_json([asdict(result) for result in results])
        return
    columns = ["assay", "predictor", "learned from", "R2", "RMSE", "rank correlation", "in 90 % interval"]
    show.table(f"{seeds} split(s) by scaffold", columns, _rows(results))


def _rows(results: list[PredictorResult]) -> list[list[str]]:
    rows = []
    for assay, predictor in dict.fromkeys((result.assay, result.predictor) for result in results):
        own = [result for result in results if (result.assay, result.predictor) == (assay, predictor)]
        figures = [f"{fmean(getattr(result.fit, name) for result in own):.3f}" for name in FIGURES]
        rows.append([assay, predictor, f"{fmean(result.n_train for result in own):.0f}", *figures])
    return rows
