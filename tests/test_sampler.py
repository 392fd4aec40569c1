"""The latent search on landscapes whose optimum is known, without any molecule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.trial import TrialState

from molgen.search.proposal import MOVES, MoveChoice
from molgen.search.sampler import (
    IS_NEW,
    SMILES,
    VIOLATION,
    LatentBox,
    LatentSampler,
    LatentSearch,
    LatentSearchConfig,
    Outcome,
)

Array = NDArray[np.float64]
D = 8
BOX = LatentBox(np.full(D, 0.5), np.linspace(0.5, 1.5, D))
GOAL = np.full(D, 1.0)


def prior(n: int, seed: int) -> Array:
    return BOX.centre + BOX.deviation * np.random.default_rng(seed).standard_normal((n, D))


def name(z: Array) -> str:
    """A text that stands for a point, as a SMILES does."""
    return " ".join(f"{value:.9f}" for value in z)


def encode(names: Sequence[str]) -> Array:
    return np.array([[float(value) for value in text.split()] for text in names]).reshape(len(names), D)


def nearness(z: Array) -> float:
    return -float(((z - GOAL) ** 2).mean())


def search(seed: int = 0, **settings: float) -> LatentSearch:
    config = LatentSearchConfig(**{"n_initial": 32, "batch_size": 32, **settings})  # type: ignore[arg-type]
    return LatentSearch(BOX, prior, encode, seed=seed, config=config)


def evolve(latent: LatentSearch, generations: int, *, limit: float = np.inf) -> list[Array]:
    """Points asked for, told by nearness to the goal and constrained to a first coordinate below `limit`."""
    asked = []
    for generation in range(generations):
        numbers = range(generation * 32, generation * 32 + 32)
        points = latent.ask(numbers)
        asked.append(points)
        latent.tell(
            [
                Outcome(i, z, name(z), (nearness(z),), max(0.0, z[0] - limit), is_new=True)
                for i, z in zip(numbers, points, strict=True)
            ]
        )
    return asked


def test_it_comes_much_nearer_than_the_prior_does() -> None:
    best_of_prior = max(map(nearness, prior(32 * 30, 1)))
    latent = search()
    evolve(latent, 30)
    assert nearness(encode(latent.elites[:1])[0]) > best_of_prior / 10


def test_the_same_seed_gives_the_same_points_and_another_seed_others() -> None:
    first, again, other = (np.vstack(evolve(search(seed), 5)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_elites_are_ordered_by_constraint_and_then_by_score() -> None:
    latent = search()
    evolve(latent, 20, limit=0.2)
    best = encode(latent.elites)
    violation = np.maximum(0.0, best[:, 0] - 0.2)
    assert violation[0] == 0.0
    assert (np.diff(violation) >= 0).all()
    feasible = best[violation == 0]
    assert (np.diff([nearness(z) for z in feasible]) <= 0).all()


def test_every_child_names_the_elite_it_came_from() -> None:
    latent = search(prior_share=0.0)
    evolve(latent, 1)
    elites = set(latent.elites)
    latent.ask(range(100, 132))
    assert {latent.parent(number) for number in range(100, 132)} <= elites
    assert latent.parent(0) == ""


def test_the_share_of_the_prior_is_kept() -> None:
    latent = search(prior_share=0.25)
    evolve(latent, 1)
    from_prior = 0
    for generation in range(1, 51):
        numbers = range(generation * 32, generation * 32 + 32)
        latent.ask(numbers)
        from_prior += sum(latent.parent(number) == "" for number in numbers)
    assert from_prior / 1600 == pytest.approx(0.25, abs=0.04)


def test_several_scores_spread_over_the_front() -> None:
    latent = search(n_elites=20)
    for generation in range(25):
        numbers = range(generation * 32, generation * 32 + 32)
        points = latent.ask(numbers)
        scores = [tuple(1 / (1 + (z[:2] - end) @ (z[:2] - end)) for end in ([0, 0], [1, 1])) for z in points]
        triples = zip(numbers, points, scores, strict=True)
        latent.tell([Outcome(i, z, name(z), s, 0.0, is_new=True) for i, z, s in triples])
    front = encode(latent.elites)[:, :2]
    assert np.ptp(front[:, 0]) > 0.6
    assert np.abs(front[:, 0] - front[:, 1]).max() < 0.5


def test_moves_that_pay_are_chosen_more_and_none_is_given_up() -> None:
    choice = MoveChoice(4)
    rng = np.random.default_rng(0)
    for _ in range(20):
        moves = rng.choice(4, 64, p=choice.probabilities())
        choice.learn(moves, (moves == 2) & (rng.random(64) < 0.5))
    chance = choice.probabilities()
    assert chance.sum() == pytest.approx(1.0)
    assert chance.argmax() == 2
    assert chance.min() >= choice.floor / 4


@pytest.mark.parametrize("move", MOVES)
def test_a_move_of_equal_parents_stays_near_them_on_average(move: str) -> None:
    rng = np.random.default_rng(0)
    parents = np.tile(GOAL, (4000, 1))
    children = MOVES[move](rng, parents, parents, BOX.deviation)
    np.testing.assert_allclose(children.mean(axis=0), GOAL, atol=0.1)


def test_points_and_parameters_are_two_names_of_one_thing() -> None:
    points = prior(20, 3)
    for z in points:
        np.testing.assert_allclose(BOX.point(BOX.parameters(z)), z, rtol=1e-12)
    far = BOX.parameters(BOX.centre + 100 * BOX.deviation)
    assert set(far.values()) == {BOX.reach}


def test_behind_optuna_it_searches_as_well_and_repeats_itself() -> None:
    def best(seed: int) -> float:
        sampler = LatentSampler(search(seed), seed)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        for _ in range(640):
            trial = study.ask(BOX.distributions)
            z = BOX.point(trial.params)
            for key, value in ((SMILES, name(z)), (VIOLATION, 0.0), (IS_NEW, True)):
                trial.set_user_attr(key, value)
            study.tell(trial, nearness(z))
        return study.best_value

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert best(5) == best(5)
    assert best(5) > max(map(nearness, prior(640, 5))) / 4


def test_failed_trials_are_no_elites() -> None:
    latent = search(n_initial=4, batch_size=4)
    sampler = LatentSampler(latent, 0)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for i in range(12):
        trial = study.ask(BOX.distributions)
        if i % 2:
            study.tell(trial, state=TrialState.FAIL)
            continue
        trial.set_user_attr(SMILES, name(BOX.point(trial.params)))
        trial.set_user_attr(IS_NEW, True)
        study.tell(trial, float(i))
    study.ask(BOX.distributions)
    assert len(latent.elites) == 6
