"""Random samples of the molecules of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from molgen.chem.molecule import Molecule, parse
from molgen.chem.table import Record, Rejection, Row, Tally, read_rows
from molgen.errors import MoleculeError
from molgen.paths import find_shipped

T = TypeVar("T")


def read_sample(path: Path, limit: int | None, seed: int = 0) -> list[str]:
    """Canonical SMILES of the molecules of a file, or of `limit` random rows; invalid rows are left out.

    Raises:
        FileError: The file, or all of its rows, cannot be used.
    """
    tally = Tally()
    found = [record.molecule.smiles for record in tally.sift(parse_rows(draw_items(read_rows(path), limit, seed)))]
    tally.require_kept(path)
    return found


def draw_items(items: Iterable[T], limit: int | None, seed: int) -> list[T]:
    """All of `items`, or a uniform random sample of `limit` of them, in their order; only the sample is kept in memory.

    Source: Vitter 1985, Random sampling with a reservoir (doi:10.1145/3147.3165), algorithm R.
    """
    if limit is None:
        return list(items)
    rng = np.random.default_rng(seed)
    kept: dict[int, tuple[int, T]] = {}
    for i, item in enumerate(items):
        place = i if i < limit else int(rng.integers(i + 1))
        if place < limit:
            kept[place] = i, item
    return [item for _, item in sorted(kept.values(), key=lambda pair: pair[0])]


def parse_rows(rows: Iterable[Row | Rejection]) -> Iterator[Record | Rejection]:
    """The molecule of each row, or the reason why it is invalid, in order."""
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        try:
            yield Record(row.line, row.name, parse(row.smiles), row.values)
        except MoleculeError as error:
            yield Rejection(row.line, error.text, error.reason)


def draw_shipped_molecules(n: int, seed: int = 0) -> list[Molecule]:
    """`n` random molecules of the shipped sample of MOSES."""
    rows = [row for row in read_rows(find_shipped("data") / "moses_sample.csv") if not isinstance(row, Rejection)]
    chosen = np.random.default_rng(seed).permutation(len(rows))[:n]
    return [parse(rows[row].smiles) for row in sorted(chosen.tolist())]
