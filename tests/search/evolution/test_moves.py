"""Moves of points, and the choice among ways of making proposals."""

from __future__ import annotations

import numpy as np
import pytest

from molgen.search.evolution.moves import MOVES, OperatorSelection

D = 8
GOAL = np.full(D, 1.0)
DEVIATION = np.linspace(0.5, 1.5, D)


def test_ways_that_pay_are_chosen_more_and_none_is_given_up() -> None:
    choice = OperatorSelection([1.0, 1.0, 1.0, 1.0])
    rng = np.random.default_rng(0)
    for _ in range(20):
        tried = rng.choice(4, 64, p=choice.probabilities())
        choice.learn(tried, tried[(tried == 2) & (rng.random(64) < 0.5)])
    chance = choice.probabilities()
    assert chance.sum() == pytest.approx(1.0)
    assert chance.argmax() == 2
    assert chance.min() >= 0.5 / 4


def test_before_any_outcome_the_chances_are_the_weights() -> None:
    np.testing.assert_allclose(OperatorSelection([3.0, 1.0]).probabilities(), [0.75, 0.25])


@pytest.mark.parametrize("move", MOVES)
def test_a_move_of_equal_parents_stays_near_them_on_average(move: str) -> None:
    rng = np.random.default_rng(0)
    parents = np.tile(GOAL, (4000, 1))
    offspring = MOVES[move](rng, parents, parents, DEVIATION)
    np.testing.assert_allclose(offspring.mean(axis=0), GOAL, atol=0.1)
