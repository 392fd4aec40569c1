"""The assay loop on a measured assay: the share of its best compounds that a few rounds of proposals find.

The measurements of a few compounds are known. In each round a proposer picks a batch of the others, whose measurements
become known. All proposers start with the same compounds.

Notation: N compounds of an assay, K known, O the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from molgen.bench.measured_assay import MeasuredAssay
from molgen.chem.molecule import tanimoto_to_many
from molgen.errors import FileError, SpecError
from molgen.latent.combined_model import N_TREES_RANKING, combine_means
from molgen.paths import write_text
from molgen.project.batch import BOLDNESS, CATALOGUE_EXPLORATION, pick_batch
from molgen.search.evolution.surrogate import TanimotoProcess
from molgen.train.fit.forest import MorganForest, fit_forest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Row = TypeVar("_Row", bound="DataclassInstance")
Beginning = Literal["series", "oldest"]
SERIES_ROOM = 2
"""Size of a series (the compounds nearest to a random one), relative to the number of compounds known at the start."""
N_JOINT = 400
"""Number of best candidates among which a batch is picked."""
NOISES = (0.03, 0.1, 0.3, 1.0)
"""Noise variances of the Tanimoto process, relative to that of the signal; the one of highest likelihood is used."""


@dataclass(frozen=True)
class RoundsSpec:
    """Options of the benchmark.

    Attributes:
        n_start: Number of compounds known at the start.
        beginning: Compounds known at the start: `series`, a random half of those nearest to a random compound;
            `oldest`, the first of the file.
        n_rounds: Number of rounds.
        batch: Compounds per round.
    """

    n_start: int = 50
    beginning: Beginning = "series"
    n_rounds: int = 8
    batch: int = 20


@dataclass(frozen=True)
class RoundsResult:
    """The result of one proposer on an assay.

    Attributes:
        assay: Name of the file.
        proposer: One of `PROPOSERS`.
        seed: Seed of the start and of the proposer.
        found: After each round, the share found of the best 5 % of the assay, compounds known at the start left out.
        best: After each round, the best known measurement.
    """

    assay: str
    proposer: str
    seed: int
    found: tuple[float, ...]
    best: tuple[float, ...]


def play_rounds(assay: MeasuredAssay, proposer: str, spec: RoundsSpec, seed: int) -> RoundsResult:
    """The result of a proposer of `PROPOSERS`.

    Raises:
        SpecError: There are too few compounds.
    """
    n_needed = spec.n_start + spec.n_rounds * spec.batch
    if len(assay.y) < n_needed:
        what = f"{assay.name} has {len(assay.y)} compounds, and {n_needed} are needed"
        raise SpecError("data", what, remedy="Use fewer rounds, smaller batches or a smaller start.")
    known = begin(assay, spec, seed)
    wanted = assay.best.copy()
    wanted[known] = False
    found, best = [], []
    for number in range(spec.n_rounds):
        others = np.setdiff1d(np.arange(len(assay.y)), known)
        rng = np.random.default_rng([seed, number])
        known = np.concatenate([known, PROPOSERS[proposer](assay, known, others, spec.batch, rng)])
        found.append(float(wanted[known].sum() / max(1, wanted.sum())))
        best.append(float(assay.y[known].max()))
    return RoundsResult(assay.name, proposer, seed, tuple(found), tuple(best))


def read_or_make(path: Path, kind: type[_Row], make: Callable[[], _Row]) -> _Row:
    """The result in a JSON file, a dataclass `kind`; a missing one is made and written.

    Raises:
        FileError: The file is damaged.
    """
    if path.exists():
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})
        except (ValueError, TypeError, AttributeError):
            raise FileError(
                path, "is not the result of a benchmark", remedy="Remove it; it will be made again."
            ) from None
    result = make()
    write_text(path, json.dumps(asdict(result)) + "\n")
    return result


def require_proposers(names: Sequence[str], known: Iterable[str]) -> list[str]:
    """The names of proposers, by default all.

    Raises:
        SpecError: There is no such proposer.
    """
    every = list(known)
    unknown = [name for name in names if name not in every]
    if unknown:
        raise SpecError("proposer", f"unknown {unknown[0]!r}", remedy=f"Known: {', '.join(every)}.")
    return list(dict.fromkeys(names)) or every


def begin(assay: MeasuredAssay, spec: RoundsSpec, seed: int) -> NDArray[np.int64]:
    """The compounds (K,) known at the start."""
    if spec.beginning == "oldest":
        return np.arange(spec.n_start)
    rng = np.random.default_rng(seed)
    one = int(rng.integers(len(assay.y)))
    nearest = np.argsort(-tanimoto_to_many(assay.bits[one], assay.bits), kind="stable")
    return np.sort(rng.permutation(nearest[: SERIES_ROOM * spec.n_start])[: spec.n_start])


Indices = NDArray[np.int64]
BatchPick = Callable[[MeasuredAssay, Indices, Indices, int, np.random.Generator], Indices]
"""From the known compounds (K,), the others (O,) and a number n to n of the others."""


def _pick_at_random(assay: MeasuredAssay, known: Indices, others: Indices, n: int, rng: np.random.Generator) -> Indices:
    return rng.permutation(others)[:n]


def _pick_by_forest(boldness: float) -> BatchPick:
    """The best by the forest's mean plus `boldness` standard deviations of its trees."""

    def pick(assay: MeasuredAssay, known: Indices, others: Indices, n: int, rng: np.random.Generator) -> Indices:
        mean, std = _fitted_forest(assay, known, rng).predict(assay.features[others])
        return others[np.argsort(-(mean + boldness * std), kind="stable")[:n]]

    return pick


