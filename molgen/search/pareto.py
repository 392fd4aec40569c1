"""Multi-objective ranking: fronts, crowding distance and hypervolume. All objectives are maximised, in [0, 1].

Notation: N points, M objectives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from molgen.arrays import Doubles


def is_dominated(points: Doubles, by: Doubles) -> NDArray[np.bool_]:
    """Whether each of `points` (N, M) is dominated by a point of `by` (K, M)."""
    is_no_worse = np.all(by[None, :, :] >= points[:, None, :], axis=2)
    is_better = np.any(by[None, :, :] > points[:, None, :], axis=2)
    dominated: NDArray[np.bool_] = np.any(is_no_worse & is_better, axis=1)
    return dominated


def rank_fronts(points: Doubles) -> NDArray[np.int64]:
    """Front (N,) of each point (N, M): 0 for non-dominated points, 1 for those dominated only by these, and so on.

    Source: non-dominated sorting, Deb et al. 2002 (doi:10.1109/4235.996017), section III.A.
    """
    rank = np.full(len(points), -1, dtype=np.int64)
    level = 0
    while (rank < 0).any():
        rest = np.flatnonzero(rank < 0)
        rank[rest[~is_dominated(points[rest], points[rest])]] = level
        level += 1
    return rank


def crowding_distances(points: Doubles) -> Doubles:
    """Crowding distance (N,) of each point (N, M) on its front; infinite at the ends of each objective.

    Source: crowding distance, Deb et al. 2002, section III.B.
    """
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if spread > 0 and len(order) > 2:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance


def hypervolume(points: Doubles) -> float:
    """The volume of [0, 1]^M that N points (N, M) dominate, measured from the origin.

    Computed by slicing along the last objective, in two dimensions by a sweep. Exact, and fast for fronts of some
    hundred points in up to four dimensions.
    Source: hypervolume by slicing objectives, While et al. 2006 (doi:10.1109/TEVC.2005.851275).
    """
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(points.max())
    ordered = points[np.argsort(-points[:, -1], kind="stable")]
    if points.shape[1] == 2:
        width = np.maximum.accumulate(ordered[:, 0])
        height = ordered[:, 1] - np.append(ordered[1:, 1], 0.0)
        return float((width * height).sum())
    depth = ordered[:, -1] - np.append(ordered[1:, -1], 0.0)
    slices = (hypervolume(ordered[: i + 1, :-1]) * depth[i] for i in np.flatnonzero(depth > 0))
    return float(sum(slices))


class Front:
    """The non-dominated points seen so far, and their hypervolume."""

    def __init__(self, n_objectives: int) -> None:
        """Makes an empty front in M dimensions."""
        self.points: Doubles = np.zeros((0, n_objectives))
        self.hypervolume = 0.0

    def add(self, point: Doubles) -> bool:
        """Adds a point (M,) unless a point dominates or equals it; returns whether it was added."""
        if (self.points >= point).all(axis=1).any():
            return False
        self.points = np.vstack([self.points[~(self.points <= point).all(axis=1)], point])
        self.hypervolume = hypervolume(self.points)
        return True
