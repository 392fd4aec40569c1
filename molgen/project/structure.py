"""Registration of structures: the neutral parent without its salt, in one standard form.

Source of the steps: Bento et al. 2020, J. Cheminform. 12, 51 (the ChEMBL structure pipeline), done with RDKit's
`rdMolStandardize`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors, rdMolHash
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from molgen.chem.molecule import AS_IT_IS, Molecule, Policy, parse
from molgen.errors import MoleculeError

_PARENT, _NEUTRAL = Policy(), Policy(charge="neutralise")


@dataclass(frozen=True)
class Structure:
    """A registered structure.

    Attributes:
        molecule: The parent.
        weight_da: Average molecular weight of the substance as written, salt included.
        changes: Changes to the structure in words; empty if none.
    """

    molecule: Molecule
    weight_da: float
    changes: tuple[str, ...]


def register(text: str) -> Structure:
    """The registered structure of a SMILES text.

    >>> register("CC(=O)[O-].[Na+]").molecule.smiles
    'CC(=O)O'

    Raises:
        MoleculeError: The text is not a molecule.
    """
    written = parse(text, AS_IT_IS)
    weight_da = float(rdMolDescriptors._CalcMolWt(written.mol))
    changes = []
    cleaned = parse(_cleaned(written), AS_IT_IS)
    if cleaned != written:
        changes.append("functional groups normalised")
    parent = parse(cleaned.smiles, _PARENT)
    if "." in cleaned.smiles:
        changes.append(f"fragments removed: {_removed(cleaned, parent)}")
    neutral = parse(parent.smiles, _NEUTRAL)
    if neutral != parent:
        changes.append("charges neutralised")
    return Structure(neutral, weight_da, tuple(changes))


def same_compounds(molecules: Sequence[Molecule]) -> tuple[list[str], list[str]]:
    """Two lists of N keys: the first are equal for tautomers, the second also for stereoisomers.

    Tautomers share the hash of their skeleton. Canonical tautomers are slow to compute, so only molecules whose hash
    occurs with another structure get one.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for i, molecule in enumerate(molecules):
        groups[_skeleton(molecule)].append(i)
    keys = [molecule.smiles for molecule in molecules]
    flat_keys = list(keys)
    for group in groups.values():
        if len({molecules[i].smiles for i in group}) > 1:
            for i in group:
                keys[i] = _canonical_tautomer(molecules[i].mol)
                flat_keys[i] = _canonical_tautomer(_flat(molecules[i].mol))
    return keys, flat_keys


def _cleaned(molecule: Molecule) -> str:
    with BlockLogs():
        try:
            return str(Chem.MolToSmiles(rdMolStandardize.Cleanup(molecule.mol)))
        except (RuntimeError, ValueError):
            raise MoleculeError(molecule.smiles, "cannot be standardised") from None


def _removed(mixture: Molecule, parent: Molecule) -> str:
    fragments = mixture.smiles.split(".")
    if parent.smiles in fragments:
        fragments.remove(parent.smiles)
    return ".".join(fragments)


def _skeleton(molecule: Molecule) -> str:
    return str(rdMolHash.MolHash(_flat(molecule.mol), rdMolHash.HashFunction.HetAtomTautomerv2))


def _flat(mol: Chem.Mol) -> Chem.Mol:
    copy = Chem.Mol(mol)
    Chem.RemoveStereochemistry(copy)
    return copy


def _canonical_tautomer(mol: Chem.Mol) -> str:
    enumerator = rdMolStandardize.TautomerEnumerator()
    enumerator.SetRemoveSp3Stereo(False)  # otherwise L- and D-alanine would be tautomers
    enumerator.SetRemoveBondStereo(False)
    with BlockLogs():
        return str(Chem.MolToSmiles(enumerator.Canonicalize(mol)))
