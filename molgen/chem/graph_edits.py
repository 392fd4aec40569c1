"""Edits of the molecular graph: a random change of an atom, a bond or a ring, and crossover of two molecules.

The public functions take valid SMILES and return a sanitised molecule, or None if the drawn change was impossible or
gave an implausible structure (`UNLIKELY`). Molecules are edited as Kekule structures, so that bond orders are integers,
except where two atoms are exchanged.

Source: the operators follow graph-based genetic algorithms, Jensen, Chem. Sci. 2019, 10, 3567.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molgen.chem.molecule import find_ring_systems

ELEMENTS = ("C", "N", "O", "F", "S", "Cl", "Br", "P")
ELEMENT_ODDS = (0.5, 0.16, 0.16, 0.05, 0.05, 0.05, 0.02, 0.01)
"""Frequencies roughly as in druglike molecules, with rare elements raised so that they are tried."""
ORDERS = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
ORDER_ODDS = (0.75, 0.22, 0.03)
RING_SIZES = (3, 5, 6, 7)
MAX_RING_SIZE = 8
CHAIN_SHARE = 0.6
"""Share of crossovers that cut chain bonds; the others cut rings."""
MAX_ATOMS = 70
MAX_SWAPPED_BRANCHES = 4
"""Maximum number of branches of a ring system that is exchanged."""
MAX_BRANCH_ATOMS = 13
"""Maximum number of atoms of a grafted branch, with the dummy atom at its end."""

Generator = np.random.Generator
Edit = Callable[[Generator, Chem.RWMol], bool]
"""One step of `mutate`: changes the molecule in place; returns False if nothing could be changed."""

UNLIKELY = (
    "[#6]=[#6]=[#6,#7]",
    "*#;@*",
    "[O,S;X2]-[O;X2]",
    "[F,Cl,Br]-[!#6;!#15;!#16]",
    "[N;X3;!$(N~[!#6;!#7;!#1])]-[N;X3]-[N;X3]",
)
"""Implausible structures: cumulated double bonds, triple bonds in rings, peroxides and sulfenates, halogens on
atoms other than carbon, phosphorus and sulfur, and chains of nitrogen."""

_UNLIKELY = tuple(Chem.MolFromSmarts(pattern) for pattern in UNLIKELY)
_DUMMY = Chem.MolFromSmarts("[#0]")
_CUT = Chem.MolFromSmarts("[*]-;!@[*]")
_AROMATIC_CH = Chem.MolFromSmarts("[cH]")
_RING_BOND_PAIR = Chem.MolFromSmarts("[R]@[R]@[R]@[R]")


def mutate(rng: Generator, smiles: str) -> Chem.Mol | None:
    """The molecule after one random change."""
    with BlockLogs():
        edited = Chem.RWMol(_kekulise(smiles))
        edit = EDITS[int(rng.choice(len(EDITS), p=EDIT_ODDS))]
        return _finish(edited) if edit(rng, edited) else None


def cross(rng: Generator, one: str, other: str) -> Chem.Mol | None:
    """Crossover: a part of each of two molecules, joined where they were cut, at a chain bond or across a ring."""
    with BlockLogs():
        n_cuts = 1 if rng.random() < CHAIN_SHARE else 2
        parts = [_part(rng, smiles, n_cuts) for smiles in (one, other)]
        return _join(rng, *parts)


def graft(rng: Generator, recipient: str, donor: str) -> Chem.Mol | None:
    """The recipient with a small branch of the donor in place of one of its own branches or of one hydrogen."""
    with BlockLogs():
        branch = _part(rng, donor, 1, is_small=True)
        if branch is None or branch.mol.GetNumAtoms() > MAX_BRANCH_ATOMS:
            return None
        rest = _part(rng, recipient, 1, is_small=False) if rng.random() < 0.5 else _open_at_hydrogen(rng, recipient)
        return _join(rng, rest, branch)


def swap_rings(rng: Generator, recipient: str, donor: str) -> Chem.Mol | None:
    """A molecule in which a ring system of another replaces one of its own, and takes over its branches."""
    with BlockLogs():
        systems, others = _ring_systems(recipient), _ring_systems(donor)
        if not systems or not others:
            return None
        _, branches = systems[int(rng.integers(len(systems)))]
        ring: _Part | None = others[int(rng.integers(len(others)))][0]
        while ring is not None and len(ring.dummies) < len(branches):
            ring = _open_part_at_hydrogen(rng, ring)
        if ring is None:
            return None
        joined = ring.mol
        for place, branch in zip(rng.permutation(ring.dummies).tolist(), branches, strict=False):
            joined = _attach(joined, place, branch)
        return _finish(Chem.RWMol(Chem.DeleteSubstructs(joined, _DUMMY)))


def join(rng: Generator, one: str, other: str) -> Chem.Mol | None:
    """Two whole molecules joined by a single bond, at an aromatic CH of each that has one, else at any hydrogen.

    Cross-coupling makes such bonds; after amides they are the most frequent in medicinal chemistry (Brown & Bostrom
    2016, doi:10.1021/acs.jmedchem.5b01409).
    """
    with BlockLogs():
        parts = [_open_at_aromatic_carbon(rng, smiles) for smiles in (one, other)]
        return _join(rng, *parts)


@lru_cache(maxsize=4096)
def _kekulise(smiles: str) -> Chem.Mol:
    """The Kekule structure of a valid SMILES, with implicit hydrogens; not to be changed."""
    mol = Chem.MolFromSmiles(smiles)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    for atom in mol.GetAtoms():
        if not atom.GetNumRadicalElectrons():
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    return mol


def _append_atom(rng: Generator, mol: Chem.RWMol) -> bool:
    atom = _draw_atom(rng, mol, lambda a: a.GetTotalNumHs() > 0)
    if atom is None:
        return False
    new = mol.AddAtom(Chem.Atom(_element(rng)))
    mol.AddBond(atom.GetIdx(), new, _order(rng))
    return True


def _insert_atom(rng: Generator, mol: Chem.RWMol) -> bool:
    bond = _draw_bond(rng, mol, lambda b: b.GetBondType() == Chem.BondType.SINGLE)
    if bond is None:
        return False
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    mol.RemoveBond(begin, end)
    new = mol.AddAtom(Chem.Atom(_element(rng)))
    mol.AddBond(begin, new, Chem.BondType.SINGLE)
    mol.AddBond(new, end, _order(rng))
    return True


def _delete_atom(rng: Generator, mol: Chem.RWMol) -> bool:
    atom = _draw_atom(rng, mol, lambda a: a.GetDegree() in (1, 2))
    if atom is None:
        return False
    if atom.GetDegree() == 2:
        begin, end = (neighbour.GetIdx() for neighbour in atom.GetNeighbors())
        if mol.GetBondBetweenAtoms(begin, end) is not None:
            return False
        orders = [bond.GetBondType() for bond in atom.GetBonds()]
        mol.AddBond(begin, end, orders[int(rng.integers(2))])
    mol.RemoveAtom(atom.GetIdx())
    return True


def _change_element(rng: Generator, mol: Chem.RWMol) -> bool:
    atom = _draw_atom(rng, mol, lambda a: True)
    element = _element(rng)
    if atom is None or atom.GetSymbol() == element:
        return False
    new = Chem.Atom(element)
    mol.ReplaceAtom(atom.GetIdx(), new)
    return True


def _change_order(rng: Generator, mol: Chem.RWMol) -> bool:
    bond = _draw_bond(rng, mol, lambda b: True)
    if bond is None:
        return False
    order = _order(rng, but=bond.GetBondType())
    bond.SetBondType(order)
    bond.SetStereo(Chem.BondStereo.STEREONONE)
    return True


def _close_ring(rng: Generator, mol: Chem.RWMol) -> bool:
    atom = _draw_atom(rng, mol, lambda a: a.GetTotalNumHs() > 0)
    if atom is None:
        return False
    size = int(rng.choice(RING_SIZES))
    distances = Chem.GetDistanceMatrix(mol)[atom.GetIdx()]
    ends = [i for i in np.flatnonzero(distances == size - 1) if mol.GetAtomWithIdx(int(i)).GetTotalNumHs() > 0]
    if not ends:
        return False
    mol.AddBond(atom.GetIdx(), int(ends[int(rng.integers(len(ends)))]), Chem.BondType.SINGLE)
    return True


def _open_ring(rng: Generator, mol: Chem.RWMol) -> bool:
    bond = _draw_bond(rng, mol, lambda b: b.IsInRing())
    if bond is None:
        return False
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return True


def _move_branch(rng: Generator, mol: Chem.RWMol) -> bool:
    """Moves a branch to another atom."""
    bond = _draw_bond(rng, mol, _holds_branch)
    if bond is None:
        return False
    fixed, moved = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    if rng.random() < 0.5:
        fixed, moved = moved, fixed
    mol.RemoveBond(fixed, moved)
    (rest,) = (part for part in Chem.GetMolFrags(mol) if fixed in part)
    places = [i for i in rest if i != fixed and mol.GetAtomWithIdx(i).GetTotalNumHs() > 0]
    if not places:
        return False
    mol.AddBond(places[int(rng.integers(len(places)))], moved, Chem.BondType.SINGLE)
    return True


def _swap_branches(rng: Generator, mol: Chem.RWMol) -> bool:
    """Exchanges two branches."""
    bonds = list(filter(_holds_branch, mol.GetBonds()))
    if len(bonds) < 2:
        return False
    ends = [(bonds[i].GetBeginAtomIdx(), bonds[i].GetEndAtomIdx()) for i in rng.choice(len(bonds), 2, replace=False)]
    for begin, end in ends:
        mol.RemoveBond(begin, end)
    part = {atom: i for i, atoms in enumerate(Chem.GetMolFrags(mol)) for atom in atoms}
    (rest,) = {part[atom] for atom in ends[0]} & {part[atom] for atom in ends[1]}
    (place, branch), (other_place, other_branch) = (sorted(pair, key=lambda atom: part[atom] != rest) for pair in ends)
    mol.AddBond(place, other_branch, Chem.BondType.SINGLE)
    mol.AddBond(other_place, branch, Chem.BondType.SINGLE)
    return bool(place != other_place)


def _swap_atoms(rng: Generator, mol: Chem.RWMol) -> bool:
    """Exchanges two bonded atoms of different elements, such as a nitrogen and its neighbour in an aromatic ring."""
    Chem.SanitizeMol(mol)
    for atom in mol.GetAtoms():
        if atom.GetIsAromatic() and atom.GetSymbol() != "C":
            atom.SetNumExplicitHs(atom.GetTotalNumHs())
    bond = _draw_bond(rng, mol, lambda b: bool(b.GetBeginAtom().GetSymbol() != b.GetEndAtom().GetSymbol()))
    if bond is None:
        return False
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    atoms = Chem.Atom(bond.GetBeginAtom()), Chem.Atom(bond.GetEndAtom())
    for place, atom in zip((end, begin), atoms, strict=True):
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        mol.ReplaceAtom(place, atom)
    return True


EDITS: tuple[Edit, ...] = (
    _append_atom,
    _insert_atom,
    _delete_atom,
    _change_element,
    _change_order,
    _close_ring,
    _open_ring,
    _move_branch,
    _swap_branches,
    _swap_atoms,
)
EDIT_ODDS = (0.17, 0.1, 0.15, 0.15, 0.09, 0.06, 0.04, 0.09, 0.075, 0.075)


def _element(rng: Generator) -> str:
    return ELEMENTS[int(rng.choice(len(ELEMENTS), p=ELEMENT_ODDS))]


def _order(rng: Generator, but: Chem.BondType | None = None) -> Chem.BondType:
    order = ORDERS[int(rng.choice(len(ORDERS), p=ORDER_ODDS))]
    while order == but:
        order = ORDERS[int(rng.choice(len(ORDERS), p=ORDER_ODDS))]
    return order


def _draw_atom(rng: Generator, mol: Chem.RWMol, is_fit: Callable[[Chem.Atom], bool]) -> Chem.Atom | None:
    """A random atom that fits."""
    return next(filter(is_fit, map(mol.GetAtomWithIdx, rng.permutation(mol.GetNumAtoms()).tolist())), None)


def _draw_bond(rng: Generator, mol: Chem.RWMol, is_fit: Callable[[Chem.Bond], bool]) -> Chem.Bond | None:
    """A random bond that fits."""
    return next(filter(is_fit, map(mol.GetBondWithIdx, rng.permutation(mol.GetNumBonds()).tolist())), None)


def _holds_branch(bond: Chem.Bond) -> bool:
    return not bond.IsInRing() and bool(bond.GetBondType() == Chem.BondType.SINGLE)


def _finish(mol: Chem.RWMol) -> Chem.Mol | None:
    """The sanitised edited molecule; None if it is invalid, fragmented, a cage or implausible."""
    if not 0 < mol.GetNumAtoms() <= MAX_ATOMS:
        return None
    try:
        Chem.SanitizeMol(mol)
    except ValueError:
        return None
    rings = mol.GetRingInfo().AtomRings()
    is_whole = mol.GetNumBonds() - mol.GetNumAtoms() + 1 == len(rings) and len(Chem.GetMolFrags(mol)) == 1
    if not is_whole or any(len(ring) > MAX_RING_SIZE for ring in rings) or any(map(mol.HasSubstructMatch, _UNLIKELY)):
        return None
    return mol.GetMol()


@dataclass(frozen=True)
class _Part:
    """A part of a molecule, not to be changed, and the dummy atoms at its ends."""

    mol: Chem.Mol
    dummies: tuple[int, ...]

    @classmethod
    def of(cls, mol: Chem.Mol) -> _Part:
        return cls(mol, tuple(place for (place,) in mol.GetSubstructMatches(_DUMMY)))


def _part(rng: Generator, smiles: str, n_cuts: int, *, is_small: bool | None = None) -> _Part | None:
    """One side of a molecule cut at a chain bond or at two bonds of a ring; dummy atoms mark the cuts.

    `is_small` selects the smaller or the larger side; None a random one.
    """
    cuts = _cuts(smiles, n_cuts)
    if not cuts:
        return None
    parts = _cut(smiles, cuts[int(rng.integers(len(cuts)))])
    if len(parts) != 2:
        return None
    part = parts[int(rng.integers(2)) if is_small is None else int(not is_small)]
    return part if len(part.dummies) == n_cuts else None


@lru_cache(maxsize=20_000)
def _cut(smiles: str, bonds: tuple[int, ...]) -> tuple[_Part, ...]:
    """The parts of a molecule cut at these bonds, the smallest first."""
    parts = Chem.GetMolFrags(Chem.FragmentOnBonds(_kekulise(smiles), bonds), asMols=True, sanitizeFrags=False)
    return tuple(map(_Part.of, sorted(parts, key=Chem.Mol.GetNumAtoms)))


@lru_cache(maxsize=4096)
def _ring_systems(smiles: str) -> tuple[tuple[_Part, tuple[_Part, ...]], ...]:
    """Each ring system of a molecule, with dummies where single bonds lead away, and the branches that they lead to."""
    mol = _kekulise(smiles)
    systems = []
    for atoms in find_ring_systems(mol):
        bonds = [
            bond for bond in mol.GetBonds() if (bond.GetBeginAtomIdx() in atoms) != (bond.GetEndAtomIdx() in atoms)
        ]
        if not bonds or len(bonds) > MAX_SWAPPED_BRANCHES or not all(bond.GetBondType() == ORDERS[0] for bond in bonds):
            continue
        places: list[tuple[int, ...]] = []
        cut = Chem.FragmentOnBonds(mol, [bond.GetIdx() for bond in bonds])
        parts = Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=places)
        ring = next(i for i, place in enumerate(places) if not atoms.isdisjoint(place))
        branches = [_Part.of(part) for i, part in enumerate(parts) if i != ring]
        if all(len(branch.dummies) == 1 for branch in branches):
            parts[ring].UpdatePropertyCache(strict=False)
            systems.append((_Part.of(parts[ring]), tuple(branches)))
    return tuple(systems)


def _attach(mol: Chem.Mol, dummy: int, branch: _Part) -> Chem.Mol:
    """A molecule with a branch bonded where a dummy atom was; the dummy atoms stay, unbonded, and no index changes."""
    joined = Chem.RWMol(Chem.CombineMols(mol, branch.mol))
    other = branch.dummies[0] + mol.GetNumAtoms()
    begin, end = (joined.GetAtomWithIdx(i).GetNeighbors()[0].GetIdx() for i in (dummy, other))
    joined.AddBond(begin, end, ORDERS[0])
    joined.RemoveBond(begin, dummy)
    joined.RemoveBond(end, other)
    return joined.GetMol()


def _open_at_hydrogen(rng: Generator, smiles: str) -> _Part | None:
    """A molecule with a dummy in place of one hydrogen."""
    return _open_part_at_hydrogen(rng, _Part(_kekulise(smiles), ()))


def _open_part_at_hydrogen(rng: Generator, part: _Part) -> _Part | None:
    """A part with one more dummy, in place of a hydrogen."""
    atom = _draw_atom(rng, part.mol, lambda a: a.GetTotalNumHs() > 0)
    return None if atom is None else _with_dummy(part, atom.GetIdx())


def _open_at_aromatic_carbon(rng: Generator, smiles: str) -> _Part | None:
    """A molecule with a dummy atom in place of a hydrogen of an aromatic carbon, or of any atom if there is none."""
    places = [place for (place,) in Chem.MolFromSmiles(smiles).GetSubstructMatches(_AROMATIC_CH)]
    if not places:
        return _open_at_hydrogen(rng, smiles)
    return _with_dummy(_Part(_kekulise(smiles), ()), places[int(rng.integers(len(places)))])


def _with_dummy(part: _Part, place: int) -> _Part:
    opened = Chem.RWMol(part.mol)
    dummy = opened.AddAtom(Chem.Atom(0))
    opened.AddBond(place, dummy, Chem.BondType.SINGLE)
    opened.UpdatePropertyCache(strict=False)
    return _Part(opened.GetMol(), (*part.dummies, dummy))


@lru_cache(maxsize=4096)
def _cuts(smiles: str, n_cuts: int) -> tuple[tuple[int, ...], ...]:
    """Candidate cuts: each chain bond, or each pair of ring bonds with one bond between them.

    Such a pair need not cut a fused ring system.
    """
    mol = _kekulise(smiles)
    matches = mol.GetSubstructMatches(_CUT if n_cuts == 1 else _RING_BOND_PAIR)
    return tuple(
        tuple(mol.GetBondBetweenAtoms(*atoms[i : i + 2]).GetIdx() for i in range(0, len(atoms), 2)) for atoms in matches
    )


def _join(rng: Generator, one: _Part | None, other: _Part | None) -> Chem.Mol | None:
    """Two parts joined at their dummy atoms, each bond with the order of either; None if a part is missing."""
    if one is None or other is None:
        return None
    joined = Chem.RWMol(Chem.CombineMols(one.mol, other.mol))
    left, right = one.dummies, tuple(place + one.mol.GetNumAtoms() for place in other.dummies)
    for a, b in zip(left, right if rng.random() < 0.5 else right[::-1], strict=True):
        (bond_a,), (bond_b,) = (joined.GetAtomWithIdx(i).GetBonds() for i in (a, b))
        ends = bond_a.GetOtherAtomIdx(a), bond_b.GetOtherAtomIdx(b)
        if ends[0] == ends[1] or joined.GetBondBetweenAtoms(*ends) is not None:
            return None
        joined.AddBond(*ends, bond_a.GetBondType() if rng.random() < 0.5 else bond_b.GetBondType())
    for dummy in sorted((*left, *right), reverse=True):
        joined.RemoveAtom(dummy)
    return _finish(joined)
