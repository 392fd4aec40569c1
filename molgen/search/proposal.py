"""Moves: how new points of the latent space are made from the best known ones.

Notation: N proposals, K elites (best first), D latent dimensions. Steps are in units of the prior's standard
deviation in each dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Move = Callable[[np.random.Generator, Array, Array, Array], Array]
"""From parents (N, D), their mates (N, D) and the prior's deviation (D,) to children (N, D)."""

STEPS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
SPARSE_SHARE = 0.25
BLUR = 0.1


def perturb(step: float) -> Move:
    """Gaussian noise of standard deviation `step` in every dimension."""

    def move(rng: np.random.Generator, parents: Array, _mates: Array, deviation: Array) -> Array:
        children: Array = parents + step * deviation * rng.standard_normal(parents.shape)
        return children

    return move


def perturb_sparsely(step: float) -> Move:
    """Gaussian noise of the same length as `perturb`'s, in a random quarter of the dimensions."""

    def move(rng: np.random.Generator, parents: Array, _mates: Array, deviation: Array) -> Array:
        is_moved = rng.random(parents.shape) < SPARSE_SHARE
        noise = rng.standard_normal(parents.shape) * is_moved / np.sqrt(SPARSE_SHARE)
        children: Array = parents + step * deviation * noise
        return children

    return move


def interpolate(rng: np.random.Generator, parents: Array, mates: Array, deviation: Array) -> Array:
    """A point on the line through parent and mate, up to half its length beyond either, slightly blurred.

    Source: extended line crossover, Muehlenbein & Schlierkamp-Voosen 1993 (doi:10.1162/evco.1993.1.1.25).
    """
    share = rng.uniform(-0.5, 1.0, (len(parents), 1))
    return parents + share * (mates - parents) + BLUR * deviation * rng.standard_normal(parents.shape)


def cross(rng: np.random.Generator, parents: Array, mates: Array, deviation: Array) -> Array:
    """Each dimension from the parent or, with a chance of 30 %, from the mate, slightly blurred.

    Source: uniform crossover, Syswerda 1989.
    """
    children = np.where(rng.random(parents.shape) < 0.3, mates, parents)
    return children + BLUR * deviation * rng.standard_normal(parents.shape)


MOVES: dict[str, Move] = {
    **{f"perturb {step}": perturb(step) for step in STEPS},
    **{f"perturb sparsely {step}": perturb_sparsely(step) for step in STEPS},
    "interpolate": interpolate,
    "cross": cross,
}


@dataclass
class MoveChoice:
    """Chooses among moves by how often their children turned out well (probability matching).

    Every move keeps a chance of at least `floor` over the number of moves; old outcomes fade.
    Source: adaptive operator selection, Thierens 2005 (doi:10.1145/1068009.1068251), section 2.
    """

    n_moves: int
    floor: float = 0.25
    memory: float = 0.9

    def __post_init__(self) -> None:
        self._good = np.ones(self.n_moves)
        self._all = np.full(self.n_moves, 3.0)

    def probabilities(self) -> Array:
        """The chance (n_moves,) of each move."""
        quality = self._good / self._all
        chance: Array = self.floor / self.n_moves + (1.0 - self.floor) * quality / quality.sum()
        return chance

    def learn(self, moves: NDArray[np.int64], is_good: NDArray[np.bool_]) -> None:
        """Takes in the outcomes (N,) of children that the moves (N,) made."""
        prior_good, prior_all = 1.0, 3.0
        good = np.bincount(moves, weights=is_good, minlength=self.n_moves)
        tried = np.bincount(moves, minlength=self.n_moves)
        self._good = prior_good + self.memory * (self._good - prior_good) + good
        self._all = prior_all + self.memory * (self._all - prior_all) + tried
