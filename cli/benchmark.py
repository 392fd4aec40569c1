"""The commands `molgen benchmark ...`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import options, show

app = typer.Typer(no_args_is_help=True, help="Run a benchmark: what molgen's numbers come from.")


@app.command()
def speed(
    data: Annotated[
        Path | None, typer.Argument(help="File of molecules; by default, MOSES molecules molgen ships.")
    ] = None,
    checkpoint: options.Checkpoint = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="Length of a round; each task has three.")] = 10.0,
    limit: Annotated[int, typer.Option(min=2, help="Rows to draw from the file at random.")] = 5000,
    threads: options.Threads = None,
    is_json: options.Json = False,
) -> None:
    """Measure molecules a second of training, encoding and decoding, beside the VAE of MOSES.

    Example: molgen benchmark speed --threads 1
    """
    from molgen.bench.evaluation import read_drawn
    from molgen.bench.speed import machine, speeds_of
    from molgen.latent.space import LatentSpace
    from molgen.model.device import use_threads
    from molgen.paths import shipped

    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    smiles = read_drawn(data or shipped("data") / "moses_sample.csv", limit)
    with show.progress(1.0, "Measuring") as advance:
        speeds = speeds_of(space, smiles, seconds, advance)
    about = machine()
    if is_json:
        rows = [asdict(each) | {"ratio": each.ratio} for each in speeds]
        show.as_json({"machine": about, "checkpoint_sha256": space.model.digest, "speeds": rows})
        return
    show.table(
        f"Molecules a second, {about['threads']} thread(s) of {about['processor']}",
        ["task", "molgen", "MOSES VAE", "ratio"],
        [[s.task, _whole(s.molgen), _whole(s.moses), "" if s.ratio is None else f"{s.ratio:.1f}"] for s in speeds],
    )


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
