"""Ordered molecules with columns of values: as CSV, SMILES lines, SDF, a picture, a data frame or in a notebook."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from molgen.chem.molecule import Molecule, parse, parse_or_none
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import SpecError
from molgen.extras import require_package
from molgen.output.drawing import draw_slim
from molgen.paths import replace_file, write_text
from molgen.quoting import csv_cell, sdf_line, sdf_name

if TYPE_CHECKING:
    from pandas import DataFrame, Series

LISTING_SUFFIXES = (".csv", ".smi", ".sdf", ".svg", ".png")
COLUMNS = 5
CELL_PX = 240
MAX_DRAWN = 100
"""Maximum number of molecules in a picture."""
MAX_SHOWN = 20
"""Maximum number of molecules that a notebook shows."""
N_LEGEND_VALUES = 3
"""Number of values below a structure: the first short ones."""
MAX_VALUE_LENGTH = 24
"""Maximum number of characters of a short value."""

_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:8px;font-size:12px"
_CARD = "border:1px solid #dfe3e8;border-radius:6px;padding:6px 8px;overflow-wrap:anywhere"

Cell = float | str


@dataclass(frozen=True)
class Listing:
    """Molecules with named columns.

    Attributes:
        smiles: N canonical SMILES; "" for a row without a molecule.
        columns: N values by name, in display order; NaN if missing.

    Raises:
        ValueError: A column has another length.
    """

    smiles: tuple[str, ...]
    columns: Mapping[str, tuple[Cell, ...]]

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != len(self.smiles):
                raise ValueError(f"{name} has {len(values)} values for {len(self.smiles)} molecules")

    @classmethod
    def of(cls, smiles: Iterable[str | None], descriptors: Sequence[str] = ("mw", "logp", "qed", "sa")) -> Listing:
        """Molecules, such as samples, with descriptors as columns; a text that is no molecule gives a row without one.

        Raises:
            SpecError: A descriptor is unknown.
        """
        for name in descriptors:
            if name not in DESCRIPTORS:
                raise SpecError("descriptors", f"unknown {name!r}", remedy=f"Known: {', '.join(DESCRIPTORS)}.")
        molecules = [parse_or_none(text if isinstance(text, str) else None) for text in smiles]
        columns = {
            name: tuple(DESCRIPTORS[name].function(molecule.mol) if molecule else math.nan for molecule in molecules)
            for name in descriptors
        }
        return cls(tuple(molecule.smiles if molecule else "" for molecule in molecules), columns)

    @classmethod
    def from_pandas(cls, frame: DataFrame, smiles_column: str = "smiles") -> Listing:
        """Molecules of a data frame, canonical; its other columns are kept, numbers as numbers, the rest as texts.

        Raises:
            SpecError: There is no such column.
        """
        if smiles_column not in frame.columns:
            known = ", ".join(map(str, frame.columns))
            raise SpecError("smiles_column", f"there is no column {smiles_column!r}", remedy=f"Columns: {known}.")
        molecules = [parse_or_none(text if isinstance(text, str) else None) for text in frame[smiles_column]]
        columns = {str(name): _cells(frame[name]) for name in frame.columns if name != smiles_column}
        return cls(tuple(molecule.smiles if molecule else "" for molecule in molecules), columns)

    def to_pandas(self) -> DataFrame:
        """A data frame with the column `smiles`, then the others.

        Raises:
            SpecError: pandas is not installed.
        """
        require_package("pandas", package="pandas", extra="notebook", key="to_pandas")
        from pandas import DataFrame

        return DataFrame({"smiles": list(self.smiles), **{name: list(cells) for name, cells in self.columns.items()}})

    def _repr_html_(self) -> str:
        """HTML with drawings of the first molecules and their values, for a notebook."""
        shown = list(islice(((smiles, values) for smiles, values in self.rows() if smiles), MAX_SHOWN))
        cards = "".join(_card(smiles, values) for smiles, values in shown)
        return f'<p>{len(shown)} of {len(self.smiles)} rows</p><div style="{_GRID}">{cards}</div>'

    def rows(self) -> Iterator[tuple[str, dict[str, Cell]]]:
        """Each row: SMILES and values."""
        for i, smiles in enumerate(self.smiles):
            yield smiles, {name: values[i] for name, values in self.columns.items()}


def require_listing_file(path: Path) -> None:
    """Checks that a file of this name can be written.

    Raises:
        SpecError: Its suffix is none of `LISTING_SUFFIXES`.
    """
    if path.suffix.lower() not in LISTING_SUFFIXES:
        raise SpecError("output", f"{path} must end in one of {', '.join(LISTING_SUFFIXES)}")


def write_listing(path: Path, listing: Listing) -> None:
    """Writes molecules atomically, in the format that the suffix names; only CSV has rows without a molecule.

    Raises:
        SpecError: The suffix is unknown.
        OSError: The file cannot be written; it is then as it was.
    """
    require_listing_file(path)
    write = {".csv": _write_csv, ".smi": _write_smi, ".sdf": _write_sdf, ".svg": _write_svg, ".png": _write_png}
    write[path.suffix.lower()](path, listing)


def format_value(value: Cell) -> str:
    """A number with six significant digits, or a text; "" for NaN."""
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"


def _write_csv(path: Path, listing: Listing) -> None:
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["smiles", *map(csv_cell, listing.columns)])
        writer.writerows([smiles, *map(_cell, values.values())] for smiles, values in listing.rows())


def _cell(value: Cell) -> str:
    return csv_cell(format_value(value))


def _write_smi(path: Path, listing: Listing) -> None:
    write_text(path, "".join(f"{smiles}\n" for smiles in listing.smiles if smiles))


def _write_sdf(path: Path, listing: Listing) -> None:
    """V2000 with 2D coordinates; the title is the row number, from 1."""
    with replace_file(path) as temporary:
        writer = Chem.SDWriter(str(temporary))
        for number, (smiles, values) in enumerate(listing.rows(), 1):
            if smiles:
                mol = _flat(parse(smiles))
                mol.SetProp("_Name", str(number))
                for name, value in {"smiles": smiles, **values}.items():
                    mol.SetProp(sdf_name(name), sdf_line(format_value(value)))
                writer.write(mol)
        writer.close()


def _write_svg(path: Path, listing: Listing) -> None:
    drawing = rdMolDraw2D.MolDraw2DSVG(*_canvas(listing))
    _draw(listing, drawing)
    write_text(path, drawing.GetDrawingText())


def _write_png(path: Path, listing: Listing) -> None:
    drawing = rdMolDraw2D.MolDraw2DCairo(*_canvas(listing))
    _draw(listing, drawing)
    with replace_file(path) as temporary:
        temporary.write_bytes(drawing.GetDrawingText())


def _canvas(listing: Listing) -> tuple[int, int, int, int]:
    """Width and height of a grid of at most five columns, and of a cell, in pixels."""
    n = max(1, min(MAX_DRAWN, sum(map(bool, listing.smiles))))
    return min(COLUMNS, n) * CELL_PX, -(-n // COLUMNS) * CELL_PX, CELL_PX, CELL_PX


def _draw(listing: Listing, drawing: rdMolDraw2D.MolDraw2D) -> None:
    """Draws each structure above its first values."""
    shown = [(parse(smiles), values) for smiles, values in listing.rows() if smiles][:MAX_DRAWN]
    mols = [_flat(molecule) for molecule, _ in shown]
    drawing.drawOptions().drawMolsSameScale = False  # type: ignore[assignment] # RDKit's stub is wrong
    drawing.DrawMolecules(mols, legends=[_legend(values) for _, values in shown])
    drawing.FinishDrawing()


def _legend(values: Mapping[str, Cell]) -> str:
    parts = [(name, value) for name, value in values.items() if 0 < len(format_value(value)) <= MAX_VALUE_LENGTH][
        :N_LEGEND_VALUES
    ]
    return "  ".join(f"{name} {value if isinstance(value, str) else f'{value:.3g}'}" for name, value in parts)


def _flat(molecule: Molecule) -> Chem.Mol:
    mol = Chem.Mol(molecule.mol)
    rdDepictor.Compute2DCoords(mol)
    return mol


def _cells(column: Series) -> tuple[Cell, ...]:
    """Numbers, or texts with "" for what is missing."""
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(column):
        return tuple(column.to_numpy(dtype=float, na_value=math.nan).tolist())
    return tuple("" if is_missing else str(value) for value, is_missing in zip(column, column.isna(), strict=True))


def _card(smiles: str, values: Mapping[str, Cell]) -> str:
    """A molecule of a notebook's grid as HTML."""
    lines = [f"{name} {format_value(value)}" for name, value in values.items() if format_value(value)]
    texts = "<br>".join(map(escape, [smiles, *lines]))
    return f'<div style="{_CARD}">{draw_slim(parse(smiles).mol)}{texts}</div>'
