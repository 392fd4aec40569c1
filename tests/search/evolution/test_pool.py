"""The pool of judged children: who is picked, and in what order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from rdkit import Chem
from scipy.integrate import quad

from molgen.chem.count_fingerprints import CountFingerprints
from molgen.chem.molecule import Molecule, parse
from molgen.search.evolution.operators import Offspring
from molgen.search.evolution.pool import (
    JITTER,
    MIN_BOLDNESS,
    SMALL_BOLDNESS,
    TAIL,
    Acquisition,
    Pool,
    PosteriorVariance,
    ViolationMemory,
    log_expected_improvement,
)
from molgen.search.evolution.surrogate import Features, Prediction, TanimotoProcess, similarities

Array = NDArray[np.float64]
CHILDREN = [Offspring(parse("C" * n), "", "") for n in range(1, 9)]


def size(child: Offspring) -> int:
    return child.molecule.mol.GetNumAtoms()


def unrelated(mean: Array, std: Array) -> Prediction:
    """A prediction of scores that say nothing of one another."""
    return Prediction(mean, std, (), np.empty((len(mean), 0)))


def acquisitions(boldness: float, n: int = 1) -> list[Acquisition]:
    return [Acquisition(boldness, np.ones(1))] * n


def predict(molecules: Sequence[Molecule]) -> Prediction:
    """The larger the better; the smallest is uncertain."""
    n = sizes(molecules)
    return unrelated(n[:, None] / 10, np.where(n == 1, 0.5, 0.0)[:, None])


def violations(molecules: Sequence[Molecule]) -> Array:
    """The larger half misses a constraint, by its size."""
    return np.maximum(0.0, sizes(molecules) - 4)


def sizes(molecules: Sequence[Molecule]) -> Array:
    return np.array([molecule.mol.GetNumAtoms() for molecule in molecules], dtype=np.float64)


def test_constraints_come_before_scores() -> None:
    pool = Pool(predict, acquisitions(SMALL_BOLDNESS), violations)
    pool.add(CHILDREN)
    assert [size(child) for child in pool.select(8)] == [4, 3, 2, 1, 5, 6, 7, 8]
    assert [size(child) for child in pool.leaders(5)] == [4, 3, 2, 1, 5]
    assert pool.feasible_share() == 0.5


def test_doubt_is_worth_something_to_bold_picks() -> None:
    pool = Pool(predict, [*acquisitions(SMALL_BOLDNESS), *acquisitions(2.0)])
    pool.add(CHILDREN[:4])
    assert [size(child) for child in pool.select(2)] == [4, 1]
    assert [size(child) for child in pool.leaders(3)] == [4, 1, 3]


@pytest.mark.parametrize(("gain", "std"), [(0.3, 0.1), (0.0, 0.2), (-0.5, 0.3), (-2.0, 0.35), (-2.0, 0.1)])
def test_the_expected_improvement_is_the_integral_of_the_improvement(gain: float, std: float) -> None:
    def improvement(x: float) -> float:
        return x * float(np.exp(-0.5 * ((x - gain) / std) ** 2) / (std * np.sqrt(2 * np.pi)))

    expected, _ = quad(improvement, 0.0, max(gain, 0.0) + 12 * std, epsabs=0.0, points=[max(gain, 0.0)])
    found = log_expected_improvement(np.array([gain]), np.array([std]))
    assert found == pytest.approx(np.log(expected), abs=0.1 if gain / std < TAIL else 1e-6)


def test_a_timid_pick_leaves_a_plateau() -> None:
    mean, std = np.array([[1.0], [0.9]]), np.array([[0.001], [0.2]])
    assert Acquisition(SMALL_BOLDNESS / 2, np.ones(1)).value(mean, std).argmax() == 1
    assert Acquisition(SMALL_BOLDNESS, np.ones(1)).value(mean, std).argmax() == 0


def test_boldness_is_spread_over_two_decades() -> None:
    rng = np.random.default_rng(0)
    drawn = np.log10([Acquisition.draw(rng, 3.0, 2).boldness / 3.0 for _ in range(2000)])
    assert np.log10(MIN_BOLDNESS) < drawn.min() < drawn.max() < 0.0
    assert np.quantile(drawn, [0.25, 0.5, 0.75]) == pytest.approx([-1.5, -1.0, -0.5], abs=0.1)


def test_children_are_judged_once_and_picked_once() -> None:
    asked: list[str] = []

    def counting(molecules: Sequence[Molecule]) -> Prediction:
        asked.extend(molecule.smiles for molecule in molecules)
        return predict(molecules)

    pool = Pool(counting, acquisitions(1.0))
    pool.add(CHILDREN[:5])
    pool.add(CHILDREN[3:])
    pool.add([])
    assert sorted(asked) == sorted(child.molecule.smiles for child in CHILDREN)
    picked = pool.select(100)
    assert len(picked) == len({child.molecule.smiles for child in picked}) == 8


def test_weights_of_their_own_pick_both_ends_of_a_front() -> None:
    def two(molecules: Sequence[Molecule]) -> Prediction:
        n = sizes(molecules)
        return unrelated(np.stack([n / 8, 1 - n / 8], axis=1), np.zeros((len(n), 2)))

    pool = Pool(two, [Acquisition.draw(np.random.default_rng(seed), 0.0, 2) for seed in range(100)])
    pool.add(CHILDREN)
    leaders = {size(child) for child in pool.leaders(6)}
    assert {1, 8} <= leaders
    assert len(leaders) > 4


ASKED = ("CCCCCCCCO", "CCCCCCCCCO", "c1ccc2ncccc2c1", "FC(F)(F)S(=O)(=O)Br", "CCO")


def features(texts: Sequence[str]) -> Features:
    return (CountFingerprints.of([Chem.MolFromSmiles(text) for text in texts], "circular"),)


KNOWN = features(("CCO", "c1ccccc1", "CC(=O)N"))


def said_of(texts: Sequence[str]) -> Prediction:
    process = TanimotoProcess(KNOWN, similarities(KNOWN, KNOWN), np.array([[0.1], [0.2], [0.3]]), 1e-3)
    return process.predict(features(texts))


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
    pool = Pool(lambda molecules: said_of([m.smiles for m in molecules]), acquisitions(2.0))
    pool.add([Offspring(parse(text), "", "") for text in ASKED[:4]])
    assert {child.molecule.smiles for child in pool.select(2)} != set(ASKED[:2])


def test_pending_molecules_count_as_picks_that_are_not_returned() -> None:
    molecules = list(map(parse, ASKED[:4]))

    def select(pending: Sequence[Molecule]) -> list[Molecule]:
        pool = Pool(lambda asked: said_of([m.smiles for m in asked]), acquisitions(2.0), pending=pending)
        pool.add([Offspring(molecule, "", "") for molecule in molecules if molecule not in pending])
        return [child.molecule for child in pool.select(4)]

    first, *others = select([])
    assert select([first]) == others


def test_remembered_violations_are_those_computed() -> None:
    computed: list[str] = []

    def counting(molecules: Sequence[Molecule]) -> Array:
        computed.extend(molecule.smiles for molecule in molecules)
        return violations(molecules)

    memory = ViolationMemory(counting)
    molecules = [child.molecule for child in CHILDREN]
    for some in (molecules[:5], molecules[3:], molecules[::-1], [molecules[0]] * 3):
        np.testing.assert_array_equal(memory(some), violations(some))
    assert sorted(computed) == sorted(molecule.smiles for molecule in molecules)


def test_an_empty_pool_has_nothing_to_pick() -> None:
    assert Pool(predict, acquisitions(1.0)).select(3) == []
    assert Pool(predict, acquisitions(1.0)).leaders(3) == []


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_picks_are_those_of_all_violations_of_which_few_are_computed(share: float) -> None:
    rng = np.random.default_rng(0)
    offspring = [Offspring(parse("C" * n), "", "") for n in range(1, 401)]
    names = [child.molecule.smiles for child in offspring]
    values = dict(zip(names, rng.normal(size=(400, 2)), strict=True))
    missed = dict(zip(names, np.where(rng.random(400) < share, 0.0, rng.random(400)).tolist(), strict=True))
    computed: list[str] = []

    def look_up(molecules: Sequence[Molecule]) -> Array:
        computed.extend(molecule.smiles for molecule in molecules)
        return np.array([missed[molecule.smiles] for molecule in molecules])

    def predict_two(molecules: Sequence[Molecule]) -> Prediction:
        means = np.array([values[molecule.smiles] for molecule in molecules])
        return unrelated(means[:, :1], np.abs(means[:, 1:]))

    pool = Pool(predict_two, [Acquisition(0.5, np.ones(1))], look_up)
    for start in range(0, 400, 100):
        pool.add(offspring[start : start + 100])
    key = {text: (missed[text], -(values[text][0] + 0.5 * abs(values[text][1]))) for text in names}
    best = sorted(names, key=key.__getitem__)[:20]
    assert [child.molecule.smiles for child in pool.leaders(20)] == best
    assert [child.molecule.smiles for child in pool.select(20)] == best
    assert pool.feasible_share() == pytest.approx(np.mean([missed[text] == 0.0 for text in names]), abs=0.1)
    assert len(computed) == len(set(computed))
    assert len(computed) < 250 or share < 0.1
