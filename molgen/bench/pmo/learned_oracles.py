"""The three learned oracles of PMO, DRD2, GSK3B and JNK3, as plain arrays, without the library that trained them.

Notation: T trees of M nodes in total, S support vectors, F features.
Sources: Olivecrona et al., J. Cheminform. 2017, 9, 48 (DRD2: a support vector classifier on FCFP6 counts); Li et al.,
J. Cheminform. 2018, 10, 33 (GSK3B, JNK3: random forests on ECFP4 bits); the arrays are exported from the Python package
molscore 1.9.5 (MIT).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from molgen.chem.molecule import fingerprint
from molgen.errors import MolgenError
from molgen.paths import find_shipped

PROBABILITY_FLOOR = 1e-7
COUPLING_TOLERANCE = 0.005 / 2
MAX_COUPLING_ROUNDS = 100
"""The three constants are those of libsvm, Chang & Lin 2011 (doi:10.1145/1961189.1961199), section 8.3."""


class Forest:
    """A random forest on bits: the mean over its trees of the share of actives in the leaf."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes the arrays of a file.

        Args:
            arrays: `offset` (T + 1,), the first node of each tree; `left`, `right` (M,), children of a node, numbered
                within the tree; `feature` (M,), negative at a leaf; `p1` (M,), share of actives.
        """
        offset = np.asarray(arrays["offset"], dtype=np.int64)
        start = np.repeat(offset[:-1], np.diff(offset))
        self._roots = offset[:-1]
        self._children = np.stack([start + arrays["left"], start + arrays["right"]], axis=1).astype(np.int64)
        self._feature = np.asarray(arrays["feature"], dtype=np.int64)
        self._active = np.asarray(arrays["p1"], dtype=np.float64)

    def __call__(self, mol: Chem.Mol) -> float:
        """The probability that a molecule is active."""
        bits = np.zeros(2048, dtype=np.int64)
        bits[list(fingerprint(mol).GetOnBits())] = 1
        nodes = self._roots
        inner = np.flatnonzero(self._feature[nodes] >= 0)
        nodes = nodes.copy()
        while len(inner):
            at = nodes[inner]
            nodes[inner] = self._children[at, bits[self._feature[at]]]
            inner = inner[self._feature[nodes[inner]] >= 0]
        return float(self._active[nodes].mean())


class SupportVectors:
    """A support vector classifier with a radial kernel on counts of FCFP6, folded to F features."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes the arrays of a file.

        Args:
            arrays: `sv_row`, `sv_col`, `sv_val` of the sparse support vectors (S, F); `n_sv`, `n_feat`; `dual` (S,);
                `intercept`, `gamma`; `probA`, `probB` of Platt's sigmoid.
        """
        self._vectors = np.zeros((int(arrays["n_sv"]), int(arrays["n_feat"])), dtype=np.float64)
        self._vectors[arrays["sv_row"], arrays["sv_col"]] = arrays["sv_val"]
        self._squares = (self._vectors**2).sum(axis=1)
        self._dual = np.asarray(arrays["dual"], dtype=np.float64)
        names = ("intercept", "gamma", "probA", "probB")
        self._intercept, self._gamma, self._a, self._b = (float(np.ravel(arrays[name])[0]) for name in names)
        self._fingerprint = rdFingerprintGenerator.GetMorganGenerator(
            radius=3, atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
        )

    def __call__(self, mol: Chem.Mol) -> float:
        """The probability that a molecule is active."""
        columns, counts = self._counts(mol)
        distances = self._squares + (counts**2).sum() - 2.0 * self._vectors[:, columns] @ counts
        decision = float(self._dual @ np.exp(-self._gamma * distances)) + self._intercept
        return _couple(1.0 / (1.0 + np.exp(self._a * decision + self._b)))

    def _counts(self, mol: Chem.Mol) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Features of a molecule, with their counts."""
        elements = self._fingerprint.GetSparseCountFingerprint(mol).GetNonzeroElements()
        found = np.array([bit % self._vectors.shape[1] for bit in elements], dtype=np.int64)
        columns, place = np.unique(found, return_inverse=True)
        weights = np.array(list(elements.values()), dtype=np.float64)
        return columns, np.bincount(place, weights=weights, minlength=len(columns)).astype(np.float64)


def _couple(pairwise: float) -> float:
    """The probability of the second of two classes, from the pairwise probability of the first, as in libsvm.

    The iteration stops early as in libsvm, so the result is not exactly 1 - `pairwise`.

    Source: Wu, Lin & Weng, J. Mach. Learn. Res. 2004, 5, 975, algorithm 2, for two classes.
    """
    first = min(max(pairwise, PROBABILITY_FLOOR), 1.0 - PROBABILITY_FLOOR)
    second = 1.0 - first
    q = np.array([[second**2, -first * second], [-first * second, first**2]])
    p = np.array([0.5, 0.5])
    for _ in range(MAX_COUPLING_ROUNDS):
        slope = q @ p
        level = float(p @ slope)
        if np.abs(slope - level).max() < COUPLING_TOLERANCE:
            break
        for t in range(2):
            step = (level - slope[t]) / q[t, t]
            p[t] += step
            level = (level + step * (step * q[t, t] + 2.0 * slope[t])) / (1.0 + step) ** 2
            slope = (slope + step * q[t]) / (1.0 + step)
            p /= 1.0 + step
    return float(p[1])


@cache
def load_learned_oracles() -> Mapping[str, Callable[[Chem.Mol], float]]:
    """The oracles by PMO's names.

    Raises:
        MolgenError: A shipped file is missing or damaged.
    """
    return MappingProxyType(
        {
            "drd2": SupportVectors(_arrays("drd2_svc")),
            "gsk3b": Forest(_arrays("gsk3b_rf")),
            "jnk3": Forest(_arrays("jnk3_rf")),
        }
    )


def _arrays(name: str) -> Mapping[str, NDArray[Any]]:
    path = find_shipped("data") / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise MolgenError(f"{path}: cannot be read ({error})", remedy="Install molgen again.") from error
