"""Proposers of molecules in benchmarks: the search of molgen, parts of it, and samplers of Optuna.

Notation: N requested molecules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from optuna.trial import Trial

from molgen.arrays import Doubles
from molgen.chem.admission import count_flaws
from molgen.chem.checks import check
from molgen.chem.familiarity import Reference
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
WIDE = SurrogateConfig(STRUCTURE, width=3.0, max_boldness=1.0)
NARROW = SurrogateConfig(STRUCTURE, width=None, max_boldness=2.0)
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
"""Settings of the search of molgen and of variants of it, by name.

`tanimoto-bo` approximates the tuned Bayesian optimisation of Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709): one wide
process, and a genetic algorithm of 5 x 200 edited graphs for each batch.
"""
OPTUNA = ("cmaes", "tpe", "gp")
"""Samplers of Optuna."""
N_SUBSTITUTES = 5000
"""Number of shipped molecules to draw in place of prior samples if the checkpoint has no language model."""


def require_sampler(name: str) -> None:
    """Checks the name of a sampler.

    Raises:
        SpecError: There is none of that name.
    """
    known = (*SEARCHES, *OPTUNA)
    if name not in known:
        raise SpecError("sampler", f"there is no {name!r}", remedy=f"Known: {', '.join(known)}.")


def require_reference(space: LatentSpace, sampler: str) -> None:
    """Checks that a sampler can leave out molecules with flaws (`sum_flaws`).

    Raises:
        SpecError: The checkpoint has no reference of familiar molecules, or the sampler is one of Optuna.
    """
    if space.model.familiarity is None:
        raise SpecError(
            "kept", "the checkpoint has no reference of familiar molecules", remedy="Use `molgen familiarise`."
        )
    if sampler not in SEARCHES:
        raise SpecError("kept", f"{sampler} takes no constraints", remedy=f"Use one of {', '.join(SEARCHES)}.")


def choose_batch_size(n_calls: int) -> int:
    """Number of molecules to request after `n_calls` calls: one per 200 of them, 2 to 25."""
    return max(2, min(25, n_calls // 200))


@cache
def draw_substitutes() -> tuple[str, ...]:
    """Shipped molecules that are not similar to a target of a benchmark.

    Source: the similarity threshold of GuacaMol's hold-out, `GUACAMOL_HOLD_OUT`.
    """
    goals = [fingerprint(parse(text).mol) for text in read_smiles(find_shipped("data") / "benchmark_targets.smi")]
    return tuple(
        molecule.smiles
        for molecule in draw_shipped_molecules(N_SUBSTITUTES)
        if max(tanimoto_to_many(fingerprint(molecule.mol), goals)) <= GUACAMOL_HOLD_OUT
    )


class Proposer(Protocol):
    """Proposes molecules (ask), and learns their scores (tell)."""

    def ask(self, n: int) -> list[Molecule | None]:
        """About `n` molecules, not necessarily new; None for an invalid proposal."""

    def tell(self, values: Sequence[float | None]) -> None:
        """The scores of the last proposals; None for one that was not scored."""


class _LatentProposer:
    """The search of molgen; with a reference of familiar molecules, it proposes no molecules with flaws."""

    def __init__(self, space: LatentSpace, name: str, seed: int, budget: int, reference: Reference | None) -> None:
        config = replace(search_config(name, budget), **SEARCHES[name])
        substitutes = () if LANGUAGE in space.prior_names else draw_substitutes()
        self._flaws = partial(sum_flaws, reference) if reference else None
        self._search = LatentSearch(space, seed=seed, config=config, violations=self._flaws, substitutes=substitutes)
        self._asked: list[Molecule] = []
        self._violations: list[float] = []

    def ask(self, n: int) -> list[Molecule | None]:
        self._asked = [child.molecule for child in self._search.ask(n)]
        self._violations = self._flaws(self._asked).tolist() if self._flaws else [0.0] * len(self._asked)
        return [None if flaws else molecule for molecule, flaws in zip(self._asked, self._violations, strict=True)]

    def tell(self, values: Sequence[float | None]) -> None:
        scores = [() if value is None else (value,) for value in values]
        self._search.tell([molecule.smiles for molecule in self._asked], scores, self._violations)


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


def make_proposer(
    space: LatentSpace, name: str, seed: int, budget: int, *, reference: Reference | None = None
) -> Proposer:
    """The proposer of a name that `require_sampler` accepts, for a budget of `budget` molecules.

    With a reference of familiar molecules, a search of molgen proposes only molecules without flaws (`sum_flaws`).
    """
    if name in SEARCHES:
        return _LatentProposer(space, name, seed, budget, reference)
    return _OptunaProposer(space, name, seed, budget)


def sum_flaws(reference: Reference, molecules: Sequence[Molecule]) -> Doubles:
    """The flaws (N,) of molecules: those of `count_flaws`, and one for BRENK alerts."""
    mols = [molecule.mol for molecule in molecules]
    flaws = [sum(n for _, n in count_flaws(mol, reference)) + (not check(mol, "brenk").passes) for mol in mols]
    return np.array(flaws, dtype=np.float64)
