"""The structural change between two similar molecules in words: `Cl to CF3`.

Matched pairs come first: both molecules are cut at one or two acyclic single bonds, or lose a hydrogen, and the cut
with the largest common part is taken. Without a matched pair, molecules of the same graph are compared atom by atom;
otherwise the parts outside the largest common substructure are named.

Sources: matched pairs by fragments, Hussain and Rea, J. Chem. Inf. Model. 2010, 50, 339; the largest common part,
RDKit's rdFMCS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from rdkit import Chem
from rdkit.Chem import rdAbbreviations, rdFMCS, rdMMPA

from molgen.chem.molecule import find_ring_systems

LEAST_SHARED = 0.5
"""Minimum share of the heavy atoms of the larger molecule that both have in common."""
MAX_DIFFERENT = 3
"""Maximum number of different atoms that are listed for molecules with the same graph."""
MAX_BONDS = 60
"""Maximum number of cuttable bonds; of a molecule with more, only hydrogens are exchanged in matched pairs."""
_CUT_BONDS = "[*]!@!=!#[*]"
_TIMEOUT_S = 10
_HYDROGEN = "[H][*:1]"
_ATTACHED = re.compile(r"\[\d*\*(:\d)?\]")
_HALOGENS = ("F", "Cl", "Br", "I")
OTHER = "another structure"
"""Text for molecules with too little in common."""


def describe_change(before: Chem.Mol, after: Chem.Mol) -> str:
    """The change as `OLD to NEW`; "" for equal molecules, "stereochemistry" for stereoisomers.

    Groups have the abbreviations of RDKit, or SMILES with * at their attachment. Molecules with less than half of their
    heavy atoms in common give "another structure".

    >>> describe_change(Chem.MolFromSmiles("Clc1ccccc1C"), Chem.MolFromSmiles("FC(F)(F)c1ccccc1C"))
    'Cl to CF3'
    >>> describe_change(Chem.MolFromSmiles("c1ccccc1OC"), Chem.MolFromSmiles("c1ccncc1OC"))
    'C to N'
    """
    if Chem.MolToSmiles(before) == Chem.MolToSmiles(after):
        return ""
    before, after = _flat(before), _flat(after)
    if Chem.MolToSmiles(before) == Chem.MolToSmiles(after):
        return "stereochemistry"
    return _matched_pair(before, after) or _different_atoms(before, after) or _uncommon(before, after)


def _flat(mol: Chem.Mol) -> Chem.Mol:
    flat = Chem.Mol(mol)
    Chem.RemoveStereochemistry(flat)
    return Chem.MolFromSmiles(Chem.MolToSmiles(flat)) or flat


def _matched_pair(before: Chem.Mol, after: Chem.Mol) -> str:
    """The change of a matched pair, or ""."""
    old, new = dict(_cuts(before)), dict(_cuts(after))
    limit = LEAST_SHARED * max(before.GetNumHeavyAtoms(), after.GetNumHeavyAtoms())
    shared = [text for text in old.keys() & new.keys() if _n_heavy(text) >= limit and old[text] != new[text]]
    if not shared:
        return ""
    largest = max(shared, key=lambda text: (_n_heavy(text), -text.count("."), text))
    return f"{_name(old[largest])} to {_name(new[largest])}"


def _cuts(mol: Chem.Mol) -> Iterator[tuple[str, str]]:
    """Constant and variable part (SMILES) for each way to cut a molecule once or twice, or to remove a hydrogen."""
    for core, sides in rdMMPA.FragmentMol(mol, 2, MAX_BONDS, _CUT_BONDS, resultsAsMols=False):
        if core:
            yield sides, core
        else:
            one, other = sides.split(".")
            yield one, other
            yield other, one
    for atom in mol.GetAtoms():
        if atom.GetTotalNumHs():
            yield _without_hydrogen(mol, atom.GetIdx()), _HYDROGEN


def _without_hydrogen(mol: Chem.Mol, index: int) -> str:
    """SMILES of a molecule that is cut between an atom and a hydrogen of it."""
    bare = Chem.RWMol(mol)
    place = bare.AddAtom(Chem.Atom(0))
    bare.GetAtomWithIdx(place).SetAtomMapNum(1)
    bare.AddBond(index, place, Chem.BondType.SINGLE)
    atom = bare.GetAtomWithIdx(index)
    atom.SetNumExplicitHs(max(0, atom.GetNumExplicitHs() - 1))
    return Chem.MolToSmiles(bare)


def _different_atoms(before: Chem.Mol, after: Chem.Mol) -> str:
    """The different atoms of molecules with the same graph, or ""."""
    if before.GetNumAtoms() != after.GetNumAtoms() or before.GetNumBonds() != after.GetNumBonds():
        return ""
    common = rdFMCS.FindMCS(
        [before, after],
        atomCompare=rdFMCS.AtomCompare.CompareAny,
        bondCompare=rdFMCS.BondCompare.CompareOrder,
        ringMatchesRingOnly=True,
        timeout=_TIMEOUT_S,
    )
    if common.canceled or common.numAtoms < before.GetNumAtoms():
        return ""
    query = Chem.MolFromSmarts(common.smartsString)
    pairs = _fewest_different(before, after, query)
    if not 0 < len(pairs) <= MAX_DIFFERENT:
        return ""
    return f"{', '.join(one for one, _ in pairs)} to {', '.join(other for _, other in pairs)}"


def _fewest_different(before: Chem.Mol, after: Chem.Mol, query: Chem.Mol) -> list[tuple[str, str]]:
    """Pairs of different elements, for the mapping with the fewest."""
    one = before.GetSubstructMatch(query)
    ways = after.GetSubstructMatches(query, uniquify=False, maxMatches=1000)
    pairs = ([(_element(before, a), _element(after, b)) for a, b in zip(one, way, strict=True)] for way in ways)
    return min(([pair for pair in way if pair[0] != pair[1]] for way in pairs), key=len)


def _element(mol: Chem.Mol, index: int) -> str:
    symbol: str = mol.GetAtomWithIdx(index).GetSymbol()
    return symbol


def _uncommon(before: Chem.Mol, after: Chem.Mol) -> str:
    """The parts outside the largest common substructure, with the whole of their ring systems."""
    common = rdFMCS.FindMCS([before, after], ringMatchesRingOnly=True, completeRingsOnly=True, timeout=_TIMEOUT_S)
    if common.numAtoms < LEAST_SHARED * max(before.GetNumHeavyAtoms(), after.GetNumHeavyAtoms()):
        return OTHER
    query = Chem.MolFromSmarts(common.smartsString)
    pairs = list(zip(before.GetSubstructMatch(query), after.GetSubstructMatch(query), strict=True))
    old, new = map(_name_part, (before, after), _changed_atoms(before, after, pairs))
    return f"{old} to {new}" if old != new else OTHER


def _changed_atoms(before: Chem.Mol, after: Chem.Mol, pairs: Sequence[tuple[int, int]]) -> tuple[set[int], set[int]]:
    """The atoms of both molecules outside their common part, extended to whole ring systems.

    Args:
        before: A molecule.
        after: Another molecule.
        pairs: Corresponding atoms of both.
    """
    old = set(range(before.GetNumAtoms())) - {one for one, _ in pairs}
    new = set(range(after.GetNumAtoms())) - {other for _, other in pairs}
    n_changed = 0
    while len(old) + len(new) > n_changed:
        n_changed = len(old) + len(new)
        for mol, changed in ((before, old), (after, new)):
            changed.update(*(system for system in find_ring_systems(mol) if system & changed))
        old |= {one for one, other in pairs if other in new}
        new |= {other for one, other in pairs if one in old}
    return old, new


def _name_part(mol: Chem.Mol, atoms: set[int]) -> str:
    """The name of a part of a molecule that consists of whole rings and acyclic atoms."""
    if not atoms:
        return "nothing"
    ends = ((bond.GetIdx(), bond.GetBeginAtomIdx() in atoms, bond.GetEndAtomIdx() in atoms) for bond in mol.GetBonds())
    cut = [index for index, is_begin, is_end in ends if is_begin != is_end]
    pieces = Chem.FragmentOnBonds(mol, cut, dummyLabels=[(0, 0)] * len(cut)) if cut else mol
    parts = [sorted(part) for part in Chem.GetMolFrags(pieces) if atoms & set(part)]
    return _name(".".join(Chem.MolFragmentToSmiles(pieces, part) for part in parts))


def _name(fragments: str) -> str:
    """Names of groups: `H`, `OMe`, or SMILES with * at the attachment."""
    return ", ".join(sorted(_name_one(_ATTACHED.sub("*", text)) for text in fragments.split(".")))


def _name_one(smiles: str) -> str:
    if smiles == "[H]*":
        return "H"
    mol = Chem.MolFromSmiles(smiles)
    text = Chem.MolToSmiles(mol) if mol else smiles
    return _abbreviations().get(text, text)


def _n_heavy(fragments: str) -> int:
    return sum(atom.GetAtomicNum() > 1 for atom in Chem.MolFromSmiles(fragments).GetAtoms())


@cache
def _abbreviations() -> dict[str, str]:
    """The abbreviations of RDKit by SMILES, and groups of one heavy atom."""
    known = {Chem.MolToSmiles(one.mol): one.label for one in rdAbbreviations.GetDefaultAbbreviations()}
    return known | {"*C": "Me", "*O": "OH", "*N": "NH2", "*S": "SH"} | {f"*{text}": text for text in _HALOGENS}
