"""The latent search: evolution of the best molecules, with a surrogate that predicts scores before any call.

Each round breeds a pool of offspring from the best molecules so far, by moves in latent space and by small graph
edits. A Gaussian process on the molecules predicts mean and standard deviation of their scores; the best of the pool
are bred further, and the most promising ones are proposed. From time to time the space is trained on the best
molecules. A population that stagnates is replaced by another one.

Notation: N molecules told, M scores each, K parents, D latent dimensions, P offspring in the pool.
Sources: upper confidence bound, Srinivas et al. 2010 (arXiv:0912.3995); a genetic algorithm inside the acquisition,
Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709); training on the best molecules, weighted retraining, Tripp et al.
2020 (arXiv:2006.09191).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.arrays import Doubles
from molgen.chem.count_fingerprints import FeatureKind
from molgen.chem.graph_edits import join
from molgen.chem.molecule import Molecule, parse
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace
from molgen.sample.series import CoreSeries
from molgen.search.evolution.config import LatentSearchConfig, SurrogateConfig
from molgen.search.evolution.moves import OperatorSelection
from molgen.search.evolution.operators import Offspring, bring_into
from molgen.search.evolution.pool import Acquisition, Pool, PredictScores, ViolationMemory, Violations
from molgen.search.evolution.population import N_LEVEL, Fitness, Population
from molgen.search.evolution.surrogate import FingerprintMemory, Prediction, Similarities, TanimotoProcess

JOINED_SHARE = 0.8
"""Share of proposals that join two prior samples, while all scores are equal."""
PATIENCE = 500
"""Number of molecules without much gain after which a population is replaced. Populations
that start from the molecules that were not bred have this patience; the first one and those that start from all
molecules have 1, 2, 4, ... times this patience in turn."""


class LatentSearch:
    """Ask for molecules, tell their scores."""

    def __init__(
        self,
        space: LatentSpace,
        *,
        seed: int,
        config: LatentSearchConfig | None = None,
        violations: Violations | None = None,
        series: CoreSeries | None = None,
        substitutes: Sequence[str] = (),
    ) -> None:
        """Starts a search.

        Args:
            space: The latent space.
            seed: Random seed.
            config: Settings.
            violations: Constraints on proposals.
            series: A series whose core all proposals keep.
            substitutes: SMILES of molecules that replace prior samples, as initial proposals and as donors of parts.
        """
        self.config = config or LatentSearchConfig()
        self._space = space
        self._seed = seed
        self._violations = ViolationMemory(violations) if violations else None
        self._series = series
        self._substitutes = substitutes
        self._generation = 0
        self._told: dict[str, Fitness] = {}
        self._fingerprints = FingerprintMemory()
        self._selection = OperatorSelection([1.0] * max(1, len(self.config.surrogates)))
        self._surrogate_of: dict[str, int] = {}
        self._asked: dict[str, Offspring] = {}
        self._n_populations = 0
        self._first_level = float("nan")
        self._begin(self.config.operators, {})

    @property
    def parents(self) -> list[str]:
        """The best members of the current population, best first."""
        return list(self._population.parents)

    @property
    def surrogate_chances(self) -> Doubles:
        """The probability of each surrogate for the next batch."""
        return self._selection.probabilities()

    def ask(self, n: int, pending: Sequence[Molecule] = ()) -> list[Offspring]:
        """Up to `n` distinct new molecules; fewer, or none, if no new ones are found.

        Args:
            n: How many.
            pending: Molecules proposed before that are still being scored; the variance of molecules similar to them is
                reduced, as if they had been measured.
        """
        rng = np.random.default_rng([self._seed, self._generation])
        self._generation += 1
        n_initial = self.config.n_initial
        if not self._told or len(self._told) < n_initial:
            return self._new(self._population.sample_prior(2 * n + 8, rng), n)
        if n_initial > 0 and not self._scores_differ():
            return self._new(self._join_samples(2 * n + 8, rng), n)
        number = int(rng.choice(max(1, len(self.config.surrogates)), p=self.surrogate_chances))
        surrogate = self.config.surrogates[number] if self.config.surrogates else None
        max_boldness = surrogate.max_boldness if surrogate else 0.0
        acquisitions = [Acquisition.draw(rng, max_boldness, self._n_scores()) for _ in range(n)]
        pool = Pool(self._predictor(surrogate, rng), acquisitions, self._violations, pending)
        # while all scores are equal, prior samples would take the place of neighbours of the given molecules
        with_prior_samples = self._scores_differ()
        n_least = self.config.early_offspring if len(self._told) < self.config.n_early else 0
        self._population.breed(n, pool, rng, n_least=n_least, with_prior_samples=with_prior_samples)
        proposed = self._new(pool.select(2 * n), n)
        self._surrogate_of |= {child.molecule.smiles: number for child in proposed}
        return proposed

    def tell(self, smiles: Sequence[str], scores: Sequence[tuple[float, ...]], violations: Sequence[float]) -> None:
        """Records the scores of N molecules.

        Args:
            smiles: Canonical SMILES, also of molecules that were not proposed.
            scores: M scores of each, to be maximised; empty for a molecule without a score. A molecule is ignored if a
                score or its violation is not finite.
            violations: Violations of constraints, 0 if feasible; also used for molecules without a score.
        """
        fresh: dict[str, Fitness] = {}
        for text, values, violation in zip(smiles, scores, violations, strict=True):
            if text not in self._told and np.isfinite([*values, violation]).all():
                fresh[text] = Fitness(tuple(values), float(violation))
        self._told |= fresh
        self._population.take(fresh, self._asked, np.random.default_rng([self._seed, self._generation, 1]))
        best = set(self._population.parents[:N_LEVEL])
        tried = [text for text in fresh if text in self._surrogate_of]
        successful = [text for text in tried if text in best]
        self._selection.learn(self._surrogate_numbers(tried), self._surrogate_numbers(successful))
        if len(self._told) == len(fresh):
            self._first_level = self._population.level()
        if self.config.restart_operators:
            self._replace_stagnating()

    def _replace_stagnating(self) -> None:
        """Replaces a stagnating population, in turn by one that starts from the molecules not bred and one from all."""
        is_of_unbred = self._n_populations % 2 == 0
        patience = PATIENCE if is_of_unbred else PATIENCE * 2 ** (self._n_populations // 2)
        if not self._population.stagnates(patience, self._first_level):
            return
        if is_of_unbred:
            self._begin(self.config.operators, self._told)
        else:
            bred = {text for text, child in self._asked.items() if child.operator}
            unbred = {text: fitness for text, fitness in self._told.items() if text not in bred}
            self._begin(self.config.restart_operators, unbred)

    def _begin(self, operators: dict[str, float], founders: dict[str, Fitness]) -> None:
        self._population = Population(self._space, self.config, operators, founders, self._substitutes, self._series)
        self._n_populations += 1
        self._similarities: dict[FeatureKind, Similarities] = defaultdict(Similarities)
        self._noise: dict[SurrogateConfig, tuple[float, int]] = {}

    def _n_scores(self) -> int:
        return max((len(fitness.scores) for fitness in self._population.members.values()), default=0) or 1

    def _surrogate_numbers(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Numbers (N,) of the surrogates by which N molecules were proposed."""
        return np.array([self._surrogate_of[text] for text in texts], dtype=np.int64)

    def _scores_differ(self) -> bool:
        """Whether scores or violations differ."""
        fitnesses = iter(self._told.values())
        first = next(fitnesses)
        return any(fitness != first for fitness in fitnesses)

    def _join_samples(self, n: int, rng: np.random.Generator) -> list[Offspring]:
        """At most `n` molecules, most of which join two prior samples, so that one call tests the parts of both."""
        drawn = self._population.sample_prior(2 * n, rng)
        composed = []
        for one, other in zip(drawn[::2], drawn[1::2], strict=False):
            mol = join(rng, one.molecule.smiles, other.molecule.smiles) if rng.random() < JOINED_SHARE else None
            composed.append(one if mol is None else Offspring.unbred(Molecule(Chem.MolToSmiles(mol), mol)))
        return bring_into(self._series, rng, composed)

    def _new(self, found: Sequence[Offspring], n: int) -> list[Offspring]:
        """The first `n` offspring that are valid, encodable, and neither proposed nor told before."""
        chosen: list[Offspring] = []
        for child in found:
            if len(chosen) == n:
                break
            try:
                molecule = parse(child.molecule.smiles)
            except MoleculeError:
                continue
            is_known = molecule.smiles in self._told or molecule.smiles in self._asked
            if not is_known and self._population.space.can_encode(molecule.smiles):
                self._asked[molecule.smiles] = replace(child, molecule=molecule)
                chosen.append(self._asked[molecule.smiles])
        return chosen

    def _predictor(self, surrogate: SurrogateConfig | None, rng: np.random.Generator) -> PredictScores:
        """A function that predicts mean and standard deviation of the scores of molecules."""
        scored = {text: fitness.scores for text, fitness in self._population.members.items() if fitness.scores}
        if surrogate is None or not scored:
            return lambda molecules: _guess(len(molecules), rng)
        process = self._fit(surrogate, scored)

        def predict(molecules: Sequence[Molecule]) -> Prediction:
            return process.predict(tuple(self._fingerprints.of(molecules, kind) for kind in surrogate.features))

        return predict

    def _fit(self, surrogate: SurrogateConfig, scored: Mapping[str, tuple[float, ...]]) -> TanimotoProcess:
        """A process fitted to scored molecules, or to some of them, with scores scaled from 0 (worst) to 1 (best).

        The noise is estimated again whenever the number of scored molecules has grown by a quarter.
        """
        scores = _scale(np.array(list(scored.values())))
        chosen = self._choose_fitted(scores)
        members = list(scored)
        texts = [members[row] for row in chosen]
        features = tuple(self._fingerprints.of(texts, kind) for kind in surrogate.features)
        matrices = [
            self._similarities[kind].of(chosen, fingerprints)
            for kind, fingerprints in zip(surrogate.features, features, strict=True)
        ]
        kernel = np.mean(matrices, axis=0)
        noise, n_at_noise = self._noise.get(surrogate, (0.0, 0))
        if len(scored) > 1.25 * n_at_noise:
            process, noise = TanimotoProcess.with_fitted_noise(features, kernel, scores[chosen], surrogate.width)
            self._noise[surrogate] = noise, len(scored)
            return process
        return TanimotoProcess(features, kernel, scores[chosen], noise, surrogate.width)

    def _choose_fitted(self, scores: Doubles) -> NDArray[np.int64]:
        """The rows of scores (N, M) to fit to, at most `n_surrogate`: two thirds are the best, the rest the latest."""
        n, limit = len(scores), self.config.n_surrogate
        if n <= limit:
            return np.arange(n)
        order = np.argsort(-scores.mean(axis=1), kind="stable")
        best, rest = order[: limit * 2 // 3], np.sort(order[limit * 2 // 3 :])
        return np.concatenate([best, rest[len(best) - limit :]])


def _guess(n: int, rng: np.random.Generator) -> Prediction:
    """A random prediction of one score of P = n molecules."""
    return Prediction(rng.random((n, 1)), np.zeros((n, 1)), (), np.empty((n, 0)))


def _scale(scores: Doubles) -> Doubles:
    """Scores (N, M) scaled from 0 for the lowest to 1 for the highest; 0 if all are equal."""
    above = scores - scores.min(axis=0)
    height = above.max(axis=0)
    scaled: Doubles = above / np.where(height > 0.0, height, 1.0)
    return scaled
