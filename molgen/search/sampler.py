"""The latent search as a sampler of Optuna: a molecule is a trial, its point the parameters of the trial.

Notation: D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule
from molgen.latent.space import LatentSpace
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.evolution.operators import Offspring

SMILES, VIOLATION = "smiles", "violation"
"""Trial attributes that the sampler reads: the scored molecule, and its violation of the constraints."""


@dataclass(frozen=True)
class LatentBox:
    """The search box, and its parameters in Optuna.

    Parameter `zi` is dimension i in standard deviations of the prior, from the centre.

    Attributes:
        centre: (D,) centre of the box, usually the mean of the prior.
        deviation: (D,) standard deviation of the prior, above 0.
        half_width: Parameters lie from minus this number to plus this number.
    """

    centre: Doubles
    deviation: Doubles
    half_width: float = 5.0

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """One float parameter per dimension."""
        return {f"z{i}": FloatDistribution(-self.half_width, self.half_width) for i in range(len(self.centre))}

    def parameters(self, z: NDArray[np.floating]) -> dict[str, float]:
        """The parameters of a point (D,), clipped to the box."""
        scaled = np.clip((z - self.centre) / self.deviation, -self.half_width, self.half_width)
        return dict(zip(self.distributions, map(float, scaled), strict=True))

    def point(self, parameters: Mapping[str, float]) -> Doubles:
        """The point (D,) of parameters."""
        scaled = np.array([parameters[name] for name in self.distributions])
        point: Doubles = self.centre + self.deviation * scaled
        return point


class LatentSampler(BaseSampler):
    """`LatentSearch` with the interface of Optuna: parameters z0 to z(D-1), one float each.

    The parameters are the point of the proposed molecule; `smiles` returns the molecule. Before telling the values of
    a trial, the caller sets the trial attributes `SMILES`, if it scored a different molecule, and `VIOLATION`, if
    there are constraints.
    """

    def __init__(self, search: LatentSearch, space: LatentSpace, box: LatentBox, seed: int) -> None:
        """Makes a sampler that asks `search` for `generation_size` molecules at a time."""
        self.search = search
        self.box = box
        self.generation_size = 1
        self._space = space
        self._independent = RandomSampler(seed=seed)
        self._queue: list[tuple[Offspring, Doubles]] = []
        self._told: list[tuple[str, tuple[float, ...], float]] = []
        self._offspring: dict[int, Offspring] = {}
        self._pending: dict[int, Molecule] = {}

    def smiles(self, number: int) -> str:
        """The molecule of trial `number`; "" for an enqueued point, or if no molecule was new."""
        return self._offspring[number].molecule.smiles if number in self._offspring else ""

    def parent(self, number: int) -> str:
        """The parent of the molecule of trial `number`; "" for an enqueued point or a prior sample."""
        return self._offspring[number].parent if number in self._offspring else ""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All latent dimensions."""
        return dict(self.box.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of the next molecule; a new generation is asked for when none is left."""
        if "fixed_params" in trial.system_attrs:  # an enqueued trial has its own point
            return {}
        if not self._queue:
            self._begin_generation()
        if not self._queue:
            return self.box.parameters(self.box.centre)
        self._offspring[trial.number], z = self._queue.pop()
        self._pending[trial.number] = self._offspring[trial.number].molecule
        return self.box.parameters(z)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for parameters that are not latent dimensions."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Records the score of a molecule for the next generation."""
        self._pending.pop(trial.number, None)
        smiles = trial.user_attrs.get(SMILES, self.smiles(trial.number))
        if smiles:
            self._told.append((smiles, tuple(values or ()), float(trial.user_attrs.get(VIOLATION, 0.0))))

    def _begin_generation(self) -> None:
        if self._told:
            smiles, scores, violations = zip(*self._told, strict=True)
            self.search.tell(smiles, scores, violations)
            self._told = []
        offspring = self.search.ask(self.generation_size, pending=list(self._pending.values()))
        points = self._space.encode([child.molecule.smiles for child in offspring])
        self._queue = list(zip(offspring, points.astype(np.float64), strict=True))[::-1]
