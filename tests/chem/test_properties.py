"""Descriptors against values computed elsewhere, and against their definitions."""

from __future__ import annotations

import math

import pytest
from rdkit import Chem

from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS, penalized_logp

# SMILES, SA score, penalised logP, QED. Source: the oracle code of PyTDC 1.1.15.
PYTDC = (
    (
        "COc1cccc(CN2CCC(n3c(O)nc(-c4ccccc4)c3C)CC2)c1",
        2.3178707925259108,
        2.41269039912383,
        0.7155264487929189,
    ),
    ("O=C(c1ccc(C2CCCO2)s1)N1CCS(=O)(=O)CC1", 3.19186502015695, -0.685347489488917, 0.8289025411053229),
    ("COC[C@H](C)Cc1nnc(C[NH3+])o1", 4.0104774363128, -2.9459031798142705, 0.6807665412857491),
    ("CC1Cn2c(nnc2C23CC4CC(CC(C4)C2)C3)S1", 4.7561657017662755, -8.320613994666461, 0.7880661906145136),
    ("C[N+]1(/N=C(\\[S-])NN)CCOCC1", 4.79399890406518, -4.5078828810266405, 0.13533803975945805),
    (
        "O=C(CC12CC3CC(CC(C3)C1)C2)NCC1NC(CO)C(O)C1O",
        5.119446345409219,
        -11.180241976846643,
        0.4763555798953831,
    ),
    ("CCCCCCCCCCC", 1.1945998623963092, 3.8490511542785915, 0.4526177505443085),
    (
        "CN(Cc1ccc(-c2ccc(N3CCOc4[nH]cnc(=N)c4C3=O)cc2)c(Cl)c1)C(=O)CCCN",
        3.121231545306811,
        -3.0678852989611323,
        0.464846059006072,
    ),
)


@pytest.mark.parametrize(("smiles", "sa", "plogp", "qed"), PYTDC)
def test_values_equal_those_of_pytdc(smiles: str, sa: float, plogp: float, qed: float) -> None:
    mol = parse(smiles).mol
    assert DESCRIPTORS["sa"].function(mol) == pytest.approx(sa, abs=1e-6)
    assert DESCRIPTORS["penalized_logp"].function(mol) == pytest.approx(plogp, abs=1e-6)
    assert DESCRIPTORS["qed"].function(mol) == pytest.approx(qed, abs=1e-6)


def test_simple_descriptors_of_paracetamol() -> None:
    mol = parse("CC(=O)Nc1ccc(O)cc1").mol
    values = {name: each.function(mol) for name, each in DESCRIPTORS.items()}
    assert values["mw"] == pytest.approx(151.165, abs=1e-3)  # PubChem CID 1983
    assert values["tpsa"] == pytest.approx(49.33, abs=1e-2)  # PubChem CID 1983 gives 49.3
    assert (values["hbd"], values["hba"], values["rotatable_bonds"]) == (2, 2, 1)
    assert (values["rings"], values["heavy_atoms"], values["fsp3"]) == (1, 11, 1 / 8)


def test_natural_products_are_told_from_synthetic_molecules() -> None:
    np_score = DESCRIPTORS["np_score"].function
    morphine = "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5"
    celecoxib = "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"
    assert np_score(parse(morphine).mol) > 1.0 > 0.0 > np_score(parse(celecoxib).mol)


def test_the_np_model_is_read_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    DESCRIPTORS["np_score"].function(parse("CCO").mol)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", range(3, 13))
def test_only_rings_beyond_six_are_penalised_and_each_atom_costs_the_same(size: int) -> None:
    ring, chain = (parse(text).mol for text in ("C1" + "C" * (size - 1) + "1", "C" * size))
    expected = max(0, size - 6) / 0.2860212110245455
    others = sum(
        (DESCRIPTORS[name].function(ring) - DESCRIPTORS[name].function(chain)) * sign / spread
        for name, sign, spread in (("logp", 1, 1.434324401111988), ("sa", -1, 0.8335207024513095))
    )
    assert penalized_logp(chain) - penalized_logp(ring) + others == pytest.approx(expected)


@pytest.mark.parametrize("smiles", ["C", "[Na+]", "[U]", "O", "[2H]Cl", "C[Si](C)(C)C", "[B]", "C#N.[Zn+2]"])
def test_every_descriptor_of_an_odd_molecule_is_a_finite_number(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    for each in DESCRIPTORS.values():
        assert math.isfinite(each.function(mol)), each.name


def test_names_ranges_and_sources_are_complete() -> None:
    assert set(DESCRIPTORS) == {
        "qed", "logp", "sa", "np_score", "mw", "tpsa", "hbd", "hba", "rotatable_bonds", "rings", "fsp3",
        "heavy_atoms", "penalized_logp",
    }  # fmt: skip
    for name, each in DESCRIPTORS.items():
        assert each.name == name
        assert each.low < each.high
        assert each.source


def test_descriptors_do_not_depend_on_the_order_of_the_atoms() -> None:
    mol = Chem.MolFromSmiles("CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5")
    shuffled = Chem.MolFromSmiles(Chem.MolToRandomSmilesVect(mol, 1, randomSeed=3)[0])
    for name in set(DESCRIPTORS) - {"penalized_logp"}:  # its cycle basis does, in cages
        assert DESCRIPTORS[name].function(shuffled) == pytest.approx(DESCRIPTORS[name].function(mol))
