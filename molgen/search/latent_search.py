"""The latent search: evolution among the best molecules, judged by a surrogate before any of it costs a call.

Each round breeds a pool of children from the best molecules so far, by moving their points in latent space and by small
edits of their graphs; a Gaussian process on the molecules says how good each probably is and how sure that is; the best
of the pool are bred further, and what then promises most is proposed. The space learns from what was found: from time
to time it is trained on the best molecules, so that its decoder speaks of them.

Notation: N molecules told, M scores each, K parents, D latent dimensions, P children in the pool.
Sources: upper confidence bound, Srinivas et al. 2010 (arXiv:0912.3995); a genetic algorithm inside the acquisition,
Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709); training on what was found, weighted retraining, Tripp et al. 2020
(arXiv:2006.09191).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chem.edit import join
from molgen.chem.molecule import Molecule, parse
from molgen.errors import MoleculeError
from molgen.latent.adaptive import AdaptiveSpace
from molgen.latent.space import LatentSpace
from molgen.search.breeding import LATENT, Breeder, Child
from molgen.search.pareto import crowding, ranks
from molgen.search.pool import Judge, Pool
from molgen.search.surrogate import Prediction, Similarities, TanimotoProcess, fingerprints

Array = NDArray[np.float64]
Violations = Callable[[Sequence[Molecule]], Array]
"""From P molecules to by how much each misses constraints that cost nothing to check, 0 where it keeps them."""

N_STRANGERS = 500
"""Molecules of the prior that parts are taken from."""
DRAWS_PER_PROPOSAL = 20
"""Molecules of the prior that are judged for each that is proposed."""
JOINED_SHARE = 0.8
"""Of the proposals while all scores are the same, two molecules of the prior in one."""
MAX_BREADTH = 4.0
"""Times the children that are bred at most, where few keep the constraints."""


def default_ways() -> dict[str, float]:
    """How children are made, with the weight of each."""
    return {LATENT: 0.2, "mutate": 0.15, "cross": 0.35, "graft": 0.15, "cross with prior": 0.15}


@dataclass(frozen=True)
class LatentSearchConfig:
    """How the search behaves.

    Attributes:
        n_initial: Molecules of the prior that are proposed before evolution begins. 0 where molecules are given: then
            their surroundings are searched from the first, even while all score the same.
        n_parents: K, the molecules that have children, the better the more.
        n_elites: The best of them, which the space learns from; a way of breeding did well whose child is among them.
        children_per_proposal: P over the number of proposals, of children that keep the constraints.
        n_rounds: Generations bred between two batches of proposals.
        temperature: At which every other moved point is decoded.
        confidence: Deviations that are added to the mean at most; how many is drawn anew for each proposal.
        n_fitted: Molecules that the process is fitted to, at most.
        ways: How children are made, with the weight of each.
        learn_every: Molecules told between two times that the space learns from the best of them, or a tenth of all,
            if that is more; 0 for never.
        prior_share: Share of the proposals that are molecules of the prior, the most promising of many.
        has_surrogate: Whether the process judges the pool; else proposals are drawn from it at random.
    """

    n_initial: int = 100
    n_parents: int = 400
    n_elites: int = 60
    children_per_proposal: int = 15
    n_rounds: int = 2
    temperature: float = 1.0
    confidence: float = 2.0
    n_fitted: int = 1500
    ways: dict[str, float] = field(default_factory=default_ways)
    learn_every: int = 100
    prior_share: float = 0.05
    has_surrogate: bool = True


@dataclass
class _Told:
    """What became of a molecule."""

    scores: tuple[float, ...]
    violation: float


class LatentSearch:
    """Ask for molecules, tell what became of them."""

    def __init__(
        self,
        space: LatentSpace,
        *,
        seed: int,
        config: LatentSearchConfig | None = None,
        violations: Violations | None = None,
    ) -> None:
        """A search that has seen nothing yet.

        Args:
            space: Where to search.
            seed: Source of randomness.
            config: How it behaves.
            violations: Checked before anything is proposed.
        """
        self.config = config or LatentSearchConfig()
        self._space = AdaptiveSpace(space)
        self._seed = seed
        self._violations = violations
        self._breeder = Breeder(self._space, self.config.ways, self.config.temperature)
        self._generation = 0
        self._told: dict[str, _Told] = {}
        self._bits: list[NDArray[np.float32]] = []
        self._asked: dict[str, Child] = {}
        self._points: dict[str, Array] = {}
        self._parents: list[str] = []
        self._similarities = Similarities()
        self._noise, self._n_at_noise = 0.0, 0
        self._strangers: list[str] = []
        self._breadth = 1.0
        self._n_at_learning = 0

    @property
    def _elites(self) -> list[str]:
        return self._parents[: self.config.n_elites]

    @property
    def parents(self) -> list[str]:
        """The best molecules so far, best first."""
        return list(self._parents)

    def ask(self, n: int) -> list[Child]:
        """Up to `n` molecules that were not met before, none twice; fewer, or none, where nothing new came."""
        rng = np.random.default_rng([self._seed, self._generation])
        self._generation += 1
        n_initial = self.config.n_initial
        if not self._told or len(self._told) < n_initial:
            return self._new(self._drawn(2 * n + 8, rng), n)
        if n_initial > 0 and not self._has_slope():
            return self._new(self._composed(2 * n + 8, rng), n)
        judge = self._judge(rng)
        drawn = Pool(judge, self.config.confidence)
        n_drawn = int(rng.binomial(n, self.config.prior_share))
        drawn.add(self._drawn(n_drawn * DRAWS_PER_PROPOSAL, rng))
        explored = self._new(drawn.picks(2 * n_drawn, rng), n_drawn)
        n_bred = n - len(explored)
        return explored + self._new(self._bred(n_bred, judge, rng).picks(2 * n_bred, rng), n_bred)

    def tell(self, smiles: Sequence[str], scores: Sequence[tuple[float, ...]], violations: Sequence[float]) -> None:
        """Takes in what became of N molecules.

        Args:
            smiles: Canonical; those that nobody asked for are welcome.
            scores: M of each, to be maximised; empty where a molecule was not scored. Not finite ones are passed over.
            violations: Of constraints, 0 where all hold; those of molecules that were not scored count as well.
        """
        before = set(self._elites)
        for text, values, violation in zip(smiles, scores, violations, strict=True):
            if text not in self._told and np.isfinite([*values, violation]).all():
                self._told[text] = _Told(tuple(values), float(violation))
                self._bits.append(fingerprints([Chem.MolFromSmiles(text)])[0])
        self._rank()
        entered = set(self._elites) - before
        self._breeder.learn([self._asked[text] for text in smiles if text in entered and text in self._asked])
        self._adapt()

    def _adapt(self) -> None:
        """Trains the space on the parents, where enough has been told since the last time."""
        every = max(self.config.learn_every, len(self._told) // 10)
        if not self.config.learn_every or not self._strangers or len(self._told) < self._n_at_learning + every:
            return
        self._n_at_learning = len(self._told)
        rng = np.random.default_rng([self._seed, self._generation, 1])
        self._space.learn(self._elites, self._strangers, rng)
        self._points.clear()

    def _has_slope(self) -> bool:
        """Whether any molecule is better than another, so that there is something to climb."""
        return len({(told.scores, told.violation) for told in self._told.values()}) > 1

    def _drawn(self, n: int, rng: np.random.Generator) -> list[Child]:
        """Molecules of the prior, at most `n`."""
        texts = self._space.sample(n, int(rng.integers(2**31)))
        return [Child(parse(text), "", "") for text in texts if text]

    def _composed(self, n: int, rng: np.random.Generator) -> list[Child]:
        """Molecules of the prior, at most `n`, most of them two in one: more of what might count in each call."""
        drawn = self._drawn(2 * n, rng)
        composed = []
        for one, other in zip(drawn[::2], drawn[1::2], strict=False):
            mol = join(rng, one.molecule.smiles, other.molecule.smiles) if rng.random() < JOINED_SHARE else None
            composed.append(one if mol is None else Child(Molecule(Chem.MolToSmiles(mol), mol), "", ""))
        return composed

    def _new(self, found: Sequence[Child], n: int) -> list[Child]:
        """The first `n` children that read back, have a point, and were neither asked nor told before."""
        chosen: list[Child] = []
        for child in found:
            if len(chosen) == n:
                break
            try:
                molecule = parse(child.molecule.smiles)
            except MoleculeError:
                continue
            is_met = molecule.smiles in self._told or molecule.smiles in self._asked
            if not is_met and self._space.can_encode(molecule.smiles):
                self._asked[molecule.smiles] = replace(child, molecule=molecule)
                chosen.append(self._asked[molecule.smiles])
        return chosen

    def _bred(self, n: int, judge: Judge, rng: np.random.Generator) -> Pool:
        """Children of the best molecules and of the best children."""
        if not self._strangers:
            self._strangers = [child.molecule.smiles for child in self._drawn(N_STRANGERS, rng)]
        pool = Pool(judge, self.config.confidence)
        parents = self._parents
        for _ in range(self.config.n_rounds):
            size = int(self._breadth * n * self.config.children_per_proposal) // self.config.n_rounds
            children = self._breeder.children(rng, parents, self._strangers, self._points_of, size)
            pool.add([child for child in children if child.molecule.smiles not in self._told])
            best = pool.picks(self.config.n_elites // 2, rng)
            parents = _interleaved([child.molecule.smiles for child in best], self._parents)
        self._breadth = 1.0 / max(pool.share_kept(), 1.0 / MAX_BREADTH)
        return pool

    def _judge(self, rng: np.random.Generator) -> Judge:
        """What judges molecules: by how much they miss constraints, and mean and spread of their scores."""
        scored = np.array([i for i, told in enumerate(self._told.values()) if told.scores], dtype=np.int64)
        process = None
        if len(scored) and self.config.has_surrogate:
            scores = _standardised(np.array([told.scores for told in self._told.values() if told.scores]))
            process = self._process(scored, scores)
            low, high = scores.min(axis=0), scores.max(axis=0)

        def judge(molecules: Sequence[Molecule]) -> tuple[Array, Prediction]:
            missed = self._violations(molecules) if self._violations else np.zeros(len(molecules))
            if process is None:
                return missed, _guess(len(molecules), rng)
            said = process.predict(fingerprints([molecule.mol for molecule in molecules]))
            width = np.maximum(high - low, 1e-12)
            return missed, replace(said, mean=(said.mean - low) / width, spread=said.spread / width)

        return judge

    def _process(self, scored: NDArray[np.int64], scores: Array) -> TanimotoProcess:
        """A process fitted to the molecules numbered `scored` (N,) with these scores (N, M), or to some of them.

        Its noise is chosen anew whenever there is a quarter more of them.
        """
        chosen = self._fitted(scores)
        bits = np.array([self._bits[row] for row in scored[chosen]])
        kernel = self._similarities.of(scored[chosen], bits)
        if len(scored) > 1.25 * self._n_at_noise:
            process, self._noise = TanimotoProcess.likeliest(bits, kernel, scores[chosen])
            self._n_at_noise = len(scored)
            return process
        return TanimotoProcess(bits, kernel, scores[chosen], self._noise)

    def _fitted(self, scores: Array) -> NDArray[np.int64]:
        """Which rows of scores (N, M) to fit to: the best, two thirds of all, and the latest."""
        n, limit = len(scores), self.config.n_fitted
        if n <= limit:
            return np.arange(n)
        order = np.argsort(-scores.mean(axis=1), kind="stable")
        best, rest = order[: limit * 2 // 3], np.sort(order[limit * 2 // 3 :])
        return np.concatenate([best, rest[len(best) - limit :]])

    def _points_of(self, smiles: Sequence[str]) -> Array:
        """Points (N, D) of molecules, NaN where there is none."""
        unseen = [text for text in dict.fromkeys(smiles) if text not in self._points]
        self._points |= zip(unseen, self._space.encode(unseen, is_refined=False).astype(np.float64), strict=True)
        return np.array([self._points[text] for text in smiles]).reshape(len(smiles), self._space.size)

    def _rank(self) -> None:
        """Orders what was told, the best first, and keeps K of them as parents."""
        scored = {text: told for text, told in self._told.items() if told.scores}
        pool = scored if len(scored) >= self.config.n_elites else self._told
        fitness = _fitness([told.scores for told in pool.values()])
        keyed = [(told.violation, *(-f for f in fit)) for told, fit in zip(pool.values(), fitness, strict=True)]
        order = sorted(range(len(keyed)), key=keyed.__getitem__)[: self.config.n_parents]
        texts = list(pool)
        self._parents = [texts[i] for i in order]


def _interleaved(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Two rankings as one, turn and turn about."""
    pairs = [text for pair in zip(one, other, strict=False) for text in pair]
    n = min(len(one), len(other))
    return list(dict.fromkeys([*pairs, *one[n:], *other[n:]]))


def _guess(n: int, rng: np.random.Generator) -> Prediction:
    """A prediction of one score of P = n molecules by chance."""
    nothing = np.empty((n, 0))
    return Prediction(rng.random((n, 1)), np.zeros((n, 1)), nothing.astype(np.float32), nothing)


def _standardised(scores: Array) -> Array:
    """Scores (N, M) with a deviation of 1, however small they are; those that are all alike stay so."""
    centred = scores - scores.mean(axis=0)
    size = np.abs(centred).max(axis=0)
    centred = centred / np.where(size > 0.0, size, 1.0)
    deviation = centred.std(axis=0)
    standard: Array = centred / np.where(deviation > 0.0, deviation, 1.0)
    return standard


def _fitness(scores: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """What is maximised among molecules of like violation: the score, or minus the front and then the room on it."""
    n_scores = max(map(len, scores), default=0)
    if n_scores <= 1:
        return [values or (-np.inf,) for values in scores]
    points = np.array([values or (0.0,) * n_scores for values in scores])
    front = ranks(points)
    room = np.zeros(len(points))
    for level in np.unique(front):
        room[front == level] = crowding(points[front == level])
    return list(zip((-front).astype(float), room, strict=True))
