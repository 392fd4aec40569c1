"""The command `molgen evaluate`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options, show
from .quality import note_rows, show_fits, show_reconstruction


def evaluate(  # noqa: PLR0913 - one parameter an option
    data: Annotated[Path, typer.Argument(help="File of molecules: CSV, TSV, SMI or SDF, plain or .gz.")],
    checkpoint: options.Checkpoint = None,
    properties: Annotated[
        list[str] | None,
        typer.Option(
            "--property", help="Column to compare predictions with; by default, all that the checkpoint predicts."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=1_000_000, help="Points of the prior to decode.")] = 1000,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows to draw from the file at random.")] = None,
    smiles_column: options.SmilesColumn = None,
    rejects: options.Rejects = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_json: options.Json = False,
) -> None:
    """Measure a checkpoint on a file of molecules.

    Reports how many molecules come back exactly, what the prior gives, and how well properties are predicted.

    Example: molgen evaluate molecules.csv --limit 1000
    """
    from molgen.bench.evaluation import Question, evaluate_file
    from molgen.chem.table import Tally, writing_rejections
    from molgen.latent.space import LatentSpace
    from molgen.model.device import resolve_device, use_threads

    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    question = Question(data, tuple(properties or ()), samples, limit, seed, smiles_column)
    with writing_rejections(rejects) if rejects else nullcontext() as listing:
        tally = Tally(on_rejection=listing)
        report = evaluate_file(space, question, tally)
    note_rows(data, tally.kept, tally.read, tally.rejected)
    if is_json:
        show.as_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    measured, samples = report["reconstruction"], report["samples"]
    show_reconstruction(f"{measured['n']} molecules, {measured['encodable']:.1%} of them encodable", measured)
    show.table(
        f"{samples['n']} samples of the prior",
        ["valid", "unique", "new"],
        [[f"{samples[key]:.1%}" for key in ("validity", "uniqueness", "novelty")]],
    )
    if report["predictor"]:
        show_fits("Predictions", [("latent predictor", fit) for fit in report["predictor"]])
