"""Analogies: A is to B as C is to which molecule? The difference of two latent vectors, applied to a third.

A change of molecules, such as hydrogen to fluorine, is learned from one pair or from many. Its effect on a latent
vector depends on its position in the molecule. So with many pairs, the differences of pairs whose first molecule is
near C are tried, together with their mean, the mean of all pairs and a linear fit. All are decoded at several lengths,
with some noise, and the results are ranked by the agreement of their change from C with that of the pairs. All
molecules are decoded from points; no graph is edited.

Notation: M pairs, D latent dimensions, F substructures, K points.
Source: arithmetic on embeddings, Mikolov et al. 2013 (NAACL, N13-1090), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, FINGERPRINT_BITS, Molecule, fingerprint, parse, tanimoto
from molgen.chem.table import Record, read_molecules
from molgen.errors import FileError, SpecError
from molgen.latent.space import LatentSpace

PAIR_COLUMNS = ("smiles_a", "smiles_b")
N_DECODES = 1200
"""Default number of points decoded."""
SECOND_SHARE = 1 / 3
"""Share of the decodes that lie around the first answers."""
N_PARENTS = 8
"""Number of best first answers that these lie around."""
MAX_ANSWERS = 100
N_NEAREST = 20
"""Number of pairs whose mean is the local difference."""
RIDGE = 200.0
"""Penalty of the linear fit, in squared standard deviations of the prior."""
FEW = 20
"""Minimum number of pairs for a fit."""
NOISE = 0.1
"""Standard deviation of the noise around targets, in standard deviations of the prior; small, since decoding changes
abruptly."""
SECOND_NOISES = (0.05, 0.1, 0.2)
"""The same around the first answers; one is drawn for each point."""
ONE_LENGTH = (0.5, 1.5)
"""Smallest and largest factor on the difference of a single pair."""
LOCAL_LENGTH = (1.0, 2.0)
"""The same for the mean of the nearest pairs; larger, since a mean is shorter than the vectors it averages."""
MEAN_LENGTH = (0.7, 3.0)
"""The same for the mean of all pairs."""
FIT_LENGTH = (0.9, 1.9)
"""The same for the linear fit."""


@dataclass(frozen=True)
class Change:
    """A change of molecules, learned from pairs.

    Attributes:
        origins: (M, D) points of the first molecules.
        differences: (M, D) from the points of the first to those of the second molecules.
        counts: (F,) mean change of the counts of substructures, see `count_environments`.

    Raises:
        SpecError: There are no pairs, or counts do not change.
    """

    origins: Floats
    differences: Floats
    counts: Doubles

    def __post_init__(self) -> None:
        if not len(self.origins):
            raise SpecError(
                "pairs", "none can be encoded", remedy="Give pairs of molecules that `molgen encode` takes."
            )
        if not self.counts.any():
            remedy = "Give two molecules that differ in more than their stereochemistry."
            raise SpecError("pairs", "both molecules have the same groups, so nothing changes", remedy=remedy)

    def nearest(self, space: LatentSpace, point: Floats) -> NDArray[np.int64]:
        """Rows (M,) of the pairs, ordered by the distance of their first molecule to a point (D,)."""
        return np.argsort(np.linalg.norm((self.origins - point) / space.prior_deviation, axis=1), kind="stable")


@dataclass(frozen=True)
class Analogue:
    """A molecule that is to C as B is to A.

    Attributes:
        smiles: Canonical SMILES.
        agreement: Cosine, in [-1, 1], of the change of substructure counts from C with that of the pairs.
        similarity: Tanimoto similarity (ECFP4) to C, in [0, 1].
        distance: Euclidean distance of its latent vector to that of `predict_target`; NaN if it cannot be encoded.
    """

    smiles: str
    agreement: float
    similarity: float
    distance: float = float("nan")

    @property
    def score(self) -> float:
        """Rank score: agreement times similarity."""
        return self.agreement * self.similarity


def count_environments(mol: Chem.Mol) -> Doubles:
    """Counts of F substructures: atoms with their neighbours (Morgan, radius 1, folded)."""
    counts: Doubles = _morgan().GetCountFingerprintAsNumPy(mol).astype(np.float64)
    return counts


def learn_change(space: LatentSpace, pairs: Sequence[tuple[str, str]]) -> Change:
    """The change from the first to the second molecules of pairs of canonical SMILES.

    Raises:
        SpecError: In no pair can both molecules be encoded, or nothing changes.
    """
    points = space.encode([text for pair in pairs for text in pair], AS_IT_IS, is_refined=False)
    points = points.reshape(len(pairs), 2, space.size)
    rows = np.flatnonzero(np.isfinite(points).all(axis=(1, 2))).tolist()
    changes = [_count_change(*pairs[row]) for row in rows]
    counts = np.mean(changes, axis=0) if changes else np.zeros(FINGERPRINT_BITS)
    return Change(points[rows, 0], points[rows, 1] - points[rows, 0], counts)


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Canonical SMILES of the pairs of a table with the columns `smiles_a` and `smiles_b`; other rows are left out.

    Raises:
        FileError: The file cannot be used, lacks a column, or holds no pair of different molecules.
    """
    found: list[dict[int, str]] = []
    for column in PAIR_COLUMNS:
        items = read_molecules(path, smiles_column=column)
        found.append({item.line: item.molecule.smiles for item in items if isinstance(item, Record)})
    first, second = found
    pairs = [(text, second[line]) for line, text in first.items() if line in second and second[line] != text]
    if not pairs:
        remedy = f"Give a CSV file with the columns {' and '.join(PAIR_COLUMNS)}."
        raise FileError(path, "holds no pair of different molecules", remedy=remedy)
    return pairs


