"""The latent sampler: evolution among re-encoded elites, as an ask/tell class and behind Optuna's `BaseSampler`.

Each generation moves the best molecules' points (see `proposal`), and learns which moves pay. An elite's point is what
the encoder says of its molecule, so that decoding errors do not add up over generations, or the point that it was
decoded from, which is sure to give it back.

Notation: N proposals, K elites, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from molgen.search.pareto import crowding, ranks
from molgen.search.proposal import MOVES, MoveChoice

Array = NDArray[np.float64]

SMILES, VIOLATION, IS_NEW = "smiles", "violation", "is_new"
"""Trial attributes that the sampler reads: the molecule a point decoded to, by how much it misses the
constraints, and whether it was met for the first time."""


@dataclass(frozen=True)
class LatentBox:
    """Where points are looked for, and what they are called as Optuna's parameters.

    Parameter `zi` is dimension i in units of the prior's standard deviation, from the centre.

    Attributes:
        centre: (D,) middle of the box, mostly the prior's mean.
        deviation: (D,) standard deviation of the prior, above 0.
        reach: Parameters lie between plus and minus this.
    """

    centre: Array
    deviation: Array
    reach: float = 5.0

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """One float parameter a dimension."""
        return {f"z{i}": FloatDistribution(-self.reach, self.reach) for i in range(len(self.centre))}

    def parameters(self, z: NDArray[np.floating]) -> dict[str, float]:
        """The parameters of a point (D,), brought into the box."""
        scaled = np.clip((z - self.centre) / self.deviation, -self.reach, self.reach)
        return dict(zip(self.distributions, map(float, scaled), strict=True))

    def point(self, parameters: Mapping[str, float]) -> Array:
        """The point (D,) of parameters."""
        scaled = np.array([parameters[name] for name in self.distributions])
        point: Array = self.centre + self.deviation * scaled
        return point


@dataclass(frozen=True)
class Outcome:
    """What became of one proposal.

    Attributes:
        number: Which proposal, as numbered by the caller.
        z: (D,) the point.
        smiles: What it decoded to, "" for nothing.
        scores: (M,), to be maximised; empty where it was not scored.
        violation: 0 where all constraints hold.
        is_new: Whether the molecule was met for the first time.
    """

    number: int
    z: Array
    smiles: str
    scores: tuple[float, ...]
    violation: float
    is_new: bool


@dataclass(frozen=True)
class LatentSearchConfig:
    """How the search behaves.

    Attributes:
        n_initial: Points of the prior that are looked at before evolution begins; none around given molecules.
        n_elites: K, the molecules that have children.
        batch_size: Proposals a generation.
        greed: How strongly better elites are preferred: parent number floor(K u^greed), u uniform.
        prior_share: Part of every later generation that is drawn from the prior.
    """

    n_initial: int = 100
    n_elites: int = 50
    batch_size: int = 64
    greed: float = 2.0
    prior_share: float = 0.03


class LatentSearch:
    """Ask for points, tell what became of them.

    Elites are ordered by violation first, then by score (Deb 2000, doi:10.1016/S0045-7825(99)00389-8); with
    several scores by front, then by crowding.
    """

    def __init__(
        self,
        box: LatentBox,
        sample_prior: Callable[[int, int], NDArray[np.floating]],
        encode: Callable[[Sequence[str]], NDArray[np.floating]],
        *,
        seed: int,
        config: LatentSearchConfig | None = None,
    ) -> None:
        """A search that has seen nothing yet.

        Args:
            box: Where to look.
            sample_prior: Number of points and seed to points (N, D).
            encode: Molecules to points (N, D), NaN where that fails.
            seed: Source of randomness.
            config: How it behaves.
        """
        self.config = config or LatentSearchConfig()
        self._sample_prior = sample_prior
        self._encode = encode
        self._seed = seed
        self.box = box
        self._choice = MoveChoice(len(MOVES))
        self._generation = 0
        self._n_told = 0
        self._known: dict[str, Outcome] = {}
        self._points: dict[str, Array] = {}
        self._origin: dict[int, tuple[int, str]] = {}
        self._elites: list[str] = []

    @property
    def elites(self) -> list[str]:
        """The best molecules so far, best first."""
        return list(self._elites)

    def parent(self, number: int) -> str:
        """The molecule that proposal `number` was made from, "" for one from the prior."""
        return self._origin.get(number, (-1, ""))[1]

    def ask(self, numbers: Sequence[int]) -> Array:
        """Points (N, D) to try next, to be told under these numbers."""
        rng = np.random.default_rng([self._seed, self._generation])
        self._generation += 1
        n = len(numbers)
        is_initial = not self._elites or self._n_told < self.config.n_initial
        n_prior = n if is_initial else int(rng.binomial(n, self.config.prior_share))
        prior = np.asarray(self._sample_prior(n_prior, int(rng.integers(2**31))), dtype=np.float64)
        return prior if is_initial else np.vstack([prior, self._children(rng, numbers[n_prior:])])

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Takes in what became of points, and learns which moves pay."""
        if not outcomes:
            return
        self._n_told += len(outcomes)
        for outcome in outcomes:
            if outcome.smiles and outcome.is_new and np.isfinite([*outcome.scores, outcome.violation]).all():
                self._known[outcome.smiles] = outcome
        before = set(self._elites)
        self._rank()
        entered = set(self._elites) - before
        moved = [o for o in outcomes if self._origin.get(o.number, (-1, ""))[0] >= 0]
        moves = np.array([self._origin[o.number][0] for o in moved], dtype=np.int64)
        self._choice.learn(moves, np.array([o.smiles in entered for o in moved], dtype=bool))

    def _children(self, rng: np.random.Generator, numbers: Sequence[int]) -> Array:
        """Moved elites (N, D)."""
        n, k = len(numbers), len(self._elites)
        parents, mates = np.floor(k * rng.random((2, n)) ** self.config.greed).astype(np.int64)
        at, toward = self._parent_points(rng, parents), self._parent_points(rng, mates)
        moves = rng.choice(len(MOVES), n, p=self._choice.probabilities())
        children = np.empty_like(at)
        for i, move in enumerate(MOVES.values()):
            rows = np.flatnonzero(moves == i)
            children[rows] = move(rng, at[rows], toward[rows], self.box.deviation)
        for number, move_index, parent in zip(numbers, moves, parents, strict=True):
            self._origin[number] = (int(move_index), self._elites[parent])
        return children

    def _elite_points(self) -> Array:
        """What the encoder says of the elites (K, D); where it fails, the point that decoded to the molecule."""
        unseen = [smiles for smiles in self._elites if smiles not in self._points]
        for smiles, z in zip(unseen, np.asarray(self._encode(unseen), dtype=np.float64), strict=True):
            self._points[smiles] = z if np.isfinite(z).all() else self._known[smiles].z
        return np.array([self._points[smiles] for smiles in self._elites])

    def _parent_points(self, rng: np.random.Generator, elites: NDArray[np.int64]) -> Array:
        """Points (N, D) of elites: of each, at even odds, the encoder's or the one that it was decoded from."""
        encoded = self._elite_points()
        origins = np.array([self._known[smiles].z for smiles in self._elites])
        return np.where(rng.random((len(elites), 1)) < 0.5, encoded[elites], origins[elites])

    def _rank(self) -> None:
        """Orders what is known, and keeps the best K and twice as many in reserve."""
        outcomes = list(self._known.values())
        scored = [o for o in outcomes if o.scores]
        pool = scored if len(scored) >= self.config.n_elites else outcomes
        fitness = _fitness(pool)
        order = sorted(range(len(pool)), key=lambda i: (pool[i].violation, *(-f for f in fitness[i])))
        ordered = [pool[i].smiles for i in order]
        self._elites = ordered[: self.config.n_elites]
        kept = set(ordered[: 3 * self.config.n_elites])
        self._known = {smiles: outcome for smiles, outcome in self._known.items() if smiles in kept}
        self._points = {smiles: z for smiles, z in self._points.items() if smiles in kept}


