"""Coordinates: repeatable, complete, and true to the stereochemistry."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from rdkit import Chem

from molgen.chem.conformer import embed
from molgen.chem.molecule import parse
from molgen.errors import MoleculeError

STEREO = (
    "C[C@H](N)C(=O)O",
    "F/C=C\\[C@@H](C)Cl",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5",
)


def through_a_file(mol: Chem.Mol) -> str:
    return Chem.MolToSmiles(Chem.MolFromMolBlock(Chem.MolToMolBlock(mol)))


@pytest.mark.parametrize("smiles", STEREO)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_reader_of_the_coordinates_gets_the_same_molecule(smiles: str, dimensions: Literal[2, 3]) -> None:
    molecule = parse(smiles)
    placed = embed(molecule.mol, seed=1, dimensions=dimensions)
    assert placed.GetConformer().Is3D() == (dimensions == 3)
    assert through_a_file(placed) == molecule.smiles


def test_the_seed_decides_the_coordinates() -> None:
    mol = parse("CCOC(=O)CCNC(C)=O").mol
    first, again, other = (embed(mol, seed=seed).GetConformer().GetPositions() for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("seed", [-1, 0, 2**31, 2**63])
def test_any_seed_is_repeatable(seed: int) -> None:
    mol = parse("CCOCC").mol
    first, again = (embed(mol, seed=seed).GetConformer().GetPositions() for _ in range(2))
    assert np.array_equal(first, again)


def test_hydrogens_are_placed_in_3d_only_and_the_given_molecule_stays_as_it_was() -> None:
    mol = parse("CCO").mol
    assert embed(mol, seed=1).GetNumAtoms() == 9
    assert embed(mol, seed=1, dimensions=2).GetNumAtoms() == 3
    assert (mol.GetNumAtoms(), mol.GetNumConformers()) == (3, 0)


def test_relaxed_bonds_have_the_lengths_of_real_ones() -> None:
    positions = embed(parse("CC").mol, seed=1).GetConformer().GetPositions()
    assert math.dist(positions[0], positions[1]) == pytest.approx(1.53, abs=0.02)  # ethane, by diffraction


@pytest.mark.parametrize("smiles", ["OB(O)c1ccccc1", "C[Si](C)(C)C", "[Na+]", "C"])
def test_atoms_without_mmff_parameters_are_placed_too(smiles: str) -> None:
    positions = embed(parse(smiles).mol, seed=1).GetConformer().GetPositions()
    assert np.isfinite(positions).all()


def test_an_impossible_geometry_is_an_error() -> None:
    inside_out_bicyclohexane = parse("C1C[C@H]2C[C@H]1C2").mol
    with pytest.raises(MoleculeError, match="no 3D conformer"):
        embed(inside_out_bicyclohexane, seed=1)
