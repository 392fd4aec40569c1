"""Prediction of properties: by the predictor of a checkpoint, and by a baseline.

The baseline is a random forest on Morgan fingerprints, on small assays as good as most later models (Wu et al. 2018,
MoleculeNet, doi:10.1039/C7SC02664A, figure 4; van Tilborg et al. 2022, MoleculeACE, doi:10.1021/acs.jcim.2c01073).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.DataStructs import ConvertToNumpyArray

from molgen.chem.molecule import AS_IT_IS, FINGERPRINT_BITS, fingerprint, parse
from molgen.extras import require_package
from molgen.latent.space import LatentSpace
from molgen.metrics import Fit, measure_fit
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import TokenSet

N_TREES = 500
FEATURE_SHARE = 1 / 3
"""Share of the bits tried at each split (Breiman 2001, Random forests, for regression)."""


def require_baseline() -> None:
    """Checks that scikit-learn, which only the baseline needs, is installed.

    Raises:
        SpecError: It is not installed.
    """
    require_package("sklearn", package="scikit-learn", extra="baseline", key="baseline")


def evaluate_forest(
    data: TokenSet, vocabulary: Vocabulary, properties: Sequence[str], *, seed: int, threads: int = 1
) -> list[Fit]:
    """Scores of random forests, one per property, fitted to the training rows of `data`, on its validation rows.

    The interval of the forest is that of its trees, each grown to single measurements (Meinshausen 2006, Quantile
    regression forests, section 2). Properties with fewer than 2 labels in either part are left out.

    Raises:
        SpecError: scikit-learn is not installed.
    """
    require_baseline()
    from sklearn.ensemble import RandomForestRegressor

    fits = []
    for name, y in zip(properties, data.labels.T.astype(np.float64), strict=True):
        known = ~np.isnan(y)
        train, test = np.flatnonzero(known & ~data.is_validation), np.flatnonzero(known & data.is_validation)
        if min(len(train), len(test)) < 2:
            continue
        forest = RandomForestRegressor(N_TREES, max_features=FEATURE_SHARE, random_state=seed, n_jobs=threads)
        forest.fit(row_fingerprints(data, vocabulary, train), y[train])
        x = row_fingerprints(data, vocabulary, test)
        trees = np.stack([tree.predict(x) for tree in forest.estimators_])
        fits.append(measure_fit(name, y[test], trees.mean(axis=0), trees.std(axis=0)))
    return fits


def evaluate_predictor(
    space: LatentSpace, properties: Sequence[str], smiles: Sequence[str], y: NDArray[np.float64]
) -> list[Fit]:
    """Scores of the predictor of `space`; properties with fewer than 2 labels are left out.

    Args:
        space: Its checkpoint predicts `properties`, and possibly others.
        properties: P names.
        smiles: N; those that cannot be predicted are left out.
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


def compute_fingerprints(mols: Sequence[Chem.Mol]) -> NDArray[np.float32]:
    """Morgan fingerprints (N, 2048) of radius 2, each bit 0 or 1."""
    bits = np.zeros((len(mols), FINGERPRINT_BITS), dtype=np.float32)
    for row, mol in zip(bits, mols, strict=True):
        ConvertToNumpyArray(fingerprint(mol), row)
    return bits