def find_analogues(
    space: LatentSpace, change: Change, molecule: Molecule, point: Floats, *, n_decodes: int = N_DECODES, seed: int = 0
) -> list[Analogue]:
    """Distinct molecules that a change makes of `molecule`, at most a hundred, best first.

    Two thirds of the points are targets of the change; the last third lies around the best answers of these.

    Args:
        space: The latent space.
        change: The learned change.
        molecule: C, which is no answer itself.
        point: (D,), of C.
        n_decodes: Number of points decoded.
        seed: Seed of lengths and noise.
    """
    rng = np.random.default_rng(seed)
    judge = _Judge(molecule, change.counts)
    n_second = int(n_decodes * SECOND_SHARE)
    judge.look(space, propose_points(space, change, point, n_decodes - n_second, rng))
    if n_second and judge.found:
        judge.look(space, _around(space, judge, n_second, rng))
    rank = judge.rank()[:MAX_ANSWERS]
    target = predict_target(space, change, point)
    own = space.encode([answer.smiles for answer in rank], AS_IT_IS, is_refined=False)
    distances = np.linalg.norm(own - target, axis=1)
    return [replace(answer, distance=float(distance)) for answer, distance in zip(rank, distances, strict=True)]


def predict_target(space: LatentSpace, change: Change, point: Floats) -> Floats:
    """The point (D,) plus the mean difference of the pairs nearest to it."""
    rows = change.nearest(space, point)[:N_NEAREST]
    target: Floats = point + change.differences[rows].mean(axis=0)
    return target


def propose_points(space: LatentSpace, change: Change, point: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Candidate targets (n, D) of a change of a point (D,)."""
    ways = _ways(space, change, point)
    parts = []
    for rows, (differences, (shortest, longest)) in zip(np.array_split(np.arange(n), len(ways)), ways, strict=True):
        length = rng.uniform(shortest, longest, (len(rows), 1))
        parts.append(length * differences[np.arange(len(rows)) % len(differences)])
    noise = NOISE * space.prior_deviation * rng.standard_normal((n, space.size))
    return np.asarray(point + np.concatenate(parts) + noise, dtype=np.float32)


def _ways(space: LatentSpace, change: Change, point: Floats) -> list[tuple[Floats, tuple[float, float]]]:
    """Differences (K, D), with the smallest and largest factor on each."""
    nearest = change.differences[change.nearest(space, point)]
    if len(nearest) == 1:
        return [(nearest, ONE_LENGTH)]
    local, mean = nearest[:N_NEAREST].mean(axis=0, keepdims=True), nearest.mean(axis=0, keepdims=True)
    ways = [(nearest, (1.0, 1.0)), (local, LOCAL_LENGTH), (mean, MEAN_LENGTH)]
    if len(nearest) >= FEW:
        ways.append((_fit(space, change, point)[None], FIT_LENGTH))
    return ways


def _fit(space: LatentSpace, change: Change, point: Floats) -> Floats:
    """The difference (D,) at a point (D,) by a ridge regression of differences on origins."""
    known = np.c_[change.origins / space.prior_deviation, np.ones(len(change.origins))].astype(np.float64)
    penalty = np.diag(np.append(np.full(space.size, RIDGE), 0.0))
    weights = np.linalg.solve(known.T @ known + penalty, known.T @ change.differences)
    return np.asarray(np.append(point / space.prior_deviation, 1.0) @ weights, dtype=np.float32)


class _Judge:
    """The answers found so far."""

    def __init__(self, molecule: Molecule, wanted: Doubles) -> None:
        self._molecule = molecule
        self._wanted = wanted / np.linalg.norm(wanted)
        self._counts, self._bits = count_environments(molecule.mol), fingerprint(molecule.mol)
        self.found: dict[str, tuple[Analogue, Floats]] = {}
        """By SMILES: the answer, and the point (D,) it was decoded from."""

    def look(self, space: LatentSpace, points: Floats) -> None:
        """Decodes points (K, D) by `decode_region` and by `decode`."""
        texts = [*space.decode_region(points), *space.decode(points)]
        for point, text in zip([*points, *points], texts, strict=True):
            if text is not None and text != self._molecule.smiles and text not in self.found:
                self.found[text] = self._answer(text), point

    def rank(self) -> list[Analogue]:
        """Answers, best first."""
        answers = [answer for answer, _ in self.found.values()]
        return sorted(answers, key=lambda answer: (-answer.score, answer.smiles))

    def _answer(self, text: str) -> Analogue:
        mol = parse(text, AS_IT_IS).mol
        change = count_environments(mol) - self._counts
        agreement = float(change @ self._wanted) / max(float(np.linalg.norm(change)), 1.0)
        return Analogue(text, agreement, tanimoto(fingerprint(mol), self._bits))


def _around(space: LatentSpace, judge: _Judge, n: int, rng: np.random.Generator) -> Floats:
    """Points (n, D) around the points that gave the best answers, and around the latent vectors of these."""
    best = [answer.smiles for answer in judge.rank()[:N_PARENTS]]
    points = np.stack([judge.found[text][1] for text in best])
    own = space.encode(best, AS_IT_IS, is_refined=False)
    centres = np.concatenate([points, np.where(np.isfinite(own), own, points)])
    step = rng.choice(SECOND_NOISES, (n, 1)) * space.prior_deviation * rng.standard_normal((n, space.size))
    return np.asarray(centres[np.arange(n) % len(centres)] + step, dtype=np.float32)


def _count_change(first: str, second: str) -> Doubles:
    return count_environments(parse(second, AS_IT_IS).mol) - count_environments(parse(first, AS_IT_IS).mol)


@cache
def _morgan() -> rdFingerprintGenerator.FingerprintGenerator64:
    return rdFingerprintGenerator.GetMorganGenerator(radius=1, fpSize=FINGERPRINT_BITS)
