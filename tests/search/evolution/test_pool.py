"""The pool of judged children: who is picked, and in what order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chem.molecule import Molecule, parse
from molgen.search.evolution.operators import Offspring
from molgen.search.evolution.pool import JITTER, Pool, PosteriorVariance
from molgen.search.evolution.surrogate import Prediction, TanimotoProcess, count_fingerprints, similarities

Array = NDArray[np.float64]
CHILDREN = [Offspring(parse("C" * n), "", "") for n in range(1, 9)]


def size(child: Offspring) -> int:
    return child.molecule.mol.GetNumAtoms()


def unrelated(mean: Array, std: Array) -> Prediction:
    """A prediction of scores that say nothing of one another."""
    nothing = np.empty((len(mean), 0))
    return Prediction(mean, std, nothing.astype(np.float32), nothing)


def judge(molecules: Sequence[Molecule]) -> tuple[Array, Prediction]:
    """The larger the better; the larger half misses a constraint, by its size; the smallest is a riddle."""
    n = np.array([molecule.mol.GetNumAtoms() for molecule in molecules], dtype=np.float64)
    return np.maximum(0.0, n - 4), unrelated(n[:, None] / 10, np.where(n == 1, 1.0, 0.0)[:, None])


def test_constraints_come_before_scores() -> None:
    pool = Pool(judge, confidence=0.0)
    pool.add(CHILDREN)
    assert [size(child) for child in pool.select(8, np.random.default_rng(0))] == [4, 3, 2, 1, 5, 6, 7, 8]
    assert pool.feasible_share() == 0.5


def test_doubt_is_worth_something_to_some_picks() -> None:
    pool = Pool(judge, confidence=2.0)
    pool.add(CHILDREN[:4])
    first = [size(pool.select(1, np.random.default_rng(seed))[0]) for seed in range(60)]
    assert {1, 4} == set(first)


def test_children_are_judged_once_and_picked_once() -> None:
    asked: list[str] = []

    def counting(molecules: Sequence[Molecule]) -> tuple[Array, Prediction]:
        asked.extend(molecule.smiles for molecule in molecules)
        return judge(molecules)

    pool = Pool(counting, confidence=1.0)
    pool.add(CHILDREN[:5])
    pool.add(CHILDREN[3:])
    pool.add([])
    assert sorted(asked) == sorted(child.molecule.smiles for child in CHILDREN)
    select = pool.select(100, np.random.default_rng(0))
    assert len(select) == len({child.molecule.smiles for child in select}) == 8


def test_weights_of_their_own_pick_both_ends_of_a_front() -> None:
    def two(molecules: Sequence[Molecule]) -> tuple[Array, Prediction]:
        n = np.array([molecule.mol.GetNumAtoms() for molecule in molecules], dtype=np.float64)
        return np.zeros(len(n)), unrelated(np.stack([n / 8, 1 - n / 8], axis=1), np.zeros((len(n), 2)))

    pool = Pool(two, confidence=0.0)
    pool.add(CHILDREN)
    first = {size(pool.select(1, np.random.default_rng(seed))[0]) for seed in range(100)}
    assert {1, 8} <= first
    assert len(first) > 4


KNOWN = count_fingerprints([Chem.MolFromSmiles(text) for text in ("CCO", "c1ccccc1", "CC(=O)N")])
ASKED = ("CCCCCCCCO", "CCCCCCCCCO", "c1ccc2ncccc2c1", "FC(F)(F)S(=O)(=O)Br", "CCO")


def said_of(texts: Sequence[str]) -> Prediction:
    process = TanimotoProcess(KNOWN, similarities(KNOWN, KNOWN), np.array([[0.1], [0.2], [0.3]]), 1e-3)
    return process.predict(count_fingerprints([Chem.MolFromSmiles(text) for text in texts]))


def test_the_doubt_that_is_left_is_that_of_a_process_that_knows_the_picks() -> None:
    said = said_of(ASKED)
    doubt = PosteriorVariance(said)
    assert doubt.share()[:4] == pytest.approx(1.0)
    for index in (0, 3):
        doubt.settle(index)
    covariance = np.array([said.covariance(i) for i in range(len(ASKED))])
    within = np.linalg.inv(covariance[np.ix_([0, 3], [0, 3])] + JITTER * np.eye(2))
    left = covariance - covariance[:, [0, 3]] @ within @ covariance[[0, 3]]
    expected = np.sqrt(np.diag(left)[:4] / np.diag(covariance)[:4])
    np.testing.assert_allclose(doubt.share()[:4], expected, atol=1e-6)
    assert expected[1] < 0.7 < expected[2]


def test_picks_of_a_batch_do_not_say_the_same() -> None:
    pool = Pool(lambda molecules: (np.zeros(len(molecules)), said_of([m.smiles for m in molecules])), confidence=2.0)
    pool.add([Offspring(parse(text), "", "") for text in ASKED[:4]])
    pairs = [[child.molecule.smiles for child in pool.select(2, np.random.default_rng(seed))] for seed in range(20)]
    assert not any(set(pair) == set(ASKED[:2]) for pair in pairs)


def test_an_empty_pool_has_nothing_to_pick() -> None:
    assert Pool(judge, confidence=1.0).select(3, np.random.default_rng(0)) == []
