"""Curated measurements as CSV, which can be read back, and the report on the rows of the original file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from molgen.errors import FileError
from molgen.paths import write_text
from molgen.project.curation import Compound, Label, RowReport
from molgen.project.quantity import FLIPPED, Relation
from molgen.quoting import csv_cell, from_csv_cell


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


def read_compounds(path: Path, name: str) -> list[Compound]:
    """The compounds with a label of the property `name` in a file that `write_compounds` wrote, in order.

    Structures are taken as they are: they were registered before they were written.

    Raises:
        FileError: The file cannot be read, or is none of these.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(enumerate(csv.DictReader(handle, strict=True), 2))
        return [_compound(line, row, name) for line, row in rows if row[name]]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        reason = f"is no table of curated compounds with {name}: {error}"
        raise FileError(path, reason, remedy="Restore it from a copy.") from None


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


def _compound(line: int, row: dict[str, str], name: str) -> Compound:
    relations: list[Relation] = [known for known in FLIPPED if known == row[f"{name}_relation"]]
    if not relations:
        raise ValueError(f"line {line} has no relation of {name}")
    std = float(row[f"{name}_std"] or math.nan)
    label = Label(float(row[name]), relations[0], int(row[f"{name}_n"]), std)
    return Compound(from_csv_cell(row["id"]), row["smiles"], (line,), {name: label})


def _texts(label: Label | None) -> tuple[str, str, str, str]:
    if label is None:
        return "", "", "", ""
    return number_text(label.value), label.relation, str(label.n), number_text(label.std)
