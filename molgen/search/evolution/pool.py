"""The pool: offspring with predicted scores, and the picks among them.

Notation: P offspring, M scores.
Sources: upper confidence bound, Srinivas et al. 2010 (arXiv:0912.3995), in batches: Desautels et al. 2014 (JMLR
15, 3873); expected improvement, Jones et al. 1998 (doi:10.1023/A:1008306431147); random weights of several scores,
ParEGO, Knowles 2006 (doi:10.1109/TEVC.2005.851274).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule
from molgen.search.evolution.operators import Offspring
from molgen.search.evolution.surrogate import Prediction, drop_oldest, posterior_variance

PredictScores = Callable[[Sequence[Molecule]], Prediction]
"""From P molecules to their predicted scores, scaled so that 0 is the worst and 1 the best found."""
Violations = Callable[[Sequence[Molecule]], Doubles]
"""From P molecules to their violation of constraints on built-in measures (P,), 0 if feasible."""

N_SAMPLED = 32
"""Of the offspring added at a time, the number whose violations estimate the share of feasible ones."""
N_CHECKED = 16
"""Number of offspring whose violations are computed at a time, in the order of their acquisition values."""
_Rows = NDArray[np.int64]

JITTER = 1e-3
"""Noise variance assumed for a pick that has no score yet, relative to the variance of the signal."""
MIN_STD = 1e-9
"""Minimum standard deviation of a predicted score."""
MIN_BOLDNESS = 0.01
"""Minimum boldness, relative to the maximum."""
SMALL_BOLDNESS = 0.1
"""Boldness below which, with a single score, a pick maximises the expected improvement."""
TAIL = -6.0
"""Standardised gain at and below which the expected improvement is computed by its asymptote."""


@dataclass(frozen=True)
class Acquisition:
    """The acquisition function of a pick.

    It is an upper confidence bound: the mean plus `boldness` standard deviations. With a small coefficient it would
    pick variants of the best molecule, with the same score. So for a single score, the expected improvement is used
    below `SMALL_BOLDNESS`.

    Attributes:
        boldness: Coefficient of the upper confidence bound: the number of standard deviations added to the mean.
        weights: (M,) weights of the scores, which sum to 1.
    """

    boldness: float
    weights: Doubles

    @classmethod
    def draw(cls, rng: np.random.Generator, max_boldness: float, n_scores: int) -> Acquisition:
        """An acquisition function with a boldness from a hundredth of `max_boldness` to it, log-uniform.

        Source: Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709).
        """
        return cls(max_boldness * float(MIN_BOLDNESS ** rng.random()), rng.dirichlet(np.ones(n_scores)))

    def value(self, mean: Doubles, std: Doubles) -> Doubles:
        """The acquisition value (P,) of offspring with mean and standard deviation (P, M) of their scores."""
        if self.boldness < SMALL_BOLDNESS and mean.shape[1] == 1:
            return log_expected_improvement(mean[:, 0] - 1.0, std[:, 0])
        return _scalarise(mean + self.boldness * std, self.weights)


class ViolationMemory:
    """Violations of the latest molecules, which are often bred again."""

    def __init__(self, violations: Violations) -> None:
        """Starts empty; `violations` computes those of new molecules."""
        self._violations = violations
        self._kept: dict[str, float] = {}

    def __call__(self, molecules: Sequence[Molecule]) -> Doubles:
        """See `Violations`."""
        new = {one.smiles: one for one in molecules if one.smiles not in self._kept}
        if new:
            self._kept |= zip(new, self._violations(list(new.values())).tolist(), strict=True)
        found = np.array([self._kept[one.smiles] for one in molecules])
        drop_oldest(self._kept)
        return found


class Pool:
    """Offspring with predicted scores, and the acquisition functions of the picks.

    Violations take longer to compute than predictions. So they are computed in the order of the acquisition values,
    until enough offspring are feasible; the picks are those that all violations would give.
    """

    def __init__(
        self,
        predict: PredictScores,
        acquisitions: Sequence[Acquisition],
        violations: Violations | None = None,
        pending: Sequence[Molecule] = (),
    ) -> None:
        """Starts empty.

        Args:
            predict: Predicts the scores of offspring.
            acquisitions: The acquisition functions of the picks in turn, at least one.
            violations: Computes violations of constraints; without it, all offspring are feasible.
            pending: Molecules that are being scored.
        """
        self._predict = predict
        self._violations = violations
        self._pending = list(pending)
        self._acquisitions = list(acquisitions)
        self._offspring: dict[str, Offspring] = {}
        self._predictions: list[Prediction] = []
        self._missed = np.empty(0)
        """Violation of each of the offspring; NaN if it is not computed yet."""
        self._sampled: list[int] = []

    def add(self, offspring: Sequence[Offspring]) -> None:
        """Adds new offspring with their predictions."""
        fresh = {c.molecule.smiles: c for c in offspring if c.molecule.smiles not in self._offspring}
        if not fresh:
            return
        n_before = len(self._offspring)
        self._offspring |= fresh
        self._predictions.append(self._predict([child.molecule for child in fresh.values()]))
        self._missed = np.append(self._missed, np.full(len(fresh), np.nan if self._violations else 0.0))
        self._sampled += np.unique(np.linspace(n_before, len(self._offspring) - 1, N_SAMPLED).astype(int)).tolist()

    def feasible_share(self) -> float:
        """Share of feasible offspring, estimated from a sample of them; 1 for an empty pool."""
        self._check(np.array(self._sampled, dtype=np.int64))
        return float(np.mean(self._missed[self._sampled] <= 0.0)) if self._sampled else 1.0

    def leaders(self, n: int) -> list[Offspring]:
        """At most `n` offspring: the best one by each acquisition function, then the second best by each, and so on."""
        if not self._predictions:
            return []
        mean, std = (np.concatenate([getattr(one, name) for one in self._predictions]) for name in ("mean", "std"))
        rows = np.arange(len(self._offspring))
        orders = [self._best(rows, one.value(mean, std), n).tolist() for one in self._acquisitions]
        offspring = list(self._offspring.values())
        in_turn = dict.fromkeys(i for turn in zip(*orders, strict=True) for i in turn)
        return [offspring[i] for i in list(in_turn)[:n]]

    def select(self, n: int) -> list[Offspring]:
        """At most `n` offspring, each the best remaining one by one of the acquisition functions.

        Feasible ones come first, then those with the smallest violation. Each pick and each pending molecule reduces
        the posterior variance of correlated candidates, so that a batch is diverse.
        """
        if not self._predictions:
            return []
        pending = [self._predict(self._pending)] if self._pending else []
        prediction = Prediction.concatenate([*self._predictions, *pending])
        variance = PosteriorVariance(prediction)
        left = np.arange(len(self._offspring))
        for row in range(len(left), len(prediction.mean)):
            variance.settle(row)
        picked: list[int] = []
        for i in range(min(n, len(left))):
            value = self._acquisitions[i % len(self._acquisitions)].value(
                prediction.mean[left], variance.share()[left, None] * prediction.std[left]
            )
            picked.append(int(self._best(left, value, 1)[0]))
            variance.settle(picked[-1])
            left = left[left != picked[-1]]
        offspring = list(self._offspring.values())
        return [offspring[i] for i in picked]

    def _best(self, rows: _Rows, value: Doubles, n: int) -> _Rows:
        """The `n` best of some rows by their values: feasible ones first, then those with the smallest violation."""
        order = np.argsort(-value, kind="stable")
        for start in range(0, len(order), N_CHECKED):
            self._check(rows[order[start : start + N_CHECKED]])
            if np.count_nonzero(self._missed[rows[order[: start + N_CHECKED]]] <= 0.0) >= n:
                break
        return rows[np.lexsort((-value, self._missed[rows]))[:n]]

    def _check(self, rows: _Rows) -> None:
        """Computes the violations of some rows that have none yet."""
        unknown = rows[np.isnan(self._missed[rows])]
        if self._violations and len(unknown):
            offspring = list(self._offspring.values())
            self._missed[unknown] = self._violations([offspring[row].molecule for row in unknown.tolist()])


class PosteriorVariance:
    """The posterior variance of P candidates given that some of them will be scored.

    Source: Cholesky's decomposition of their covariance, column by column (Rasmussen & Williams 2006, equation A.12).
    """

    def __init__(self, prediction: Prediction) -> None:
        """Starts from a prediction."""
        self._prediction = prediction
        self._before = posterior_variance(prediction.v)
        self._left = self._before.copy()
        self._columns = np.empty((len(prediction.mean), 0))

    def share(self) -> Doubles:
        """The ratio (P,) of the reduced to the original standard deviation, in [0, 1]."""
        share: Doubles = np.sqrt(np.clip(self._left / np.maximum(self._before, JITTER), 0.0, 1.0))
        return share

    def settle(self, index: int) -> None:
        """Conditions on candidate `index`, with a little noise."""
        column = self._prediction.covariance(index) - self._columns @ self._columns[index]
        column /= np.sqrt(max(column[index], 0.0) + JITTER)
        self._left -= np.square(column)
        self._columns = np.column_stack([self._columns, column])


def log_expected_improvement(gain: Doubles, std: Doubles) -> Doubles:
    """Logarithm of the expected improvement (P,).

    Args:
        gain: (P,), mean minus the best score.
        std: (P,), standard deviation.

    Source: Jones et al. 1998 (doi:10.1023/A:1008306431147), equation 15; far below the best, where that underflows, the
        asymptote of Ament et al. 2023 (arXiv:2310.20708), section 4.1.
    """
    std = np.maximum(std, MIN_STD)
    z = gain / std
    near, far = np.maximum(z, TAIL), np.minimum(z, TAIL)
    log_root = 0.5 * np.log(2.0 * np.pi)
    improvement = np.log(np.exp(-0.5 * near**2 - log_root) + near * ndtr(near))
    asymptote = -0.5 * far**2 - log_root - 2.0 * np.log(-far)
    value: Doubles = np.log(std) + np.where(z > TAIL, improvement, asymptote)
    return value


def _scalarise(share: Doubles, weights: Doubles) -> Doubles:
    """Scalarisation (P,) of M scores (P, M), each 1 at the best found: the largest weighted distance from 1 dominates.

    Source: augmented Chebyshev with random weights, ParEGO, Knowles 2006 (doi:10.1109/TEVC.2005.851274), equation 2.
    """
    missing = weights * (1.0 - share)
    value: Doubles = -(missing.max(axis=1) + 0.05 * missing.sum(axis=1))
    return value
