"""Desirabilities: linear ramps from a measured value to [0, 1], and their weighted geometric mean.

Source: Derringer and Suich, J. Qual. Technol. 1980, 12, 214; equations 2 and 3 with exponents r = s = t = 1,
weighted as in Derringer, Quality Progress 1994, 27, 51.

Notation: N molecules, K objectives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from molgen.arrays import Doubles

Goal = Literal["maximize", "minimize", "target", "range"]


@dataclass(frozen=True, slots=True)
class Desirability:
    """A trapezoid: 0 at `zero_below`, rising to 1 at `one_from`, falling from `one_to` to 0 at `zero_above`.

    A side that never rises or falls is infinite. The four numbers must be in this order; ramps are linear.

    Attributes:
        zero_below: Up to here the desirability is 0, in the measure's unit, like all four.
        one_from: From here it is 1.
        one_to: Up to here it is 1.
        zero_above: From here it is 0.
    """

    zero_below: float
    one_from: float
    one_to: float
    zero_above: float

    def __post_init__(self) -> None:
        """Raises ValueError unless both ramps have a width and the plateau lies between them."""
        rises = self.zero_below < self.one_from or self.zero_below == self.one_from == -math.inf
        falls = self.one_to < self.zero_above or self.one_to == self.zero_above == math.inf
        if not (rises and self.one_from <= self.one_to and falls):
            raise ValueError(f"a desirability must rise, stay and fall in this order, but got {self}")

    @classmethod
    def maximize(cls, low: float, high: float) -> Self:
        """0 up to `low`, 1 from `high`."""
        return cls(low, high, math.inf, math.inf)

    @classmethod
    def minimize(cls, low: float, high: float) -> Self:
        """1 up to `low`, 0 from `high`."""
        return cls(-math.inf, -math.inf, low, high)

    @classmethod
    def within(cls, first: float, last: float, tolerance: float) -> Self:
        """1 from `first` to `last`, 0 at a distance of `tolerance` outside; a target has first = last."""
        return cls(first - tolerance, first, last, last + tolerance)

    def __call__(self, values: npt.ArrayLike) -> Doubles:
        """Desirabilities in [0, 1] of raw values, of the same shape.

        Raises:
            ValueError: A value is NaN.
        """
        raw = np.asarray(values, dtype=np.float64)
        if np.isnan(raw).any():
            raise ValueError("a value must be a number to have a desirability, but got NaN")
        desirabilities = np.ones_like(raw)
        if math.isfinite(self.one_from):
            desirabilities = np.minimum(desirabilities, _ramp(raw, self.zero_below, self.one_from))
        if math.isfinite(self.one_to):
            desirabilities = np.minimum(desirabilities, _ramp(raw, self.zero_above, self.one_to))
        return desirabilities


def combine(desirabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Doubles:
    """The weighted geometric means (N,) in [0, 1]: one desirability of 0 makes the total 0.

    Args:
        desirabilities: (N, K) in [0, 1].
        weights: (K,) above 0; only their ratios matter.

    Raises:
        ValueError: A desirability is NaN or outside [0, 1], a weight is not above 0, or shapes do not match.

    Source: Derringer 1994, D = (d1^w1 d2^w2 ... dK^wK)^(1 / sum of w).
    """
    d = np.asarray(desirabilities, dtype=np.float64)
    w = np.asarray(weights, dtype=np.float64)
    if d.ndim != 2 or w.shape != d.shape[1:] or w.size == 0:
        raise ValueError(f"desirabilities must be (N, K) and weights (K,), but got {d.shape} and {w.shape}")
    if not ((d >= 0) & (d <= 1)).all():
        raise ValueError("desirabilities must be in [0, 1]")
    if not ((w > 0) & np.isfinite(w)).all():
        raise ValueError("weights must be finite and above 0")
    shares = w / w.max()  # so that the sum of large weights stays finite
    means: Doubles = np.prod(d ** (shares / shares.sum()), axis=1)
    return np.minimum(means, 1.0)


def _ramp(raw: Doubles, zero_at: float, one_at: float) -> Doubles:
    """Linear from 0 at `zero_at` to 1 at `one_at`, on either side of it, clipped to [0, 1]."""
    clipped = np.clip(raw, min(zero_at, one_at), max(zero_at, one_at))
    return (clipped - zero_at) / (one_at - zero_at)
