"""The latent search: evolution among the best molecules, judged by a surrogate before any of it costs a call.

Each round breeds a pool of children from the best molecules so far, by moving their points in latent space and by small
edits of their graphs; a Gaussian process on the molecules says how good each probably is and how sure that is; the best
of the pool are bred further, and what then promises most is proposed. The space learns from what was found: from time
to time it is trained on the best molecules, so that its decoder speaks of them. A population that is stuck gives way to
another one.

Notation: N molecules told, M scores each, K parents, D latent dimensions, P children in the pool.
Sources: upper confidence bound, Srinivas et al. 2010 (arXiv:0912.3995); a genetic algorithm inside the acquisition,
Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709); training on what was found, weighted retraining, Tripp et al. 2020
(arXiv:2006.09191).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.arrays import Doubles
from molgen.chem.graph_edits import join
from molgen.chem.molecule import Molecule, parse
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace
from molgen.sample.series import CoreSeries
from molgen.search.evolution.config import LatentSearchConfig
from molgen.search.evolution.operators import Offspring, bring_into
from molgen.search.evolution.pool import Judge, Pool
from molgen.search.evolution.population import Fitness, Population
from molgen.search.evolution.surrogate import Prediction, Similarities, TanimotoProcess, count_fingerprints

Violations = Callable[[Sequence[Molecule]], Doubles]
"""From P molecules to by how much each misses constraints that cost nothing to check, 0 where it keeps them."""

DRAWS_PER_PROPOSAL = 20
"""Molecules of the prior that are judged for each that is proposed."""
JOINED_SHARE = 0.8
"""Of the proposals while all scores are the same, two molecules of the prior in one."""
PATIENCE = 500
"""Molecules without much gain after which a population gives way to another. One of all molecules is given twice as
long as the one of all before it."""


class LatentSearch:
    """Ask for molecules, tell what became of them."""

    def __init__(
        self,
        space: LatentSpace,
        *,
        seed: int,
        config: LatentSearchConfig | None = None,
        violations: Violations | None = None,
        series: CoreSeries | None = None,
    ) -> None:
        """A search that has seen nothing yet.

        Args:
            space: Where to search.
            seed: Source of randomness.
            config: How it behaves.
            violations: Checked before anything is proposed.
            series: Its core is kept by all proposals.
        """
        self.config = config or LatentSearchConfig()
        self._space = space
        self._seed = seed
        self._violations = violations
        self._series = series
        self._generation = 0
        self._told: dict[str, Fitness] = {}
        self._bits: dict[str, NDArray[np.float32]] = {}
        self._asked: dict[str, Offspring] = {}
        self._n_populations = 0
        self._floor = float("nan")
        self._begin(self.config.operators, {})

    @property
    def parents(self) -> list[str]:
        """The best molecules so far, best first."""
        return list(self._population.parents)

    def ask(self, n: int) -> list[Offspring]:
        """Up to `n` molecules that were not met before, none twice; fewer, or none, where nothing new came."""
        rng = np.random.default_rng([self._seed, self._generation])
        self._generation += 1
        n_initial = self.config.n_initial
        if not self._told or len(self._told) < n_initial:
            return self._new(self._population.sample_prior(2 * n + 8, rng), n)
        if n_initial > 0 and not self._has_slope():
            return self._new(self._join_samples(2 * n + 8, rng), n)
        judge = self._judge(rng)
        drawn = Pool(judge, self.config.confidence)
        n_drawn = int(rng.binomial(n, self.config.prior_share))
        drawn.add(self._population.sample_prior(n_drawn * DRAWS_PER_PROPOSAL, rng))
        explored = self._new(drawn.select(2 * n_drawn, rng), n_drawn)
        n_bred = n - len(explored)
        return explored + self._new(self._population.breed(n_bred, judge, rng).select(2 * n_bred, rng), n_bred)

    def tell(self, smiles: Sequence[str], scores: Sequence[tuple[float, ...]], violations: Sequence[float]) -> None:
        """Takes in what became of N molecules.

        Args:
            smiles: Canonical; those that nobody asked for are welcome.
            scores: M of each, to be maximised; empty where a molecule was not scored. Not finite ones are passed over.
            violations: Of constraints, 0 where all hold; those of molecules that were not scored count as well.
        """
        fresh: dict[str, Fitness] = {}
        for text, values, violation in zip(smiles, scores, violations, strict=True):
            if text not in self._told and np.isfinite([*values, violation]).all():
                fresh[text] = Fitness(tuple(values), float(violation))
                self._bits[text] = count_fingerprints([Chem.MolFromSmiles(text)])[0]
        self._told |= fresh
        self._population.take(fresh, self._asked, np.random.default_rng([self._seed, self._generation, 1]))
        if len(self._told) == len(fresh):
            self._floor = self._population.level()
        if self.config.restart_operators:
            self._replace_stuck()

    def _replace_stuck(self) -> None:
        """Begins another population where the present one gains little: of the prior alone and of all, in turn."""
        is_second = self._n_populations % 2 == 0
        patience = PATIENCE if is_second else PATIENCE * 2 ** (self._n_populations // 2)
        if not self._population.is_stuck(patience, self._floor):
            return
        if is_second:
            self._begin(self.config.operators, self._told)
        else:
            bred = {text for text, child in self._asked.items() if child.operator}
            self._begin(self.config.restart_operators, {text: t for text, t in self._told.items() if text not in bred})

    def _begin(self, operators: dict[str, float], founders: dict[str, Fitness]) -> None:
        self._population = Population(self._space, self.config, operators, founders, self._series)
        self._n_populations += 1
        self._similarities = Similarities()
        self._noise, self._n_at_noise = 0.0, 0

    def _has_slope(self) -> bool:
        """Whether any molecule is better than another, so that there is something to climb."""
        worths = iter(self._told.values())
        first = next(worths)
        return any(worth != first for worth in worths)

    def _join_samples(self, n: int, rng: np.random.Generator) -> list[Offspring]:
        """Molecules of the prior, at most `n`, most of them two in one: more of what might count in each call."""
        drawn = self._population.sample_prior(2 * n, rng)
        composed = []
        for one, other in zip(drawn[::2], drawn[1::2], strict=False):
            mol = join(rng, one.molecule.smiles, other.molecule.smiles) if rng.random() < JOINED_SHARE else None
            composed.append(one if mol is None else Offspring(Molecule(Chem.MolToSmiles(mol), mol), "", ""))
        return bring_into(self._series, rng, composed)

    def _new(self, found: Sequence[Offspring], n: int) -> list[Offspring]:
        """The first `n` children that read back, have a point, and were neither asked nor told before."""
        chosen: list[Offspring] = []
        for child in found:
            if len(chosen) == n:
                break
            try:
                molecule = parse(child.molecule.smiles)
            except MoleculeError:
                continue
            is_met = molecule.smiles in self._told or molecule.smiles in self._asked
            if not is_met and self._population.space.can_encode(molecule.smiles):
                self._asked[molecule.smiles] = replace(child, molecule=molecule)
                chosen.append(self._asked[molecule.smiles])
        return chosen

    def _judge(self, rng: np.random.Generator) -> Judge:
        """What judges molecules: by how much they miss constraints, and mean and standard deviation of their scores."""
        members = self._population.members
        scored = np.array([i for i, told in enumerate(members.values()) if told.scores], dtype=np.int64)
        process = None
        if len(scored) and self.config.has_surrogate:
            scores = _standardise(np.array([told.scores for told in members.values() if told.scores]))
            process = self._process(scored, scores)
            low, high = scores.min(axis=0), scores.max(axis=0)

        def judge(molecules: Sequence[Molecule]) -> tuple[Doubles, Prediction]:
            missed = self._violations(molecules) if self._violations else np.zeros(len(molecules))
            if process is None:
                return missed, _guess(len(molecules), rng)
            said = process.predict(count_fingerprints([molecule.mol for molecule in molecules]))
            width = np.maximum(high - low, 1e-12)
            return missed, replace(said, mean=(said.mean - low) / width, std=said.std / width)

        return judge

    def _process(self, scored: NDArray[np.int64], scores: Doubles) -> TanimotoProcess:
        """A process fitted to the members numbered `scored` (N,) with these scores (N, M), or to some of them.

        Its noise is chosen anew whenever there is a quarter more of them.
        """
        chosen = self._choose_fitted(scores)
        members = list(self._population.members)
        bits = np.array([self._bits[members[row]] for row in scored[chosen]])
        kernel = self._similarities.of(scored[chosen], bits)
        if len(scored) > 1.25 * self._n_at_noise:
            process, self._noise = TanimotoProcess.likeliest(bits, kernel, scores[chosen])
            self._n_at_noise = len(scored)
            return process
        return TanimotoProcess(bits, kernel, scores[chosen], self._noise)

    def _choose_fitted(self, scores: Doubles) -> NDArray[np.int64]:
        """Which rows of scores (N, M) to fit to: the best, two thirds of all, and the latest."""
        n, limit = len(scores), self.config.n_surrogate
        if n <= limit:
            return np.arange(n)
        order = np.argsort(-scores.mean(axis=1), kind="stable")
        best, rest = order[: limit * 2 // 3], np.sort(order[limit * 2 // 3 :])
        return np.concatenate([best, rest[len(best) - limit :]])


def _guess(n: int, rng: np.random.Generator) -> Prediction:
    """A prediction of one score of P = n molecules by chance."""
    nothing = np.empty((n, 0))
    return Prediction(rng.random((n, 1)), np.zeros((n, 1)), nothing.astype(np.float32), nothing)


def _standardise(scores: Doubles) -> Doubles:
    """Scores (N, M) with a deviation of 1, however small they are; those that are all alike stay so."""
    centred = scores - scores.mean(axis=0)
    size = np.abs(centred).max(axis=0)
    centred = centred / np.where(size > 0.0, size, 1.0)
    deviation = centred.std(axis=0)
    standard: Doubles = centred / np.where(deviation > 0.0, deviation, 1.0)
    return standard
