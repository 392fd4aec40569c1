"""Proposers of molecules in benchmarks: the search of molgen, parts of it, and samplers of Optuna.

Notation: N requested molecules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from optuna.trial import Trial

from molgen.chem.molecule import Molecule, fingerprint, parse, tanimoto_to_many
from molgen.chem.sampling import draw_shipped_molecules
from molgen.errors import SpecError
from molgen.latent.space import LANGUAGE, LatentSpace
from molgen.paths import find_shipped
from molgen.search.evolution.config import STRUCTURE, SurrogateConfig, default_operators
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.evolution.operators import GRAPH_OPERATORS, LATENT
from molgen.search.study import LatentStudy, Outcome, SamplerConfig, search_config
from molgen.tokens.tokenisation import GUACAMOL_HOLD_OUT, read_smiles

EDITS = {operator: default_operators()[operator] for operator in GRAPH_OPERATORS}
WIDE = SurrogateConfig(STRUCTURE, width=3.0, confidence=1.0)
NARROW = SurrogateConfig(STRUCTURE, width=None, confidence=2.0)
SEARCHES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "latent": {},
        "latent-moves-only": {"operators": {LATENT: 1.0}, "restart_operators": {}},
        "edits-only": {
            "operators": EDITS,
            "restart_operators": {},
            "learn_every": 0,
        },
        "one-population": {"restart_operators": {}},
        "no-learning": {"learn_every": 0},
        "no-parts-of-the-prior": {"operators": {LATENT: 0.5, "mutate": 0.25, "cross": 0.25}},
        "wide-process": {"surrogates": (WIDE,)},
        "wide-process-few-children": {"surrogates": (WIDE,), "n_early": 0},
        "narrow-process-few-children": {"surrogates": (NARROW,), "n_early": 0},
        "tanimoto-bo": {
            "n_initial": 10,
            "surrogates": (WIDE,),
            "early_offspring": 1000,
            "n_rounds": 5,
            "operators": EDITS,
            "restart_operators": {},
            "learn_every": 0,
        },
        "no-surrogate": {"surrogates": ()},
        "perturb": {},
        "random": {},
    }
)
"""The search of molgen and parts of it, by their settings; other samplers are those of Optuna.

`tanimoto-bo` approximates the tuned Bayesian optimisation of Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709): one wide
process, and a genetic algorithm of 5 x 200 edited graphs for each batch.
"""
OPTUNA = ("cmaes", "tpe", "gp")


N_STOCK = 5000
"""Number of shipped molecules that take the place of prior samples if the checkpoint has no language model."""


def require_sampler(name: str) -> None:
    """Checks the name of a sampler.

    Raises:
        SpecError: There is none of that name.
    """
    known = (*SEARCHES, *OPTUNA)
    if name not in known:
        raise SpecError("sampler", f"there is no {name!r}", remedy=f"Known: {', '.join(known)}.")


def choose_batch_size(n_calls: int) -> int:
    """Number of molecules to request after `n_calls` calls: one per 200 of them, 2 to 25."""
    return max(2, min(25, n_calls // 200))


@cache
def draw_stock() -> tuple[str, ...]:
    """Shipped molecules that resemble no target of a benchmark.

    Source: the similarity threshold of GuacaMol's hold-out, `GUACAMOL_HOLD_OUT`.
    """
    goals = [fingerprint(parse(text).mol) for text in read_smiles(find_shipped("data") / "benchmark_targets.smi")]
    return tuple(
        molecule.smiles
        for molecule in draw_shipped_molecules(N_STOCK)
        if max(tanimoto_to_many(fingerprint(molecule.mol), goals)) <= GUACAMOL_HOLD_OUT
    )


class Proposer(Protocol):
    """Proposes molecules (ask), and learns their scores (tell)."""

    def ask(self, n: int) -> list[Molecule | None]:
        """About `n` molecules, not necessarily new; None for an invalid proposal."""

    def tell(self, values: Sequence[float | None]) -> None:
        """The scores of the last proposals; None for one that was not scored."""


class _LatentProposer:
    """The search of molgen."""

    def __init__(self, space: LatentSpace, name: str, seed: int, budget: int) -> None:
        config = replace(search_config(name, budget), **SEARCHES[name])
        stock = () if LANGUAGE in space.prior_names else draw_stock()
        self._search = LatentSearch(space, seed=seed, config=config, stock=stock)
        self._asked: list[Molecule] = []

    def ask(self, n: int) -> list[Molecule | None]:
        self._asked = [child.molecule for child in self._search.ask(n)]
        return list(self._asked)

    def tell(self, values: Sequence[float | None]) -> None:
        scores = [() if value is None else (value,) for value in values]
        self._search.tell([molecule.smiles for molecule in self._asked], scores, [0.0] * len(scores))


class _OptunaProposer:
    """A sampler of Optuna, over decoded points."""

    def __init__(self, space: LatentSpace, name: str, seed: int, budget: int) -> None:
        request = SamplerConfig(
            name=name,
            n_objectives=1,
            batch_size=choose_batch_size(budget),
            budget=budget,
            seed=seed,
            start=np.empty((0, space.size)),
        )
        self._study = LatentStudy(space, request)
        self._trials: list[tuple[Trial, str]] = []

    def ask(self, n: int) -> list[Molecule | None]:
        self._trials = self._study.ask(n)
        return [parse(text) if text else None for _, text in self._trials]

    def tell(self, values: Sequence[float | None]) -> None:
        for (trial, text), value in zip(self._trials, values, strict=True):
            self._study.tell(trial, Outcome(text, () if value is None else (value,)))


def make_proposer(space: LatentSpace, name: str, seed: int, budget: int) -> Proposer:
    """The proposer of a name that `require_sampler` accepts, for a budget of `budget` molecules."""
    return (_LatentProposer if name in SEARCHES else _OptunaProposer)(space, name, seed, budget)
