"""One report on a latent space, measured on a file of molecules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from molgen.bench.reconstruction import AS_IT_IS, reconstruction_of, samples_of
from molgen.bench.regression import predictor_fits
from molgen.chem.molecule import parse
from molgen.chem.table import Record, Rejection, Row, Tally, has_property, read_rows
from molgen.errors import MoleculeError, SpecError
from molgen.latent.space import LatentSpace

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """What to measure.

    Attributes:
        path: File of molecules.
        properties: Columns to compare predictions with; where none is named, all that are predicted and there.
        n_samples: Points of the prior to decode.
        limit: Rows to draw from the file at random, or None for all.
        seed: Draws rows and points.
        smiles_column: Name of the SMILES column, or None to detect it.
    """

    path: Path
    properties: tuple[str, ...] = ()
    n_samples: int = 1000
    limit: int | None = None
    seed: int = 0
    smiles_column: str | None = None


def evaluate_file(space: LatentSpace, question: Question, tally: Tally) -> dict[str, Any]:
    """The report; numbers that do not exist are None.

    Args:
        space: What is judged.
        question: What to measure.
        tally: Counts the rows.

    Raises:
        FileError: The file cannot be used, or no row of it can.
        SpecError: The checkpoint does not predict a property that is asked for.
    """
    names = _properties(space, question)
    rows = read_rows(question.path, smiles_column=question.smiles_column, properties=names)
    records = list(tally.sift(_parsed(drawn(rows, question.limit, question.seed))))
    tally.require_kept(question.path)
    smiles = [record.molecule.smiles for record in records]
    fits = []
    if names:
        y = np.array([record.values for record in records], dtype=np.float64)
        fits = predictor_fits(space, names, space.encode(smiles, AS_IT_IS), y)
    report = {
        "data": str(question.path),
        "checkpoint_sha256": space.model.digest,
        "reconstruction": asdict(reconstruction_of(space, smiles)),
        "samples": asdict(samples_of(space, question.n_samples, question.seed)),
        "predictor": [asdict(fit) for fit in fits],
    }
    return dict(without_nan(report))


def drawn(items: Iterable[T], limit: int | None, seed: int) -> list[T]:
    """All of `items`, or `limit` of them in their order, each choice equally likely, in bounded memory.

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


def without_nan(value: Any) -> Any:
    """`value` with None for each number in it that JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _properties(space: LatentSpace, question: Question) -> tuple[str, ...]:
    for name in question.properties:
        if name not in space.property_names:
            known = ", ".join(space.property_names) or "nothing"
            raise SpecError("property", f"the checkpoint does not predict {name!r}; it predicts {known}")
    if question.properties:
        return question.properties
    return tuple(name for name in space.property_names if has_property(question.path, name, question.smiles_column))


def _parsed(rows: Iterable[Row | Rejection]) -> Iterator[Record | Rejection]:
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        try:
            yield Record(row.line, row.name, parse(row.smiles), row.values)
        except MoleculeError as error:
            yield Rejection(row.line, error.text, error.reason)
