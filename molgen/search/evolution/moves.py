"""Moves in latent space: new points from the best known ones.

Notation: N offspring, D latent dimensions, W operators. Steps are in units of the prior's standard
deviation in each dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from molgen.arrays import Doubles

Move = Callable[[np.random.Generator, Doubles, Doubles, Doubles], Doubles]
"""From parents (N, D), their mates (N, D) and the standard deviation (D,) of the prior to offspring (N, D)."""

STEP_SIZES = (0.1, 0.2, 0.35, 0.5)
SPARSE_SHARE = 0.25
"""Share of the dimensions in which a sparse step moves a point."""
BLUR = 0.1
"""Standard deviation of the noise added to a mixture of parent and mate."""
PRIOR_SUCCESSES = 0.01
"""Successes assumed for each operator, in one assumed trial: few, so that the first real outcomes decide."""


def perturb(step: float) -> Move:
    """Gaussian noise of standard deviation `step` in every dimension."""

    def move(rng: np.random.Generator, parents: Doubles, _mates: Doubles, deviation: Doubles) -> Doubles:
        offspring: Doubles = parents + step * deviation * rng.standard_normal(parents.shape)
        return offspring

    return move


def perturb_sparsely(step: float) -> Move:
    """Gaussian noise of the same mean square as that of `perturb`, in a random quarter of the dimensions."""

    def move(rng: np.random.Generator, parents: Doubles, _mates: Doubles, deviation: Doubles) -> Doubles:
        is_moved = rng.random(parents.shape) < SPARSE_SHARE
        noise = rng.standard_normal(parents.shape) * is_moved / np.sqrt(SPARSE_SHARE)
        offspring: Doubles = parents + step * deviation * noise
        return offspring

    return move


def interpolate(rng: np.random.Generator, parents: Doubles, mates: Doubles, deviation: Doubles) -> Doubles:
    """A point on the line through parent and mate, from half their distance behind the parent to the mate, plus noise.

    Source: extended line crossover, Muehlenbein & Schlierkamp-Voosen 1993 (doi:10.1162/evco.1993.1.1.25).
    """
    share = rng.uniform(-0.5, 1.0, (len(parents), 1))
    return parents + share * (mates - parents) + BLUR * deviation * rng.standard_normal(parents.shape)


def cross_points(rng: np.random.Generator, parents: Doubles, mates: Doubles, deviation: Doubles) -> Doubles:
    """Each dimension from the parent or, with a probability of 30 %, from the mate, with a little noise.

    Source: uniform crossover, Syswerda 1989.
    """
    offspring = np.where(rng.random(parents.shape) < 0.3, mates, parents)
    return offspring + BLUR * deviation * rng.standard_normal(parents.shape)


MOVES: dict[str, Move] = {
    **{f"perturb {step}": perturb(step) for step in STEP_SIZES},
    **{f"perturb sparsely {step}": perturb_sparsely(step) for step in STEP_SIZES},
    "interpolate": interpolate,
    "cross": cross_points,
}


class OperatorSelection:
    """Chooses operators by their past success (probability matching).

    Every operator keeps a probability of at least `floor` times its weight; old outcomes fade.
    Source: adaptive operator selection, Thierens 2005 (doi:10.1145/1068009.1068251), section 2.
    """

    def __init__(self, weights: Sequence[float], *, floor: float = 0.5, memory: float = 0.97) -> None:
        """Starts from weights (W,) of the operators, each above 0.

        Args:
            weights: Probabilities before the first outcome; they need not sum to 1.
            floor: Share of the probabilities that no outcome changes.
            memory: Weight of an outcome after the next `learn`.
        """
        self._weights = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        self._floor = floor
        self._memory = memory
        self._good = np.full(len(weights), PRIOR_SUCCESSES)
        self._all = np.ones(len(weights))

    def probabilities(self) -> Doubles:
        """The probability (W,) of each operator."""
        quality = self._weights * self._good / self._all
        chance: Doubles = self._floor * self._weights + (1.0 - self._floor) * quality / quality.sum()
        return chance

    def learn(self, tried: NDArray[np.int64], successful: NDArray[np.int64]) -> None:
        """Records the operators that were tried, once per proposal, and which of them succeeded."""
        n = len(self._weights)
        self._good = PRIOR_SUCCESSES + self._memory * (self._good - PRIOR_SUCCESSES)
        self._good += np.bincount(successful, minlength=n)
        self._all = 1.0 + self._memory * (self._all - 1.0) + np.bincount(tried, minlength=n)
