"""A Gaussian process over molecules: what a score probably is where it was not asked, and how sure that is.

The kernel is the Tanimoto similarity of count fingerprints, so the process knows molecules and not points: two points
that decode to the same molecule are the same to it.

Notation: N molecules with scores, P candidates, M scores each, F bits of a fingerprint.
Sources: Tanimoto kernel, Ralaivola et al., Neural Networks 2005, 18, 1093; regression, Rasmussen & Williams 2006,
algorithm 2.1; a structure kernel over decoded molecules, COWBOYS, Moss et al. 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from scipy.linalg import cho_solve, cholesky, solve_triangular

from molgen.arrays import Doubles

N_BITS = 2048
NOISES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Variances of the noise, over that of the signal, among which the data choose."""

MIN_VARIANCE = 1e-12

Bits = NDArray[np.float32]


@cache
def _generator() -> rdFingerprintGenerator.FingerprintGenerator64:
    return rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=N_BITS, countSimulation=True)


def count_fingerprints(mols: Sequence[Chem.Mol]) -> Bits:
    """Morgan fingerprints of radius 2 (N, F), counts written as bits: one for each of 1, 2, 4 and 8 occurrences."""
    rows = [_generator().GetFingerprintAsNumPy(mol) for mol in mols]
    return np.array(rows, dtype=np.float32).reshape(len(mols), N_BITS)


def similarities(a: Bits, b: Bits) -> Doubles:
    """Tanimoto similarities (N, P) in [0, 1] of fingerprints (N, F) and (P, F)."""
    common = (a @ b.T).astype(np.float64)
    union = a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :] - common
    shares: Doubles = common / np.maximum(union, 1.0)
    return shares


class Similarities:
    """Similarities of molecules among one another, of which only those are computed that were not asked for last."""

    def __init__(self) -> None:
        self._rows = np.empty(0, dtype=np.int64)
        self._matrix: Doubles = np.empty((0, 0))

    def of(self, rows: NDArray[np.int64], bits: Bits) -> Doubles:
        """The similarities (N, N) of the molecules numbered `rows` (N,), with fingerprints `bits` (N, F)."""
        place = {row: i for i, row in enumerate(self._rows.tolist())}
        was = np.array([place.get(row, -1) for row in rows.tolist()], dtype=np.int64)
        old, new = np.flatnonzero(was >= 0), np.flatnonzero(was < 0)
        matrix = np.empty((len(rows), len(rows)))
        matrix[np.ix_(old, old)] = self._matrix[np.ix_(was[old], was[old])]
        matrix[new] = similarities(bits[new], bits)
        matrix[:, new] = matrix[new].T
        self._rows, self._matrix = rows, matrix
        return matrix


@dataclass(frozen=True)
class Prediction:
    """What a process says of P candidates, in this order.

    Attributes:
        mean: (P, M), of the noiseless scores.
        std: (P, M), their standard deviations.
        bits: (P, F) fingerprints.
        v: (P, N), what the scored molecules say of each: 1 minus the sum of its squares is the
            share of the variance that is left.
    """

    mean: Doubles
    std: Doubles
    bits: Bits
    v: Doubles

    @classmethod
    def concatenate(cls, parts: Sequence[Prediction]) -> Prediction:
        """Several predictions of one process as one."""
        columns = zip(*((part.mean, part.std, part.bits, part.v) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def covariance(self, index: int) -> Doubles:
        """Of the score of candidate `index` with that of each (P,), in units of the signal's variance.

        Source: Rasmussen & Williams 2006, equation 2.24.
        """
        kernel = similarities(self.bits, self.bits[index : index + 1])[:, 0]
        left: Doubles = kernel - self.v @ self.v[index]
        return left


def posterior_variance(v: Doubles) -> Doubles:
    """What is left of the variance of P candidates, in units of the signal's, by what is said of each (P, N)."""
    left: Doubles = np.maximum(1.0 - np.square(v).sum(axis=1), 0.0)
    return left


class TanimotoProcess:
    """A Gaussian process with a constant mean, fitted to N scored molecules.

    Attributes:
        likelihood: Log marginal likelihood of the scores, summed over the M of them, mean and signal variance at their
            likeliest values (Rasmussen & Williams 2006, equations 2.30 and 2.45).
    """

    def __init__(self, bits: Bits, kernel: Doubles, scores: Doubles, noise: float) -> None:
        """Fits to N molecules, at least one.

        Args:
            bits: (N, F) fingerprints.
            kernel: (N, N) their similarities.
            scores: (N, M), finite.
            noise: Variance of the noise, over that of the signal.
        """
        self._bits = bits
        self._cholesky = cholesky(
            kernel + noise * np.eye(len(kernel)), lower=True, overwrite_a=True, check_finite=False
        )
        ones = self._solve(np.ones(len(bits)))
        self._mean = ones @ scores / ones.sum()
        residual = scores - self._mean
        self._weights = self._solve(residual)
        variance = (residual * self._weights).mean(axis=0)
        self._std = np.sqrt(np.maximum(variance, MIN_VARIANCE))
        log_determinant = 2.0 * np.log(np.diag(self._cholesky)).sum()
        self.likelihood = float(-(len(bits) * np.log(self._std) + 0.5 * log_determinant).sum())

    @classmethod
    def likeliest(cls, bits: Bits, kernel: Doubles, scores: Doubles) -> tuple[TanimotoProcess, float]:
        """The process with the likeliest of `NOISES`, and that noise."""
        fits = [(cls(bits, kernel, scores, noise), noise) for noise in NOISES]
        return max(fits, key=lambda fit: fit[0].likelihood)

    def predict(self, bits: Bits) -> Prediction:
        """The noiseless scores of P candidates with these fingerprints (P, F)."""
        kernel = similarities(bits, self._bits)
        v = solve_triangular(self._cholesky, kernel.T, lower=True, check_finite=False).T
        std = np.sqrt(posterior_variance(v))[:, None] * self._std
        return Prediction(self._mean + kernel @ self._weights, std, bits, v)

    def _solve(self, right: Doubles) -> Doubles:
        solution: Doubles = cho_solve((self._cholesky, True), right, check_finite=False)
        return solution
