"""The latent search, alone and behind Optuna's sampler, on scores whose best molecules are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.trial import TrialState
from rdkit.Chem.rdMolDescriptors import CalcCrippenDescriptors, CalcTPSA

from molgen.chem.molecule import Molecule, parse
from molgen.latent.space import LatentSpace
from molgen.search.evolution.config import LatentSearchConfig, SurrogateConfig
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.evolution.operators import LATENT, Breeder, Offspring
from molgen.search.sampler import SMILES, LatentBox, LatentSampler

Score = Callable[[Molecule], tuple[float, ...]]


@pytest.fixture(scope="module")
def space(few_prior_samples: None) -> LatentSpace:
    return LatentSpace.load()


def polarity(molecule: Molecule) -> tuple[float, ...]:
    """Best at a polar surface of 75 square angstrom."""
    return (-abs(float(CalcTPSA(molecule.mol)) - 75.0),)


def nitrogens(molecule: Molecule) -> tuple[float, ...]:
    return (float(sum(atom.GetAtomicNum() == 7 for atom in molecule.mol.GetAtoms())),)


def run(search: LatentSearch, score: Score, n_batches: int, n: int = 10) -> list[str]:
    """Molecules proposed, all told their score."""
    asked: list[str] = []
    for _ in range(n_batches):
        molecules = [child.molecule for child in search.ask(n)]
        asked += [molecule.smiles for molecule in molecules]
        search.tell([m.smiles for m in molecules], [score(m) for m in molecules], [0.0] * len(molecules))
    return asked


def small(**settings: object) -> LatentSearchConfig:
    return LatentSearchConfig(**{"n_initial": 20, "learn_every": 50, "n_early": 0, "n_rounds": 2, **settings})  # type: ignore[arg-type]


def test_it_climbs_far_above_the_prior(space: LatentSpace) -> None:
    asked = run(LatentSearch(space, seed=0, config=small()), nitrogens, 10)
    prior = [nitrogens(parse(text))[0] for text in space.sample(100, 5) if text]
    assert np.mean(sorted(nitrogens(parse(text))[0] for text in asked)[-5:]) > max(prior)


def test_proposals_are_new_canonical_and_have_a_point(space: LatentSpace) -> None:
    asked = run(LatentSearch(space, seed=1, config=small()), polarity, 6)
    assert len(asked) == 60 == len(set(asked))
    assert [parse(text).smiles for text in asked] == asked
    assert np.isfinite(space.encode(asked, is_refined=False)).all()


def test_the_same_seed_gives_the_same_molecules_and_another_seed_others(space: LatentSpace) -> None:
    first, again, other = (run(LatentSearch(space, seed=s, config=small()), polarity, 8) for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_the_space_that_is_searched_stays_as_it_was(space: LatentSpace) -> None:
    before = {name: weight.clone() for name, weight in space.model.vae.state_dict().items()}
    run(LatentSearch(space, seed=0, config=small(learn_every=20)), polarity, 5)
    after = space.model.vae.state_dict()
    assert all((after[name] == weight).all() for name, weight in before.items())


def test_parents_are_ordered_by_constraint_and_then_by_score(space: LatentSpace) -> None:
    search = LatentSearch(space, seed=0, config=small())
    search.tell(["CCO", "CCN", "CCC", "CCCl", "CCF"], [(1.0,), (3.0,), (2.0,), (9.0,), (np.nan,)], [0, 0, 0, 0.5, 0])
    assert search.parents == ["CCN", "CCC", "CCO", "CCCl"]


def test_proposals_keep_the_constraints_where_any_child_does(space: LatentSpace) -> None:
    def violations(molecules: Sequence[Molecule]) -> NDArray[np.float64]:
        excess = [float(CalcCrippenDescriptors(molecule.mol)[0]) - 3.0 for molecule in molecules]
        return np.maximum(0.0, excess)

    search = LatentSearch(space, seed=0, config=small(n_initial=0), violations=violations)
    search.tell(["Cc1ccccc1", "CCO"], [(0.0,), (0.0,)], [0.0, 0.0])
    asked = run(search, nitrogens, 5)
    assert violations([parse(text) for text in asked]).max() == 0.0


def test_every_child_names_a_parent_and_a_way(space: LatentSpace) -> None:
    search = LatentSearch(space, seed=0, config=small(n_rounds=1))
    run(search, polarity, 3)
    offspring = search.ask(10)
    assert all(bool(child.parent) == bool(child.operator) for child in offspring)
    assert set() < {child.operator for child in offspring} - {""} <= set(search.config.operators)


def test_two_scores_are_followed_along_the_front(space: LatentSpace) -> None:
    def both(molecule: Molecule) -> tuple[float, ...]:
        return (*nitrogens(molecule), float(CalcCrippenDescriptors(molecule.mol)[0]))

    asked = run(LatentSearch(space, seed=0, config=small()), both, 10)
    scores = np.array([both(parse(text)) for text in asked])
    start, end = scores[:20], scores[20:]
    assert (end.max(axis=0) > start.max(axis=0)).all()


def test_early_batches_are_chosen_from_more_children(space: LatentSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    breed = Breeder.breed

    def count(self: Breeder, rng: np.random.Generator, *rest: Any) -> list[Offspring]:
        sizes.append(rest[-1])
        return breed(self, rng, *rest)

    monkeypatch.setattr(Breeder, "breed", count)
    config = small(n_initial=10, n_early=30, early_offspring=60, offspring_per_proposal=2, n_rounds=1)
    run(LatentSearch(space, seed=0, config=config), polarity, 5)
    assert sizes == [60, 60, 20, 20]


def test_a_surrogate_whose_proposals_do_well_judges_more_often(space: LatentSpace) -> None:
    blind, seeing = SurrogateConfig(("composition",), 1e3, 1e3), SurrogateConfig(("composition",), None, 0.1)
    search = LatentSearch(space, seed=0, config=small(surrogates=(blind, seeing)))
    run(search, nitrogens, 20)
    assert search.surrogate_chances[1] > 0.6


def test_scores_of_any_size_are_followed_alike(space: LatentSpace) -> None:
    def tiny(molecule: Molecule) -> tuple[float, ...]:
        return (1e-17 * nitrogens(molecule)[0],)

    plain = run(LatentSearch(space, seed=0, config=small()), nitrogens, 6)
    assert run(LatentSearch(space, seed=0, config=small()), tiny, 6) == plain


def test_where_nothing_differs_it_draws_from_the_prior_and_joins_what_it_draws(space: LatentSpace) -> None:
    search = LatentSearch(space, seed=0, config=small())
    asked = run(search, lambda molecule: (0.0,), 12)
    assert {child.operator for child in search.ask(10)} == {""}
    sizes = [parse(text).mol.GetNumAtoms() for text in asked]
    assert np.mean(sizes[20:]) > 1.2 * np.mean(sizes[:20])


def test_the_first_ten_parents_have_as_many_children_as_the_next_ninety(space: LatentSpace) -> None:
    parents = ["C" * n + "O" for n in range(1, 101)]
    breeder = Breeder(space, {"mutate": 1.0})
    offspring = breeder.breed(np.random.default_rng(0), parents, ["CC"], lambda texts: np.empty((0, 0)), 2000)
    first = sum(child.parent in parents[:10] for child in offspring)
    assert 0.4 < first / len(offspring) < 0.6


def test_given_molecules_are_bred_from_the_first(space: LatentSpace) -> None:
    search = LatentSearch(space, seed=0, config=small(n_initial=0, n_rounds=1))
    search.tell(["CC(=O)Nc1ccc(O)cc1"], [(1.0,)], [0.0])
    assert {child.parent for child in search.ask(10)} == {"CC(=O)Nc1ccc(O)cc1"}


def test_latent_moves_alone_climb_too(space: LatentSpace) -> None:
    search = LatentSearch(space, seed=2, config=small(operators={LATENT: 1.0}))
    asked = run(search, polarity, 8)
    scores = [polarity(parse(text))[0] for text in asked]
    assert np.mean(scores[-20:]) > np.mean(scores[:20])


def sampler_of(space: LatentSpace, seed: int) -> LatentSampler:
    centre, deviation = space.model.prior_mean.double().numpy(), space.prior_deviation.astype(np.float64)
    search = LatentSearch(space, seed=seed, config=small())
    return LatentSampler(search, space, LatentBox(centre, deviation), seed)


def test_behind_optuna_it_repeats_itself_and_its_points_are_its_molecules(space: LatentSpace) -> None:
    def molecules(seed: int) -> tuple[list[str], list[str | None]]:
        sampler = sampler_of(space, seed)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        proposed, points = [], []
        for _ in range(45):
            trial = study.ask(sampler.box.distributions)
            proposed.append(sampler.smiles(trial.number))
            points.append(sampler.box.point(trial.params))
            study.tell(trial, polarity(parse(proposed[-1]))[0])
        return proposed, space.decode(np.array(points))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    proposed, decoded = molecules(5)
    assert proposed == molecules(5)[0]
    assert np.mean([a == b for a, b in zip(proposed, decoded, strict=True)]) > 0.9


def test_failed_trials_and_trials_of_other_points_are_taken_as_they_are(space: LatentSpace) -> None:
    sampler = sampler_of(space, 0)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.enqueue_trial(sampler.box.parameters(space.encode(["CCO"])[0]))
    given = study.ask(sampler.box.distributions)
    given.set_user_attr(SMILES, "CCO")
    study.tell(given, 7.0)
    failed = study.ask(sampler.box.distributions)
    study.tell(failed, state=TrialState.FAIL)
    study.ask(sampler.box.distributions)
    assert sampler.search.parents[0] == "CCO"
    assert sampler.smiles(failed.number) in sampler.search.parents


def test_points_and_parameters_are_two_names_of_one_thing(space: LatentSpace) -> None:
    box = LatentBox(np.full(8, 0.5), np.linspace(0.5, 1.5, 8))
    for z in np.random.default_rng(0).standard_normal((20, 8)):
        np.testing.assert_allclose(box.point(box.parameters(z)), z, rtol=1e-12)
    assert set(box.parameters(box.centre + 100 * box.deviation).values()) == {box.half_width}
