"""A Gaussian process on molecules, which predicts mean and standard deviation of scores.

The kernel is the mean of Tanimoto similarities of exact counts, so its inputs are molecules, not points: two points
that decode to the same molecule are equal.

Notation: N molecules with scores, P candidates, M scores each, K kinds of features.
Sources: Tanimoto kernel, Ralaivola et al., Neural Networks 2005, 18, 1093; regression, Rasmussen & Williams 2006,
algorithm 2.1; a wide process with its mean at the low end, Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709); a
structure kernel over decoded molecules, COWBOYS, Moss et al. 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from scipy.linalg import cho_solve, cholesky, solve_triangular

from molgen.arrays import Doubles
from molgen.chem.count_fingerprints import CountFingerprints, FeatureKind
from molgen.chem.molecule import Molecule

NOISES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Noise variances, relative to that of the signal, of which the one of maximum marginal likelihood is taken."""

MIN_VARIANCE = 1e-12
N_REMEMBERED = 20_000
"""Number of molecules whose fingerprints and violations are cached."""

Features = tuple[CountFingerprints, ...]
"""Fingerprints of the same molecules, one per kind of features."""


class FingerprintMemory:
    """A cache of fingerprints of molecules."""

    def __init__(self) -> None:
        self._kept: dict[tuple[FeatureKind, str], NDArray[np.int64]] = {}

    def of(self, molecules: Sequence[Molecule | str], kind: FeatureKind) -> CountFingerprints:
        """Fingerprints (P,) of molecules or valid SMILES, at least one."""
        keys = [(kind, one if isinstance(one, str) else one.smiles) for one in molecules]
        new = {key: one for key, one in zip(keys, molecules, strict=True) if key not in self._kept}
        mols = [Chem.MolFromSmiles(one) if isinstance(one, str) else one.mol for one in new.values()]
        self._kept |= zip(new, CountFingerprints.of(mols, kind).split(), strict=True)
        rows = [self._kept[key] for key in keys]
        drop_oldest(self._kept)
        return CountFingerprints(np.concatenate(rows), np.array([len(row) for row in rows], dtype=np.int64))


def drop_oldest(kept: dict[Any, Any]) -> None:
    """Drops the entries of a cache that were added first, down to `N_REMEMBERED`."""
    for old in list(islice(kept, max(0, len(kept) - N_REMEMBERED))):
        del kept[old]


def similarities(a: Features, b: Features) -> Doubles:
    """The kernel (N, P) in [0, 1] of molecules with these features: the mean of their similarities."""
    mean: Doubles = np.mean([one.similarities(other) for one, other in zip(a, b, strict=True)], axis=0)
    return mean


class Similarities:
    """Similarities between molecules; those of the last call are reused."""

    def __init__(self) -> None:
        self._rows = np.empty(0, dtype=np.int64)
        self._matrix: Doubles = np.empty((0, 0))

    def of(self, rows: NDArray[np.int64], fingerprints: CountFingerprints) -> Doubles:
        """The similarities (N, N) of the molecules numbered `rows` (N,), with these fingerprints."""
        place = {row: i for i, row in enumerate(self._rows.tolist())}
        was = np.array([place.get(row, -1) for row in rows.tolist()], dtype=np.int64)
        old, new = np.flatnonzero(was >= 0), np.flatnonzero(was < 0)
        matrix = np.empty((len(rows), len(rows)))
        matrix[np.ix_(old, old)] = self._matrix[np.ix_(was[old], was[old])]
        matrix[new] = fingerprints.take(new).similarities(fingerprints)
        matrix[:, new] = matrix[new].T
        self._rows, self._matrix = rows, matrix
        return matrix


