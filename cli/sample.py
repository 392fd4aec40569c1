"""The command `molgen sample`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options, show
from .outputs import Temperature, require_molecule_file, write_molecules

if TYPE_CHECKING:
    from molgen.bench.samples import Samples

CHUNK = 1024


def sample(  # noqa: PLR0913 - one parameter an option
    n: Annotated[int, typer.Option("-n", min=1, max=10_000_000, help="Points to draw.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to: .smi or .csv; by default, standard output."),
    ] = None,
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    temperature: Temperature = 0.0,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Sample molecules from the prior of the latent space; points that give none are left out.

    Example: molgen sample -n 1000 -o samples.smi
    """
    from molgen.bench.samples import quality_of
    from molgen.errors import NothingValidError
    from molgen.latent.space import LatentSpace
    from molgen.model.device import resolve_device, use_threads

    if output:
        require_molecule_file(output, is_forced)
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    decoded: list[str | None] = []
    with show.progress(n, "Sampling") as advance:
        points = space.sample_points(n, seed)
        for start in range(0, n, CHUNK):
            decoded += space.decode(points[start : start + CHUNK], temperature=temperature, seed=seed + start)
            advance(len(decoded))
    quality = quality_of(space, decoded)
    valid = [text for text in decoded if text is not None]
    if output:
        write_molecules(output, valid)
    if is_json:
        show.as_json(asdict(quality) | ({} if output else {"smiles": valid}))
    elif output is None:
        for text in valid:
            show.data(text)
    show.note(_summary(quality))
    if not valid:
        raise NothingValidError("no point gave a molecule")


def _summary(quality: Samples) -> str:
    return (
        f"{quality.n} points: {quality.validity:.1%} valid, {quality.uniqueness:.1%} of those unique, "
        f"{quality.novelty:.1%} of those new"
    )
