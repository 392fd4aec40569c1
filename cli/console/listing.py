"""Molecules as the result of a command: a table or JSON, and optionally a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import show

if TYPE_CHECKING:
    from molgen.output.listing import Cell, Listing

Output = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        writable=True,
        dir_okay=False,
        help="Also write the molecules: .csv, .smi, .sdf, or a picture: .svg, .png.",
    ),
]


def require_output(output: Path | None) -> None:
    """Checks that the requested file has a known suffix.

    Raises:
        SpecError: Its suffix is unknown.
    """
    from molgen.output.listing import require_listing_file

    if output:
        require_listing_file(output)


def show_listing(title: str, listing: Listing, report: Mapping[str, Any], output: Path | None, is_json: bool) -> None:
    """Prints molecules, as a table or as JSON with `report`, and writes the requested file.

    Args:
        title: Above the table.
        listing: The molecules.
        report: Further entries of the JSON; the table states them in its title.
        output: The file, or None.
        is_json: Whether JSON is printed.
    """
    from molgen.output.listing import write_listing

    if output:
        write_listing(output, listing)
        show.note(f"The molecules are in {output}")
    if is_json:
        molecules = [{"smiles": smiles or None, **values} for smiles, values in listing.rows()]
        show.as_json({**report, "molecules": molecules})
        return
    rows = [[*map(_short, values.values()), smiles] for smiles, values in listing.rows()]
    show.table(title, [*listing.columns, "SMILES"], rows)


def _short(value: Cell) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.4g}"
