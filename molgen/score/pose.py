"""Likeness to a molecule in a given pose, by shape and pharmacophoric features.

Source: PubChem's shape alignment, Bolton et al., J. Cheminform. 2011, 3, 13, as in RDKit's `rdShapeAlign`.
"""

from __future__ import annotations

from pathlib import Path

from rdkit import Chem
from rdkit.Chem import rdShapeAlign

from molgen.chem.conformer import embed_several, read_pose

N_CONFORMERS = 5
"""Number of conformers tried per molecule; takes 50 ms, mostly for embedding."""
_EQUAL_WEIGHTS = 0.5  # of shape and features, in the alignment


class Pose:
    """A molecule as it lies in space, such as a ligand in its pocket."""

    def __init__(self, mol: Chem.Mol) -> None:
        """Takes a molecule with one 3D conformer."""
        self._mol = mol

    @classmethod
    def read(cls, path: Path) -> Pose:
        """The first molecule of an SDF.

        Raises:
            FileError: The file is missing, or its first record is no molecule in 3D.
        """
        return cls(read_pose(path))

    def similarity(self, mol: Chem.Mol) -> float:
        """The mean of the Tanimoto similarities of shape and of features, in [0, 1], of the best conformer.

        Raises:
            MoleculeError: The molecule has no conformer.
        """
        solid = embed_several(mol, N_CONFORMERS, seed=0)
        scores = [
            rdShapeAlign.AlignMol(
                self._mol, solid, probeConfId=conformer.GetId(), useColors=True, opt_param=_EQUAL_WEIGHTS
            )
            for conformer in solid.GetConformers()
        ]
        return max(float(shape + features) / 2 for shape, features in scores)
