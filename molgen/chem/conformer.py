"""Coordinates of a molecule: a 2D drawing, 3D conformers that are reproducible by seed, or the pose in a file.

Sources: ETKDGv3, Wang et al., J. Chem. Inf. Model. 2020, 60, 2044; MMFF94s, Halgren, J. Comput. Chem. 1999,
20, 720; UFF, Rappe et al., J. Am. Chem. Soc. 1992, 114, 10024.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from rdkit import Chem
from rdkit.Chem import rdDepictor, rdDistGeom, rdForceFieldHelpers
from rdkit.rdBase import BlockLogs

from molgen.errors import FileError, MoleculeError
from molgen.paths import require_regular

_RELAX_STEPS = 2000
_SEED_BITS = 0x7FFFFFFF  # RDKit takes a signed 32-bit seed, and replaces a negative one by a random seed
_MAX_ATTEMPTS = 50  # embeddings tried before giving up; RDKit's own default grows with the molecule
_TIMEOUT_S = 60  # for cages and large rings, which may never embed


def embed(mol: Chem.Mol, *, seed: int, dimensions: Literal[2, 3] = 3) -> Chem.Mol:
    """A copy of `mol` with one conformer: 2D without added hydrogens, or 3D with all hydrogens.

    In 3D: ETKDGv3, retried from random coordinates if it fails, relaxed by MMFF94s, or by UFF if MMFF94s lacks
    parameters (boron, silicon, metals). If both lack them, the ETKDGv3 geometry is kept.

    Args:
        mol: A sanitised molecule.
        seed: Seed of the distance geometry, of which the lowest 31 bits are used. A 2D drawing does not depend on it.
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


def draw_molblock(mol: Chem.Mol) -> str:
    """The molecule with 2D coordinates as a block of an SDF, V3000 if it has more than 999 atoms or bonds.

    Its chiral flag is set: without it, stereo centres stand for both enantiomers.
    """
    drawn = embed(mol, seed=0, dimensions=2)
    drawn.SetIntProp("_MolFileChiralFlag", 1)
    block: str = Chem.MolToMolBlock(drawn)
    return block


def embed_several(mol: Chem.Mol, n: int, *, seed: int) -> Chem.Mol:
    """A copy of `mol` with all hydrogens and up to n conformers by ETKDGv3, not relaxed; the same for the same seed.

    Raises:
        MoleculeError: No conformer with the molecule's stereochemistry was found.
    """
    with BlockLogs():
        solid = Chem.AddHs(mol)
        parameters: Any = rdDistGeom.ETKDGv3()
        parameters.randomSeed = (seed + 1) & _SEED_BITS  # conformer i gets i + 1 times this, so not 0
        parameters.maxIterations = _MAX_ATTEMPTS
        if not rdDistGeom.EmbedMultipleConfs(solid, n, parameters):
            raise MoleculeError(Chem.MolToSmiles(mol), "no 3D conformer", remedy="Leave it out.")
    return solid


def read_pose(path: Path) -> Chem.Mol:
    """The first molecule of an SDF, with its 3D coordinates.

    Raises:
        FileError: The file is missing, or its first record is no molecule in 3D.
    """
    remedy = "Name an SDF whose first molecule has 3D coordinates."
    try:
        require_regular(path)
    except OSError as error:
        raise FileError(path, error.strerror or str(error), remedy=remedy) from None
    with BlockLogs():
        mol = next(iter(Chem.SDMolSupplier(str(path))), None)
    if mol is None or not mol.GetNumAtoms() or not mol.GetConformer().Is3D():
        raise FileError(path, "its first record is no molecule in 3D", remedy=remedy)
    return mol


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
