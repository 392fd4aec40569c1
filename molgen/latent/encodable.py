"""Points of molecules that a user names: each must have one, or the user is told why, and what comes nearest.

Notation: N molecules, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molgen.arrays import Floats
from molgen.chem.molecule import Molecule, Policy, parse
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace

_STAND_INS = {5: 6, 14: 6, 32: 6, 50: 6, 33: 7, 51: 7, 34: 16, 52: 16, 85: 53}
"""Atomic number of the common element that stands in for a rare one: of its group, and carbon for boron."""
_ORGANIC = frozenset({6, 7, 8, 9, 15, 16, 17, 35, 53})


def encode_named(space: LatentSpace, texts: Sequence[str]) -> tuple[list[Molecule], Floats]:
    """Molecules and their points (N, D).

    Raises:
        MoleculeError: A text is no molecule, or the checkpoint cannot encode it: the message tells which token is
            unknown, the remedy the nearest molecule that can be encoded.
    """
    molecules = [parse(text) for text in texts]
    encoding = space.explain([molecule.smiles for molecule in molecules])
    for molecule, reason in zip(molecules, encoding.reasons, strict=True):
        if reason:
            raise MoleculeError(molecule.smiles, f"cannot be encoded: {reason}", remedy=_remedy(space, molecule))
    return molecules, encoding.z


def nearest_encodable(space: LatentSpace, molecule: Molecule) -> str | None:
    """SMILES of a molecule as like `molecule` as a few changes allow that can be encoded; None where none of them can.

    The changes, each but the last tried alone, then all up to it: drop isotopes, stereochemistry and charges; put a
    common element of the same group in place of each rare one; drop what is still not common in organic molecules.
    """
    for smiles in _variants(molecule):
        if not space.explain([smiles], is_refined=False).reasons[0]:
            return smiles
    return None


def _remedy(space: LatentSpace, molecule: Molecule) -> str:
    nearest = nearest_encodable(space, molecule)
    if nearest is None:
        return "Train a checkpoint on molecules like it: `molgen train DATA --init default`."
    return f"The nearest molecule that can be encoded: {nearest}"


def _variants(molecule: Molecule) -> Iterator[str]:
    """Ever more changed SMILES of a molecule."""
    mild = (_without_isotopes, _without_stereo, _neutral, _common)
    yield from (_change(molecule.smiles, change) for change in mild)
    smiles = molecule.smiles
    for change in (*mild, _organic):
        smiles = _change(smiles, change)
        yield smiles


def _change(smiles: str, change: Callable[[str], str]) -> str:
    """What `change` makes of a SMILES; the SMILES itself where the result would be no molecule."""
    try:
        with BlockLogs():
            return change(smiles)
    except (MoleculeError, ValueError):  # of rdkit's sanitisation
        return smiles


def _without_isotopes(smiles: str) -> str:
    mol = parse(smiles).mol
    for atom in mol.GetAtoms():
        atom.SetIsotope(0)
    return parse(Chem.MolToSmiles(mol)).smiles


def _without_stereo(smiles: str) -> str:
    return parse(smiles, Policy(stereo="drop")).smiles


def _neutral(smiles: str) -> str:
    return parse(smiles, Policy(charge="neutralise")).smiles


def _common(smiles: str) -> str:
    mol = Chem.RWMol(parse(smiles).mol)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() in _STAND_INS:
            atom.SetAtomicNum(_STAND_INS[atom.GetAtomicNum()])
    return _saturate(mol)


def _organic(smiles: str) -> str:
    mol = Chem.RWMol(parse(smiles).mol)
    for atom in list(mol.GetAtoms())[::-1]:
        if atom.GetAtomicNum() not in _ORGANIC:
            mol.RemoveAtom(atom.GetIdx())
    return _saturate(mol)


def _saturate(mol: Chem.RWMol) -> str:
    """SMILES of the largest fragment, with as many hydrogens as its atoms have room for."""
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
    Chem.SanitizeMol(mol)
    return parse(Chem.MolToSmiles(mol)).smiles
