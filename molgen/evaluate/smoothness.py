"""Smoothness: whether points that are near each other belong to similar molecules.

Notation: N molecules, D latent dimensions, M pairs, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto_to_many
from molgen.chem.properties import DESCRIPTORS
from molgen.latent.nearest import nearest_molecules
from molgen.latent.space import GAUSSIAN, LatentSpace
from molgen.metrics import NEIGHBOURS, trustworthiness

N_GEOMETRY = 2000
"""Maximum number of molecules whose distances are compared: two million pairs."""
N_CENTRES = 200
"""Maximum number of molecules whose neighbourhoods are measured."""
N_SCOUTS = 40
"""Number of these molecules that the radius is chosen by."""
N_DECODES = 100
"""Number of points decoded around each molecule."""
RADII = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8)
"""Radii tried: the spread of the points in each dimension, in standard deviations of the prior."""
NEAREST_RADIUS = 0.4
"""The radius for decoding to the nearest molecules, where trying several would take too long."""
USEFUL = (0.5, 0.95)
"""Range of the Tanimoto similarity (ECFP4) between a useful neighbour and the centre: new, but of the same series."""

sa = DESCRIPTORS["sa"].function

Decode = Callable[[Floats], list[str | None]]
"""Canonical SMILES of points (N, D); None if invalid."""


@dataclass(frozen=True)
class Tenth:
    """Pairs of similar Tanimoto distance.

    Attributes:
        tanimoto_distance: Centre of the bin.
        n: Number of pairs.
        low: 10th percentile of their latent distances.
        median: Median of their latent distances.
        high: 90th percentile of their latent distances.
    """

    tanimoto_distance: float
    n: int
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Geometry:
    """Correlation of distances between points with those between molecules.

    Attributes:
        n: Number of molecules.
        pearson: Correlation of Euclidean distance with Tanimoto distance (ECFP4) over all pairs.
        spearman: The same by rank.
        trustworthiness: For each k, whether the k nearest points are the most similar molecules, 1 at best and 0.5 by
            chance (Venna & Kaski 2001, doi:10.1007/3-540-44668-0_68, equation 1); None if N is below 2 k.
        profile: Latent distances of the pairs in each non-empty bin of Tanimoto distance, of width 0.1.
    """

    n: int
    pearson: float
    spearman: float
    trustworthiness: dict[str, float | None]
    profile: tuple[Tenth, ...]


@dataclass(frozen=True)
class Neighbourhood:
    """What is found around molecules.

    Attributes:
        n: Number of molecules.
        radius: Radius used, the best of `RADII` or `NEAREST_RADIUS`: spread of the points in each dimension, in
            standard deviations of the prior.
        useful: Of the distinct molecules decoded from 100 points around a centre, the number with a Tanimoto similarity
            of 0.5 to 0.95 to it; median over the centres.
        familiar: Share of the molecules found, distinct around each centre, whose atom environments of radius 1 all
            occur in training molecules; None if the checkpoint has no familiarity reference or nothing was found.
        sa_rise: Mean SA score of the molecules around a centre minus that of the centre, averaged over the centres;
            None if nothing was found.
    """

    n: int
    radius: float
    useful: float
    familiar: float | None
    sa_rise: float | None


@dataclass(frozen=True)
class Consistency:
    """Whether encoding inverts decoding away from known molecules.

    Attributes:
        n: Number of points of the prior that decode to a molecule that can be encoded.
        distance: Median distance between the latent vector of the decoded molecule and the point, relative to the
            median distance between two points of the prior.
        changed: Share of these molecules whose own latent vector decodes to something else.
    """

    n: int
    distance: float
    changed: float


def measure_geometry(z: Floats, smiles: Sequence[str]) -> Geometry:
    """Geometry of points (N, D) without NaN and of their molecules; N is at least 3."""
    from scipy.spatial.distance import pdist, squareform
    from scipy.stats import pearsonr, spearmanr

    latent = pdist(z.astype(np.float64))
    fingerprints = [fingerprint(parse(text).mol) for text in smiles]
    square = np.stack([1.0 - tanimoto_to_many(one, fingerprints) for one in fingerprints])
    chemical = squareform(square, checks=False)
    return Geometry(
        n=len(z),
        pearson=float(pearsonr(latent, chemical).statistic),
        spearman=float(spearmanr(latent, chemical).statistic),
        trustworthiness={
            str(k): trustworthiness(square, squareform(latent), k) if len(z) >= 2 * k else None for k in NEIGHBOURS
        },
        profile=_profile(latent, chemical),
    )


def _profile(latent: Doubles, chemical: Doubles) -> tuple[Tenth, ...]:
    tenths = np.minimum((chemical * 10).astype(int), 9)
    return tuple(
        Tenth((i + 0.5) / 10, int((tenths == i).sum()), *np.percentile(latent[tenths == i], (10, 50, 90)).tolist())
        for i in range(10)
        if (tenths == i).any()
    )


def measure_neighbourhood(
    space: LatentSpace, smiles: Sequence[str], seed: int, on_centre: Callable[[], object] = lambda: None
) -> Neighbourhood:
    """The neighbourhood of encodable molecules, at the radius with most useful neighbours of the first 40 molecules.

    Points are decoded by `LatentSpace.vary`.

    Args:
        space: The latent space.
        smiles: Canonical SMILES, at least one; the first 200 are used.
        seed: Seed of the points around the molecules.
        on_centre: Called after each molecule at each radius.
    """
    centres = list(smiles[:N_CENTRES])
    points = space.encode(centres, AS_IT_IS)

    def look(n: int, radius: float) -> list[list[str]]:
        return _neighbours(
            space, points[:n], centres[:n], radius, seed, lambda z, _: space.vary(z, seed=seed), on_centre
        )

    n_scouts = min(N_SCOUTS, len(centres))
    radius = max(RADII, key=lambda each: _median_useful(centres, look(n_scouts, each)))
    return _describe(space, centres, radius, look(len(centres), radius))


def count_neighbourhood_steps(n: int) -> int:
    """Number of calls of `on_centre` by `measure_neighbourhood` for `n` molecules."""
    return min(n, N_CENTRES) + len(RADII) * min(n, N_SCOUTS)


def measure_nearest_neighbourhood(
    space: LatentSpace, smiles: Sequence[str], seed: int, on_centre: Callable[[], object] = lambda: None
) -> Neighbourhood:
    """The neighbourhood of encodable molecules, where points decode to their nearest molecules.

    The molecule at the centre is one of those that the search for the nearest molecules starts from.

    Args:
        space: The latent space.
        smiles: Canonical SMILES, at least one; the first 200 are used.
        seed: Seed of the points around the molecules, and of `nearest_molecules`.
        on_centre: Called after each molecule.
    """
    centres = list(smiles[:N_CENTRES])
    points = space.encode(centres, AS_IT_IS)

    def decode(z: Floats, centre: str) -> list[str | None]:
        return nearest_molecules(space, z, seed, [centre])

    found = _neighbours(space, points, centres, NEAREST_RADIUS, seed, decode, on_centre)
    return _describe(space, centres, NEAREST_RADIUS, found)


def measure_consistency(space: LatentSpace, n: int, seed: int, decode: Decode | None = None) -> Consistency:
    """Consistency of `n` points of the Gaussian prior, decoded by `decode` (by default greedily) and encoded again."""
    points = space.sample_points(n, seed, prior=GAUSSIAN)
    decode = decode or space.decode
    decoded = decode(points)
    again = space.encode([text or "" for text in decoded], AS_IT_IS)
    rows = np.flatnonzero(np.isfinite(again).all(axis=1))
    if not len(rows):
        return Consistency(0, float("nan"), float("nan"))
    second = decode(again[rows])
    typical = np.median(np.linalg.norm(points[1:] - points[:-1], axis=1)) if n > 1 else np.nan
    return Consistency(
        n=len(rows),
        distance=float(np.median(np.linalg.norm(again[rows] - points[rows], axis=1)) / typical),
        changed=float(np.mean([decoded[row] != text for row, text in zip(rows, second, strict=True)])),
    )


def _neighbours(
    space: LatentSpace,
    points: Floats,
    centres: Sequence[str],
    radius: float,
    seed: int,
    decode: Callable[[Floats, str], list[str | None]],
    on_centre: Callable[[], object],
) -> list[list[str]]:
    """For each centre, with its point in `points` (N, D): the distinct other molecules decoded around it, sorted."""
    found = []
    for i, (point, smiles) in enumerate(zip(points, centres, strict=True)):
        noise = np.random.default_rng(seed + i).standard_normal((N_DECODES, space.size)).astype(np.float32)
        decoded = decode(point + radius * space.prior_deviation * noise, smiles)
        found.append(sorted({text for text in decoded if text} - {smiles}))
        on_centre()
    return found


def _median_useful(centres: Sequence[str], found: Sequence[Sequence[str]]) -> float:
    return float(np.median([_count_useful(smiles, texts) for smiles, texts in zip(centres, found, strict=False)]))


def _count_useful(centre: str, texts: Sequence[str]) -> int:
    bits = [fingerprint(parse(text).mol) for text in texts]
    similarity = tanimoto_to_many(fingerprint(parse(centre).mol), bits)
    return int(((similarity >= USEFUL[0]) & (similarity <= USEFUL[1])).sum())


def _describe(
    space: LatentSpace, centres: Sequence[str], radius: float, found: Sequence[Sequence[str]]
) -> Neighbourhood:
    mols = [[parse(text).mol for text in texts] for texts in found]
    rises = [
        np.mean([sa(mol) for mol in around]) - sa(parse(smiles).mol)
        for smiles, around in zip(centres, mols, strict=True)
        if around
    ]
    reference = space.model.familiarity if rises else None
    is_familiar = [reference.unfamiliar(mol).n_radius_1 == 0 for around in mols for mol in around] if reference else []
    return Neighbourhood(
        n=len(centres),
        radius=radius,
        useful=_median_useful(centres, found),
        familiar=float(np.mean(is_familiar)) if is_familiar else None,
        sa_rise=float(np.mean(rises)) if rises else None,
    )
