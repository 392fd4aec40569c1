"""Prediction of properties: by the predictor of a checkpoint, and by a baseline.

The baseline is a random forest on Morgan fingerprints (`train.fit.forest`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.latent.space import LatentSpace
from molgen.metrics import Fit, measure_fit
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import TokenSet
from molgen.train.fit.forest import compute_fingerprints, fit_forest


def evaluate_forest(
    data: TokenSet, vocabulary: Vocabulary, properties: Sequence[str], *, seed: int, threads: int = 1
) -> list[Fit]:
    """Scores of random forests, one per property: fitted to the training rows of `data`, scored on its validation rows.

    Intervals are those of the trees of a forest, each grown to single measurements (Meinshausen 2006, Quantile
    regression forests, section 2). Properties with fewer than 2 labels for training or for validation are left out.
    """
    fits = []
    for name, y in zip(properties, data.labels.T.astype(np.float64), strict=True):
        known = ~np.isnan(y)
        train, test = np.flatnonzero(known & ~data.is_validation), np.flatnonzero(known & data.is_validation)
        if min(len(train), len(test)) < 2:
            continue
        forest = fit_forest(row_fingerprints(data, vocabulary, train), y[train], seed, threads=threads)
        fits.append(measure_fit(name, y[test], *forest.predict(row_fingerprints(data, vocabulary, test))))
    return fits


def evaluate_predictor(
    space: LatentSpace, properties: Sequence[str], smiles: Sequence[str], y: NDArray[np.float64]
) -> list[Fit]:
    """Scores of the predictor of `space`; properties with fewer than 2 labelled predictions are left out.

    Args:
        space: Its checkpoint predicts `properties`, and possibly others.
        properties: P names.
        smiles: N SMILES; molecules that cannot be predicted are left out.
        y: Labels (N, P), NaN if missing.
    """
    mean, std = space.predict_molecules(smiles)
    fits = []
    for name, labels in zip(properties, y.T, strict=True):
        p = space.property_names.index(name)
        known = ~np.isnan(labels) & ~np.isnan(mean[:, p])
        if known.sum() >= 2:
            fits.append(measure_fit(name, labels[known], mean[known, p], std[known, p]))
    return fits


def row_fingerprints(data: TokenSet, vocabulary: Vocabulary, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Morgan fingerprints (N, 2048) of radius 2, each bit 0 or 1, of the molecules `rows` (N,)."""
    return compute_fingerprints([parse(vocabulary.to_smiles(data[row]), AS_IT_IS).mol for row in rows])
