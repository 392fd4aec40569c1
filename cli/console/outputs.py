"""Files that commands write, checked before the work is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        min=0.0,
        max=100.0,
        help="0 takes the likeliest token at each step; 1 draws tokens as the model does, above it wilder.",
    ),
]

MOLECULE_SUFFIXES = (".smi", ".csv")


def require_free(output: Path, is_forced: bool) -> None:
    """Asks that `output` can be written, and does not exist unless that is forced.

    Raises:
        FileError: It cannot, or it does.
    """
    from molgen.errors import FileError

    if not output.parent.is_dir():
        raise FileError(output, "its folder does not exist", remedy="Make the folder first, or name another.")
    if output.is_dir():
        raise FileError(output, "is a folder", remedy="Name another file with --output.")
    if output.exists() and not is_forced:
        raise FileError(output, "exists already", remedy="Name another file, or replace it with --force.")


def require_molecule_file(output: Path, is_forced: bool) -> None:
    """Asks that `output` is a .smi or .csv file that can be written.

    Raises:
        SpecError: It has another suffix.
        FileError: It cannot be written, or exists and that is not forced.
    """
    from molgen.errors import SpecError

    if output.suffix not in MOLECULE_SUFFIXES:
        raise SpecError("output", f"{output} must end in .smi or .csv")
    require_free(output, is_forced)


def write_molecules(output: Path, smiles: Sequence[str | None]) -> None:
    """Writes one molecule a line, an empty one for None; a .csv file numbers its rows from 1."""
    from molgen.paths import write_text

    if output.suffix == ".csv":
        rows = [f"{row},{text or ''}" for row, text in enumerate(smiles, 1)]  # no SMILES holds a comma or a quote
        write_text(output, "\n".join(["row,smiles", *rows]) + "\n")
    else:
        write_text(output, "".join(f"{text or ''}\n" for text in smiles))
