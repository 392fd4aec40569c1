"""Gobbi's two-dimensional pharmacophores, all pairs and triples of features at once.

RDKit's `Generate.Gen2DFingerprint` enumerates them one by one, in tens of milliseconds for a drug-like molecule. The
pharmacophores here are the same under other numbers, so similarities are equal.

Notation: N features of a molecule, each an atom with a family.
Source: Gobbi & Poppinger, Biotechnol. Bioeng. 1998, 61, 47; as in RDKit's Pharm2D.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.Pharm2D import Gobbi_Pharm2D

from molgen.arrays import Integers

MIN_DISTANCE, MAX_DISTANCE = 2, 100
LAST_BIN = 8
"""Distances in bonds: 2 to 7 are bins of their own, 8 and above are one bin. Features at a smaller distance, or in
different fragments, form no pharmacophore."""
N_FAMILIES = 16
"""Base of the numbers of pharmacophores: more than there are families (eight), and more than `LAST_BIN`."""


def pharmacophores(mol: Chem.Mol) -> Integers:
    """Sorted numbers of the two- and three-point pharmacophores that a molecule has."""
    family, atom = _features(mol)
    distance = Chem.GetDistanceMatrix(mol).astype(np.int64)
    apart = distance[np.ix_(atom, atom)]
    pairs = _combinations(len(atom), 2)
    triples = _combinations(len(atom), 3)
    return np.unique(np.concatenate([_pair_numbers(family, apart, pairs), _triple_numbers(family, apart, triples)]))


def pharmacophore_similarity(a: Integers, b: Integers) -> float:
    """Tanimoto similarity of the pharmacophores of two molecules; 0 if neither has any."""
    n_common = len(np.intersect1d(a, b, assume_unique=True))
    n_all = len(a) + len(b) - n_common
    return n_common / n_all if n_all else 0.0


def _features(mol: Chem.Mol) -> tuple[Integers, Integers]:
    """Family and atom (N,) of each feature, sorted by both."""
    found = sorted(
        (family, atoms[0])
        for family, features in enumerate(Gobbi_Pharm2D.factory.GetMolFeats(mol))
        for atoms in features
    )
    array = np.array(found, dtype=np.int64).reshape(len(found), 2)
    return array[:, 0], array[:, 1]


def _combinations(n: int, size: int) -> Integers:
    """All combinations of `size` numbers below `n`, one per row, ascending."""
    return np.array(list(combinations(range(n), size)), dtype=np.int64).reshape(-1, size)


def _pair_numbers(family: Integers, apart: Integers, pairs: Integers) -> Integers:
    distance = apart[pairs[:, 0], pairs[:, 1]]
    is_real = _is_real(distance)
    return _number(family[pairs[is_real]], distance[is_real][:, None])


def _triple_numbers(family: Integers, apart: Integers, triples: Integers) -> Integers:
    first, second, third = triples.T
    distances = np.stack([apart[first, second], apart[first, third], apart[second, third]], axis=1)
    is_real = _is_real(distances).all(axis=1)
    families, distances = family[triples[is_real]], distances[is_real]
    return _number(families, np.take_along_axis(distances, _order(families, distances), axis=1))


def _is_real(distance: Integers) -> NDArray[np.bool_]:
    return (distance >= MIN_DISTANCE) & (distance < MAX_DISTANCE)


def _number(families: Integers, distances: Integers) -> Integers:
    """One number for the families (M, n) and distances (M, k) of each pharmacophore."""
    digits = np.concatenate([families, np.minimum(distances, LAST_BIN)], axis=1)
    number = np.full(len(digits), families.shape[1], dtype=np.int64)
    for column in digits.T:
        number = number * N_FAMILIES + column
    return number


def _order(families: Integers, distances: Integers) -> Integers:
    """Canonical order of the three distances (M, 3), 0-1, 0-2, 1-2, if features of one family can be exchanged.

    Source: RDKit's `Pharm2D.Utils.OrderTriangle`.
    """
    d0, d1, d2 = distances.T
    f0, f1, f2 = families.T
    order = np.tile(np.arange(3), (len(families), 1))
    order[(f0 == f1) & (f1 != f2) & (d1 <= d2)] = (0, 2, 1)
    order[(f0 != f1) & (f1 == f2) & (d0 <= d1)] = (1, 0, 2)
    sums = np.stack([d0 + d1, d0 + d2, d1 + d2], axis=1)
    widest = sums.argmax(axis=1)
    is_same = (f0 == f1) & (f1 == f2)
    cases = (((d0 > d1), (0, 1, 2), (1, 0, 2)), ((d0 > d2), (0, 2, 1), (2, 0, 1)), ((d1 > d2), (1, 2, 0), (2, 1, 0)))
    for corner, (is_kept, kept, swapped) in enumerate(cases):
        order[is_same & (widest == corner) & is_kept] = kept
        order[is_same & (widest == corner) & ~is_kept] = swapped
    return order
