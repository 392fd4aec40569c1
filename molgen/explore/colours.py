"""Rows of files with the values that colour their molecules on a map: columns of the files, or descriptors.

Rows hold SMILES, not molecule objects, of which 100,000 fill gigabytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.chem.table import Rejection, Row, has_property
from molgen.errors import MoleculeError, SpecError


def find_columns(
    paths: Sequence[Path], names: Sequence[str], smiles_column: str | None = None
) -> list[dict[str, bool]]:
    """For each file, whether each name is one of its columns; a name that is a column of no file is a descriptor.

    Raises:
        SpecError: A name is neither a column of a file nor a descriptor.
        FileError: A file cannot be used.
    """
    columns = [{name: has_property(path, name, smiles_column) for name in names} for path in paths]
    for name in names:
        if name not in DESCRIPTORS and not any(in_file[name] for in_file in columns):
            known, files = ", ".join(DESCRIPTORS), ", ".join(map(str, paths))
            remedy = "Name a column that holds numbers, or one of these descriptors."
            raise SpecError("color", f"{files} has no column {name!r}, nor is it a descriptor: {known}", remedy=remedy)
    return columns


def fill_in_values(
    items: Iterable[Row | Rejection],
    is_column: Mapping[str, bool],
    *,
    on_row: Callable[[int], object] = lambda _n: None,
) -> Iterator[Row | Rejection]:
    """The rows with canonical SMILES and one value for each name, or the reason why a row is invalid.

    Args:
        items: Rows whose values are those of the columns, in the order of `is_column`.
        is_column: By name, whether the file has this column; otherwise the value is that of the descriptor, or NaN if
            there is none of this name.
        on_row: Called with the number of rows done.
    """
    for n_done, item in enumerate(items, 1):
        yield _fill_in(item, is_column) if isinstance(item, Row) else item
        on_row(n_done)


def number_files(files: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of several files, with the number of their file, from 1, as a further value."""
    return [replace(row, values=(*row.values, float(n))) for n, rows in enumerate(files, 1) for row in rows]


def _fill_in(row: Row, is_column: Mapping[str, bool]) -> Row | Rejection:
    try:
        molecule = parse(row.smiles)
    except MoleculeError as error:
        return Rejection(row.line, error.text, error.reason)
    read = iter(row.values)
    values = [
        next(read) if is_there else DESCRIPTORS[name].function(molecule.mol) if name in DESCRIPTORS else math.nan
        for name, is_there in is_column.items()
    ]
    return Row(row.line, molecule.smiles, row.name, tuple(values))
