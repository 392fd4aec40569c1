"""Outliers are what they are called, and the score agrees with scikit-learn and with what the parts say."""

import csv

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula
from sklearn.metrics import roc_auc_score

from molgen.bench.instruments import applicability
from molgen.bench.instruments.applicability import (
    RESIDUES,
    add_inorganic_group,
    discriminate,
    make_cyclic_peptide,
    make_macrolactone,
    make_outliers,
    make_peptide,
    read_natural_products,
    score_applicability,
    shuffle_symbols,
)
from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace
from molgen.latent.trust import PARTS
from molgen.paths import find_shipped
from molgen.tokens.selfies_vocabulary import split, to_selfies

DIPEPTIDE_BOND = Chem.MolFromSmarts("C(=O)N[CX4]C(=O)")
ORGANIC = {1, 6, 7, 8, 9, 15, 16, 17, 35, 53}


@pytest.fixture(scope="module")
def samples() -> list[str]:
    with (find_shipped("data") / "moses_sample.csv").open() as handle:
        return [parse(row["SMILES"]).smiles for _, row in zip(range(160), csv.DictReader(handle), strict=False)]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_natural_products_have_the_formulas_they_are_known_by() -> None:
    lines = (find_shipped("data") / "natural_products.smi").read_text(encoding="ascii").splitlines()
    rows = [line.split("\t") for line in lines]
    assert len({name for _, name, _ in rows}) == len(rows) >= 60
    assert {name: CalcMolFormula(parse(smiles).mol) for smiles, name, _ in rows} == {n: f for _, n, f in rows}
    assert read_natural_products() == [smiles for smiles, _, _ in rows]
    known = {name: formula for _, name, formula in rows}
    # PubChem CIDs 5288826, 36314, 5284373, 12560, 441071
    assert known["morphine"] == "C17H19NO3"
    assert known["paclitaxel"] == "C47H51NO14"
    assert known["cyclosporin A"] == "C62H111N11O12"
    assert known["erythromycin A"] == "C37H67NO13"
    assert known["strychnine"] == "C21H22N2O2"


@pytest.mark.parametrize("sequence", ["GAVL", "WFYK", "".join(RESIDUES)])
def test_peptides_have_a_bond_between_any_two_neighbours_and_cycles_one_more(sequence: str) -> None:
    linear, cycle = (parse(text(sequence)).mol for text in (make_peptide, make_cyclic_peptide))
    n_bonds = len(linear.GetSubstructMatches(DIPEPTIDE_BOND)), len(cycle.GetSubstructMatches(DIPEPTIDE_BOND))
    assert n_bonds == (len(sequence) - 1, len(sequence))
    assert max(map(len, cycle.GetRingInfo().AtomRings())) == 3 * len(sequence)
    water = DESCRIPTORS["mw"].function(linear) - DESCRIPTORS["mw"].function(cycle)
    assert water == pytest.approx(18.015, abs=0.01)


def test_macrolactones_are_large_rings_with_a_lactone_or_lactam_in_them() -> None:
    rng = np.random.default_rng(0)
    closing = Chem.MolFromSmarts("[C;R](=O)[N,O;R]")
    n_atoms = 12  # of the smallest macrocycle, Driggers et al. 2008, doi:10.1038/nrd2590
    for _ in range(50):
        mol = parse(make_macrolactone(rng)).mol
        assert max(map(len, mol.GetRingInfo().AtomRings())) >= n_atoms
        assert mol.HasSubstructMatch(closing)


def test_grafted_molecules_carry_what_drugs_do_not(samples: list[str]) -> None:
    rng = np.random.default_rng(0)
    made = [text for text in (add_inorganic_group(smiles, rng) for smiles in samples) if text]
    assert len(made) > 100
    for text in made:
        assert {atom.GetAtomicNum() for atom in parse(text).mol.GetAtoms()} - ORGANIC
        assert "." not in text
    assert add_inorganic_group("CCO", rng) is None


def test_shuffled_molecules_have_no_more_atoms_than_there_were_symbols(samples: list[str]) -> None:
    rng = np.random.default_rng(0)
    for smiles in samples:
        text = shuffle_symbols(smiles, rng)
        if text:
            assert parse(text).mol.GetNumHeavyAtoms() <= len(split(to_selfies(smiles)))
            assert parse(text).smiles == text


def test_the_same_seed_gives_the_same_outliers(samples: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applicability, "N_OUTLIERS", 10)
    first, again, other = (make_outliers(samples, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert {len(texts) for texts in first.values()} == {10}


def test_the_area_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(3, 12, 60).astype(float), rng.integers(0, 9, 40).astype(float)
    labels = [True] * len(inside) + [False] * len(outside)
    assert discriminate(inside, outside) == pytest.approx(roc_auc_score(labels, np.concatenate([inside, outside])))
    assert discriminate(np.zeros(3), np.zeros(5)) == 0.5
    assert discriminate(np.ones(3), np.zeros(5)) == 1.0


def test_trust_tells_molecules_from_outliers_better_than_fingerprints_do(
    space: LatentSpace, samples: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applicability, "N_OUTLIERS", 30)
    told: list[float] = []
    score = score_applicability(space, samples, 0, told.append)
    assert (score.n, score.n_reference) == (80, 80)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert set(score.parts) == set(PARTS)
    assert score.trust.mean == pytest.approx(np.mean(list(score.trust.by_kind.values())))
    assert min(score.trust.by_kind.values()) > 0.9
    assert score.trust.mean > score.fingerprint.mean
    assert score.n_unencodable["inorganic"] == 30
    assert score_applicability(space, samples, 0) == score


def test_what_shuffling_cannot_make_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> None:
        raise MoleculeError(text, "no heavy atom")

    monkeypatch.setattr(applicability, "saturate", refuse)
    assert shuffle_symbols("CCO", np.random.default_rng(0)) is None
