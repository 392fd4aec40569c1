"""A core stays while its open positions change: what keeps it, what does not, and what comes of molecules that do."""

import numpy as np
import pytest
from rdkit import Chem

from molgen.chem.core import Core
from molgen.errors import SpecError

ANILIDE = "O=C(N[*:1])c1ccc([*:2])cc1"
DONORS = ["CC(C)NC(=O)N1CCCCC1", "COc1ccc(CN2CCOCC2)cc1", "CS(=O)(=O)c1ccc(F)cc1", "C#CCNC(=O)c1ccncc1"]


def mol(smiles: str) -> Chem.Mol:
    return Chem.MolFromSmiles(smiles)


@pytest.mark.parametrize(
    ("core", "smiles", "is_kept"),
    [
        (ANILIDE, "NC(=O)c1ccccc1", True),  # hydrogens at both positions
        (ANILIDE, "CCNC(=O)c1ccc(Cl)cc1", True),
        (ANILIDE, "CCNC(=O)c1cccc(Cl)c1", False),  # a substituent where no position is open
        (ANILIDE, "CCN(C)C(=O)c1ccc(Cl)cc1", False),  # two at a position for one
        (ANILIDE, "CCNC(=O)c1ccc(Cl)nc1", False),  # another ring
        ("C[*:1]", "C=O", False),  # a double bond is no substituent
        ("c1ccc([*:1])c([*:2])c1", "c1ccc2ccccc2c1", False),  # nor is a fused aromatic ring
        ("c1ccc([*:1])c([*:2])c1", "c1ccc2c(c1)CCC2", True),
        ("c1ccccc1[*:1].C1CCN([*:2])CC1", "O=C(c1ccccc1)N1CCCCC1", True),
        ("c1ccccc1[*:1].C1CCN([*:2])CC1", "Cc1ccccc1C(=O)N1CCCCC1", False),
        ("c1[c,n]cccc1[*:1]", "Cc1cccnc1", True),
        ("c1[c,n]cccc1[*:1]", "Cc1ccncc1", False),
    ],
)
def test_what_keeps_a_core(core: str, smiles: str, is_kept: bool) -> None:
    assert Core.read(core).is_kept(mol(smiles)) == is_kept


@pytest.mark.parametrize(
    "core", [ANILIDE, "c1ccccc1[*:1].C1CCN([*:2])CC1", "C[C@H](N[*:1])C(=O)O", "Cc1c[nH]c([*:1])c1"]
)
def test_substitutions_change_open_positions_alone(core: str) -> None:
    read, rng = Core.read(core), np.random.default_rng(0)
    molecule, made = read.molecule, set()
    assert molecule is not None
    for i in range(60):
        child = read.substitute(rng, molecule, mol(DONORS[i % len(DONORS)]))
        if child is not None:
            assert read.is_kept(child)
            assert Chem.MolFromSmiles(Chem.MolToSmiles(child)) is not None
            made.add(Chem.MolToSmiles(child))
            molecule = child
    assert len(made) >= 10
    if "@" in core:  # the centre's neighbours are the same three of the core in all
        assert {Chem.FindMolChiralCenters(mol(smiles))[0][1] for smiles in made} == {"S"}


def test_positions_that_do_not_vary_keep_what_they_have() -> None:
    core = Core.read(ANILIDE).closed_but([2], mol("CCNC(=O)c1ccc(Cl)cc1"))
    assert core.numbers == (2,)
    assert core.is_kept(mol("CCNC(=O)c1ccc(Br)cc1"))
    assert not core.is_kept(mol("CNC(=O)c1ccc(Br)cc1"))
    closed = Core.read(ANILIDE).closed_but([1], mol("CCNC(=O)c1ccccc1"))
    assert not closed.is_kept(mol("CCNC(=O)c1ccc(Br)cc1"))  # a hydrogen stays a hydrogen


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("c1ccccc1", "no open position"),
        ("C(C)(C)(C)(C)[*:1]", "no molecule can keep"),
        ("c1cccc1[*:1]", "no molecule can keep"),
        ("C([*:1])C[*:1]", "two open positions of one number"),
        ("C[*:1].C.C", "cannot be linked"),
        ("C[*:1].C", "cannot be linked"),
        ("C=[*:1]", "must end one single bond"),
        ("[*:1]", "must end one single bond"),
        ("what?", "neither SMILES nor SMARTS"),
    ],
)
def test_cores_that_cannot_be_used_say_why(text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Core.read(text)


def test_a_position_that_does_not_exist_is_named() -> None:
    with pytest.raises(SpecError, match="no open position 3"):
        Core.read(ANILIDE).require_positions([2, 3])
