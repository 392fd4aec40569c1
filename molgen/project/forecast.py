"""Forecasts for molecules: mean, standard deviation, interval, applicability, and the nearest known compound.

Notation: N molecules, P properties, K known compounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from rdkit.DataStructs import ExplicitBitVect
from scipy.stats import norm

from molgen.arrays import Doubles
from molgen.chem.molecule import AS_IT_IS, Molecule, fingerprint, parse, tanimoto_to_many
from molgen.chem.table import chunked
from molgen.errors import MoleculeError, SpecError
from molgen.latent.remote import SpaceWorkers, map_chunks
from molgen.latent.space import LatentSpace
from molgen.latent.trust import make_trust_function
from molgen.model.molecule_process import ABOVE, BELOW, EXACT, MISSING, MoleculeProcess
from molgen.project.curation import Compound
from molgen.project.quantity import Relation
from molgen.project.replicates import Label

CHUNK = 256
"""Molecules predicted at once."""
INTERVAL = 0.9
"""Default coverage of intervals."""

RELATIONS: dict[int, Relation] = {EXACT: "=", BELOW: "<", ABOVE: ">"}


@runtime_checkable
class Columns(Protocol):
    """Columns by name, such as a dict or a data frame."""

    def keys(self) -> Iterable[str]:
        """Names."""

    def __getitem__(self, name: str, /) -> Iterable[object]: ...


@dataclass(frozen=True)
class Known:
    """K compounds with measured properties.

    Attributes:
        ids: Names.
        smiles: Canonical SMILES.
        labels: Labels of each compound, by property.
    """

    ids: tuple[str, ...] = ()
    smiles: tuple[str, ...] = ()
    labels: tuple[Mapping[str, Label], ...] = ()

    @classmethod
    def of(cls, compounds: Sequence[Compound]) -> Known:
        """The curated compounds."""
        ids, smiles = (c.id for c in compounds), (c.smiles for c in compounds)
        return cls(tuple(ids), tuple(smiles), tuple(c.labels for c in compounds))


@dataclass(frozen=True)
class Forecast:
    """Forecasts for N molecules, in their order.

    Attributes:
        smiles: Canonical SMILES; "" for an invalid text.
        reasons: Why there is no forecast, such as an invalid text; "" if there is one.
        properties: P names.
        mean: (N, P), NaN without a forecast.
        std: (N, P), standard deviation of a measurement, noise included.
        lower: (N, P), lower end of the central interval of a measurement.
        upper: (N, P), its upper end.
        applicability: (N,) in [0, 1], the trust in the molecule; NaN without an applicability domain.
        nearest: Index (N,) of the most similar known compound, or -1.
        similarity: (N,) Tanimoto similarity (ECFP4) to it, or NaN.
        known: The known compounds.
    """

    smiles: tuple[str, ...]
    reasons: tuple[str, ...]
    properties: tuple[str, ...]
    mean: Doubles
    std: Doubles
    lower: Doubles
    upper: Doubles
    applicability: Doubles
    nearest: NDArray[np.int64]
    similarity: Doubles
    known: Known

    def columns(self) -> dict[str, list[float | str]]:
        """Named columns of N values, as a data frame takes them; NaN for a missing number, "" for a missing text.

        These are `smiles`; `P_mean`, `P_std`, `P_lower` and `P_upper` of each property P; `applicability`; with known
        compounds, `nearest`, `nearest_smiles`, `nearest_similarity` and `nearest_P` of each property, such as ">5"; and
        `reason`.
        """
        columns: dict[str, list[float | str]] = {"smiles": list(self.smiles)}
        for p, name in enumerate(self.properties):
            for part in ("mean", "std", "lower", "upper"):
                columns[f"{name}_{part}"] = getattr(self, part)[:, p].tolist()
        columns["applicability"] = self.applicability.tolist()
        if self.known.ids:
            columns |= self._nearest_columns()
        columns["reason"] = list(self.reasons)
        return columns

    def _nearest_columns(self) -> dict[str, list[float | str]]:
        rows = self.nearest.tolist()
        columns: dict[str, list[float | str]] = {
            "nearest": ["" if row < 0 else self.known.ids[row] for row in rows],
            "nearest_smiles": ["" if row < 0 else self.known.smiles[row] for row in rows],
            "nearest_similarity": self.similarity.tolist(),
        }
        for name in self.properties:
            labels = [None if row < 0 else self.known.labels[row].get(name) for row in rows]
            columns[f"nearest_{name}"] = ["" if label is None else label_text(label) for label in labels]
        return columns


def label_text(label: Label) -> str:
    """A label as text: 7.1, >5 or ~6."""
    return f"{'' if label.relation == '=' else label.relation}{label.value:.6g}"


def forecast(
    space: LatentSpace,
    smiles: Sequence[str],
    known: Known | None = None,
    interval: float = INTERVAL,
    on_done: Callable[[int], object] = lambda n_done: None,
    workers: SpaceWorkers | None = None,
) -> Forecast:
    """Forecasts for N texts; a text without a forecast has a reason instead.

    Args:
        space: Its checkpoint predicts properties.
        smiles: N texts.
        known: Compounds in which to find the nearest one; by default those of the checkpoint.
        interval: Coverage of the intervals, above 0 and below 1.
        on_done: Called with the number of molecules done.
        workers: Where to predict; by default here.

    Raises:
        SpecError: The checkpoint predicts nothing, or `interval` is out of range.
        MolgenError: Workers fail, see `map_chunks`.
    """
    if not 0.0 < interval < 1.0:
        raise SpecError("interval", f"must be above 0 and below 1, but is {interval:g}")
    known = known or known_of(space)
    predict_chunk = partial(_predict_chunk, known=known.smiles)
    parts = [_predict_chunk(space, [], known.smiles)]
    for part in map_chunks(space, predict_chunk, chunked(smiles, CHUNK), workers):
        parts.append(part)
        on_done(min(CHUNK * (len(parts) - 1), len(smiles)))
    mean, std = (np.concatenate([getattr(part, name) for part in parts]) for name in ("mean", "std"))
    width = _half_width(space, interval) * std
    return Forecast(
        tuple(text for part in parts for text in part.smiles),
        tuple(reason for part in parts for reason in part.reasons),
        space.property_names,
        mean,
        std,
        mean - width,
        mean + width,
        np.concatenate([part.applicability for part in parts]),
        np.concatenate([part.nearest for part in parts]),
        np.concatenate([part.similarity for part in parts]),
        known,
    )


@dataclass(frozen=True)
class _Part:
    """The attributes of a `Forecast` for a chunk of molecules that do not depend on the others."""

    smiles: tuple[str, ...]
    reasons: tuple[str, ...]
    mean: Doubles
    std: Doubles
    applicability: Doubles
    nearest: NDArray[np.int64]
    similarity: Doubles


def _predict_chunk(space: LatentSpace, chunk: Sequence[str], known: tuple[str, ...]) -> _Part:
    molecules = [_parsed(text) for text in chunk]
    texts = tuple(molecule.smiles if isinstance(molecule, Molecule) else "" for molecule in molecules)
    rows = [i for i, text in enumerate(texts) if text]
    valid = [texts[i] for i in rows]
    mean, std = (np.full((len(texts), len(space.property_names)), math.nan) for _ in range(2))
    mean[rows], std[rows] = space.predict_molecules(valid)
    trust, value_trust = np.full(len(texts), math.nan), make_trust_function(space)
    if value_trust is not None:
        trust[rows] = value_trust(valid)
    reasons = tuple(_reasons(space, molecules, mean))
    return _Part(texts, reasons, mean, std, trust, *nearest_known(molecules, known))


def known_of(space: LatentSpace) -> Known:
    """The measured compounds of a checkpoint, possibly none."""
    predictor = space.model.predictor
    if not isinstance(predictor, MoleculeProcess):
        return Known()
    labels = []
    for values, relations in zip(predictor.labels.tolist(), predictor.relations.tolist(), strict=True):
        row = zip(predictor.config.properties, values, relations, strict=True)
        labels.append({name: Label(value, RELATIONS[code]) for name, value, code in row if code != MISSING})
    return Known(predictor.smiles, predictor.smiles, tuple(labels))


def _half_width(space: LatentSpace, interval: float) -> Doubles:
    """Half-width (P,) of an interval in standard deviations, calibrated or that of a normal distribution."""
    predictor = space.model.predictor
    if isinstance(predictor, MoleculeProcess):
        return np.asarray(predictor.half_width(interval).numpy(), dtype=np.float64)
    return np.full(len(space.property_names), norm.ppf(0.5 + interval / 2))


def nearest_known(molecules: Sequence[Molecule | str], known: tuple[str, ...]) -> tuple[NDArray[np.int64], Doubles]:
    """For N molecules, the index of the most similar known SMILES (the first of equals), and the similarity, (N,).

    A reason in place of a molecule gives -1 and NaN.
    """
    nearest, similarity = np.full(len(molecules), -1), np.full(len(molecules), math.nan)
    bits = _fingerprints(known)
    for i, molecule in enumerate(molecules):
        if bits and isinstance(molecule, Molecule):
            values = tanimoto_to_many(fingerprint(molecule.mol), bits)
            nearest[i] = int(values.argmax())
            similarity[i] = values[nearest[i]]
    return nearest, similarity


@lru_cache(maxsize=2)
def _fingerprints(smiles: tuple[str, ...]) -> list[ExplicitBitVect]:
    return [fingerprint(parse(text, AS_IT_IS).mol) for text in smiles]


def predict(
    table: Iterable[str] | Columns,
    checkpoint: LatentSpace | str | Path | None = None,
    *,
    interval: float = INTERVAL,
    smiles_column: str = "smiles",
) -> dict[str, list[float | str]]:
    """Forecasts as named columns, the input of `pandas.DataFrame`; row i belongs to molecule i.

    Args:
        table: SMILES, such as a list or a series, or columns by name, such as a data frame, with a column of SMILES.
        checkpoint: A space, or the path of a checkpoint that predicts properties.
        interval: Coverage of the intervals.
        smiles_column: Name of the column of SMILES.

    Raises:
        SpecError: The table is one text or has no such column, `interval` is out of range, or the checkpoint predicts
            nothing.
        CheckpointError: The checkpoint cannot be used.
    """
    space = checkpoint if isinstance(checkpoint, LatentSpace) else LatentSpace.load(checkpoint)
    if isinstance(table, str):
        raise SpecError("table", "must be a list of SMILES or columns, but is one text")
    texts: Iterable[object] = cast(Iterable[object], table)
    if isinstance(table, Columns) and getattr(table, "ndim", 2) == 2:  # a pandas.Series has keys too
        names = list(map(str, table.keys()))
        if smiles_column not in names:
            remedy = f"Name it with smiles_column; the table has {', '.join(names)}."
            raise SpecError("smiles_column", f"no column {smiles_column!r}", remedy=remedy)
        texts = table[smiles_column]
    return forecast(space, [str(text) for text in texts], interval=interval).columns()


def _parsed(text: str) -> Molecule | str:
    """The molecule, or the reason why the text is invalid."""
    try:
        return parse(text)
    except MoleculeError as error:
        return error.reason


def _reasons(space: LatentSpace, molecules: Sequence[Molecule | str], mean: Doubles) -> list[str]:
    reasons = [molecule if isinstance(molecule, str) else "" for molecule in molecules]
    lost = [i for i, molecule in enumerate(molecules) if isinstance(molecule, Molecule) and np.isnan(mean[i]).all()]
    texts = [molecule.smiles for i in lost if isinstance(molecule := molecules[i], Molecule)]
    for i, reason in zip(lost, space.explain(texts, AS_IT_IS, is_refined=False).reasons, strict=True):
        reasons[i] = reason
    return reasons
