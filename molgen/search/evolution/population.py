"""A population of molecules, with a latent space that is trained on the best of them.

Notation: N members, M scores each, K parents, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import parse
from molgen.latent.space import LatentSpace
from molgen.sample.series import CoreSeries
from molgen.search.evolution.adaptive_space import AdaptiveSpace
from molgen.search.evolution.config import LatentSearchConfig
from molgen.search.evolution.operators import Breeder, Offspring, bring_into
from molgen.search.evolution.pool import Pool
from molgen.search.pareto import crowding_distances, rank_fronts

N_PRIOR_SAMPLES = 500
"""Number of prior samples drawn at once; offspring take parts from the latest ones."""
N_PRIOR_JUDGED = 100
"""Maximum number of prior samples that a pool starts with."""
MAX_BREADTH = 4.0
"""Maximum factor on the number of offspring if few are feasible."""
N_LEVEL = 10
"""Number of best members whose mean score is the level of a population."""
MIN_GAIN = 0.05
"""Minimum gain of the level, relative to its gain over the first level; below it, the population stagnates."""


@dataclass(frozen=True)
class Fitness:
    """The evaluation of a molecule.

    Attributes:
        scores: M scores, to be maximised; empty if not scored.
        violation: Violation of the constraints, 0 if feasible.
    """

    scores: tuple[float, ...]
    violation: float


class Population:
    """A population.

    Attributes:
        members: Evaluations by canonical SMILES, in order of arrival.
        space: The space that is trained on the best.
        parents: The best members, best first.
    """

    def __init__(
        self,
        space: LatentSpace,
        config: LatentSearchConfig,
        operators: Mapping[str, float],
        founders: Mapping[str, Fitness],
        substitutes: Sequence[str] = (),
        series: CoreSeries | None = None,
    ) -> None:
        """Starts from `founders`, by canonical SMILES, with these operators and weights.

        With `substitutes`, these molecules replace prior samples. With a series, all proposals keep the core.
        """
        self._substitutes = substitutes
        self._series = series
        self.members = dict(founders)
        self.space = AdaptiveSpace(space)
        self._config = config
        self._breeder = Breeder(self.space, operators)
        self._points: dict[str, Doubles] = {}
        self._donors: list[str] = []
        self._prior_samples: list[Offspring] = []
        self._unread: list[Offspring] = []
        self._breadth = 1.0
        self._n_at_learning = 0
        self.parents: list[str] = []
        self._levels: list[float] = []
        self._rank()

    @property
    def _elites(self) -> list[str]:
        return self.parents[: self._config.n_elites]

    def sample_prior(self, n: int, rng: np.random.Generator) -> list[Offspring]:
        """The next prior samples, at most `n`."""
        if len(self._unread) < n:
            self._draw_prior(rng)
        sampled, self._unread = self._unread[:n], self._unread[n:]
        return sampled

    def _draw_prior(self, rng: np.random.Generator) -> None:
        if self._substitutes:
            texts: list[str | None] = [
                self._substitutes[i] for i in rng.integers(len(self._substitutes), size=N_PRIOR_SAMPLES)
            ]
        else:
            texts = self.space.sample_directly(N_PRIOR_SAMPLES, int(rng.integers(2**31)))
        drawn = [Offspring.unbred(parse(text)) for text in texts if text]
        self._donors = [sample.molecule.smiles for sample in drawn]
        self._prior_samples = bring_into(self._series, rng, drawn)
        self._unread = self._unread + self._prior_samples

    def breed(
        self, n: int, pool: Pool, rng: np.random.Generator, *, n_least: int = 0, with_prior_samples: bool = True
    ) -> None:
        """Adds offspring of the best molecules and of the best offspring to a pool, and some prior samples.

        Args:
            n: Number of proposals to be picked; the fewer offspring are feasible, the more are bred.
            pool: The pool.
            n_least: Minimum number of offspring.
            rng: Random generator.
            with_prior_samples: Whether prior samples are added first.
        """
        if not self._donors:
            self._draw_prior(rng)
        if with_prior_samples:
            drawn = rng.choice(len(self._prior_samples), min(N_PRIOR_JUDGED, len(self._prior_samples)), replace=False)
            self._add(pool, [self._prior_samples[i] for i in drawn])
        n_children = max(int(self._breadth * n * self._config.offspring_per_proposal), n_least)
        for _ in range(self._config.n_rounds):
            best = [child.molecule.smiles for child in pool.leaders(self._config.n_elites // 2)]
            parents = _interleave(best, self.parents)
            size = n_children // self._config.n_rounds
            offspring = self._breeder.breed(rng, parents, self._donors, self._encode_members, size)
            self._add(pool, bring_into(self._series, rng, offspring))
        self._breadth = 1.0 / max(pool.feasible_share(), 1.0 / MAX_BREADTH)

    def _add(self, pool: Pool, offspring: Sequence[Offspring]) -> None:
        pool.add([child for child in offspring if child.molecule.smiles not in self.members])

    def take(self, fresh: Mapping[str, Fitness], offspring: Mapping[str, Offspring], rng: np.random.Generator) -> None:
        """Adds new members, some of which are `offspring` of the population, and learns from them."""
        before = set(self._elites)
        self.members |= fresh
        self._rank()
        entered = set(self._elites) - before
        self._breeder.learn([offspring[text] for text in fresh if text in entered and text in offspring])
        self._levels += [self.level()] * len(fresh)
        self._adapt(rng)

    def stagnates(self, patience: int, first_level: float) -> bool:
        """Whether the last `patience` molecules raised the level by less than a share of its gain over `first_level`.

        False if a level is NaN.
        """
        if len(self._levels) <= patience:
            return False
        before, now = self._levels[-patience - 1], self._levels[-1]
        return now - before < MIN_GAIN * (now - first_level)

    def level(self) -> float:
        """Mean score of the ten best members; NaN for none, for several scores, or if they are infeasible."""
        best = [self.members[text] for text in self.parents[:N_LEVEL]]
        if not best or any(fitness.violation > 0.0 or len(fitness.scores) != 1 for fitness in best):
            return float("nan")
        return float(np.mean([fitness.scores[0] for fitness in best]))

    def _adapt(self, rng: np.random.Generator) -> None:
        """Trains the space on the elites, if enough molecules were told since the last training."""
        every = max(self._config.learn_every, len(self.members) // 10)
        is_time = len(self.members) >= self._n_at_learning + every
        if not self._config.learn_every or not self._donors or not is_time:
            return
        self._n_at_learning = len(self.members)
        self.space.learn(self._elites, self._donors, rng)
        self._points.clear()

    def _encode_members(self, smiles: Sequence[str]) -> Doubles:
        """Points (N, D) of molecules, NaN for one that cannot be encoded."""
        unseen = [text for text in dict.fromkeys(smiles) if text not in self._points]
        self._points |= zip(unseen, self.space.encode(unseen, is_refined=False).astype(np.float64), strict=True)
        return np.array([self._points[text] for text in smiles]).reshape(len(smiles), self.space.size)

    def _rank(self) -> None:
        """Ranks the members and keeps the best K as parents."""
        scored = {text: fitness for text, fitness in self.members.items() if fitness.scores}
        pool = scored if len(scored) >= self._config.n_elites else self.members
        keys = _sort_keys([fitness.scores for fitness in pool.values()])
        keyed = [(fitness.violation, *(-k for k in key)) for fitness, key in zip(pool.values(), keys, strict=True)]
        order = sorted(range(len(keyed)), key=keyed.__getitem__)[: self._config.n_parents]
        texts = list(pool)
        self.parents = [texts[i] for i in order]


def _interleave(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Two rankings interleaved."""
    pairs = [text for pair in zip(one, other, strict=False) for text in pair]
    n = min(len(one), len(other))
    return list(dict.fromkeys([*pairs, *one[n:], *other[n:]]))


def _sort_keys(scores: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Sort keys among molecules of equal violation: the score, or minus the front and then the crowding distance."""
    n_scores = max(map(len, scores), default=0)
    if n_scores <= 1:
        return [values or (-np.inf,) for values in scores]
    points = np.array([values or (0.0,) * n_scores for values in scores])
    front = rank_fronts(points)
    room = np.zeros(len(points))
    for level in np.unique(front):
        room[front == level] = crowding_distances(points[front == level])
    return list(zip((-front).astype(float), room, strict=True))
