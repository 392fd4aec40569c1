"""What changed from one molecule to another, on pairs where a chemist says it in two words."""

from __future__ import annotations

import pytest
from rdkit import Chem

from molgen.output.change import OTHER, describe_change

CELECOXIB = "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"


def change(before: str, after: str) -> str:
    return describe_change(Chem.MolFromSmiles(before), Chem.MolFromSmiles(after))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("Clc1ccccc1C", "FC(F)(F)c1ccccc1C", "Cl to CF3"),
        ("COc1ccccc1", "COc1ccc(F)cc1", "H to F"),
        ("COc1ccc(F)cc1", "COc1ccccc1", "F to H"),
        ("COc1ccc(CCN2CCNCC2)cc1", "COc1ccc(CCN2CCN(C)CC2)cc1", "H to Me"),
        ("COc1ccccc1", "COc1ccncc1", "C to N"),
        ("CC(=O)NC1CCCCC1c1ccccc1", "CC(=O)NC1CCOCC1c1ccccc1", "*C1CCCCC1* to *C1CCOCC1*"),
        ("c1ccc(CC(=O)N2CCCC2)cc1", "c1ccc(CS(=O)(=O)N2CCCC2)cc1", "*C(*)=O to *S(*)(=O)=O"),
        (CELECOXIB, CELECOXIB.replace("Cc1", "COc1", 1), "Me to OMe"),
        ("C[C@H](N)c1ccccc1", "C[C@@H](N)c1ccccc1", "stereochemistry"),
        ("O=C(Nc1ccccc1)c1ccc2[nH]ccc2c1", "O=C(Nc1ccccc1)c1ccc2nccnc2c1", "*c1ccc2[nH]ccc2c1 to *c1ccc2nccnc2c1"),
        ("O=C(NCc1ccccc1)c1ccc2ccccc2c1", "O=C(NCc1ccccc1)c1ccccc1", "*c1ccc2ccccc2c1 to *c1ccccc1"),
        ("CCO", "NCCCc1ccccc1", OTHER),
        (CELECOXIB, CELECOXIB, ""),
    ],
)
def test_a_change_is_told_in_a_few_words(before: str, after: str, told: str) -> None:
    assert change(before, after) == told


def test_two_changes_at_once_are_both_told() -> None:
    old, new = change(CELECOXIB, CELECOXIB.replace("Cc1", "Clc1", 1).replace("C(F)(F)F", "C#N")).split(" to ")
    assert "Me" in old
    assert "Cl" in new


def test_a_change_and_its_reverse_name_the_same_groups() -> None:
    pairs = [("CCOc1ccccc1Cl", "CCOc1ccccc1C#N"), ("O=C1CCCN1c1ccccc1", "O=C1CCCCN1c1ccccc1")]
    for before, after in pairs:
        assert change(before, after).split(" to ") == change(after, before).split(" to ")[::-1]


def test_rings_are_named_as_a_whole() -> None:
    rings = ["c1ccccc1", "c1ccc2ccccc2c1", "c1ccc2[nH]ccc2c1", "C1CCC2(CC1)OCCO2", "c1ccc2c(c1)CCC2"]
    for one in rings:
        for other in rings:
            told = change(f"CN(C)CCNC(=O){one}", f"CN(C)CCNC(=O){other}")
            parts = [part for side in told.split(" to ") for part in side.split(", ") if "*" in part]
            assert all(Chem.MolFromSmiles(part) is not None for part in parts), told
            assert bool(told) == (one != other)
