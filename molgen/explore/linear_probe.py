"""Linear probes: what of molecules can be read off numbers about them by a weighted sum.

A probe is a ridge regression, of measured values or of labels 0 and 1 alike: on the latter it is Fisher's discriminant
up to its scale (Hastie, Tibshirani & Friedman 2009, The elements of statistical learning, section 4.3), and it needs no
iterations. Its penalty is the one with the least error where each molecule is left out in turn.

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
"""Ridge penalties tried, as shares of the features' mean variance."""
TINY = 1e-9
"""Variance below which a feature or a target is taken as constant."""


@dataclass(frozen=True)
class Probe:
    """Weighted sums of features.

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

    The error of leaving one out is that of the fit over 1 - h, with h the molecule's own share in its prediction
    (Hastie, Tibshirani & Friedman 2009, equation 7.64), so that one decomposition serves for all penalties.
    """
    features, targets = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    centre, middle = features.mean(axis=0), targets.mean(axis=0)
    deviation = features.std(axis=0)
    unit = np.where(deviation > TINY, 1.0 / np.maximum(deviation, TINY), 0.0)
    design, wanted = (features - centre) * unit, targets - middle
    basis, sizes, axes = _decompose(design)
    shares = basis.T @ wanted
    best, least = np.zeros_like(shares), np.full(targets.shape[1], np.inf)
    for penalty in PENALTIES:
        kept = sizes / (sizes + penalty * len(features))
        own = 1.0 / len(features) + np.square(basis) @ kept
        missed = (wanted - basis @ (kept[:, None] * shares)) / np.maximum(1.0 - own, TINY)[:, None]
        error = np.square(missed).mean(axis=0)
        is_better = error < least
        best[:, is_better] = (kept / np.sqrt(sizes))[:, None] * shares[:, is_better]
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
        seed: Draws the fifths.
    """
    features, targets = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    fold = np.random.default_rng(seed).permutation(np.arange(len(features)) % FOLDS)
    predicted = np.empty_like(targets)
    for i in range(FOLDS):
        predicted[fold == i] = fit_probe(features[fold != i], targets[fold != i])(features[fold == i])
    return predicted
