"""Descriptors of a molecule, each with its unit, its useful range and its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cache
from io import StringIO
from types import MappingProxyType

from rdkit import Chem
from rdkit.Chem import QED, rdMolDescriptors
from rdkit.Contrib.NP_Score import npscorer
from rdkit.Contrib.SA_Score import sascorer

# Means and standard deviations of logP, -SA and -(ring penalty) over ZINC250k.
# Source: Kusner et al., Grammar Variational Autoencoder, ICML 2017; digits as in PyTDC 1.1.15.
_ZINC_LOGP = (2.4570953396190123, 1.434324401111988)
_ZINC_SA = (-3.0525811293166134, 0.8335207024513095)
_ZINC_RING = (-0.0485696876403053, 0.2860212110245455)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One number about a molecule.

    Attributes:
        name: Its name in commands, specifications and files.
        unit: Its unit, "" for a pure number.
        low: Lower end of the range in which differences matter to drug design; values may lie below.
        high: Upper end of that range; values may lie above.
        source: Source of the definition, and of the range if that differs.
        function: Computes it.
    """

    name: str
    unit: str
    low: float
    high: float
    source: str
    function: Callable[[Chem.Mol], float]


def crippen_logp(mol: Chem.Mol) -> float:
    """Log10 of the octanol-water partition coefficient, summed over atom types."""
    return float(rdMolDescriptors.CalcCrippenDescriptors(mol)[0])


def molecular_weight(mol: Chem.Mol) -> float:
    """Average molecular weight in Da."""
    return float(rdMolDescriptors.Properties(["amw"]).ComputeProperties(mol)[0])


def synthetic_accessibility(mol: Chem.Mol) -> float:
    """SA score, from 1 (easy to make) to 10 (hard)."""
    return float(sascorer.calculateScore(mol))


def natural_product_likeness(mol: Chem.Mol) -> float:
    """NP score, from about -5 (synthetic) to 5 (like a natural product)."""
    return float(npscorer.scoreMol(mol, _np_model()))


def penalized_logp(mol: Chem.Mol) -> float:
    """Octanol-water logP - SA - max(0, largest cycle - 6), each term standardised over ZINC250k.

    This is the form that JT-VAE and PyTDC report. As there, cycles are those of a cycle basis, not the smallest rings.
    In a cage such as adamantane the basis, and hence the value, depends on the order of the atoms, so make `mol` from
    its canonical SMILES.
    """
    ring_penalty = max(0, _largest_cycle(mol) - 6)
    return (
        _standardise(crippen_logp(mol), _ZINC_LOGP)
        + _standardise(-synthetic_accessibility(mol), _ZINC_SA)
        + _standardise(-ring_penalty, _ZINC_RING)
    )


def _standardise(value: float, mean_and_spread: tuple[float, float]) -> float:
    mean, spread = mean_and_spread
    return (value - mean) / spread


@cache
def _np_model() -> Mapping[int, float]:
    with redirect_stderr(StringIO()):  # it prints a message while reading
        model: Mapping[int, float] = npscorer.readNPModel()
    return model


def _largest_cycle(mol: Chem.Mol) -> int:
    """The size of the largest cycle of the cycle basis that networkx finds, or 0.

    Source: Paton, Commun. ACM 1969, 12, 514; in the order of networkx 3, from the last atom on.
    """
    neighbours = [sorted(other.GetIdx() for other in atom.GetNeighbors()) for atom in mol.GetAtoms()]
    largest = 0
    unseen = dict.fromkeys(range(len(neighbours)))
    while unseen:
        root = next(reversed(unseen))
        tree = {root: root}
        largest = max(largest, _largest_in_component(root, neighbours, tree))
        for atom in tree:
            del unseen[atom]
    return largest


