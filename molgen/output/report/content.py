"""The content of a report before any markup: facts, tables, plots and molecules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from molgen.chem.molecule import Molecule
from molgen.output.drawing import draw_slim
from molgen.output.listing import Cell
from molgen.output.report.plot import Plot


@dataclass(frozen=True)
class Facts:
    """Names with a text each."""

    title: str
    rows: Sequence[tuple[str, str]]
    is_folded: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of texts under a header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Plots:
    """Plots side by side."""

    title: str
    plots: Sequence[Plot]
    note: str = ""


@dataclass(frozen=True)
class Card:
    """A molecule of a grid.

    Attributes:
        id: Its unique name in the report.
        smiles: Canonical SMILES.
        drawing: An SVG element of `draw_slim`.
        cells: A value for each column of the grid; NaN or "" if missing.
    """

    id: str
    smiles: str
    drawing: str
    cells: Sequence[Cell]

    @classmethod
    def of(cls, id: str, molecule: Molecule, cells: Sequence[Cell]) -> Card:
        """A card with the drawing of its molecule."""
        return cls(id, molecule.smiles, draw_slim(molecule.mol), cells)

    def texts(self) -> list[str]:
        """The cells as displayed."""
        return [show_cell(cell) for cell in self.cells]


@dataclass(frozen=True)
class Grid:
    """Molecules that can be sorted and filtered by their columns.

    Attributes:
        title: Title above the grid.
        columns: Names.
        cards: In their initial order.
        note: A further line.
    """

    title: str
    columns: Sequence[str]
    cards: Sequence[Card]
    note: str = ""

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds only numbers, at least one of which is not NaN."""
        cells = [card.cells[column] for card in self.cards]
        return any(isinstance(cell, float) and not math.isnan(cell) for cell in cells) and not any(
            isinstance(cell, str) for cell in cells
        )


Section = Facts | Table | Plots | Grid


@dataclass(frozen=True)
class Report:
    """A page.

    Attributes:
        title: Its subject.
        subtitle: A further line.
        figures: The most important numbers: name and text.
        sections: In order.
    """

    title: str
    subtitle: str
    figures: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def show_cell(cell: Cell) -> str:
    """A number with four significant digits, a whole number in full; "" for NaN."""
    if isinstance(cell, str):
        return cell
    if math.isnan(cell):
        return ""
    return f"{cell:.0f}" if cell == round(cell) and abs(cell) < 1e15 else f"{cell:.4g}"


def flatten_entries(entries: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The values of nested mappings and lists, each with its path of names, joined by dots."""
    return [(".".join(names), text) for names, text in _flatten((), entries)]


def _flatten(names: tuple[str, ...], value: Any) -> Iterable[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten((*names, str(name)), inner)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for number, inner in enumerate(value, 1):
            yield from _flatten((*names, str(number)), inner)
    elif isinstance(value, list):
        yield names, " ".join(map(str, value)) if names == ("command",) else "; ".join(map(str, value))
    else:
        yield names, str(value)
