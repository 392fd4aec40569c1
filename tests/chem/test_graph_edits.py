"""Edits of graphs: what comes out is a molecule, whole, and made of what went in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molgen.chem.graph_edits import MAX_ATOMS, MAX_RING_SIZE, cross, graft, join, mutate, swap_rings
from molgen.chem.molecule import parse

MOLECULES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)NCc1ccc(S(N)(=O)=O)cc1",
    "O=C([O-])C[NH2+]Cc1c[nH]c2ccccc12",
    "C#CC1CC2CCC1C2",
    "CP(=O)(O)OCC/C=C/c1nc(Cl)sc1Br",
    "C",
    "c1ccccc1",
)

Edit = Callable[[np.random.Generator, str, str], Chem.Mol | None]
EDITS: dict[str, Edit] = {
    "mutate": lambda rng, one, other: mutate(rng, one),
    "cross": cross,
    "graft": graft,
    "join": join,
    "swap rings": swap_rings,
}


@pytest.mark.parametrize("name", EDITS)
@given(one=st.sampled_from(MOLECULES), other=st.sampled_from(MOLECULES), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_what_comes_out_reads_back_whole_and_without_radicals(name: str, one: str, other: str, seed: int) -> None:
    mol = EDITS[name](np.random.default_rng(seed), one, other)
    if mol is None:
        return
    molecule = parse(Chem.MolToSmiles(mol))
    assert "." not in molecule.smiles
    assert 0 < molecule.mol.GetNumAtoms() <= MAX_ATOMS
    assert not sum(atom.GetNumRadicalElectrons() for atom in molecule.mol.GetAtoms())
    assert all(len(ring) <= MAX_RING_SIZE for ring in molecule.mol.GetRingInfo().AtomRings())


@pytest.mark.parametrize("name", EDITS)
def test_the_same_generator_gives_the_same_molecule(name: str) -> None:
    def made(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        mols = [EDITS[name](rng, MOLECULES[0], "c1ccc2ncc(Cc3ccsc3)cc2c1") for _ in range(30)]
        return [Chem.MolToSmiles(mol) if mol else "" for mol in mols]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_mutations_of_ethanol_reach_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    found = {Chem.MolToSmiles(mol) for mol in (mutate(rng, "CCO") for _ in range(500)) if mol}
    assert {"CCCO", "CO", "CCN", "CC=O", "CC", "COC"} <= found


@pytest.mark.parametrize(
    ("before", "after"), [("CCc1cnn(C)c1", "CCn1cc(C)cn1"), ("Cc1cccnc1", "Cc1ccccn1"), ("c1cc[nH]c1", "c1cc[nH]c1")]
)
def test_one_mutation_exchanges_branches_or_neighbours(before: str, after: str) -> None:
    rng = np.random.default_rng(0)
    found = {Chem.MolToSmiles(mol) for mol in (mutate(rng, before) for _ in range(1000)) if mol}
    assert Chem.CanonSmiles(after) in found


def test_a_mutation_changes_few_atoms() -> None:
    rng = np.random.default_rng(0)
    before = Chem.MolFromSmiles(MOLECULES[1]).GetNumAtoms()
    sizes = [mol.GetNumAtoms() - before for mol in (mutate(rng, MOLECULES[1]) for _ in range(300)) if mol]
    assert set(sizes) == {-1, 0, 1}


def test_a_crossing_is_made_of_both_parents() -> None:
    rng = np.random.default_rng(0)
    made = [mol for mol in (cross(rng, "BrCCCCCCN", "ClCCCCCCF") for _ in range(200)) if mol]
    marks = {frozenset({"Br", "N", "Cl", "F"} & {a.GetSymbol() for a in mol.GetAtoms()}) for mol in made}
    assert {frozenset({"Br", "Cl"}), frozenset({"Br", "F"}), frozenset({"N", "Cl"}), frozenset({"N", "F"})} <= marks
    assert all(len(mark & {"Br", "N"}) == 1 and len(mark & {"Cl", "F"}) == 1 for mark in marks)


def test_a_graft_keeps_the_larger_part() -> None:
    rng = np.random.default_rng(0)
    core = Chem.MolFromSmiles("c1ccc2ncccc2c1")
    made = [mol for mol in (graft(rng, "Cc1ccc2ncccc2c1", "CCCCCCF") for _ in range(100)) if mol]
    assert made
    assert all(mol.HasSubstructMatch(core) for mol in made)


def test_two_molecules_joined_are_both_there_whole() -> None:
    rng = np.random.default_rng(0)
    one, other = "Cc1ccc2ncccc2c1", "O=C(NC1CC1)c1ccsc1"
    made = [join(rng, one, other) for _ in range(50)]
    assert {mol.GetNumAtoms() for mol in made if mol} == {
        sum(Chem.MolFromSmiles(s).GetNumAtoms() for s in (one, other))
    }
    assert all(mol.HasSubstructMatch(Chem.MolFromSmiles(part)) for mol in made if mol for part in (one, other))


def test_a_ring_system_is_exchanged_and_what_hung_on_it_stays() -> None:
    rng = np.random.default_rng(0)
    stock, donor = "CS(=O)(=O)c1ccc(OCC2CC2)cc1", "Brc1ccc(-c2ccsc2)nc1"
    made = {Chem.MolToSmiles(mol) for mol in (swap_rings(rng, stock, donor) for _ in range(200)) if mol}
    expected = (
        "CS(=O)(=O)c1ccc(OCc2ccsc2)cc1",
        "CS(=O)(=O)c1ccc(OCc2ccccn2)cc1",
        "CS(=O)(=O)c1ccc(OCc2cccnc2)cc1",
        "CS(=O)(=O)c1ccc(OCC2CC2)nc1",
        "CS(=O)(=O)c1ccc(OCC2CC2)cn1",
    )
    assert {Chem.CanonSmiles(text) for text in expected} < made
    kept = [Chem.MolFromSmiles(part) for part in ("CS(=O)=O", "OC")]
    mols = [Chem.MolFromSmiles(text) for text in made]
    assert all(mol.HasSubstructMatch(part) for mol in mols for part in kept)
    assert {Chem.rdMolDescriptors.CalcNumRings(mol) for mol in mols} == {2}
