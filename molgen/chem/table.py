"""Files of molecules, streamed: CSV, TSV, SMI and SDF, plain or .gz, in bounded memory."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from molgen.chem.formats import DELIMITERS, Rejection, Row, sdf_rows, smi_rows, table_rows
from molgen.chem.lines import OnShare, ignore_share, lines
from molgen.chem.molecule import DEFAULT_POLICY, Molecule, Policy, parse
from molgen.errors import FileError, MissingColumnError, MoleculeError
from molgen.paths import replace_file
from molgen.quoting import csv_cell

__all__ = [
    "SUFFIXES",
    "Record",
    "Rejection",
    "Row",
    "Tally",
    "chunked",
    "has_property",
    "read_molecules",
    "read_rows",
    "write_rejections",
]

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".smi", ".smiles", ".sdf", ".sd")


@dataclass(frozen=True, slots=True)
class Record:
    """One row whose structure is a molecule; the fields are those of `Row`."""

    line: int
    name: str
    molecule: Molecule
    values: tuple[float, ...]


Kept = TypeVar("Kept", Row, Record)
Item = TypeVar("Item")


@dataclass(slots=True)
class Tally:
    """Counts of rows.

    Attributes:
        read: Rows read.
        kept: Rows kept.
        rejected: Rows rejected, by reason.
        on_rejection: Called with each rejection; for example the function that `write_rejections` yields.
    """

    read: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    on_rejection: Callable[[Rejection], object] | None = None

    def add(self, item: Row | Record | Rejection) -> None:
        """Counts one item."""
        self.read += 1
        if not isinstance(item, Rejection):
            self.kept += 1
            return
        self.rejected[item.reason] += 1
        if self.on_rejection is not None:
            self.on_rejection(item)

    def retract(self, rejection: Rejection) -> None:
        """Rejects an item that was counted as kept."""
        self.kept -= 1
        self.read -= 1
        self.add(rejection)

    def sift(self, items: Iterable[Kept | Rejection]) -> Iterator[Kept]:
        """Counts all items, and yields those that are not rejections."""
        for item in items:
            self.add(item)
            if not isinstance(item, Rejection):
                yield item

    def require_kept(self, path: str | Path) -> None:
        """Checks that at least one row was kept.

        Raises:
            FileError: No row of `path` was kept; the message counts the reasons.
        """
        if self.kept:
            return
        if not self.read:
            raise FileError(path, "holds no rows", remedy="Give a file with at least one molecule.")
        reasons = ", ".join(f"{count} x {reason}" for reason, count in self.rejected.most_common())
        raise FileError(
            path,
            f"none of {self.read} rows can be used: {reasons}",
            remedy="Check the SMILES column (--smiles-column), or list the rows with --rejects FILE.",
        )


@contextmanager
def write_rejections(path: Path) -> Iterator[Callable[[Rejection], object]]:
    """A function that adds a rejection to the CSV file `path` (line, text, reason), which appears when the block ends.

    If reading fails, the rejections so far are written too.

    Raises:
        OSError: The file cannot be written.
    """
    failure = None
    with (
        replace_file(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as handle,
    ):
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("line", "text", "reason"))
        try:
            yield lambda item: writer.writerow((item.line, csv_cell(item.text), csv_cell(item.reason)))
        except BaseException as error:
            failure = error
    if failure:
        raise failure


def read_molecules(
    path: str | Path,
    policy: Policy = DEFAULT_POLICY,
    *,
    smiles_column: str | None = None,
    properties: Sequence[str] = (),
    on_share: OnShare = ignore_share,
) -> Iterator[Record | Rejection]:
    """The molecules of a file, standardised, in order; see `read_rows`."""
    for row in read_rows(path, smiles_column=smiles_column, properties=properties, on_share=on_share):
        if isinstance(row, Rejection):
            yield row
            continue
        try:
            molecule = parse(row.smiles, policy)
        except MoleculeError as error:
            yield Rejection(row.line, error.text, error.reason)
        else:
            yield Record(row.line, row.name, molecule, row.values)


def read_rows(
    path: str | Path,
    *,
    smiles_column: str | None = None,
    properties: Sequence[str] = (),
    on_share: OnShare = ignore_share,
) -> Iterator[Row | Rejection]:
    """The rows of a file, streamed in order; blank lines are skipped.

    Args:
        path: A file whose suffix is one of `SUFFIXES`, optionally followed by .gz. A .txt file is a table if its first
            line holds a comma, semicolon or tab; otherwise it has one SMILES per line, like .smi.
        smiles_column: Column with the SMILES in a table, or None for the first of `SMILES_COLUMNS`, compared
            in lower case. Files without columns ignore it.
        properties: Columns of a table, or data fields of an SDF, to read as numbers.
        on_share: Called repeatedly with the share of the file that was read.

    Raises:
        FileError: The file is missing, empty, binary, damaged, of an unknown kind, beyond one of `lines.Limits`, or
            lacks a column; raised when the first row, or the damaged one, is read.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix in (".sdf", ".sd"):
        return sdf_rows(path, properties, on_share)
    if suffix in (".smi", ".smiles") or (suffix == ".txt" and not _is_table(path)):
        return smi_rows(path, properties, on_share)
    return table_rows(path, smiles_column, properties, on_share)


def chunked(items: Iterable[Item], n: int) -> Iterator[list[Item]]:
    """The items in lists of `n`, the last one shorter."""
    items = iter(items)
    while chunk := list(islice(items, n)):
        yield chunk


def has_property(path: str | Path, name: str, smiles_column: str | None = None) -> bool:
    """Whether a file has a column, or an SDF a data field, of this name.

    Raises:
        FileError: The file cannot be used at all.
    """
    try:
        next(iter(read_rows(path, smiles_column=smiles_column, properties=(name,))), None)
    except MissingColumnError as missing:
        if missing.column == name:
            return False
        raise
    return True


def _suffix(path: Path) -> str:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise FileError(path, f"unknown kind of file {suffix!r}", remedy=f"Known: {known}, each also with .gz.")
    return suffix


def _is_table(path: Path) -> bool:
    first = next(lines(path))
    return any(delimiter in first for delimiter in DELIMITERS)
