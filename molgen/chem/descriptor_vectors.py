"""Molecules as vectors of physicochemical and topological descriptors, in units of their standard deviations.

Notation: N and B molecules, K descriptors.
Sources: log P and molar refractivity, Wildman & Crippen 1999 (doi:10.1021/ci990307l); polar surface, Ertl et al. 2000
(doi:10.1021/jm000942e); Labute's surface, Labute 2000 (doi:10.1016/S1093-3263(00)00068-1); chi, kappa and alpha, Hall &
Kier 1991 (doi:10.1002/9780470125793.ch9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors
from scipy.spatial.distance import cdist

from molgen.arrays import Doubles

SPREADS: Mapping[str, float] = MappingProxyType(
    {
        "CrippenClogP": 1.2,
        "CrippenMR": 25.0,
        "tpsa": 21.0,
        "labuteASA": 38.0,
        "NumHBD": 0.67,
        "NumHBA": 1.7,
        "NumRotatableBonds": 2.7,
        "NumRings": 1.1,
        "NumAromaticRings": 1.0,
        "NumAliphaticRings": 0.61,
        "NumHeterocycles": 1.1,
        "NumAmideBonds": 0.55,
        "NumHeavyAtoms": 6.6,
        "NumHeteroatoms": 2.4,
        "FractionCSP3": 0.12,
        "hallKierAlpha": 0.79,
        "kappa1": 4.7,
        "kappa2": 2.3,
        "kappa3": 1.4,
        "chi0v": 3.9,
        "chi1v": 2.4,
        "chi2v": 2.0,
        "chi3v": 1.5,
        "chi4v": 1.1,
    }
)
"""RDKit's names of the descriptors, and the standard deviation of each, in its unit, over the first 1,500 molecules of
data/d3_ki.csv."""


def compute_descriptors(mols: Sequence[Chem.Mol]) -> Doubles:
    """The descriptors (N, K), each divided by its entry in `SPREADS`."""
    values = [list(_properties().ComputeProperties(mol)) for mol in mols]
    raw = np.array(values, dtype=np.float64).reshape(len(mols), len(SPREADS))
    scaled: Doubles = raw / np.array(list(SPREADS.values()))
    return scaled


def descriptor_distances(a: Doubles, b: Doubles) -> Doubles:
    """Distances (N, B) of descriptors (N, K) and (B, K): Euclidean, divided by the square root of 2 K.

    Two molecules drawn at random from druglike ones are about 1 apart.
    """
    distances: Doubles = cdist(a, b) / np.sqrt(2.0 * len(SPREADS))
    return distances


@cache
def _properties() -> rdMolDescriptors.Properties:
    return rdMolDescriptors.Properties(list(SPREADS))
