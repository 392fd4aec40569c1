"""Populations: when they are stuck, and what the next one begins with."""

from __future__ import annotations

import numpy as np
import pytest

from molgen.chem.molecule import parse
from molgen.latent.space import LatentSpace
from molgen.search.evolution.config import LatentSearchConfig
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.evolution.operators import LATENT
from molgen.search.evolution.population import Fitness, Population


@pytest.fixture(scope="module")
def space(few_prior_samples: None) -> LatentSpace:
    return LatentSpace.load()


def population(space: LatentSpace) -> Population:
    return Population(space, LatentSearchConfig(), {LATENT: 1.0}, {})


def take(members: Population, scores: list[tuple[float, ...]], violation: float = 0.0) -> None:
    n = len(members.members)
    told = {f"{'C' * (n + i + 1)}O": Fitness(values, violation) for i, values in enumerate(scores)}
    members.take(told, {}, np.random.default_rng(0))


def test_it_stagnates_when_the_last_molecules_raised_its_level_by_little(space: LatentSpace) -> None:
    members = population(space)
    take(members, [(0.0,)] * 10)
    take(members, [(1.0,)] * 10)
    assert members.level() == 1.0
    assert not members.stagnates(10, first_level=0.0)
    take(members, [(1.04,)] * 10)
    assert members.stagnates(10, first_level=0.0)
    assert not members.stagnates(10, first_level=0.5)
    assert not members.stagnates(20, first_level=0.0)
    assert not members.stagnates(30, first_level=0.0)


@pytest.mark.parametrize(("scores", "violation"), [((0.3, 0.4), 0.0), ((0.3,), 0.5)])
def test_with_several_scores_or_missed_constraints_it_is_never_stuck(
    space: LatentSpace, scores: tuple[float, ...], violation: float
) -> None:
    members = population(space)
    for _ in range(3):
        take(members, [scores] * 10, violation)
    assert not members.stagnates(10, first_level=members.level())


def test_what_all_score_alike_is_not_stuck_but_flat(space: LatentSpace) -> None:
    members = population(space)
    for _ in range(3):
        take(members, [(0.0,)] * 10)
    assert not members.stagnates(10, first_level=0.0)


def test_a_stuck_search_moves_points_from_the_prior_and_then_breeds_all(
    space: LatentSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = 200
    monkeypatch.setattr("molgen.search.evolution.latent_search.PATIENCE", patience)
    config = LatentSearchConfig(n_initial=20, learn_every=0, offspring_per_proposal=2, n_early=0, n_rounds=1)
    search = LatentSearch(space, seed=0, config=config)
    bred: set[str] = set()
    kinds = [""]
    n_told = 0
    while kinds[-2:] != ["moved", "all"] and n_told < 4 * patience:
        offspring = search.ask(25)
        operators = {child.operator for child in offspring if child.operator}
        kind = "moved" if operators == {LATENT} else "all" if operators else ""
        if kind != kinds[-1]:
            kinds.append(kind)
            if kind == "moved":
                assert not bred & {child.parent for child in offspring}
        bred |= {child.molecule.smiles for child in offspring if child.operator}
        smiles = [child.molecule.smiles for child in offspring]
        n_told += len(smiles)
        search.tell(smiles, [(min(1.0, parse(text).mol.GetNumAtoms() / 40),) for text in smiles], [0.0] * len(smiles))
    assert kinds == ["", "all", "moved", "all"]
    assert n_told > 2 * patience