def _fitted_forest(assay: MeasuredAssay, known: Indices, rng: np.random.Generator) -> MorganForest:
    return fit_forest(assay.features[known], assay.y[known], int(rng.integers(2**31)), N_TREES_RANKING)


def _pick_by_tanimoto_process(
    assay: MeasuredAssay, known: Indices, others: Indices, n: int, rng: np.random.Generator
) -> Indices:
    """The best by mean plus one standard deviation of a Gaussian process with the Tanimoto kernel of ECFP4."""
    y, own = assay.y[known][:, None], assay.tanimoto[np.ix_(known, known)]
    fits = [TanimotoProcess((), own, y, noise, mean=y.mean(axis=0)) for noise in NOISES]
    process = max(fits, key=lambda fit: fit.log_likelihood)
    found = process.predict_at(assay.tanimoto[np.ix_(others, known)])
    return others[np.argsort(-(found.mean + found.std)[:, 0], kind="stable")[:n]]


def _pick_by_molgen(assay: MeasuredAssay, known: Indices, others: Indices, n: int, rng: np.random.Generator) -> Indices:
    """A batch picked as by `molgen propose` from a catalogue, but among the best `N_JOINT` only."""
    fitted = assay.fit(known, int(rng.integers(2**31)), N_TREES_RANKING)
    boldness = BOLDNESS[CATALOGUE_EXPLORATION]
    mean, std = fitted.predict_by_process(others)
    of_forest, _ = fitted.predict_by_forest(others)
    combined = combine_means(fitted.share, mean, of_forest)
    best = np.argsort(-(combined + boldness * std), kind="stable")[:N_JOINT]
    top = others[best]
    noise, bits = float(fitted.process.noise[0]), [assay.bits[i] for i in top]
    return top[pick_batch(combined[best], fitted.covariance(top), noise, bits, n, boldness)]


PROPOSERS: Mapping[str, BatchPick] = MappingProxyType(
    {
        "molgen": _pick_by_molgen,
        "forest greedy": _pick_by_forest(0.0),
        "forest ucb": _pick_by_forest(1.0),
        "tanimoto gp": _pick_by_tanimoto_process,
        "random": _pick_at_random,
    }
)
"""Proposers of batches by name: `molgen propose`, and its controls."""
