"""A random forest on Morgan fingerprints: a baseline as good as most later models on small assays.

Notation: N molecules, F bits of a fingerprint.
Sources: Breiman 2001 (doi:10.1023/A:1010933404324); its rank on assays, Wu et al. 2018, MoleculeNet
(doi:10.1039/C7SC02664A), figure 4, and van Tilborg et al. 2022, MoleculeACE (doi:10.1021/acs.jcim.2c01073).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.DataStructs import ConvertToNumpyArray

from molgen.arrays import Doubles
from molgen.chem.molecule import FINGERPRINT_BITS, fingerprint

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeRegressor

N_TREES = 500
FEATURE_SHARE = 1 / 3
"""Share of the bits tried at each split, as Breiman advises for regression."""


@dataclass(frozen=True)
class MorganForest:
    """A fitted forest, whose trees are grown until each leaf holds one measurement or equal ones.

    Attributes:
        trees: The trees.
        samples: For each tree, the rows of the molecules that it was grown with.
    """

    trees: tuple[DecisionTreeRegressor, ...]
    samples: tuple[NDArray[np.int32], ...]

    def predict(self, x: NDArray[np.float32]) -> tuple[Doubles, Doubles]:
        """Mean and standard deviation (N,) over the trees for fingerprints (N, F).

        Source: Meinshausen 2006, Quantile regression forests, section 2.
        """
        each = np.stack([tree.predict(x) for tree in self.trees])
        return each.mean(axis=0), each.std(axis=0)

    def predict_left_out(self, x: NDArray[np.float32]) -> Doubles:
        """Mean (N,) for each molecule of the fit, over the trees that were grown without it; NaN if none was.

        Source: out-of-bag estimates, Breiman 1996 (https://www.stat.berkeley.edu/~breiman/OOBestimation.pdf).
        """
        total, n = np.zeros(len(x)), np.zeros(len(x))
        for tree, sample in zip(self.trees, self.samples, strict=True):
            is_out = ~np.isin(np.arange(len(x)), sample)
            if is_out.any():
                total[is_out] += tree.predict(x[is_out])
                n[is_out] += 1.0
        mean: Doubles = np.divide(total, n, out=np.full(len(x), np.nan), where=n > 0.0)
        return mean


def fit_forest(x: NDArray[np.float32], y: Doubles, seed: int, n_trees: int = N_TREES, threads: int = 1) -> MorganForest:
    """A forest of `n_trees` fitted to fingerprints (N, F) and values (N,), N at least 1."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_trees, max_features=FEATURE_SHARE, random_state=seed, n_jobs=threads)
    forest.fit(x, y)
    return MorganForest(tuple(forest.estimators_), tuple(forest.estimators_samples_))


def compute_fingerprints(mols: Sequence[Chem.Mol]) -> NDArray[np.float32]:
    """Morgan fingerprints (N, 2048) of radius 2, each bit 0 or 1."""
    bits = np.zeros((len(mols), FINGERPRINT_BITS), dtype=np.float32)
    for row, mol in zip(bits, mols, strict=True):
        ConvertToNumpyArray(fingerprint(mol), row)
    return bits
