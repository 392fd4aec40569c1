"""The core of a series: the part of a molecule that is kept while its open positions change.

A core is written as SMILES, or as a SMARTS pattern, with `[*:1]`, `[*:2]`, ... at its open positions. A molecule keeps
the core if it contains its atoms and bonds, and has substituents only at open positions, each by a single bond. In a
core of two parts, the linker is open; it has at least one atom.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdqueries
from rdkit.rdBase import BlockLogs

from molgen.chem.graph_edits import UNLIKELY
from molgen.errors import SpecError

MAX_SUBSTITUENT = 14
"""Maximum number of heavy atoms of a substituent or linker from another molecule."""
MAX_MATCHES = 1000
"""Maximum number of matches of the core in a molecule that are examined."""
N_ATTEMPTS = 20
"""Number of random attempts at a change before giving up."""

_OPEN = re.compile(r"\[\*:(\d+)\]")
_UNLIKELY = tuple(
    Chem.MolFromSmarts(pattern) for pattern in (*UNLIKELY, "[N,O,S]-;!@[O,F,Cl,Br,I]", "[N;X3]-;!@[N;X3]")
)
"""Patterns that a new bond must not form: implausible structures, and single bonds between most heteroatoms."""
_CHAIN_BOND = Chem.MolFromSmarts("[*]-;!@[*]")
_END = rdqueries.AtomNumEqualsQueryAtom(0)
_HYDROGEN = Chem.MolFromSmiles("[1*][H]", sanitize=False)

HYDROGEN_SHARE = 0.1
"""Share of hydrogens among the substituents that are tried."""

Slots = dict[tuple[int, int], int]
"""Bonds from core atoms to the substituents at open positions, hydrogens included, with the number of each
position."""


@dataclass(frozen=True)
class Core:
    """A core.

    Attributes:
        text: As written.
        query: Its atoms and bonds, without the open positions.
        positions: Numbers of the open positions at each atom of `query`.
        molecule: The core itself, with a hydrogen at each open position; two parts are linked by a CH2 group. None for
            a pattern, which is no molecule.
    """

    text: str
    query: Chem.Mol
    positions: tuple[tuple[int, ...], ...]
    molecule: Chem.Mol | None

    @classmethod
    def read(cls, text: str) -> Core:
        """The core in a text.

        Raises:
            SpecError: It is neither SMILES nor SMARTS, has no open position or the same twice, or no molecule can keep
                it.
        """
        drawn = _drawn(text)
        query, positions = _without_positions(drawn)
        numbers = [number for own in positions for number in own]
        if not numbers:
            remedy = "Mark each with [*:1], [*:2], ...; use --keep for substructures without open positions."
            raise SpecError("core", f"{text!r} has no open position", remedy=remedy)
        if len(set(numbers)) < len(numbers):
            raise SpecError(
                "core", f"{text!r} has two open positions of one number", remedy="Number them [*:1], [*:2]."
            )
        parts = Chem.GetMolFrags(query)
        if len(parts) > 2 or not all(any(positions[i] for i in part) for part in parts):
            remedy = "Give one part, or two parts to be linked, each with an open position."
            raise SpecError("core", f"{text!r} has parts that cannot be linked", remedy=remedy)
        return cls(text, query, positions, None if _is_pattern(drawn) else _closed(drawn))

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all open positions, ascending."""
        return tuple(sorted(number for own in self.positions for number in own))

    def is_kept(self, mol: Chem.Mol) -> bool:
        """Whether a molecule keeps the core."""
        return next(self._matches(mol), None) is not None

    def require_positions(self, numbers: Sequence[int]) -> None:
        """Checks that `numbers` are those of open positions.

        Raises:
            SpecError: One is not.
        """
        unknown = sorted(set(numbers) - set(self.numbers))
        if unknown:
            has = ", ".join(map(str, self.numbers))
            raise SpecError("vary", f"the core has no open position {unknown[0]}", remedy=f"It has {has}.")

    def closed_but(self, vary: Sequence[int], mol: Chem.Mol) -> Core:
        """The core extended by the substituents of a molecule at all positions not in `vary`.

        Raises:
            SpecError: The molecule does not keep the core, or one substituent holds a position that varies and one that
                does not.
        """
        match = next(self._matches(mol), None)
        if match is None:
            raise SpecError("vary", f"{Chem.MolToSmiles(mol)} does not keep the core", remedy="Name one that does.")
        whole = Chem.AddHs(mol)
        cut = {bond: number for bond, number in self._slots(whole, match).items() if number in vary}
        parts = [part for part, atoms in _cut(whole, cut) if not atoms.isdisjoint(match)]
        ends = [atom for part in parts for atom in part.GetAtoms() if atom.GetAtomicNum() == 0]
        if len(ends) > len(cut):
            raise SpecError("vary", "one substituent holds a position that varies and one that does not")
        for atom in ends:
            atom.SetAtomMapNum(atom.GetIsotope())
            atom.SetIsotope(0)
        return Core.read(".".join(map(_to_smiles, parts)))

    def substitute(self, rng: np.random.Generator, mol: Chem.Mol, donor: Chem.Mol) -> Chem.Mol | None:
        """A molecule that keeps the core, with a part of a donor in place of a substituent at an open position.

        None if `mol` does not keep the core, or if no part of the donor fits.
        """
        matches = list(self._matches(mol))
        if not matches:
            return None
        whole = Chem.AddHs(mol)
        with BlockLogs():
            for _ in range(N_ATTEMPTS):
                match = matches[int(rng.integers(len(matches)))]
                made = _exchange(rng, whole, match, self._slots(whole, match), donor)
                if made is not None and self.is_kept(made):
                    return made
        return None

    def _matches(self, mol: Chem.Mol) -> Iterator[tuple[int, ...]]:
        """The atoms of the core in a molecule, for each match that keeps the core."""
        for match in mol.GetSubstructMatches(self._closed_query, uniquify=False, maxMatches=MAX_MATCHES):
            if self._is_closed(mol, match):
                yield match

    @cached_property
    def _closed_query(self) -> Chem.Mol:
        """The query; its atoms without an open position match only atoms without further bonds."""
        marked = Chem.Mol(self.query)
        for atom, own in zip(marked.GetAtoms(), self.positions, strict=True):
            atom.SetAtomMapNum(len(own))
        rules = Chem.AdjustQueryParameters.NoAdjustments()
        rules.adjustDegree = True  # type: ignore[assignment] # RDKit's stub is wrong
        rules.adjustDegreeFlags = Chem.AdjustQueryWhichFlags.ADJUST_IGNOREMAPPED
        return Chem.AdjustQueryProperties(marked, rules)

    @cached_property
    def _open_atoms(self) -> tuple[tuple[int, int, int], ...]:
        """For each atom with open positions its index, their number, and its number of bonds in the core."""
        sized = zip(self.query.GetAtoms(), map(len, self.positions), strict=True)
        return tuple((atom.GetIdx(), n_open, atom.GetDegree()) for atom, n_open in sized if n_open)

    def _is_closed(self, mol: Chem.Mol, match: Sequence[int]) -> bool:
        """Whether atoms with open positions have no further bonds, except at most one single bond per position."""
        inside = set(match)
        for place, n_open, n_bonds in self._open_atoms:
            atom = mol.GetAtomWithIdx(match[place])
            out = [bond for bond in atom.GetBonds() if bond.GetOtherAtomIdx(match[place]) not in inside]
            is_single = all(bond.GetBondType() == Chem.BondType.SINGLE for bond in out)
            if len(out) > n_open or not is_single or atom.GetDegree() - len(out) != n_bonds:
                return False
        return True

    def _slots(self, whole: Chem.Mol, match: Sequence[int]) -> Slots:
        """The open positions of a molecule with all its hydrogens; substituents take the first numbers of an atom."""
        inside = set(match)
        slots: Slots = {}
        for index, own in zip(match, self.positions, strict=True):
            near = [atom for atom in whole.GetAtomWithIdx(index).GetNeighbors() if atom.GetIdx() not in inside]
            near.sort(key=lambda atom: atom.GetAtomicNum() == 1)
            slots |= {(index, atom.GetIdx()): number for atom, number in zip(near, own, strict=False)}
        return slots


