"""Benchmark of recommendation: whether a preference profile finds the actives of an assay.

Ten actives are liked and ten inactives disliked, drawn at random; the rest of the assay is the library. The score is
the share of actives among the first twenty. The controls are rankings by fingerprint with the same labels, and chance.

Notation: N molecules of an assay, L liked, M disliked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit.DataStructs import ExplicitBitVect

from molgen.arrays import Doubles, Integers
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto_to_many
from molgen.errors import SpecError
from molgen.explore.preference import NOISE, Labelled, Preference
from molgen.latent.space import LatentSpace

N_LABELS = 10
"""Number of liked molecules, and of disliked ones."""
N_TOP = 20
N_DRAWS = 20
ACTIVE, INACTIVE = 0.75, 0.5
"""Quantiles of the measurements: actives are at or above the first, inactives at or below the second."""
PROFILE, LATENT_ONLY, CHANCE = "profile", "profile of the latent space alone", "chance"


@dataclass(frozen=True)
class Ranking:
    """The result of one ranking.

    Attributes:
        name: Name of the ranking.
        precision: Share of actives among the first 20: mean over the draws.
        error: Standard error of that mean.
        enrichment: Precision divided by the share of actives in the library.
    """

    name: str
    precision: float
    error: float
    enrichment: float


@dataclass(frozen=True)
class Recommendation:
    """A profile beside fingerprints on one assay.

    Attributes:
        n: Number of molecules of the assay.
        n_unencodable: Number of molecules that cannot be encoded. They are never labelled; a profile ranks them last,
            with or without fingerprints, while rankings by fingerprint alone include them.
        n_draws: Number of draws of labels.
        rankings: By the profile, by its latent part alone, by fingerprint, and by chance, in this order.
    """

    n: int
    n_unencodable: int
    n_draws: int
    rankings: tuple[Ranking, ...]

    @property
    def profile(self) -> Ranking:
        """The ranking by the profile."""
        return self.rankings[0]


def score_recommendation(
    space: LatentSpace,
    smiles: Sequence[str],
    measured: Sequence[float],
    seed: int,
    on_done: Callable[[int], object] = lambda _n: None,
) -> Recommendation:
    """Compares a profile with fingerprints and chance.

    Args:
        space: The latent space.
        smiles: N distinct canonical SMILES.
        measured: N measurements; larger is better.
        seed: Seed of the labels.
        on_done: Called with the number of draws done, of `N_DRAWS`.

    Raises:
        SpecError: Too few actives or inactives can be encoded to draw the labels from them.
    """
    z = space.encode(list(smiles), AS_IT_IS, is_refined=False)
    values = np.asarray(measured, dtype=np.float64)
    has_point = np.isfinite(z).all(axis=1)
    is_active = values >= np.quantile(values, ACTIVE)
    pools = [
        np.flatnonzero(is_active & has_point),
        np.flatnonzero((values <= np.quantile(values, INACTIVE)) & has_point),
    ]
    if min(map(len, pools)) <= N_LABELS:
        raise SpecError("assay", f"needs more than {N_LABELS} actives and inactives that can be encoded")
    bits = [fingerprint(parse(text).mol) for text in smiles]
    rng = np.random.default_rng(seed)
    precisions: dict[str, list[float]] = {}
    for draw in range(N_DRAWS):
        liked, disliked = (rng.choice(pool, N_LABELS, replace=False) for pool in pools)
        labelled = (Labelled([bits[row] for row in rows], z[rows]) for rows in (liked, disliked))
        preference = Preference.of(space, *labelled)
        scores = {PROFILE: preference.of_molecules(z, bits), LATENT_ONLY: preference.of_points(z)}
        scores = {name: np.where(has_point, score, -np.inf) for name, score in scores.items()}
        scores |= _by_fingerprint(bits, liked, disliked)
        for name, score in (scores | {CHANCE: rng.random(len(values))}).items():
            score[np.concatenate([liked, disliked])] = -np.inf
            top = np.argsort(-score, kind="stable")[:N_TOP]
            precisions.setdefault(name, []).append(float(is_active[top].mean()))
        on_done(draw + 1)
    share = (is_active.sum() - N_LABELS) / (len(values) - 2 * N_LABELS)
    rankings = tuple(_rank(name, found, float(share)) for name, found in precisions.items())
    return Recommendation(len(values), int((~has_point).sum()), N_DRAWS, rankings)


def _by_fingerprint(bits: Sequence[ExplicitBitVect], liked: Integers, disliked: Integers) -> dict[str, Doubles]:
    """Scores (N,) from Tanimoto similarity (ECFP4) to the labels.

    They are those of the profile without its latent part, and of similarity searches with several queries.

    Source: mean and maximum, Hert et al., J. Chem. Inf. Comput. Sci. 2004, 44, 1177.
    """
    to_liked = np.stack([tanimoto_to_many(bits[i], bits) for i in liked], axis=1)
    to_disliked = np.stack([tanimoto_to_many(bits[i], bits) for i in disliked], axis=1)
    to_both = np.concatenate([to_liked, to_disliked], axis=1) ** 2
    labels = np.repeat([1.0, -1.0], [len(liked), len(disliked)])
    covariance = to_both[np.concatenate([liked, disliked])] + NOISE * np.eye(len(labels))
    return {
        "profile of fingerprints alone": to_both @ np.linalg.solve(covariance, labels),
        "max Tanimoto to liked": to_liked.max(axis=1),
        "mean Tanimoto to liked": to_liked.mean(axis=1),
        "mean Tanimoto to liked less disliked": to_liked.mean(axis=1) - to_disliked.mean(axis=1),
        "max Tanimoto to liked less disliked": to_liked.max(axis=1) - to_disliked.max(axis=1),
    }


def _rank(name: str, precisions: Sequence[float], share: float) -> Ranking:
    mean, error = float(np.mean(precisions)), float(np.std(precisions, ddof=1) / np.sqrt(len(precisions)))
    return Ranking(name, mean, error, mean / share)
