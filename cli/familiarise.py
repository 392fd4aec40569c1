"""The command `molgen familiarise`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import options, show
from .console.outputs import check_outputs
from .console.quality import note_rows

if TYPE_CHECKING:
    from molgen.chem.table import Tally


@check_outputs
def familiarise(
    data: Annotated[list[Path], typer.Argument(help="Files of real molecules: CSV, TSV, SMI or SDF, plain or .gz.")],
    checkpoints: Annotated[
        list[Path],
        typer.Option("--checkpoint", help="Checkpoint (.safetensors) whose .json will name the reference; repeatable."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            writable=True,
            dir_okay=False,
            help="File for the reference: .safetensors, beside the checkpoints.",
        ),
    ],
    min_count: Annotated[
        int, typer.Option(min=1, help="Number of molecules in which a part must occur to be familiar.")
    ] = 1,
    smiles_column: options.SmilesColumn = None,
    is_forced: options.Force = False,
) -> None:
    """Make the atom environments and ring systems of the molecules of files the familiar ones of checkpoints.

    `molgen train` does this with its training molecules. The weights are not changed.

    Example: molgen familiarise zinc.smi.gz --checkpoint my.safetensors -o my.familiarity.safetensors
    """
    from molgen.errors import SpecError
    from molgen.model.checkpoint import write_familiarity
    from molgen.train.fit.familiarity import read_reference

    if output.suffix != ".safetensors":
        raise SpecError("output", f"{output} must end in .safetensors")

    def note_file(path: Path, tally: Tally) -> None:
        note_rows(path, tally.kept, tally.read, tally.rejected)

    with show.progress(1.0, "Reading") as advance:
        reference = read_reference(
            data, min_count=min_count, smiles_column=smiles_column, on_file=note_file, watch=advance
        )
    write_familiarity(reference, output, checkpoints)
    show.data(f"{output}: {len(reference.environments)} atom environments, {len(reference.ring_systems)} ring systems")
