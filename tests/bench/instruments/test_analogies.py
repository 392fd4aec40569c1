"""The score of analogies: its reactions do what their names say, and what was learned beats the controls."""

import pytest
from rdkit import Chem

from molgen.bench.instruments.analogies import CHANGE_KINDS, ChangeKind, make_products, score_analogies
from molgen.chem.molecule import parse
from molgen.chem.sampling import read_sample
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

EXPECTED = {
    "H to F": ("Cc1ccccc1", {"Cc1ccccc1F", "Cc1cccc(F)c1", "Cc1ccc(F)cc1"}),
    "Cl to CF3": ("Clc1ccncc1", {"FC(F)(F)c1ccncc1"}),
    "methyl to ethyl": ("COC(C)=O", {"CCOC(C)=O", "CCC(=O)OC"}),
    "adding OH": ("CC=O", {"O=CCO"}),
    "phenyl to pyridyl": ("Cc1ccccc1", {"Cc1ccccn1", "Cc1cccnc1", "Cc1ccncc1"}),
    "ester to amide": ("CCOC(C)=O", {"CCNC(C)=O"}),
}


@pytest.mark.parametrize("kind", CHANGE_KINDS, ids=lambda kind: kind.name)
def test_a_reaction_gives_what_its_name_says(kind: ChangeKind) -> None:
    smiles, products = EXPECTED[kind.name]
    assert set(make_products(kind, parse(smiles).smiles)) == {parse(text).smiles for text in products}


@pytest.mark.parametrize("kind", CHANGE_KINDS, ids=lambda kind: kind.name)
def test_every_product_gained_the_group(kind: ChangeKind) -> None:
    group = Chem.MolFromSmarts(kind.group)
    smiles, _ = EXPECTED[kind.name]
    before = len(parse(smiles).mol.GetSubstructMatches(group))
    for text in make_products(kind, smiles):
        assert len(parse(text).mol.GetSubstructMatches(group)) > before


def test_lactones_and_acids_are_no_esters() -> None:
    (kind,) = (kind for kind in CHANGE_KINDS if kind.name == "ester to amide")
    assert make_products(kind, "O=C1CCCO1") == []
    assert make_products(kind, "CC(=O)O") == []


def test_what_was_learned_beats_a_random_direction() -> None:
    smiles = [text for text in read_sample(find_shipped("data") / "moses_sample.csv", 1200) if "C(=O)OC" in text]
    kinds = [kind for kind in CHANGE_KINDS if kind.name in ("ester to amide", "phenyl to pyridyl")]
    told: list[float] = []
    arms = ("learned", "random direction")
    score = score_analogies(LatentSpace.load(), smiles, 0, told.append, n_test=1, kinds=kinds, arms=arms)
    assert told == [0.5, 1.0]
    assert score.n == sum(kind.n for kind in score.kinds)
    assert [kind.name for kind in score.kinds] == [kind.name for kind in kinds]
    assert [kind.n for kind in score.kinds] == [1, 1]
    learned, chance = score.hits["learned"], score.hits["random direction"]
    assert learned.alike_10 > chance.alike_10
    assert learned.alike_1 <= learned.alike_10
    assert learned.exact_1 <= learned.exact_10


def test_too_few_molecules_are_refused() -> None:
    with pytest.raises(SpecError, match="too few molecules"):
        score_analogies(LatentSpace.load(), ["O=C=O", "N#CC#N"])
