"""How well predictions agree with labels, and the neighbours of a 2D map with those in latent space.

Notation: N molecules, D latent dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molgen.arrays import Doubles

STDS_OF_90_PERCENT = 1.6449
"""Half-width, in standard deviations, of the central 90 % interval of a normal distribution."""
NEIGHBOURS = (5, 10, 30)
"""Neighbourhood sizes at which trustworthiness is reported."""

Ranks = NDArray[np.intp]


def r2(y: ArrayLike, predicted: ArrayLike) -> float:
    """R2: the share of the variance of targets (N,) that predictions (N,) explain; NaN for constant targets."""
    observed, estimated = np.asarray(y, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    return float(1.0 - np.square(observed - estimated).mean() / observed.var()) if np.ptp(observed) else float("nan")


def auroc(y: ArrayLike, predicted: ArrayLike) -> float:
    """Probability that a label 1 is predicted above a label 0, ties counting half; NaN if only one label occurs.

    Source: as a rank sum, Hanley & McNeil, Radiology 1982, 143, 29.
    """
    from scipy.stats import rankdata

    is_one = np.asarray(y) == 1
    n_one, n_other = int(is_one.sum()), int((~is_one).sum())
    if not n_one or not n_other:
        return float("nan")
    total = float(rankdata(predicted)[is_one].sum())
    return (total - n_one * (n_one + 1) / 2) / (n_one * n_other)


def is_binary(y: ArrayLike) -> bool:
    """Whether targets (N,) are labels: 0 and 1, both present."""
    return set(np.unique(np.asarray(y, dtype=np.float64)).tolist()) == {0.0, 1.0}


def score_predictions(y: ArrayLike, predicted: ArrayLike) -> float:
    """Score of predictions (N,): AUROC for labels 0 and 1, else R2."""
    return auroc(y, predicted) if is_binary(y) else r2(y, predicted)


@dataclass(frozen=True)
class Fit:
    """How well one property is predicted.

    Attributes:
        name: The property.
        n: Molecules with a label.
        r2: Coefficient of determination.
        rmse: Root mean squared error, in the property's unit.
        mae: Mean absolute error, in the property's unit.
        spearman: Rank correlation.
        coverage: Share of labels inside the predictor's central 90 % interval.
        calibration_error: Mean absolute difference between the nominal share of a central interval of the normal
            distribution of `mean` and `std` and the share of labels in it, over intervals of 10 to 90 % (after
            Kuleshov et al. 2018, arXiv:1807.00263, section 3.5).
    """

    name: str
    n: int
    r2: float
    rmse: float
    mae: float
    spearman: float
    coverage: float
    calibration_error: float


def measure_fit(name: str, y: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64]) -> Fit:
    """The scores of predicted `mean` and `std` of one property, for labels `y`; all (N,), N at least 2, no NaN."""
    from scipy.stats import spearmanr

    error = y - mean
    is_constant = np.ptp(y) == 0 or np.ptp(mean) == 0
    return Fit(
        name=name,
        n=len(y),
        r2=r2(y, mean),
        rmse=float(np.sqrt((error**2).mean())),
        mae=float(np.abs(error).mean()),
        spearman=float("nan") if is_constant else float(spearmanr(y, mean).statistic),
        coverage=float((np.abs(error) <= STDS_OF_90_PERCENT * std).mean()),
        calibration_error=_calibration_error(error, std),
    )


def _calibration_error(error: NDArray[np.float64], std: NDArray[np.float64]) -> float:
    from scipy.stats import norm

    nominal = np.linspace(0.1, 0.9, 9)
    widths = norm.ppf(0.5 + nominal / 2)
    observed = (np.abs(error)[:, None] <= widths * std[:, None]).mean(axis=0)
    return float(np.abs(observed - nominal).mean())


def measure_trustworthiness(z: NDArray[np.float32], points: Doubles) -> dict[str, float | None]:
    """Trustworthiness of a map, `points` (N, 2), of latent vectors `z` (N, D), by k; None if N is below 2 k."""
    rank, nearest = _ranks(_distances(z.astype(np.float64))), _nearest(_distances(points))
    return {str(k): _trustworthiness(rank, nearest, k) if len(z) >= 2 * k else None for k in NEIGHBOURS}


def trustworthiness(original: Doubles, embedded: Doubles, k: int) -> float:
    """Trustworthiness in [0, 1] of the `k` nearest neighbours under distances `embedded` (N, N); k at most N / 2.

    A neighbour that is not among the k nearest under `original` (N, N) is penalised by its rank there minus k.

    Source: Venna & Kaski 2001 (doi:10.1007/3-540-44668-0_68), equation 1.
    """
    return _trustworthiness(_ranks(original), _nearest(embedded), k)


def _trustworthiness(rank: Ranks, nearest: Ranks, k: int) -> float:
    n = len(rank)
    excess = np.maximum(0, np.take_along_axis(rank, nearest[:, :k], axis=1) - k).sum()
    return float(1.0 - 2.0 / (n * k * (2 * n - 3 * k - 1)) * excess)


def _ranks(distances: Doubles) -> Ranks:
    """Ranks (N, N): entry i, j is the place of point j among the neighbours of point i, 1 for the nearest."""
    return np.argsort(_nearest(distances), axis=1) + 1


def _nearest(distances: Doubles) -> Ranks:
    """Neighbours (N, N): row i holds all points, the nearest to point i first, i itself last."""
    return np.argsort(distances + np.diag(np.full(len(distances), np.inf)), axis=1, kind="stable")


def _distances(points: Doubles) -> Doubles:
    from scipy.spatial.distance import pdist, squareform

    return np.asarray(squareform(pdist(points)), dtype=np.float64)
