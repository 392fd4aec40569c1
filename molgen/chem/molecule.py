"""One molecule: from a SMILES text to a standardised, canonical form that is a fixed point of parsing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator, rdinchi, rdMolDescriptors
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from molgen.errors import MoleculeError, SpecError

MAX_SMILES_LENGTH = 2000
"""Maximum length of a SMILES, read or written; bounds the cost of a hostile string."""

MAX_ATOMS = 2000
"""Maximum number of atoms of a mol block, hydrogens included: RDKit's time grows with its square."""

FINGERPRINT_BITS = 2048

_V3000_ATOMS = re.compile(r"^M  V30 COUNTS +(\d{1,9})", re.MULTILINE)

_MAX_ROUNDS = 4
"""Maximum rounds of writing and reading until the SMILES no longer changes; real molecules need at most three."""


_CHOICES = {
    "fragment": ("largest", "keep", "reject"),
    "charge": ("keep", "neutralise"),
    "stereo": ("keep", "drop"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Options of standardisation. Atom maps are always dropped, isotopes always kept.

    Attributes:
        fragment: With several fragments: take the largest (organic before inorganic, then most heavy atoms,
            then heaviest, then by SMILES; never by their order), keep all of them, or reject the molecule.
        charge: Keep charges as drawn, or add and remove protons until the molecule is neutral, as far as possible.
        stereo: Keep stereochemistry as drawn, or drop it.
    """

    fragment: Literal["largest", "keep", "reject"] = "largest"
    charge: Literal["keep", "neutralise"] = "keep"
    stereo: Literal["keep", "drop"] = "keep"

    def __post_init__(self) -> None:
        """Checks the values; raises SpecError."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise SpecError(name, f"must be one of {', '.join(choices)}, but got {getattr(self, name)!r}")


DEFAULT_POLICY = Policy()
AS_IT_IS = Policy(fragment="keep")
"""Policy for canonical SMILES that are standardised already."""


@dataclass(frozen=True, slots=True)
class Molecule:
    """A molecule of at least one heavy atom, made by `parse`; molecules are equal if their SMILES are.

    Attributes:
        smiles: RDKit's canonical isomeric SMILES; `parse` returns it unchanged.
        mol: RDKit's molecule, read from `smiles`, hydrogens implicit.
    """

    smiles: str
    mol: Chem.Mol = field(compare=False, repr=False)

    @property
    def inchikey(self) -> str:
        """The standard InChIKey: equal for tautomers that InChI merges, and stable across RDKit versions.

        Raises:
            MoleculeError: InChI does not cover this molecule.
        """
        with BlockLogs():
            key: str = rdinchi.MolToInchiKey(self.mol)
        if not key:
            raise MoleculeError(self.smiles, "no InChIKey")
        return key


def parse(text: str, policy: Policy = DEFAULT_POLICY) -> Molecule:
    """Parses a SMILES and standardises the molecule; text after the first blank is ignored.

    Idempotent and independent of the atom order: the text is read, standardised and written until it no longer
    changes.

    >>> parse("OCC.[Na+].[Cl-]").smiles
    'CCO'

    Raises:
        MoleculeError: The text is empty, too long, not a SMILES, chemically impossible, has no heavy atom,
            holds a dummy atom, or is rejected by `policy`; `reason` says which.
    """
    smiles = (text.split(maxsplit=1) or [""])[0]
    with BlockLogs():
        for round_ in range(_MAX_ROUNDS):
            mol = _read_or_refuse(smiles, text, round_)
            mol = _standardise(mol, smiles, text, policy)
            canonical: str = Chem.MolToSmiles(mol)
            if canonical == smiles:
                return _real(Molecule(canonical, mol), text)
            smiles = canonical
    raise MoleculeError(text, "no stable canonical SMILES")


def parse_or_none(text: str | None, policy: Policy = DEFAULT_POLICY) -> Molecule | None:
    """The molecule that `parse` returns; None if the text is None or invalid."""
    try:
        return parse(text, policy) if text else None
    except MoleculeError:
        return None


def find_ring_systems(mol: Chem.Mol) -> list[set[int]]:
    """The atoms of each ring system: rings that share atoms."""
    systems: list[set[int]] = []
    for ring in map(set, mol.GetRingInfo().AtomRings()):
        fused = [system for system in systems if system & ring]
        systems = [system for system in systems if not system & ring] + [ring.union(*fused)]
    return systems


def neutralise(molecule: Molecule) -> Molecule:
    """The molecule with protons added and removed until it is neutral, as far as possible.

    >>> neutralise(parse("C[NH+](C)CC(=O)[O-]")).smiles
    'CN(C)CC(=O)O'
    """
    if not any(atom.GetFormalCharge() for atom in molecule.mol.GetAtoms()):
        return molecule
    try:
        return parse(molecule.smiles, Policy(fragment="keep", charge="neutralise"))
    except MoleculeError:  # the neutral form has no stable SMILES
        return molecule


def saturate(smiles: str) -> str:
    """The SMILES with hydrogens in place of unpaired electrons.

    A generated token such as [C@H1] states its hydrogens, so an atom with fewer bonds than the token was made for
    becomes an unintended radical.

    >>> saturate("C[CH]C")
    'CCC'

    Raises:
        MoleculeError: The text is not a molecule.
    """
    with BlockLogs():
        mol = _read_or_refuse(smiles, smiles, 0)
        radicals = [atom for atom in mol.GetAtoms() if atom.GetNumRadicalElectrons()]
        if not radicals:
            return smiles
        for atom in radicals:
            atom.SetNumRadicalElectrons(0)
            atom.SetNoImplicit(False)
        try:
            Chem.SanitizeMol(mol)
        except ValueError:
            raise MoleculeError(smiles, "impossible valence or aromaticity") from None
        text: str = Chem.MolToSmiles(mol)
    return text


def parse_generated(smiles: str, policy: Policy = DEFAULT_POLICY) -> Molecule | None:
    """The molecule of a generated SMILES, with hydrogens in place of unpaired electrons; None if it is not valid.

    Only an atom in brackets can have unpaired electrons, so `saturate` is left out, to save time, without brackets.
    """
    try:
        return parse(saturate(smiles) if "[" in smiles else smiles, policy)
    except MoleculeError:
        return None


def molblock_to_smiles(block: str) -> str:
    """The SMILES of a V2000 or V3000 mol block, stereochemistry from its wedges or 3D coordinates.

    Raises:
        MoleculeError: The block is not a mol block, has more than `MAX_ATOMS` atoms, or is chemically impossible.
    """
    title = block.split("\n", 1)[0].strip()
    if _n_atoms(block) > MAX_ATOMS:
        raise MoleculeError(title, f"more than {MAX_ATOMS} atoms")
    with BlockLogs():
        try:
            mol = Chem.MolFromMolBlock(block)
        except (RuntimeError, ValueError):
            mol = None
        if mol is None:
            raise MoleculeError(title, "not a mol block")
        smiles: str = Chem.MolToSmiles(mol)
    return smiles


def _n_atoms(block: str) -> int:
    """Number of atoms that a V3000 block announces, or 0; a V2000 block has at most 999."""
    count = _V3000_ATOMS.search(block)
    return int(count[1]) if count else 0


def fingerprint(mol: Chem.Mol) -> DataStructs.ExplicitBitVect:
    """Morgan fingerprint of radius 2 and 2048 bits, known as ECFP4.

    Source: Rogers and Hahn, J. Chem. Inf. Model. 2010, 50, 742.
    """
    bits: DataStructs.ExplicitBitVect = _morgan().GetFingerprint(mol)
    return bits


def tanimoto(a: DataStructs.ExplicitBitVect, b: DataStructs.ExplicitBitVect) -> float:
    """The Tanimoto similarity in [0, 1] of two fingerprints."""
    return float(DataStructs.TanimotoSimilarity(a, b))


def tanimoto_to_many(
    one: DataStructs.ExplicitBitVect, many: Sequence[DataStructs.ExplicitBitVect]
) -> npt.NDArray[np.float64]:
    """The Tanimoto similarities (N,) in [0, 1] of one fingerprint to each of N."""
    return np.asarray(DataStructs.BulkTanimotoSimilarity(one, list(many)), dtype=np.float64)


@cache
def _morgan() -> rdFingerprintGenerator.FingerprintGenerator64:
    return rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=FINGERPRINT_BITS)


def _refusal(smiles: str) -> str:
    """Why a text is refused before parsing, or ""."""
    if not smiles:
        return "empty"
    if len(smiles) > MAX_SMILES_LENGTH:
        return f"longer than {MAX_SMILES_LENGTH} characters"
    if not smiles.isascii() or not smiles.isprintable():
        return "not a SMILES"
    return ""


def _read(smiles: str, *, sanitize: bool = True) -> Chem.Mol | None:
    try:
        return Chem.MolFromSmiles(smiles, sanitize=sanitize)
    except (RuntimeError, ValueError):  # how RDKit reports a violated invariant
        return None


def _read_or_refuse(smiles: str, text: str, round_: int) -> Chem.Mol:
    reason = _refusal(smiles)
    if reason:
        raise MoleculeError(text, reason)
    mol = _read(smiles)
    if mol is None:
        raise MoleculeError(text, _why_unreadable(smiles, round_))
    return mol


def _why_unreadable(smiles: str, round_: int) -> str:
    if round_ > 0:
        return "cannot be re-read after standardisation"
    if _read(smiles, sanitize=False) is None:
        return "not a SMILES"
    return "impossible valence or aromaticity"


def _standardise(mol: Chem.Mol, smiles: str, text: str, policy: Policy) -> Chem.Mol:
    """Applies the policy; the characters of `smiles` show which steps can be skipped."""
    if ":" in smiles:
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
    if "." in smiles and policy.fragment != "keep":
        mol = _single_fragment(mol, text, policy)
    if policy.charge == "neutralise" and ("+" in smiles or "-" in smiles):
        mol = rdMolStandardize.Uncharger().uncharge(mol)
    if policy.stereo == "drop":
        Chem.RemoveStereochemistry(mol)
    return mol


def _single_fragment(mol: Chem.Mol, text: str, policy: Policy) -> Chem.Mol:
    fragments = Chem.GetMolFrags(mol, asMols=True)
    if len(fragments) > 1 and policy.fragment == "reject":
        raise MoleculeError(text, "several fragments")
    return max(fragments, key=_fragment_rank) if fragments else mol


def _fragment_rank(fragment: Chem.Mol) -> tuple[bool, int, float, str]:
    is_organic = any(atom.GetAtomicNum() == 6 for atom in fragment.GetAtoms())
    weight_da = round(rdMolDescriptors.CalcExactMolWt(fragment), 6)  # the last digits depend on the atom order
    return is_organic, fragment.GetNumHeavyAtoms(), weight_da, Chem.MolToSmiles(fragment)


def _real(molecule: Molecule, text: str) -> Molecule:
    if "*" in molecule.smiles or "~" in molecule.smiles:
        raise MoleculeError(text, "dummy atom or query")
    if molecule.mol.GetNumHeavyAtoms() == 0:
        raise MoleculeError(text, "no heavy atom")
    return molecule
