"""The command `molgen decode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import options, show
from .console.outputs import Temperature, check_outputs, require_molecule_file, write_molecules

CHUNK = 1024


@check_outputs
def decode(  # noqa: PLR0913 - one parameter per option
    vectors: Annotated[Path, typer.Argument(help="File of latent vectors: .npz, .csv or .parquet.")],
    output: Annotated[
        Path, typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the molecules: .smi or .csv.")
    ],
    checkpoint: options.Checkpoint = None,
    temperature: Temperature = 0.0,
    is_nearest: Annotated[
        bool,
        typer.Option(
            "--nearest",
            help="Search for the molecule whose own latent vector is nearest to each vector; far slower.",
        ),
    ] = False,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_forced: options.Force = False,
) -> None:
    """Decode latent vectors to molecules.

    Row i of the output belongs to row i of the input; it is empty where decoding gives no valid molecule.

    Example: molgen decode vectors.npz -o molecules.smi
    """
    from molgen.device import resolve_device, use_threads
    from molgen.errors import NothingValidError, SpecError
    from molgen.latent.nearest import nearest_molecules
    from molgen.latent.space import LatentSpace
    from molgen.latent.vectors import read_vectors

    if is_nearest and temperature > 0.0:
        raise SpecError("nearest", "cannot be combined with a temperature")
    require_molecule_file(output)
    use_threads(threads)
    points = read_vectors(vectors)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    points.require_checkpoint(vectors, space.model.digest, space.size)
    smiles: list[str | None] = []
    with show.progress(len(points), "Decoding") as advance:
        for start in range(0, len(points), CHUNK):
            chunk = points.z[start : start + CHUNK]
            if is_nearest:
                smiles += nearest_molecules(space, chunk, seed)
            else:
                smiles += space.decode(chunk, temperature=temperature, seed=seed, first_row=start)
            advance(len(smiles))
    n_valid = sum(text is not None for text in smiles)
    show.note(f"{vectors}: {n_valid} of {len(smiles)} rows gave a molecule")
    write_molecules(output, smiles)
    if not n_valid:
        raise NothingValidError(f"{vectors}: no row gave a molecule")
