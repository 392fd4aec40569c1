"""Unfolded count fingerprints and their Tanimoto similarities.

Notation: N and B molecules, F features that occur.
Sources: circular features, Rogers & Hahn, J. Chem. Inf. Model. 2010, 50, 742; atom pairs, Carhart et al., J. Chem. Inf.
Comput. Sci. 1985, 25, 64; the Tanimoto coefficient of counts as a kernel (MinMax), Ralaivola et al., Neural Networks
2005, 18, 1093.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from scipy.sparse import csr_matrix

FeatureKind = Literal["circular", "roles", "pairs"]

RADIUS, ROLE_RADIUS = 3, 2
"""Radius of circular features in bonds; the same for features of pharmacophoric roles (donor, acceptor, aromatic)
instead of elements."""


class CountFingerprints:
    """Count fingerprints of N molecules, to compare other molecules with.

    A feature that occurs n times is stored as n binary columns, one per occurrence, so that the sum over features of
    the smaller count of two molecules is the scalar product of their rows.
    """

    def __init__(self, mols: Sequence[Chem.Mol], kind: FeatureKind) -> None:
        """Computes the fingerprints of molecules.

        Args:
            mols: N.
            kind: Circular features by element, circular features by role, or atom pairs with their distance.
        """
        self._kind = kind
        self._columns: dict[tuple[int, int], int] = {}
        counts = [_counts(mol, kind) for mol in mols]
        for row in counts:
            for feature, n in row.items():
                for occurrence in range(n):
                    self._columns.setdefault((feature, occurrence), len(self._columns))
        self._matrix, self._totals = self._rows(counts)
        self._by_feature = self._matrix.T.tocsr()

    def among(self) -> NDArray[np.float64]:
        """Tanimoto similarities (N, N) in [0, 1] between the molecules."""
        return _similarities(self._matrix, self._totals, self._by_feature, self._totals)

    def to(self, mols: Sequence[Chem.Mol]) -> NDArray[np.float64]:
        """Tanimoto similarities (B, N) in [0, 1] of other molecules to these."""
        matrix, totals = self._rows([_counts(mol, self._kind) for mol in mols])
        return _similarities(matrix, totals, self._by_feature, self._totals)

    def _rows(self, counts: Sequence[Mapping[int, int]]) -> tuple[csr_matrix, NDArray[np.float64]]:
        """Binary rows (B, F) over the known columns, and the total count of features of each molecule (B,)."""
        rows, columns = [], []
        for i, row in enumerate(counts):
            for feature, n in row.items():
                known = [self._columns.get((feature, occurrence)) for occurrence in range(n)]
                found = [column for column in known if column is not None]
                columns += found
                rows += [i] * len(found)
        shape = (len(counts), max(1, len(self._columns)))
        matrix = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
        return matrix, np.array([sum(row.values()) for row in counts], dtype=np.float64)


def _similarities(
    a: csr_matrix, of_a: NDArray[np.float64], b: csr_matrix, of_b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shared over united occurrences of rows `a` (A, F) and columns `b` (F, B); 1 if neither molecule has a feature.

    Rows of `b` are features, so that a few molecules touch only the features that they have.
    """
    shared = (a @ b).toarray().astype(np.float64)
    union = of_a[:, None] + of_b[None, :] - shared
    return np.where(union > 0.0, shared / np.maximum(union, 1.0), 1.0)


def _counts(mol: Chem.Mol, kind: FeatureKind) -> dict[int, int]:
    counts: dict[int, int] = _generator(kind).GetSparseCountFingerprint(mol).GetNonzeroElements()
    return counts


@cache
def _generator(kind: FeatureKind) -> rdFingerprintGenerator.FingerprintGenerator64:
    if kind == "circular":
        return rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS)
    if kind == "roles":
        roles = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
        return rdFingerprintGenerator.GetMorganGenerator(radius=ROLE_RADIUS, atomInvariantsGenerator=roles)
    return rdFingerprintGenerator.GetAtomPairGenerator()
