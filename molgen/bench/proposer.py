"""Proposers of molecules in benchmarks: the search of molgen, parts of it, and samplers of Optuna.

Notation: N requested molecules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from optuna.trial import Trial

from molgen.chem.molecule import Molecule, parse
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.search.evolution.config import default_operators
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.evolution.operators import GRAPH_OPERATORS, LATENT
from molgen.search.study import LatentStudy, Outcome, SamplerConfig, search_config

SEARCHES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "latent": {},
        "latent-moves-only": {"operators": {LATENT: 1.0}, "restart_operators": {}},
        "edits-only": {
            "operators": {operator: default_operators()[operator] for operator in GRAPH_OPERATORS},
            "restart_operators": {},
            "learn_every": 0,
        },
        "one-population": {"restart_operators": {}},
        "no-learning": {"learn_every": 0},
        "no-parts-of-the-prior": {"operators": {LATENT: 0.5, "mutate": 0.25, "cross": 0.25}},
        "one-round": {"n_rounds": 1},
        "no-surrogate": {"has_surrogate": False},
        "perturb": {},
        "random": {},
    }
)
"""The search of molgen and parts of it, by their settings; other samplers are those of Optuna."""
OPTUNA = ("cmaes", "tpe", "gp")


def require_sampler(name: str) -> None:
    """Checks the name of a sampler.

    Raises:
        SpecError: There is none of that name.
    """
    known = (*SEARCHES, *OPTUNA)
    if name not in known:
        raise SpecError("sampler", f"there is no {name!r}", remedy=f"Known: {', '.join(known)}.")


def choose_batch_size(n_calls: int) -> int:
    """Number of molecules to request after `n_calls` calls: a fiftieth of them, 10 to 25."""
    return max(10, min(25, n_calls // 50))


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
        self._search = LatentSearch(space, seed=seed, config=config)
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
