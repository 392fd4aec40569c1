"""The three kinds of file that hold molecules: tables, SMILES lines and SDF, each as a stream of rows.

A broken file raises `FileError`; a broken row is a `Rejection`, and reading goes on.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from molgen.chem.lines import Limits, OnShare, excess, ignore_share, lines
from molgen.chem.molecule import molblock_to_smiles
from molgen.errors import FileError, MissingColumnError, MoleculeError
from molgen.quoting import from_csv_cell

DELIMITERS = (",", ";", "\t")

SMILES_COLUMNS = (
    "smiles", "canonical_smiles", "isomeric_smiles", "isomericsmiles", "structure", "mol", "molecule", "drug",
)  # fmt: skip
"""Names of the SMILES column in files of ChEMBL, PubChem, MoleculeNet, TDC, REINVENT and MOSES; of those that a file
has, the first in this order is used."""

NAME_COLUMNS = ("id", "name", "title", "drug_id", "compound_id", "molecule_chembl_id", "compound", "compound_name")

MISSING = frozenset({"", "nan", "na", "null", "none"})
"""Texts for a missing number, in lower case."""

_MAX_ROW_LINES = 20  # of one table row; more lines mean an open quote, which would swallow the file


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, its structure not yet parsed.

    Attributes:
        line: 1-based line on which the row starts.
        smiles: Structure as written in the file (of an SDF record: as RDKit writes it).
        name: Name, or "" where the file has none.
        values: One number for each requested property, NaN where it is missing.
    """

    line: int
    smiles: str
    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that cannot be used.

    Attributes:
        line: 1-based line on which the row starts.
        text: The faulty text: the SMILES, the number, or the title of the record.
        reason: Short and the same for all rows with this fault, so that they can be counted by it.
    """

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Columns:
    """0-based positions of columns; `name` is None if the table has no names."""

    count: int
    smiles: int
    name: int | None
    properties: tuple[tuple[str, int], ...]


def table_rows(
    path: Path, smiles_column: str | None, properties: Sequence[str], on_share: OnShare
) -> Iterator[Row | Rejection]:
    """The rows of a table whose first line is the header; see `molgen.chem.table.read_rows`."""
    texts = lines(path, on_share)
    header = next(texts)
    delimiter = max(DELIMITERS, key=lambda each: len(_split(header, each)))
    columns = _locate(path, _split(header, delimiter), smiles_column, properties)
    for line, fields in _fields(path, texts, delimiter):
        if any(fields):
            yield _table_row(line, fields, columns)


def _fields(path: Path, texts: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row below the header, with the line on which it starts."""
    reader = csv.reader(texts, delimiter=delimiter)
    line = 2
    try:
        for fields in reader:
            if reader.line_num + 2 - line > _MAX_ROW_LINES:
                raise csv.Error(f"it runs over more than {_MAX_ROW_LINES} lines")
            yield line, fields
            line = reader.line_num + 2
    except csv.Error as error:
        raise FileError(path, f"broken row: {error}", line=line, remedy="Is a quote left open?") from error


def _table_row(line: int, fields: list[str], columns: _Columns) -> Row | Rejection:
    if any(fields[columns.count :]):
        return Rejection(line, ",".join(fields), "more fields than the header has columns")
    if len(fields) < columns.count:
        return Rejection(line, ",".join(fields), "fewer fields than the header has columns")
    name = from_csv_cell(fields[columns.name].strip()) if columns.name is not None else ""
    texts = [(prop, fields[position]) for prop, position in columns.properties]
    return _row(line, fields[columns.smiles].strip(), name, texts)


def _row(line: int, smiles: str, name: str, texts: Iterable[tuple[str, str]]) -> Row | Rejection:
    values = []
    for prop, text in texts:
        value = _number(text.strip())
        if value is None:
            return Rejection(line, text, f"property {prop} {_why_no_number(text.strip())}")
        values.append(value)
    return Row(line, smiles, name, tuple(values))


