"""The command `molgen encode`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from .console import options, show
from .console.outputs import check_outputs
from .console.quality import note_rows


@check_outputs
def encode(  # noqa: PLR0913 - one parameter per option
    data: options.Molecules,
    output: Annotated[
        Path,
        typer.Option(
            "--out", "-o", writable=True, dir_okay=False, help="File for the vectors: .npz, .csv or .parquet."
        ),
    ],
    checkpoint: options.Checkpoint = None,
    fragment: options.Fragment = "largest",
    charge: options.Charge = "keep",
    stereo: options.Stereo = "keep",
    smiles_column: options.SmilesColumn = None,
    rejects: options.Rejects = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_forced: options.Force = False,
) -> None:
    """Encode molecules as latent vectors.

    Row i of the output belongs to row i of the input; a row that cannot be encoded is kept, without a vector.

    Example: molgen encode molecules.csv -o vectors.npz
    """
    from molgen.chem.molecule import Policy
    from molgen.chem.table import Tally, read_molecules, write_rejections
    from molgen.device import resolve_device, use_threads
    from molgen.latent.space import LatentSpace
    from molgen.latent.vectors import encode_items, require_writable_kind, write_vectors

    require_writable_kind(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    policy = Policy(fragment, charge, stereo)
    with write_rejections(rejects) if rejects else nullcontext() as listing:
        tally = Tally(on_rejection=listing)
        with show.progress(1.0, "Encoding") as advance:
            items = read_molecules(data, policy, smiles_column=smiles_column, on_share=advance)
            vectors = encode_items(space, items, tally)
    tally.require_kept(data)
    write_vectors(output, vectors)
    note_rows(data, tally.kept, tally.read, tally.rejected)