def _drawn(text: str) -> Chem.Mol:
    """The core as written, with its open positions as atoms: a molecule if it is SMILES, else a query."""
    with BlockLogs():
        mol = Chem.MolFromSmiles(text, sanitize=False)
        if mol is not None and len(_OPEN.findall(text)) == sum(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
            try:
                Chem.SanitizeMol(mol)
            except ValueError as error:
                raise SpecError("core", f"no molecule can keep {text!r}: {str(error).strip()}") from None
        else:
            mol = Chem.MolFromSmarts(text)
    if mol is None or mol.GetNumAtoms() == 0:
        raise SpecError("core", f"{text!r} is neither SMILES nor SMARTS", remedy="Write it like c1ccc([*:1])cc1.")
    return mol


def _is_pattern(drawn: Chem.Mol) -> bool:
    return any(atom.HasQuery() for atom in drawn.GetAtoms() if not _is_open(atom))


def _is_open(atom: Chem.Atom) -> bool:
    is_any = not atom.HasQuery() or atom.DescribeQuery().strip() == "AtomNull"
    return bool(atom.GetAtomicNum() == 0 and atom.GetAtomMapNum() and is_any)


def _without_positions(drawn: Chem.Mol) -> tuple[Chem.Mol, tuple[tuple[int, ...], ...]]:
    """The core's atoms, and the numbers of the open positions at each."""
    positions: list[list[int]] = [[] for _ in drawn.GetAtoms()]
    is_open = [_is_open(atom) for atom in drawn.GetAtoms()]
    for atom in drawn.GetAtoms():
        if is_open[atom.GetIdx()]:
            bonds = atom.GetBonds()
            if (
                len(bonds) != 1
                or bonds[0].GetBondType() == Chem.BondType.DOUBLE
                or is_open[bonds[0].GetOtherAtomIdx(atom.GetIdx())]
            ):
                raise SpecError("core", "an open position must end one single bond from an atom of the core")
            positions[bonds[0].GetOtherAtomIdx(atom.GetIdx())].append(atom.GetAtomMapNum())
    query = Chem.RWMol(drawn)
    for index in np.flatnonzero(is_open)[::-1].tolist():
        query.RemoveAtom(index)
    for atom in query.GetAtoms():
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        atom.SetAtomMapNum(0)
    kept = tuple(tuple(sorted(own)) for own, is_out in zip(positions, is_open, strict=True) if not is_out)
    return query.GetMol(), kept


def _closed(drawn: Chem.Mol) -> Chem.Mol:
    """The core with hydrogens at its open positions; two parts are linked by a CH2 group at their first positions."""
    closed = Chem.RWMol(drawn)
    ends = sorted(filter(_is_open, closed.GetAtoms()), key=lambda atom: int(atom.GetAtomMapNum()))
    parts = Chem.GetMolFrags(drawn)
    if len(parts) == 2:
        one, other = (next(atom for atom in ends if atom.GetIdx() in part) for part in parts)
        one.SetAtomicNum(6)
        closed.AddBond(one.GetIdx(), other.GetNeighbors()[0].GetIdx(), Chem.BondType.SINGLE)
        closed.RemoveAtom(other.GetIdx())
    for atom in closed.GetAtoms():
        if _is_open(atom):
            atom.SetAtomicNum(1)
        atom.SetAtomMapNum(0)
    return Chem.MolFromSmiles(Chem.MolToSmiles(closed))


def _to_smiles(part: Chem.Mol) -> str:
    """SMILES of a part with numbered ends and implicit hydrogens."""
    with BlockLogs():
        return str(Chem.MolToSmiles(Chem.RemoveHs(part)))


def _cut(whole: Chem.Mol, slots: Slots) -> list[tuple[Chem.Mol, set[int]]]:
    """The parts of a molecule cut at slots, and their atoms; the isotope of both ends of a cut is its number."""
    bonds = [whole.GetBondBetweenAtoms(*slot).GetIdx() for slot in slots]
    labels = [(number, number) for number in slots.values()]
    cut = Chem.FragmentOnBonds(whole, bonds, dummyLabels=labels)
    atoms: list[tuple[int, ...]] = []
    parts = Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    return [(part, set(own)) for part, own in zip(parts, atoms, strict=True)]


def _exchange(
    rng: np.random.Generator, whole: Chem.Mol, match: Sequence[int], slots: Slots, donor: Chem.Mol
) -> Chem.Mol | None:
    """A molecule with a random substituent or linker replaced by a part of a donor with as many ends."""
    inside = set(match)
    parts = _cut(whole, slots)
    outside = [i for i, (_, atoms) in enumerate(parts) if atoms.isdisjoint(inside)]
    chosen = outside[int(rng.integers(len(outside)))] if outside else -1
    if chosen < 0:
        return None
    ends = _ends(parts[chosen][0])
    piece = _piece(rng, donor, len(ends))
    if piece is None:
        return None
    for atom, number in zip(_end_atoms(piece), rng.permutation(ends).tolist(), strict=True):
        atom.SetIsotope(number)
    together = piece
    for i, (part, _) in enumerate(parts):
        if i != chosen:
            together = Chem.CombineMols(together, part)
    return _zipped(together)


def _end_atoms(part: Chem.Mol) -> list[Chem.Atom]:
    return list(part.GetAtomsMatchingQuery(_END))


def _ends(part: Chem.Mol) -> list[int]:
    """The numbers of the slots at the ends of a part."""
    return [atom.GetIsotope() for atom in _end_atoms(part)]


def _piece(rng: np.random.Generator, donor: Chem.Mol, n_ends: int) -> Chem.Mol | None:
    """A random part of a molecule, cut at `n_ends` chain bonds; for one bond, sometimes a hydrogen."""
    if n_ends == 1 and rng.random() < HYDROGEN_SHARE:
        return _HYDROGEN
    bonds = [donor.GetBondBetweenAtoms(*pair).GetIdx() for pair in donor.GetSubstructMatches(_CHAIN_BOND)]
    if len(bonds) < n_ends:
        return None
    chosen = rng.choice(bonds, n_ends, replace=False).tolist()
    cut = Chem.FragmentOnBonds(donor, chosen, dummyLabels=[(1, 1)] * n_ends)
    parts = [
        part
        for part in Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False)
        if len(_end_atoms(part)) == n_ends and part.GetNumAtoms() - n_ends <= MAX_SUBSTITUENT
    ]
    return parts[int(rng.integers(len(parts)))] if parts else None


def _zipped(parts: Chem.Mol) -> Chem.Mol | None:
    """Parts joined at ends of equal numbers; None if the result is implausible."""
    rules = Chem.MolzipParams()
    rules.label = Chem.MolzipLabel.Isotope
    try:
        made = Chem.RemoveHs(Chem.molzip(parts, rules))
    except (ValueError, RuntimeError):
        return None
    is_whole = len(Chem.GetMolFrags(made)) == 1 and not _end_atoms(made)
    return made if is_whole and not any(map(made.HasSubstructMatch, _UNLIKELY)) else None