@dataclass(frozen=True)
class Prediction:
    """Predictions for P candidates, in order.

    Attributes:
        mean: (P, M), of the noiseless scores.
        std: (P, M), their standard deviations.
        features: Features of the candidates; empty if the predictions are independent.
        v: (P, N), v of algorithm 2.1: 1 minus the sum of its squares is the posterior variance relative to the prior.
    """

    mean: Doubles
    std: Doubles
    features: Features
    v: Doubles

    @classmethod
    def concatenate(cls, parts: Sequence[Prediction]) -> Prediction:
        """Concatenates predictions of one process."""
        mean, std, v = (np.concatenate([getattr(part, name) for part in parts]) for name in ("mean", "std", "v"))
        kinds = zip(*(part.features for part in parts), strict=True)
        return cls(mean, std, tuple(map(CountFingerprints.concatenate, kinds)), v)

    def covariance(self, index: int) -> Doubles:
        """Posterior covariance (P,) of candidate `index` with each, in units of the signal variance.

        Source: Rasmussen & Williams 2006, equation 2.24.
        """
        if not self.features:
            alone: Doubles = np.eye(len(self.mean))[index]
            return alone
        one = tuple(kind.take(np.array([index])) for kind in self.features)
        left: Doubles = similarities(one, self.features)[0] - self.v @ self.v[index]
        return left


def posterior_variance(v: Doubles) -> Doubles:
    """Posterior variance (P,), in units of the signal variance, from `v` (P, N)."""
    left: Doubles = np.maximum(1.0 - np.square(v).sum(axis=1), 0.0)
    return left


class TanimotoProcess:
    """A Gaussian process with a constant mean, fitted to N scored molecules.

    Attributes:
        log_likelihood: Log marginal likelihood of the scores, summed over the M of them, at the signal variance and, if
            not given, mean that maximise it (Rasmussen & Williams 2006, equations 2.30 and 2.45).
    """

    def __init__(
        self,
        features: Features,
        kernel: Doubles,
        scores: Doubles,
        noise: float,
        width: float | None = None,
        mean: Doubles | None = None,
    ) -> None:
        """Fits to N molecules, at least one.

        Args:
            features: Features of the molecules; empty for predictions by `predict_at` alone.
            kernel: (N, N), their similarities.
            scores: (N, M), finite.
            noise: Noise variance, relative to that of the signal.
            width: Standard deviation of the signal, with a mean of 0; by default, both maximise the
                marginal likelihood.
            mean: (M,), in place of the mean of maximum likelihood.
        """
        self._features = features
        self._cholesky = cholesky(
            kernel + noise * np.eye(len(kernel)), lower=True, overwrite_a=True, check_finite=False
        )
        if mean is None:
            mean = np.zeros(scores.shape[1]) if width else self._fit_mean(scores)
        self._mean = mean
        residual = scores - self._mean
        self._weights = self._solve(residual)
        fitted_std = np.sqrt(np.maximum((residual * self._weights).mean(axis=0), MIN_VARIANCE))
        self._std = np.full(scores.shape[1], width) if width else fitted_std
        log_determinant = 2.0 * np.log(np.diag(self._cholesky)).sum()
        self.log_likelihood = float(-(len(scores) * np.log(fitted_std) + 0.5 * log_determinant).sum())

    @classmethod
    def with_fitted_noise(
        cls, features: Features, kernel: Doubles, scores: Doubles, width: float | None = None
    ) -> tuple[TanimotoProcess, float]:
        """The process with the noise of maximum marginal likelihood among `NOISES`, and that noise."""
        fits = [(cls(features, kernel, scores, noise, width), noise) for noise in NOISES]
        return max(fits, key=lambda fit: fit[0].log_likelihood)

    def predict(self, features: Features) -> Prediction:
        """The noiseless scores of P candidates with these features."""
        return self.predict_at(similarities(features, self._features), features)

    def predict_at(self, kernel: Doubles, features: Features = ()) -> Prediction:
        """The same from the similarities (P, N) of the candidates to the N molecules."""
        v = solve_triangular(self._cholesky, kernel.T, lower=True, check_finite=False).T
        std = np.sqrt(posterior_variance(v))[:, None] * self._std
        return Prediction(self._mean + kernel @ self._weights, std, features, v)

    def _fit_mean(self, scores: Doubles) -> Doubles:
        """The mean (M,) of maximum marginal likelihood."""
        ones = self._solve(np.ones(len(scores)))
        mean: Doubles = ones @ scores / ones.sum()
        return mean

    def _solve(self, right: Doubles) -> Doubles:
        solution: Doubles = cho_solve((self._cholesky, True), right, check_finite=False)
        return solution
