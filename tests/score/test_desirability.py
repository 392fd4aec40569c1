"""Desirabilities: the ramps, restated as formulas, and what the geometric mean must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.score.desirability import Desirability, combine

numbers = st.floats(-1e100, 1e100)
units = st.floats(0, 1)


def test_maximize_is_0_at_low_1_at_high_and_linear_between() -> None:
    desirability = Desirability.maximize(2, 6)
    assert desirability([1, 2, 3, 4, 6, 7]).tolist() == [0, 0, 0.25, 0.5, 1, 1]


def test_minimize_is_maximize_mirrored() -> None:
    values = np.linspace(-3, 12, 61)
    np.testing.assert_allclose(
        Desirability.minimize(1, 10)(values), Desirability.maximize(-10, -1)(-values), atol=1e-15
    )


def test_range_is_1_inside_and_0_at_the_tolerance_outside() -> None:
    desirability = Desirability.within(300, 450, tolerance=100)
    assert desirability([150, 200, 250, 300, 400, 450, 475, 550, 600]).tolist() == [
        *(0, 0, 0.5, 1, 1, 1, 0.75, 0, 0),
    ]


@given(target=st.floats(-100, 100), tolerance=st.floats(0.01, 100), value=st.floats(-300, 300))
def test_a_target_is_a_range_of_no_width_and_falls_with_the_distance(
    target: float, tolerance: float, value: float
) -> None:
    expected = max(0.0, 1 - abs(value - target) / tolerance)
    assert Desirability.within(target, target, tolerance)(value) == pytest.approx(expected, abs=1e-9)


@given(low=numbers, high=numbers, values=st.lists(st.floats(allow_nan=False), max_size=5))
def test_any_ramp_over_any_value_stays_in_the_unit_interval(low: float, high: float, values: list[float]) -> None:
    if low >= high:
        low, high = high, math.nextafter(low, math.inf)
    for desirability in (Desirability.maximize(low, high), Desirability.minimize(low, high)):
        found = desirability(values)
        assert ((found >= 0) & (found <= 1)).all()


def test_nan_has_no_desirability() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Desirability.maximize(0, 1)([0.5, math.nan])


@pytest.mark.parametrize("corners", [(1, 1, 2, 3), (2, 1, 2, 3), (0, 1, 2, 2), (0, 3, 2, 4), (math.nan, 1, 2, 3)])
def test_corners_out_of_order_are_refused(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="in this order"):
        Desirability(*corners)


def test_combine_is_the_weighted_geometric_mean() -> None:
    found = combine([[0.25, 1.0], [0.5, 0.5]], [3, 1])
    assert found.tolist() == pytest.approx([0.25 ** (3 / 4), 0.5])


def test_one_desirability_of_0_makes_the_whole_0() -> None:
    assert combine([[0.0, 1.0, 1.0]], [1e-3, 1, 1e3]).tolist() == [0]


@given(d=st.lists(units, min_size=3, max_size=3), factor=st.floats(1e-50, 1e50))
def test_combine_depends_on_ratios_of_weights_alone_and_not_on_order(d: list[float], factor: float) -> None:
    weights = np.array([1.0, 2.0, 5.0])
    expected = combine([d], weights)
    np.testing.assert_allclose(combine([d], weights * factor), expected, rtol=1e-9)
    np.testing.assert_allclose(combine([d[::-1]], weights[::-1]), expected, rtol=1e-9)
    assert min(d) - 1e-12 <= expected[0] <= max(d) + 1e-12


def test_equal_desirabilities_combine_to_themselves() -> None:
    np.testing.assert_allclose(combine(np.full((1, 4), 0.3), [1, 2, 3, 4]), 0.3)


@pytest.mark.parametrize(
    ("desirabilities", "weights"),
    [
        ([[math.nan]], [1]),
        ([[1.1]], [1]),
        ([[-0.1]], [1]),
        ([[0.5]], [0]),
        ([[0.5]], [-1]),
        ([[0.5]], [math.nan]),
        ([[0.5]], [math.inf]),
        ([[0.5, 0.5]], [1]),
        ([0.5], [1]),
        (np.empty((3, 0)), []),
    ],
)
def test_combine_refuses_what_has_no_mean(desirabilities: list[list[float]], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        combine(desirabilities, weights)


def test_combine_of_no_molecules_is_empty() -> None:
    assert combine(np.empty((0, 2)), [1, 1]).shape == (0,)
