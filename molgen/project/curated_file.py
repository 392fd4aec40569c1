"""Curated measurements as CSV, which `curate` reads back unchanged, and the report on the rows of the original file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from molgen.paths import write_text
from molgen.project.curation import Compound, Label, RowReport
from molgen.quoting import csv_cell


def write_compounds(path: Path, compounds: Sequence[Compound], properties: Sequence[str]) -> None:
    """Writes one row per compound: id, smiles, and for each property P the columns P, P_relation, P_n and P_std.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    columns = [column for name in properties for column in (name, f"{name}_relation", f"{name}_n", f"{name}_std")]
    rows = []
    for compound in compounds:
        labels = [text for name in properties for text in _texts(compound.labels.get(name))]
        rows.append([csv_cell(compound.id), compound.smiles, *labels])
    write_text(path, csv_text([["id", "smiles", *columns], *rows]))


def write_report(path: Path, rows: Sequence[RowReport]) -> None:
    """Writes the report: one line per row of the original file, in order.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    lines = []
    for row in rows:
        texts = (row.name, row.structure, row.values, row.outcome, row.compound, "; ".join(row.notes))
        lines.append([str(row.line), *map(csv_cell, texts)])
    header = ["line", "name", "structure", "values", "outcome", "compound", "notes"]
    write_text(path, csv_text([header, *lines]))


def csv_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def number_text(value: float) -> str:
    """A number with six significant digits; "" unless finite."""
    return f"{value + 0.0:.6g}" if math.isfinite(value) else ""


def _texts(label: Label | None) -> tuple[str, str, str, str]:
    if label is None:
        return "", "", "", ""
    return number_text(label.value), label.relation, str(label.n), number_text(label.std)