def _why_no_number(text: str) -> str:
    """What a text that is no number looks like, and the commands that read it, if any."""
    if text[:1] in tuple("<>=~\u2264\u2265\u2248"):
        return "is a bound such as >10, which `molgen curate` and `molgen fit` read"
    if re.fullmatch(r"[+-]?[\d.]*,\d+", text):
        return "has a decimal comma, which `molgen curate` and `molgen fit` read"
    if re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?\s*[a-zA-Z\u00b5\u03bc%]+(/\w+)?", text):
        return "has a unit, which `molgen curate` and `molgen fit` read"
    return "is not a number"


def _number(text: str) -> float | None:
    """The finite number in a text, NaN for a missing number, None if it is no number."""
    if text.casefold() in MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _split(line: str, delimiter: str) -> list[str]:
    return [column.strip() for column in next(csv.reader([line], delimiter=delimiter), [])]


def _locate(path: Path, columns: list[str], smiles_column: str | None, properties: Sequence[str]) -> _Columns:
    names = SMILES_COLUMNS if smiles_column is None else (smiles_column,)
    smiles = _find(columns, names)
    if smiles is None:
        wanted = "no SMILES column" if smiles_column is None else f"no column {smiles_column!r}"
        remedy = "Name the column that holds the SMILES with --smiles-column."
        raise _missing(path, wanted, names[0], columns, remedy)
    positions = tuple((prop, _position(path, columns, prop)) for prop in properties)
    return _Columns(len(columns), smiles, _find(columns, NAME_COLUMNS), positions)


def _position(path: Path, columns: list[str], prop: str) -> int:
    position = _find(columns, (prop,))
    if position is None:
        raise _missing(path, f"no column {prop!r}", prop, columns, "Name one of these columns.")
    return position


def _find(columns: Sequence[str], names: Iterable[str]) -> int | None:
    """The position of the first of `names` that is a column, without regard to case and with blanks as underscores."""
    plain = [_plain(column) for column in columns]
    for name in names:
        if name in columns:
            return columns.index(name)
        if _plain(name) in plain:
            return plain.index(_plain(name))
    return None


def _plain(column: str) -> str:
    return column.casefold().strip().replace(" ", "_")


def _missing(path: Path, what: str, column: str, seen: Sequence[str], remedy: str) -> MissingColumnError:
    return MissingColumnError(path, f"{what}; saw: {', '.join(seen) or 'none'}", column=column, remedy=remedy)


def smi_rows(path: Path, properties: Sequence[str], on_share: OnShare) -> Iterator[Row | Rejection]:
    """The rows of a file with a SMILES and an optional name on each line, with or without a header."""
    if properties:
        raise MissingColumnError(
            path,
            f"a file of SMILES has no column {properties[0]!r}",
            column=properties[0],
            remedy="Properties are read from .csv, .tsv and .sdf files.",
        )
    for line, text in enumerate(lines(path, on_share), 1):
        smiles, _, name = text.strip().replace("\t", " ").partition(" ")
        if smiles and not (line == 1 and smiles.casefold() in SMILES_COLUMNS):
            yield Row(line, smiles, name.strip(), ())


def sdf_rows(path: Path, properties: Sequence[str], on_share: OnShare) -> Iterator[Row | Rejection]:
    """The records of an SDF: name from the title, properties from the data fields."""
    _require_fields(path, properties)
    for line, record in _sdf_records(path, on_share):
        yield _sdf_row(line, record, properties)


def _require_fields(path: Path, properties: Sequence[str]) -> None:
    """Reads an SDF until each property was found in a record, usually the first one."""
    seen: dict[str, None] = {}
    missing = set(properties)
    for text in lines(path) if missing else ():
        name = _field_name(text)
        if name is not None:
            seen[name] = None
            missing.discard(name)
            if not missing:
                return
    if missing:
        field = min(missing)
        raise _missing(path, f"no data field {field!r}", field, list(seen), "Name one of these fields.")


