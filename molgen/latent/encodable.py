"""Molecules that can be encoded: those of a file, and those that a user names.

Errors about a named molecule explain why it has no point, and name the nearest molecule that has one.

Notation: N molecules, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molgen.arrays import Floats
from molgen.chem.molecule import AS_IT_IS, DEFAULT_POLICY, Molecule, Policy, parse
from molgen.chem.table import Kept, Record, Rejection, Tally, chunked
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace

_STAND_INS = {5: 6, 14: 6, 32: 6, 50: 6, 33: 7, 51: 7, 34: 16, 52: 16, 85: 53}
"""Atomic number of the common element that replaces a rare one: one of its group, or carbon for boron."""
_ORGANIC = frozenset({6, 7, 8, 9, 15, 16, 17, 35, 53})
_CHUNK = 1024
"""Rows encoded at once."""


def keep_encodable(
    space: LatentSpace, rows: Sequence[Kept], tally: Tally, *, on_row: Callable[[int], object] = lambda _n: None
) -> tuple[list[Kept], Floats]:
    """The M rows that can be encoded and their posterior means (M, D), without refinement.

    Args:
        space: The latent space.
        rows: Standardised molecules, counted as kept in `tally`.
        tally: Counts rows that cannot be encoded as rejected, with the reason.
        on_row: Called with the number of rows done.
    """
    kept, points, n_done = [], [np.empty((0, space.size), dtype=np.float32)], 0
    for chunk in chunked(rows, _CHUNK):
        texts = [row.molecule.smiles if isinstance(row, Record) else row.smiles for row in chunk]
        encoding = space.explain(texts, AS_IT_IS, is_refined=False)
        for row, text, reason in zip(chunk, texts, encoding.reasons, strict=True):
            if reason:
                tally.retract(Rejection(row.line, text, reason))
            else:
                kept.append(row)
        points.append(encoding.z[[not reason for reason in encoding.reasons]])
        n_done += len(chunk)
        on_row(n_done)
    return kept, np.concatenate(points)


def encode_named(
    space: LatentSpace, texts: Sequence[str], policy: Policy = DEFAULT_POLICY
) -> tuple[list[Molecule], Floats]:
    """Molecules, standardised by `policy`, and their points (N, D).

    Raises:
        MoleculeError: A text is no molecule, or the checkpoint cannot encode it: the message names the unknown token,
            the remedy the nearest molecule that can be encoded.
    """
    molecules = [parse(text, policy) for text in texts]
    encoding = space.explain([molecule.smiles for molecule in molecules])
    for molecule, reason in zip(molecules, encoding.reasons, strict=True):
        if reason:
            raise MoleculeError(molecule.smiles, f"cannot be encoded: {reason}", remedy=_remedy(space, molecule))
    return molecules, encoding.z


def nearest_encodable(space: LatentSpace, molecule: Molecule) -> str | None:
    """SMILES of a molecule that a few changes of `molecule` make encodable; None if they do not.

    There are five changes: drop isotopes, drop stereochemistry, neutralise charges, replace each rare element by a
    common one, and drop atoms that are still uncommon in organic molecules. The first four are tried one by one; then
    all are applied in this order, one after another, until the molecule can be encoded.
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
    """SMILES of the molecule after each change alone, then after more and more of them."""
    mild = (_without_isotopes, _without_stereo, _neutral, _common)
    yield from (_change(molecule.smiles, change) for change in mild)
    smiles = molecule.smiles
    for change in (*mild, _organic):
        smiles = _change(smiles, change)
        yield smiles


def _change(smiles: str, change: Callable[[str], str]) -> str:
    """The SMILES after `change`, or unchanged if the result would be invalid."""
    try:
        with BlockLogs():
            return change(smiles)
    except (MoleculeError, ValueError):  # from RDKit's sanitisation
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
    """SMILES of the largest fragment, with its valences filled by hydrogens."""
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
    Chem.SanitizeMol(mol)
    return parse(Chem.MolToSmiles(mol)).smiles
