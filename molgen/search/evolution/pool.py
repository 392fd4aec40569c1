"""The pool: children that were judged before any of them costs a call, and the picks among them.

Notation: P children, M scores.
Sources: upper confidence bound, Srinivas et al. 2010 (arXiv:0912.3995), in batches: Desautels et al. 2014 (JMLR
15, 3873); random weights of several scores, ParEGO, Knowles 2006 (doi:10.1109/TEVC.2005.851274).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule
from molgen.search.evolution.operators import Offspring
from molgen.search.evolution.surrogate import Prediction, posterior_variance

Judge = Callable[[Sequence[Molecule]], tuple[Doubles, Prediction]]
"""From P molecules to what they miss of the constraints (P,), 0 where they keep them, and what their scores probably
are, 0 for the worst and 1 for the best that was found."""

JITTER = 1e-3
"""Variance of the noise of a pick that is yet to be scored, over that of the signal."""
LEAST_BOLDNESS = 0.01
"""Of the deviations that are added at most, the least share."""


@dataclass(frozen=True)
class Aim:
    """What a pick is chosen by.

    Attributes:
        boldness: Deviations that are added to the mean.
        weights: (M,) of the scores, which sum to 1.
    """

    boldness: float
    weights: Doubles

    @classmethod
    def draw(cls, rng: np.random.Generator, confidence: float, n_scores: int) -> Aim:
        """An aim with a boldness from a hundredth of `confidence` to all of it, uniform in its logarithm.

        Source: Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709).
        """
        return cls(confidence * float(LEAST_BOLDNESS ** rng.random()), rng.dirichlet(np.ones(n_scores)))

    def value(self, mean: Doubles, std: Doubles) -> Doubles:
        """What children promise (P,), with mean and standard deviation (P, M) of their scores."""
        return _scalarise(mean + self.boldness * std, self.weights)


class Pool:
    """Children that were judged, and what they are picked by."""

    def __init__(self, judge: Judge, aims: Sequence[Aim]) -> None:
        """An empty pool; picks follow the aims, at least one, in turn."""
        self._judge = judge
        self._aims = list(aims)
        self._offspring: dict[str, Offspring] = {}
        self._judged: list[tuple[Doubles, Prediction]] = []

    def add(self, offspring: Sequence[Offspring]) -> None:
        """Judges children that are not in it yet."""
        fresh = {c.molecule.smiles: c for c in offspring if c.molecule.smiles not in self._offspring}
        if fresh:
            self._offspring |= fresh
            self._judged.append(self._judge([child.molecule for child in fresh.values()]))

    def feasible_share(self) -> float:
        """Share of the children that keep the constraints; 1 where there are none."""
        return float(np.mean(np.concatenate([missed for missed, _ in self._judged]) <= 0.0)) if self._judged else 1.0

    def leaders(self, n: int) -> list[Offspring]:
        """At most `n` children, in turn the most promising by each aim that are left."""
        if not self._judged:
            return []
        missed = np.concatenate([missed for missed, _ in self._judged])
        mean, std = (np.concatenate([getattr(said, name) for _, said in self._judged]) for name in ("mean", "std"))
        orders = [np.lexsort((-aim.value(mean, std), missed))[:n].tolist() for aim in self._aims]
        offspring = list(self._offspring.values())
        in_turn = dict.fromkeys(i for turn in zip(*orders, strict=True) for i in turn)
        return [offspring[i] for i in list(in_turn)[:n]]

    def select(self, n: int) -> list[Offspring]:
        """At most `n` children, each the most promising of those left by one of the aims.

        Those that keep the constraints come first, then those that miss them least. What a pick will tell of the others
        lessens the doubt about them, so that picks of one batch differ.
        """
        if not self._judged:
            return []
        missed = np.concatenate([missed for missed, _ in self._judged])
        said = Prediction.concatenate([prediction for _, prediction in self._judged])
        doubt = PosteriorVariance(said)
        left = np.arange(len(missed))
        picked = []
        for i in range(min(n, len(missed))):
            value = self._aims[i % len(self._aims)].value(said.mean[left], doubt.share()[left, None] * said.std[left])
            place = int(np.lexsort((-value, missed[left]))[0])
            picked.append(int(left[place]))
            doubt.settle(picked[-1])
            left = np.delete(left, place)
        offspring = list(self._offspring.values())
        return [offspring[i] for i in picked]


class PosteriorVariance:
    """The doubt about P candidates that is left when the scores of some of them will be known.

    Source: Cholesky's decomposition of their covariance, column by column (Rasmussen & Williams 2006, equation A.12).
    """

    def __init__(self, said: Prediction) -> None:
        """The doubt of a prediction."""
        self._said = said
        self._before = posterior_variance(said.v)
        self._left = self._before.copy()
        self._columns = np.empty((len(said.mean), 0))

    def share(self) -> Doubles:
        """What is left of the deviation of each (P,), in [0, 1]."""
        share: Doubles = np.sqrt(np.clip(self._left / np.maximum(self._before, JITTER), 0.0, 1.0))
        return share

    def settle(self, index: int) -> None:
        """Takes candidate `index` for known, but for a little noise."""
        column = self._said.covariance(index) - self._columns @ self._columns[index]
        column /= np.sqrt(max(column[index], 0.0) + JITTER)
        self._left -= np.square(column)
        self._columns = np.column_stack([self._columns, column])


def _scalarise(share: Doubles, weights: Doubles) -> Doubles:
    """One number (P,) for M scores (P, M), each 1 at the best that was found: what is missing most, by weight.

    Source: augmented Chebyshev with random weights, ParEGO, Knowles 2006 (doi:10.1109/TEVC.2005.851274), equation 2.
    """
    missing = weights * (1.0 - share)
    value: Doubles = -(missing.max(axis=1) + 0.05 * missing.sum(axis=1))
    return value
