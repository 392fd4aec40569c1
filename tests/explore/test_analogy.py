"""Analogies: what is learned of a change, and that answers are ranked by what they say."""

from pathlib import Path

import numpy as np
import pytest

from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.errors import FileError, SpecError
from molgen.explore.analogy import (
    FEW,
    MAX_ANSWERS,
    Change,
    count_environments,
    find_analogues,
    learn_change,
    predict_target,
    propose_points,
    read_pairs,
)
from molgen.latent.space import LatentSpace

TAILS = ("CCO", "CCN", "CCC(N)=O", "COC", "CC#N", "C(=O)NC", "C(=O)N1CCCC1", "CN1CCOCC1", "OCC(N)=O", "S(=O)(=O)NC")
PAIRS = [(parse(f"Cc1ccc({tail})cc1").smiles, parse(f"Fc1ccc({tail})cc1").smiles) for tail in TAILS]
C = parse("Cc1ccc(NC(=O)CC)cc1")


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture(scope="module")
def change(space: LatentSpace) -> Change:
    return learn_change(space, PAIRS)


def test_counts_tell_a_change_and_nothing_else() -> None:
    first, second = (count_environments(parse(text).mol) for text in PAIRS[0])
    difference = second - first
    assert difference.sum() == 0  # as many atoms and as many neighbourhoods before and after
    assert np.abs(difference).sum() == 6  # the atom, what is around it, and around its neighbour; gone and come
    np.testing.assert_array_equal(count_environments(parse("OCC").mol), count_environments(parse("CCO").mol))


def test_a_change_is_the_difference_of_points(space: LatentSpace, change: Change) -> None:
    first, second = (space.encode(texts, is_refined=False) for texts in zip(*PAIRS, strict=True))
    np.testing.assert_allclose(change.origins, first, atol=1e-5)
    np.testing.assert_allclose(change.differences, second - first, atol=1e-5)
    wanted = np.mean([count_environments(parse(b).mol) - count_environments(parse(a).mol) for a, b in PAIRS], axis=0)
    np.testing.assert_allclose(change.counts, wanted)


def test_pairs_that_cannot_be_encoded_are_left_out(space: LatentSpace) -> None:
    assert len(learn_change(space, [("[Xe]", "CCO"), PAIRS[0]]).origins) == 1
    with pytest.raises(SpecError, match="none can be encoded"):
        learn_change(space, [("[Xe]", "CCO")])


def test_a_change_of_nothing_is_refused(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="nothing changes") as caught:
        learn_change(space, [("C[C@H](N)CO", "C[C@@H](N)CO")])
    assert "stereochemistry" in caught.value.remedy


def test_the_target_of_one_pair_is_its_difference_away(space: LatentSpace) -> None:
    one = learn_change(space, PAIRS[:1])
    (point,) = space.encode([C.smiles])
    np.testing.assert_allclose(predict_target(space, one, point), point + one.differences[0], atol=1e-6)


@pytest.mark.parametrize("n_pairs", [1, 2, FEW])
def test_as_many_points_are_tried_as_are_asked_for(space: LatentSpace, n_pairs: int) -> None:
    change = learn_change(space, (PAIRS * 2)[:n_pairs])
    (point,) = space.encode([C.smiles])
    points = propose_points(space, change, point, 50, np.random.default_rng(0))
    assert points.shape == (50, space.size)
    assert np.isfinite(points).all()


def test_answers_are_different_molecules_best_first(space: LatentSpace, change: Change) -> None:
    (point,) = space.encode([C.smiles])
    answers = find_analogues(space, change, C, point, n_decodes=120, seed=1)
    assert 1 <= len(answers) <= MAX_ANSWERS
    smiles = [answer.smiles for answer in answers]
    assert C.smiles not in smiles
    assert len(set(smiles)) == len(smiles)
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True)
    assert answers == find_analogues(space, change, C, point, n_decodes=120, seed=1)
    target = predict_target(space, change, point)
    for answer in answers[:5]:
        mol = parse(answer.smiles).mol
        step = count_environments(mol) - count_environments(C.mol)
        cosine = step @ change.counts / np.linalg.norm(step) / np.linalg.norm(change.counts)
        assert answer.agreement == pytest.approx(cosine)
        assert answer.similarity == pytest.approx(tanimoto(fingerprint(mol), fingerprint(C.mol)))
        (own,) = space.encode([answer.smiles], is_refined=False)
        assert answer.distance == pytest.approx(np.linalg.norm(own - target), abs=1e-4)


def test_fluorine_takes_the_place_of_methyl(space: LatentSpace, change: Change) -> None:
    (point,) = space.encode([C.smiles])
    best, *_ = find_analogues(space, change, C, point, seed=0)
    assert best.smiles == parse("Fc1ccc(NC(=O)CC)cc1").smiles
    assert best.agreement > 0.9


def test_pairs_are_read_in_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("id,smiles_a,smiles_b\n1,C(C)O,CCN\n2,no,CCC\n3,CCC,no\n4,CC,CC\n5,CCCC,CCCF\n")
    assert read_pairs(path) == [("CCO", "CCN"), ("CCCC", "CCCF")]


@pytest.mark.parametrize(
    ("text", "message"), [("smiles_a,b\nCC,CN\n", "smiles_b"), ("smiles_a,smiles_b\nCC,CC\n", "no pair of different")]
)
def test_a_file_without_pairs_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(FileError, match=message):
        read_pairs(path)
