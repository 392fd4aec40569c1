"""Pharmacophores against RDKit's, which goes through them one by one."""

from __future__ import annotations

import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem.Pharm2D import Generate, Gobbi_Pharm2D

from molgen.bench.pmo.pharmacophore import pharmacophore_similarity, pharmacophores
from molgen.bench.pmo.rule_oracles import HOP, RANOLAZINE, SILDENAFIL
from molgen.paths import find_shipped

SMILES = (find_shipped("data") / "moses_sample.csv").read_text().split()[1:40:2]


@pytest.mark.parametrize("target", [HOP, RANOLAZINE, SILDENAFIL, "CCCCCCCCCCC(=O)O"])
def test_similarities_are_those_of_rdkit(target: str) -> None:
    goal = Chem.MolFromSmiles(target)
    theirs, ours = Generate.Gen2DFingerprint(goal, Gobbi_Pharm2D.factory), pharmacophores(goal)
    assert theirs.GetNumOnBits() == len(ours)
    for smiles in (*SMILES, "C", "CC(C)C", "C[N+](C)(C)CC(=O)[O-]"):
        mol = Chem.MolFromSmiles(smiles)
        expected = DataStructs.TanimotoSimilarity(Generate.Gen2DFingerprint(mol, Gobbi_Pharm2D.factory), theirs)
        assert pharmacophore_similarity(pharmacophores(mol), ours) == expected


def test_molecules_without_features_are_like_none() -> None:
    nothing = pharmacophores(Chem.MolFromSmiles("C"))
    assert len(nothing) == 0
    assert pharmacophore_similarity(nothing, nothing) == 0.0