def _fitness(outcomes: Sequence[Outcome]) -> list[tuple[float, ...]]:
    """What is maximised among outcomes of like violation: the score, or minus the front and then the room on it."""
    n_scores = max((len(o.scores) for o in outcomes), default=0)
    if n_scores <= 1:
        return [o.scores or (-np.inf,) for o in outcomes]
    points = np.array([o.scores or (0.0,) * n_scores for o in outcomes])
    front = ranks(points)
    room = np.zeros(len(points))
    for level in np.unique(front):
        room[front == level] = crowding(points[front == level])
    return list(zip((-front).astype(float), room, strict=True))


class LatentSampler(BaseSampler):
    """`LatentSearch` behind Optuna's interface: parameters z0 to z(D-1), one float each.

    The caller sets the trial attributes `SMILES`, `VIOLATION` and `IS_NEW` before it tells a trial's values.
    """

    def __init__(self, search: LatentSearch, seed: int) -> None:
        """A sampler that asks `search` for `generation_size` points at a time."""
        self.search = search
        self._independent = RandomSampler(seed=seed)
        self.generation_size = search.config.batch_size
        self._queue: list[tuple[int, Array]] = []
        self._told: list[Outcome] = []
        self._n_asked = 0
        self._proposals: dict[int, int] = {}

    def parent(self, number: int) -> str:
        """The molecule that trial `number` was made from, "" for one that was given or came from the prior."""
        return self.search.parent(self._proposals.get(number, -1))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All latent dimensions."""
        return dict(self.search.box.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point of the generation; a new generation is asked for when none is left."""
        if "fixed_params" in trial.system_attrs:  # an enqueued trial brings its own point
            return {}
        if not self._queue:
            self._begin_generation()
        proposal, z = self._queue.pop()
        self._proposals[trial.number] = proposal
        return self.search.box.parameters(z)

    def _begin_generation(self) -> None:
        self.search.tell(self._told)
        self._told = []
        numbers = range(self._n_asked, self._n_asked + self.generation_size)
        self._n_asked = numbers.stop
        self._queue = list(zip(numbers, self.search.ask(numbers), strict=True))[::-1]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for parameters that are not latent dimensions."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Remembers what became of a point, for the next generation."""
        attributes = trial.user_attrs
        self._told.append(
            Outcome(
                number=self._proposals.get(trial.number, -1),
                z=self.search.box.point(trial.params),
                smiles=attributes.get(SMILES, ""),
                scores=tuple(values or ()),
                violation=float(attributes.get(VIOLATION, 0.0)),
                is_new=bool(attributes.get(IS_NEW, False)),
            )
        )