def _sdf_records(path: Path, on_share: OnShare) -> Iterator[tuple[int, list[str]]]:
    """Each record of an SDF with its first line number; text after the last $$$$ is a record unless blank."""
    limit = Limits.current().record
    start, record, n_chars = 1, list[str](), 0
    for line, text in enumerate(lines(path, on_share), 1):
        if not text.startswith("$$$$"):
            record.append(text)
            n_chars += len(text)
            if n_chars > limit:
                raise excess(path, f"a record of more than {limit:,} characters", start)
            continue
        yield start, record
        start, record, n_chars = line + 1, [], 0
    if any(text.strip() for text in record):
        yield start, record


def _sdf_row(line: int, record: list[str], properties: Sequence[str]) -> Row | Rejection:
    end = next((at for at, text in enumerate(record) if text.startswith("M  END")), len(record) - 1) + 1
    fields = _data_fields(record[end:])
    try:
        smiles = molblock_to_smiles("".join(record[:end]))
    except MoleculeError as error:
        return Rejection(line, error.text, error.reason)
    return _row(line, smiles, record[0].strip(), ((prop, fields.get(prop, "")) for prop in properties))


def _data_fields(texts: list[str]) -> dict[str, str]:
    """The first line of each data field of an SDF record."""
    names = ((_field_name(text), value.strip()) for text, value in pairwise(texts))
    return {name: value for name, value in names if name is not None}


def _field_name(text: str) -> str | None:
    """The name in a data header such as `> <pIC50> (1)`, or None for any other line."""
    if not text.startswith(">") or "<" not in text:
        return None
    return text[text.index("<") + 1 :].rpartition(">")[0]


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row of a table or SDF with all its fields as text.

    Attributes:
        line: 1-based line on which the row starts.
        smiles: Structure as written in the file (of an SDF record: as RDKit writes it).
        name: Name, or "" where the file has none.
        texts: Every column or data field, by its name.
    """

    line: int
    smiles: str
    name: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class TextTable:
    """A table or SDF, read whole.

    Attributes:
        columns: Names, in the order of the file.
        delimiter: The delimiter of a table; "" for an SDF.
        rows: In the order of the file.
    """

    columns: tuple[str, ...]
    delimiter: str
    rows: tuple[TextRow | Rejection, ...]


def table_texts(path: Path, smiles_column: str | None) -> TextTable:
    """A table whose first line is the header, optionally after Excel's `sep=;`.

    Raises:
        FileError: The file cannot be used.
    """
    texts = lines(path)
    first, n_before = next(texts), 0
    separator = re.fullmatch(r"sep=(.)\s*", first, re.IGNORECASE)
    if separator:
        first, n_before = next(texts, ""), 1
    delimiter = separator[1] if separator else max(DELIMITERS, key=lambda each: len(_split(first, each)))
    header = _split(first, delimiter)
    columns = _locate(path, header, smiles_column, ())
    rows: list[TextRow | Rejection] = []
    for line, fields in _fields(path, texts, delimiter):
        if any(map(str.strip, fields)):
            row = _table_row(line + n_before, fields, columns)
            named = dict(zip(header, map(str.strip, fields), strict=False))
            rows.append(row if isinstance(row, Rejection) else TextRow(row.line, row.smiles, row.name, named))
    return TextTable(tuple(header), delimiter, tuple(rows))


def sdf_texts(path: Path) -> TextTable:
    """The records of an SDF.

    Raises:
        FileError: The file cannot be used.
    """
    columns: dict[str, None] = {}
    rows: list[TextRow | Rejection] = []
    for line, record in _sdf_records(path, ignore_share):
        row = _sdf_row(line, record, ())
        fields = _data_fields(record)
        columns |= dict.fromkeys(fields)
        if isinstance(row, Rejection):
            rows.append(row)
            continue
        id_field = _find(list(fields), NAME_COLUMNS)
        name = row.name or ("" if id_field is None else list(fields.values())[id_field])
        rows.append(TextRow(row.line, row.smiles, name, fields))
    return TextTable(tuple(columns), "", tuple(rows))
