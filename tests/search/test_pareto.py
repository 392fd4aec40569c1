"""Fronts and hypervolume against brute force and against their definitions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from molgen.search.pareto import Front, crowding_distances, hypervolume, is_dominated, rank_fronts

Array = NDArray[np.float64]


def clouds(n_objectives: int) -> st.SearchStrategy[Array]:
    """Up to 6 points on a coarse grid, so that ties are common."""
    grid = st.integers(0, 4).map(lambda i: i / 4)
    return st.integers(1, 6).flatmap(lambda n: arrays(np.float64, (n, n_objectives), elements=grid))


def by_inclusion_exclusion(points: Array) -> float:
    """The volume of a union of boxes from the origin, by its definition."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in combinations(points, size):
            total += (-1) ** (size + 1) * float(np.prod(np.min(chosen, axis=0)))
    return total


@pytest.mark.parametrize("n_objectives", [1, 2, 3, 4])
def test_hypervolume_is_the_volume_of_the_union_of_boxes(n_objectives: int) -> None:
    @given(clouds(n_objectives))
    def check(points: Array) -> None:
        assert hypervolume(points) == pytest.approx(by_inclusion_exclusion(points), abs=1e-12)

    check()


@given(clouds(3))
def test_the_order_of_points_does_not_matter(points: Array) -> None:
    assert hypervolume(points[::-1]) == pytest.approx(hypervolume(points), abs=1e-12)


@given(clouds(3))
def test_a_front_built_one_by_one_has_the_hypervolume_of_all(points: Array) -> None:
    front = Front(3)
    before = 0.0
    for point in points:
        front.add(point)
        assert front.hypervolume >= before - 1e-12
        before = front.hypervolume
    assert front.hypervolume == pytest.approx(hypervolume(points), abs=1e-12)
    assert not is_dominated(front.points, points).any()


@given(clouds(2))
def test_rank_zero_is_what_nobody_dominates(points: Array) -> None:
    brute = [not any(np.all(other >= point) and np.any(other > point) for other in points) for point in points]
    np.testing.assert_array_equal(rank_fronts(points) == 0, brute)


@given(clouds(2))
def test_whoever_dominates_has_a_lower_rank(points: Array) -> None:
    rank = rank_fronts(points)
    for i, j in combinations(range(len(points)), 2):
        if is_dominated(points[[i]], points[[j]])[0]:
            assert rank[j] < rank[i]


def test_crowding_keeps_the_ends_and_prefers_room() -> None:
    points = np.array([[0.0, 1.0], [0.1, 0.9], [0.2, 0.8], [0.6, 0.4], [1.0, 0.0]])
    distance = crowding_distances(points)
    assert np.isinf(distance[[0, 4]]).all()
    assert distance[3] > distance[2] > distance[1]
