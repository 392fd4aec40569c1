"""Coordinates for a molecule: a flat drawing, or one relaxed 3D conformer, the same for the same seed.

Sources: ETKDGv3, Wang et al., J. Chem. Inf. Model. 2020, 60, 2044; MMFF94s, Halgren, J. Comput. Chem. 1999,
20, 720; UFF, Rappe et al., J. Am. Chem. Soc. 1992, 114, 10024.
"""

from __future__ import annotations

from typing import Any, Literal

from rdkit import Chem
from rdkit.Chem import rdDepictor, rdDistGeom, rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from molgen.errors import MoleculeError

_RELAX_STEPS = 2000
_SEED_BITS = 0x7FFFFFFF  # RDKit takes 32 bits with a sign, and draws a seed itself where it is negative
_MAX_ATTEMPTS = 50  # embeddings tried before giving up; RDKit's own default grows with the molecule
_TIMEOUT_S = 60  # for cages and large rings, which may never embed


def embed(mol: Chem.Mol, *, seed: int, dimensions: Literal[2, 3] = 3) -> Chem.Mol:
    """A copy of `mol` with one conformer: flat without added hydrogens, or 3D with all of them.

    In 3D: ETKDGv3, from random coordinates where it fails at first, relaxed by MMFF94s. Where MMFF94s lacks
    parameters (boron, silicon, metals) UFF relaxes it, and where both do the ETKDGv3 geometry stays.

    Args:
        mol: A sanitised molecule.
        seed: Of the distance geometry; its lowest 31 bits count. A drawing does not depend on it.
        dimensions: 2 or 3.

    Raises:
        MoleculeError: No conformer with the molecule's stereochemistry was found.
    """
    if dimensions == 2:
        drawn = Chem.Mol(mol)
        rdDepictor.Compute2DCoords(drawn)
        return drawn
    with BlockLogs():
        solid = Chem.AddHs(mol)
        if not (_place(solid, seed, from_random=False) or _place(solid, seed, from_random=True)):
            raise MoleculeError(Chem.MolToSmiles(mol), "no 3D conformer", remedy="Export it in 2D.")
        _relax(solid)
    return solid


def _place(solid: Chem.Mol, seed: int, *, from_random: bool) -> bool:
    parameters: Any = rdDistGeom.ETKDGv3()  # RDKit's stubs type its attributes wrongly
    parameters.randomSeed = seed & _SEED_BITS
    parameters.useRandomCoords = from_random
    parameters.maxIterations = _MAX_ATTEMPTS
    parameters.timeout = _TIMEOUT_S
    return bool(rdDistGeom.EmbedMolecule(solid, parameters) == 0)


def _relax(solid: Chem.Mol) -> None:
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(solid):
        rdForceFieldHelpers.MMFFOptimizeMolecule(solid, mmffVariant="MMFF94s", maxIters=_RELAX_STEPS)
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(solid):
        rdForceFieldHelpers.UFFOptimizeMolecule(solid, maxIters=_RELAX_STEPS)