def _largest_in_component(root: int, neighbours: list[list[int]], tree: dict[int, int]) -> int:
    """The same for the atoms connected to `root`; fills `tree` with the predecessor of each."""
    largest = 0
    used: dict[int, set[int]] = {root: set()}
    stack = [root]
    while stack:
        atom = stack.pop()
        for other in neighbours[atom]:
            if other not in used:
                tree[other] = atom
                used[other] = {atom}
                stack.append(other)
            elif other not in used[atom]:
                largest = max(largest, _cycle_size(atom, used[other], tree))
                used[other].add(atom)
    return largest


def _cycle_size(atom: int, ends: set[int], tree: dict[int, int]) -> int:
    """The size of the cycle from `atom` up the tree to the first of `ends`, plus the atom that closes it."""
    size = 3
    above = tree[atom]
    while above not in ends:
        above = tree[above]
        size += 1
    return size


_LIPINSKI = "Lipinski et al., Adv. Drug Deliv. Rev. 1997, 23, 3"
_GHOSE = "Ghose et al., J. Comb. Chem. 1999, 1, 55"
_VEBER = "Veber et al., J. Med. Chem. 2002, 45, 2615"
_ERTL_SA = "Ertl and Schuffenhauer, J. Cheminform. 2009, 1, 8"

_ALL = (
    Descriptor("qed", "", 0.0, 1.0, "Bickerton et al., Nat. Chem. 2012, 4, 90", QED.qed),
    Descriptor(
        "logp",
        "",
        -0.4,
        5.6,
        f"Wildman and Crippen, J. Chem. Inf. Comput. Sci. 1999, 39, 868; range {_GHOSE}",
        crippen_logp,
    ),
    Descriptor("sa", "", 1.0, 10.0, _ERTL_SA, synthetic_accessibility),
    Descriptor(
        "np_score",
        "",
        -5.0,
        5.0,
        "Ertl et al., J. Chem. Inf. Model. 2008, 48, 68",
        natural_product_likeness,
    ),
    Descriptor("mw", "Da", 160.0, 480.0, f"IUPAC atomic weights; range {_GHOSE}", molecular_weight),
    Descriptor(
        "tpsa",
        "A^2",
        0.0,
        140.0,
        f"Ertl et al., J. Med. Chem. 2000, 43, 3714; range {_VEBER}",
        rdMolDescriptors.CalcTPSA,
    ),
    Descriptor("hbd", "count", 0.0, 5.0, f"RDKit's NumHBD; range {_LIPINSKI}", rdMolDescriptors.CalcNumHBD),
    Descriptor("hba", "count", 0.0, 10.0, f"RDKit's NumHBA; range {_LIPINSKI}", rdMolDescriptors.CalcNumHBA),
    Descriptor(
        "rotatable_bonds",
        "count",
        0.0,
        10.0,
        f"RDKit's strict definition; range {_VEBER}",
        rdMolDescriptors.CalcNumRotatableBonds,
    ),
    Descriptor(
        "rings",
        "count",
        0.0,
        6.0,
        "RDKit's smallest set of smallest rings; range Oprea, J. Comput. Aided Mol. Des. 2000, 14, 251",
        rdMolDescriptors.CalcNumRings,
    ),
    Descriptor(
        "fsp3",
        "",
        0.0,
        1.0,
        "Lovering et al., J. Med. Chem. 2009, 52, 6752",
        rdMolDescriptors.CalcFractionCSP3,
    ),
    Descriptor(
        "heavy_atoms",
        "count",
        10.0,
        40.0,
        "Atoms except hydrogen; range of ZINC250k, Irwin et al., J. Chem. Inf. Model. 2012, 52, 1757",
        rdMolDescriptors.CalcNumHeavyAtoms,
    ),
    Descriptor(
        "penalized_logp",
        "",
        -10.0,
        10.0,
        "Gomez-Bombarelli et al., ACS Cent. Sci. 2018, 4, 268, normalised as in Jin et al., ICML 2018",
        penalized_logp,
    ),
)

DESCRIPTORS: Mapping[str, Descriptor] = MappingProxyType({each.name: each for each in _ALL})
"""All descriptors by name."""
