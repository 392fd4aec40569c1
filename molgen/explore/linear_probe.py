"""Linear probes: how well a weighted sum of features predicts a property of molecules.

A probe is a ridge regression, of measured values or of labels 0 and 1; for labels it is Fisher's discriminant up to
scale (Hastie, Tibshirani & Friedman 2009, The elements of statistical learning, section 4.3), and it needs no
iterations. Its penalty minimises the leave-one-out error.

Notation: N molecules, F features, T targets.
Source: probes of a model's layers, Alain & Bengio 2016 (arXiv:1610.01644).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from molgen.arrays import Doubles

FOLDS = 5
PENALTIES = tuple(10.0**power for power in range(-4, 3))
"""Ridge penalties tried, relative to the mean variance of the features."""
TINY = 1e-9
"""Standard deviation up to which a feature is taken as constant, and smallest eigenvalue that is used, absolute and
relative to the largest."""


@dataclass(frozen=True)
class Probe:
    """A linear model of features.

    Attributes:
        weight: (F, T).
        intercept: (T,).
    """

    weight: Doubles
    intercept: Doubles

    def __call__(self, x: ArrayLike) -> Doubles:
        """Predictions (N, T) for features (N, F)."""
        predicted: Doubles = np.asarray(x, dtype=np.float64) @ self.weight + self.intercept
        return predicted


def fit_probe(x: ArrayLike, y: ArrayLike) -> Probe:
    """A probe of targets (N, T) from features (N, F), each feature standardised, each target with its own penalty.

    The leave-one-out error is the residual over 1 - h, with h the leverage of the molecule, so that one decomposition
    serves all penalties.

    Source: Hastie, Tibshirani & Friedman 2009, equations 3.44, 3.47 and 7.64.
    """
    features, targets = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    centre, middle = features.mean(axis=0), targets.mean(axis=0)
    deviation = features.std(axis=0)
    unit = np.where(deviation > TINY, 1.0 / np.maximum(deviation, TINY), 0.0)
    design, wanted = (features - centre) * unit, targets - middle
    basis, sizes, axes = _decompose(design)  # X = U S V^T, with U the basis, S^2 the sizes, V the axes
    shares = basis.T @ wanted
    best, least = np.zeros_like(shares), np.full(targets.shape[1], np.inf)
    for penalty in PENALTIES:
        kept = sizes / (sizes + penalty * len(features))  # shrinkage, equation 3.47
        leverage = 1.0 / len(features) + np.square(basis) @ kept
        residual = wanted - basis @ (kept[:, None] * shares)
        left_out = residual / np.maximum(1.0 - leverage, TINY)[:, None]  # equation 7.64
        error = np.square(left_out).mean(axis=0)
        is_better = error < least
        best[:, is_better] = (kept / np.sqrt(sizes))[:, None] * shares[:, is_better]  # V^T beta, equation 3.44
        least = np.minimum(error, least)
    weight = unit[:, None] * (axes @ best)
    return Probe(weight, middle - centre @ weight)


def _decompose(design: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Left vectors (N, R), squared singular values (R,) and right vectors (F, R) of features (N, F), of rank R."""
    is_wide = design.shape[1] > len(design)
    values, vectors = np.linalg.eigh(design @ design.T if is_wide else design.T @ design)
    is_used = values > max(TINY, float(values[-1]) * TINY)
    sizes, vectors = values[is_used], vectors[:, is_used]
    if is_wide:
        return vectors, sizes, design.T @ vectors / np.sqrt(sizes)
    return design @ vectors / np.sqrt(sizes), sizes, vectors


def cross_predict(x: ArrayLike, y: ArrayLike, seed: int) -> Doubles:
    """Predictions (N, T), each by a probe fitted to the other four fifths of the molecules.

    Args:
        x: Features (N, F); N at least 5.
        y: Targets (N, T).
        seed: Seed of the folds.
    """
    features, targets = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    fold = np.random.default_rng(seed).permutation(np.arange(len(features)) % FOLDS)
    predicted = np.empty_like(targets)
    for i in range(FOLDS):
        predicted[fold == i] = fit_probe(features[fold != i], targets[fold != i])(features[fold == i])
    return predicted
