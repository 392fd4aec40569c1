"""A preference profile: a score for molecules, learned from a few that a user likes, dislikes or compares.

The profile is the mean of a Gaussian process over the labels 1 (liked) and -1 (disliked), or the most probable one over
utilities that explain comparisons. Half of the covariance of two molecules is latent: it falls exponentially with the
distance of their points, in standard deviations of the prior. The other half is the square of their Tanimoto similarity
(ECFP4). So a liked molecule raises the score of similar ones, and near-duplicates count hardly more than one molecule.
Where only points are known, as in an index of millions, a profile of the latent half alone selects a shortlist.

Notation: N molecules, M labels, D latent dimensions.
Source: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, equation 2.25; Tanimoto similarity as a
covariance, Ralaivola et al., Neural Netw. 2005, 18, 1093.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from rdkit.DataStructs import ExplicitBitVect

from molgen.arrays import Doubles, Floats, Integers
from molgen.chem.molecule import AS_IT_IS, Molecule, Policy, fingerprint, parse, tanimoto_to_many
from molgen.errors import SpecError
from molgen.explore.comparisons import fit_comparisons
from molgen.explore.index import Index
from molgen.latent.space import LatentSpace

WIDTH = 0.2
"""Distance at which the latent covariance falls to 1/e, relative to the root mean square distance of two points of the
prior. Chosen, with the other constants of the covariance, on the six assays of docs/benchmarks/instruments.md; from
0.1 to 0.3 the results differ by less than their noise."""
LATENT_SHARE = 0.5
"""Share of the latent part of the covariance; the rest is that of the fingerprint."""
NOISE = 0.1
"""Noise variance of a label, and of a utility in a comparison."""
MAX_LABELS = 4096
CHUNK = 4096
"""Number of points scored at once."""
SHORTLIST = 20_000
"""Default number of rows of an index that are scored as molecules, which takes ten seconds."""
STEPS = (0.2, 0.6)
"""Smallest and largest standard deviation of the noise added to the point of a liked molecule, in standard deviations
of the prior. With less noise most points decode to the molecule itself, with more few are similar to it."""
OVERSAMPLING = 4
"""Molecules found per proposal, of which the most preferred are proposed."""
BATCH_SIZE = 512
"""Number of points decoded at once."""
MAX_DECODED = 100
"""Maximum number of decoded points per requested proposal."""
MIN_DECODED = 2048
"""The limit on decoded points is never below this."""

_FLAT = Policy(fragment="keep", stereo="drop")


@dataclass(frozen=True)
class Labelled:
    """Molecules and their points.

    Attributes:
        bits: M fingerprints.
        z: (M, D), posterior means.

    Raises:
        ValueError: There are more or fewer points than fingerprints, or a point is not finite.
    """

    bits: Sequence[ExplicitBitVect]
    z: Floats

    def __post_init__(self) -> None:
        if len(self.bits) != len(self.z) or not np.isfinite(self.z).all():
            raise ValueError(f"each of {len(self.bits)} molecules must have a point, but there are {len(self.z)}")

    @classmethod
    def of(cls, molecules: Sequence[Molecule], z: Floats) -> Labelled:
        """Molecules and their points (M, D)."""
        return cls([fingerprint(molecule.mol) for molecule in molecules], z)


@dataclass(frozen=True)
class Preference:
    """A profile: 1 for molecules like the liked ones, -1 for those like the disliked ones.

    Attributes:
        deviation: (D,), standard deviation of the prior.
        scaled: (M, D), the points of the labelled or compared molecules, in these deviations.
        bits: Their M fingerprints.
        weights: (M,), (K + noise)^-1 y of equation 2.25, or those of `fit_comparisons`.
        point_weights: (M,), the same for the latent part alone.
        base: The profile far from all these molecules: the mean label, or 0 if more are liked than disliked or if they
            are compared.
    """

    deviation: Floats
    scaled: Floats
    bits: Sequence[ExplicitBitVect]
    weights: Doubles
    point_weights: Doubles
    base: float

    @classmethod
    def of(cls, space: LatentSpace, liked: Labelled, disliked: Labelled) -> Preference:
        """The profile of liked and disliked molecules.

        Raises:
            SpecError: No molecule is liked, or there are too many labels.
        """
        labels = np.repeat([1.0, -1.0], [len(liked.z), len(disliked.z)])
        if not len(liked.z):
            remedy = "Like at least one molecule that can be encoded; ten or more make a profile."
            raise SpecError("like", "no liked molecule is given", remedy=remedy)
        if len(labels) > MAX_LABELS:
            raise SpecError("like", f"at most {MAX_LABELS} labels fit a profile, but got {len(labels)}")
        labelled = Labelled((*liked.bits, *disliked.bits), np.concatenate([liked.z, disliked.z]))
        base = min(0.0, float(labels.mean()))

        def fit(covariance: Doubles) -> Doubles:
            return np.asarray(np.linalg.solve(covariance + NOISE * np.eye(len(labels)), labels - base), np.float64)

        return cls._fitted(space, labelled, fit, base)

    @classmethod
    def of_comparisons(cls, space: LatentSpace, compared: Labelled, pairs: Integers) -> Preference:
        """The profile that explains comparisons: about -1 to 1, and more for what is preferred in many of them.

        Args:
            space: The latent space.
            compared: M distinct molecules.
            pairs: (C, 2), rows of the better and of the worse molecule.

        Raises:
            SpecError: There is no comparison, or there are too many molecules.
        """
        if not len(pairs):
            remedy = "Compare at least two molecules that can be encoded; twenty choices make a profile."
            raise SpecError("like", "no comparison is given", remedy=remedy)
        if len(compared.z) > MAX_LABELS:
            raise SpecError("like", f"at most {MAX_LABELS} molecules can be compared, but got {len(compared.z)}")
        return cls._fitted(space, compared, lambda covariance: fit_comparisons(covariance, pairs, NOISE), 0.0)

    @classmethod
    def _fitted(
        cls, space: LatentSpace, molecules: Labelled, fit: Callable[[Doubles], Doubles], base: float
    ) -> Preference:
        """The profile whose weights `fit` makes of the covariance (M, M) of the molecules."""
        scaled = np.asarray(molecules.z / space.prior_deviation, dtype=np.float32)
        latent = _latent_covariance(scaled, scaled)
        both = LATENT_SHARE * latent + (1 - LATENT_SHARE) * _fingerprint_covariance(molecules.bits, molecules.bits)
        return cls(space.prior_deviation, scaled, molecules.bits, fit(both), fit(latent), base)

    def of_molecules(self, z: Floats, bits: Sequence[ExplicitBitVect]) -> Doubles:
        """The preference (N,) for molecules with points (N, D) and fingerprints; NaN if a point is missing."""
        values = np.empty(len(z))
        for chunk in _chunks(len(z)):
            covariance = LATENT_SHARE * _latent_covariance(z[chunk] / self.deviation, self.scaled)
            covariance += (1 - LATENT_SHARE) * _fingerprint_covariance(bits[chunk], self.bits)
            values[chunk] = self.base + covariance @ self.weights
        return values

    def of_points(self, z: Floats) -> Doubles:
        """The preference (N,) for points (N, D) by the latent part alone; NaN if one is missing."""
        values = np.empty(len(z))
        for chunk in _chunks(len(z)):
            covariance = _latent_covariance(z[chunk] / self.deviation, self.scaled)
            values[chunk] = self.base + covariance @ self.point_weights
        return values


@dataclass(frozen=True)
class ScoredMolecule:
    """A molecule and its preference."""

    molecule: Molecule
    preference: float


def rank_library(
    preference: Preference,
    index: Index,
    n: int,
    *,
    n_shortlist: int = SHORTLIST,
    excluded: Collection[str] = (),
    on_rows: Callable[[int], object] = lambda _rows: None,
) -> list[ScoredMolecule]:
    """At most `n` distinct molecules of a library, the most preferred first.

    Args:
        preference: The profile; its latent part selects a shortlist, whose molecules it scores.
        index: The library.
        n: Number of molecules.
        n_shortlist: Rows of the shortlist, to which the number of excluded molecules is added. A larger
            shortlist misses fewer of the most preferred molecules.
        excluded: Canonical SMILES that are not recommended.
        on_rows: Called with the number of rows done: those of the library, then those plus the shortlist's.

    Raises:
        MoleculeError: A row of the index is no molecule.
    """
    by_point = np.empty(len(index))
    for chunk in _chunks(len(index)):
        by_point[chunk] = preference.of_points(index.points(chunk))
        on_rows(chunk.stop)
    rows = np.sort(np.argsort(-by_point, kind="stable")[: n_shortlist + len(excluded)])
    molecules: list[Molecule] = []
    values = np.empty(len(rows))
    for chunk in _chunks(len(rows)):
        fresh = [parse(index.smiles[row]) for row in rows[chunk].tolist()]
        bits = [fingerprint(molecule.mol) for molecule in fresh]
        values[chunk] = preference.of_molecules(index.points(rows[chunk]), bits)
        molecules += fresh
        on_rows(len(index) + chunk.stop)
    found: dict[str, ScoredMolecule] = {}
    for place in np.argsort(-values, kind="stable").tolist():
        molecule = molecules[place]
        if len(found) < n and molecule.smiles not in excluded:
            found.setdefault(molecule.smiles, ScoredMolecule(molecule, float(values[place])))
    return list(found.values())


def find_nearest_liked(found: Sequence[ScoredMolecule], liked: Sequence[Molecule]) -> list[tuple[Molecule, float]]:
    """For each molecule found, the most similar liked one, and the Tanimoto similarity (ECFP4) in [0, 1] to it."""
    bits = [fingerprint(molecule.mol) for molecule in liked]
    similarities = [tanimoto_to_many(fingerprint(one.molecule.mol), bits) for one in found]
    return [(liked[int(row.argmax())], float(row.max())) for row in similarities]


@dataclass(frozen=True)
class Proposals:
    """New molecules for a profile.

    Attributes:
        molecules: Distinct ones, the most preferred first.
        n_decoded: Number of points decoded.
    """

    molecules: tuple[ScoredMolecule, ...]
    n_decoded: int


def propose(
    space: LatentSpace,
    preference: Preference,
    liked: Floats,
    n: int,
    seed: int,
    *,
    excluded: Collection[str] = (),
    on_found: Callable[[int], object] = lambda _n: None,
) -> Proposals:
    """At most `n` new molecules decoded around liked ones, each with a preference above that far from all labels.

    Stereoisomers of one another or of excluded molecules are not new.

    Args:
        space: The latent space.
        preference: The profile, applied to decoded molecules.
        liked: (L, D) starting points.
        n: Number of molecules.
        seed: Seed of all sampling.
        excluded: Canonical SMILES that are not proposed.
        on_found: Called with the number found so far.
    """
    rng = np.random.default_rng(seed)
    found: list[ScoredMolecule] = []
    seen, n_decoded = {parse(text, _FLAT).smiles for text in excluded}, 0
    limit = max(MIN_DECODED, MAX_DECODED * n)
    while len(found) < OVERSAMPLING * n and n_decoded < limit:
        steps = (
            rng.uniform(*STEPS, (BATCH_SIZE, 1)) * space.prior_deviation * rng.standard_normal((BATCH_SIZE, space.size))
        )
        decoded = space.decode_region(liked[rng.integers(len(liked), size=BATCH_SIZE)] + steps)
        n_decoded += BATCH_SIZE
        fresh = _fresh(decoded, seen)
        z = space.encode(list(fresh), AS_IT_IS, is_refined=False)
        molecules = list(fresh.values())
        values = preference.of_molecules(z, [fingerprint(molecule.mol) for molecule in molecules])
        found += [ScoredMolecule(molecules[i], float(values[i])) for i in np.flatnonzero(values > preference.base)]
        on_found(min(n, len(found) // OVERSAMPLING))
    best = sorted(found, key=lambda each: each.preference, reverse=True)
    return Proposals(tuple(best[:n]), n_decoded)


def _fresh(decoded: Sequence[str | None], seen: set[str]) -> dict[str, Molecule]:
    """The molecules of decoded SMILES that are not in `seen`, to which they are added without stereochemistry."""
    fresh = {}
    for text in decoded:
        if text and (flat := parse(text, _FLAT).smiles) not in seen:
            seen.add(flat)
            fresh[text] = parse(text, AS_IT_IS)
    return fresh


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(n, start + CHUNK)) for start in range(0, n, CHUNK))


def _latent_covariance(a: ArrayLike, b: ArrayLike) -> Doubles:
    """Covariance (N, M) of points (N, D) and (M, D) in standard deviations of the prior.

    Source: exponential covariance, Rasmussen & Williams 2006, equation 4.18.
    """
    from scipy.spatial.distance import cdist

    distances = cdist(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    covariance: Doubles = np.exp(-distances / (WIDTH * np.sqrt(2.0 * np.shape(a)[1])))
    return covariance


def _fingerprint_covariance(a: Sequence[ExplicitBitVect], b: Sequence[ExplicitBitVect]) -> Doubles:
    """Squared Tanimoto similarities (N, M)."""
    return np.array([tanimoto_to_many(one, b) for one in a]).reshape(len(a), len(b)) ** 2
