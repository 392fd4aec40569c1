"""Unfolded count fingerprints and their Tanimoto similarities.

Notation: N and B molecules, F distinct occurrences of features, C of them common.
Sources: circular features, Rogers & Hahn, J. Chem. Inf. Model. 2010, 50, 742; atom pairs, Carhart et al., J. Chem. Inf.
Comput. Sci. 1985, 25, 64; the Tanimoto coefficient of counts as a kernel (MinMax), Ralaivola et al., Neural Networks
2005, 18, 1093.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from scipy.sparse import csr_matrix

from molgen.arrays import Doubles

FeatureKind = Literal["circular", "roles", "pairs", "composition"]

RADIUS, ROLE_RADIUS = 3, 2
"""Radius in bonds of circular features, with atoms described by element and bonds, and with atoms described by
pharmacophoric role (donor, acceptor, aromatic)."""
COUNT_BITS = 12
"""Number of bits for the number of an occurrence: druglike molecules have fewer than 4,096 atoms or pairs of a kind."""
COMMON_SHARE = 0.05
"""Share of the molecules above which an occurrence is common."""
AROMATIC_RING, RING = 1 << 10, 1 << 11
"""Features of composition besides the atomic numbers: aromatic rings; rings of size n, as `RING` + n."""
_ELEMENT = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True, eq=False)
class CountFingerprints:
    """Counted features of N molecules.

    A feature that occurs n times is written as n occurrences, its first to its nth. So the sum of the smaller counts of
    two molecules is the number of the occurrences that they share.

    Attributes:
        occurrences: Those of the first molecule, then those of the second, and so on.
        sizes: (N,), number of occurrences of each molecule.
    """

    occurrences: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, mols: Sequence[Chem.Mol], kind: FeatureKind) -> CountFingerprints:
        """The fingerprints of molecules.

        Args:
            mols: The N molecules.
            kind: `circular` for atoms with their surroundings, `roles` for the same with pharmacophoric roles, `pairs`
                for pairs of atoms with their distance, `composition` for elements, hydrogens and rings.
        """
        rows = [_counts(mol, kind) for mol in mols]
        n_features = sum(map(len, rows))
        features = np.fromiter((feature for row in rows for feature in row), np.int64, n_features)
        counts = np.fromiter((n for row in rows for n in row.values()), np.int64, n_features)
        number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        occurrences = (np.repeat(features, counts) << COUNT_BITS) + number
        return cls(occurrences, np.array([sum(row.values()) for row in rows], dtype=np.int64))

    @classmethod
    def concatenate(cls, parts: Sequence[CountFingerprints]) -> CountFingerprints:
        """Several groups of molecules as one."""
        return cls(np.concatenate([part.occurrences for part in parts]), np.concatenate([part.sizes for part in parts]))

    def __len__(self) -> int:
        return len(self.sizes)

    def split(self) -> list[NDArray[np.int64]]:
        """The occurrences of each molecule."""
        return np.split(self.occurrences, np.cumsum(self.sizes)[:-1]) if len(self) else []

    def take(self, rows: NDArray[np.int64]) -> CountFingerprints:
        """The fingerprints of the molecules `rows`."""
        sizes = self.sizes[rows]
        starts = (np.cumsum(self.sizes) - self.sizes)[rows]
        number = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return CountFingerprints(self.occurrences[np.repeat(starts, sizes) + number], sizes)

    def similarities(self, others: CountFingerprints) -> NDArray[np.float64]:
        """Tanimoto similarities (N, B) in [0, 1] to other molecules; 1 between two molecules without features."""
        known, columns, common, rare = others._index
        place = np.minimum(np.searchsorted(known, self.occurrences), max(len(known) - 1, 0))
        is_known = known[place] == self.occurrences if len(known) else np.zeros(len(place), dtype=bool)
        rows = np.repeat(np.arange(len(self)), self.sizes)[is_known]
        own = _matrix(rows, columns[place[is_known]], len(self), len(known))
        n_common = common.shape[0]
        shared = own[:, :n_common].toarray() @ common + (own[:, n_common:] @ rare).toarray()
        union = (self.sizes[:, None] + others.sizes[None, :] - shared).astype(np.float64)
        tanimoto: Doubles = np.divide(shared, union, out=np.ones_like(union), where=union > 0.0)
        return tanimoto

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], csr_matrix]:
        """The distinct occurrences (F,), sorted; their columns (F,), common ones first; which molecules have them.

        The last are two matrices of 0 and 1: a dense one (C, N) for the common occurrences, where it is faster than a
        sparse one, and a sparse one (F - C, N) for the others.
        """
        known, place, n_molecules = np.unique(self.occurrences, return_inverse=True, return_counts=True)
        is_common = n_molecules > COMMON_SHARE * len(self)
        columns = np.empty(len(known), dtype=np.int64)
        columns[np.argsort(~is_common, kind="stable")] = np.arange(len(known))
        rows = np.repeat(np.arange(len(self)), self.sizes)
        has = _matrix(rows, columns[place], len(self), len(known)).T.tocsr()
        return known, columns, has[: is_common.sum()].toarray(), has[is_common.sum() :]


def _matrix(rows: NDArray[np.int64], columns: NDArray[np.int64], n_rows: int, n_columns: int) -> csr_matrix:
    """A sparse matrix with 1 at each pair of `rows`, which ascend, and `columns`."""
    ends = np.cumsum(np.bincount(rows, minlength=n_rows))
    ones = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((ones, columns, np.concatenate([[0], ends])), shape=(n_rows, max(n_columns, 1)))


def _counts(mol: Chem.Mol, kind: FeatureKind) -> dict[int, int]:
    """How often each feature occurs."""
    if kind == "composition":
        return _composition(mol)
    counts: dict[int, int] = _generator(kind).GetSparseCountFingerprint(mol).GetNonzeroElements()
    return counts


def _composition(mol: Chem.Mol) -> dict[int, int]:
    """Atoms by element, with hydrogens; rings by size; aromatic rings."""
    counts = {_atomic_number(e): int(n or 1) for e, n in _ELEMENT.findall(rdMolDescriptors.CalcMolFormula(mol))}
    for ring in mol.GetRingInfo().AtomRings():
        counts[RING + len(ring)] = counts.get(RING + len(ring), 0) + 1
    counts[AROMATIC_RING] = rdMolDescriptors.CalcNumAromaticRings(mol)
    return {feature: n for feature, n in counts.items() if n}


_atomic_number = cache(Chem.GetPeriodicTable().GetAtomicNumber)


@cache
def _generator(kind: FeatureKind) -> rdFingerprintGenerator.FingerprintGenerator64:
    if kind == "circular":
        return rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS)
    if kind == "roles":
        roles = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
        return rdFingerprintGenerator.GetMorganGenerator(radius=ROLE_RADIUS, atomInvariantsGenerator=roles)
    return rdFingerprintGenerator.GetAtomPairGenerator()
