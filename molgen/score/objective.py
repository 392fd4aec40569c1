"""Objectives: measures to maximise, minimise or bring close to a target, with weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from molgen.arrays import Doubles
from molgen.errors import SpecError
from molgen.score.desirability import Desirability, Goal
from molgen.score.text import (
    is_usable,
    parse_assigned_interval,
    parse_assigned_number,
    require_interval,
    require_name,
    unreadable_error,
)

OptionValue = TypeVar("OptionValue")


@dataclass(frozen=True, slots=True)
class Objective:
    """A measure and its goal.

    Attributes:
        name: The measure.
        goal: Maximise, minimise, a target, or a range.
        weight: Weight in the geometric mean of several objectives; above 0, at most 1e100.
        scale: (low, high) between which the desirability runs from 0 to 1 (from 1 to 0 where minimised); half
            its width is the tolerance around a target or range. None for the measure's own scale.
        wanted: (first, last) of a range, (target, target) of a target, None otherwise.
    """

    name: str
    goal: Goal
    weight: float = 1.0
    scale: tuple[float, float] | None = None
    wanted: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Checks the numbers; raises SpecError."""
        require_name(self.goal, self.name)
        if not (is_usable(self.weight) and self.weight > 0):
            raise unreadable_error(
                "weight", f"{self.name} = {self.weight}", "a weight must be above 0 and at most 1e100"
            )
        self._require_wanted()
        if self.scale is not None:
            require_interval("scale", self.name, *self.scale)
            self.desirability(self.scale)

    def desirability(self, default_scale: tuple[float, float] | None) -> Desirability:
        """The desirability for this goal, on the scale of the objective or else on `default_scale`.

        Raises:
            SpecError: There is no scale, or it is too narrow for double precision.
        """
        scale = self.scale or default_scale
        if scale is None:
            raise SpecError(
                self.goal,
                f"{self.name} has no default scale, which several objectives need",
                remedy=f'State its useful range: --scale "{self.name} = low..high".',
            )
        try:
            return self._ramps(*scale)
        except ValueError as error:
            raise SpecError("scale", f"{self.name} = {scale[0]}..{scale[1]}: {error}") from None

    def signed(self, values: npt.ArrayLike) -> Doubles:
        """Raw values (N,) transformed so that larger is better, in the unit of the measure.

        The value, minus the value, or minus the distance to the target or range; NaN stays NaN.
        """
        raw = np.asarray(values, dtype=np.float64)
        if self.wanted is not None:
            first, last = self.wanted
            return 0.0 - np.maximum(np.maximum(first - raw, raw - last), 0.0)
        return raw if self.goal == "maximize" else 0.0 - raw

    def _ramps(self, low: float, high: float) -> Desirability:
        if self.wanted is not None:
            return Desirability.within(*self.wanted, tolerance=(high - low) / 2)
        if self.goal == "maximize":
            return Desirability.maximize(low, high)
        return Desirability.minimize(low, high)

    def _require_wanted(self) -> None:
        if (self.wanted is None) != (self.goal in ("maximize", "minimize")):
            raise unreadable_error(self.goal, self.name, "a target or range needs wanted values, others have none")
        if self.wanted is None:
            return
        if self.goal == "range":
            require_interval("range", self.name, *self.wanted)
        elif not (is_usable(self.wanted[0]) and self.wanted[0] == self.wanted[1]):
            raise unreadable_error("target", f"{self.name} = {self.wanted}", "a target must be one usable number")


def labelled_property(measure: str) -> str:
    """The property whose known values can replace a measure: `pKi` for `predicted:pKi`, `dock` for `dock`."""
    return measure.rpartition(":")[2]


def parse_objectives(
    *,
    maximize: Sequence[str] = (),
    minimize: Sequence[str] = (),
    target: Sequence[str] = (),
    range_: Sequence[str] = (),
    weight: Sequence[str] = (),
    scale: Sequence[str] = (),
) -> tuple[Objective, ...]:
    """The objectives in the texts of the options of these names, in the order of the arguments.

    >>> parse_objectives(target=["logp = 2.5"], weight=["logp = 2"])
    (Objective(name='logp', goal='target', weight=2.0, scale=None, wanted=(2.5, 2.5)),)

    Raises:
        SpecError: A text cannot be read, a measure is named twice, or a weight or scale has no objective.
    """
    goals: list[tuple[str, Goal]] = [(name.strip(), "maximize") for name in maximize]
    goals += [(name.strip(), "minimize") for name in minimize]
    targets = [parse_assigned_number("target", text) for text in target]
    ranges = [parse_assigned_interval("range", text) for text in range_]
    goals += [(name, "target") for name, _ in targets]
    goals += [(name, "range") for name, _ in ranges]
    names = _unique("objectives", goals)
    wanted = dict(ranges) | {name: (value, value) for name, value in targets}
    weights = _unique("weight", (parse_assigned_number("weight", text) for text in weight))
    scales = _unique("scale", (parse_assigned_interval("scale", text) for text in scale))
    _require_objectives("weight", weights, names)
    _require_objectives("scale", scales, names)
    return tuple(
        Objective(name, goal, weights.get(name, 1.0), scales.get(name), wanted.get(name)) for name, goal in goals
    )


def _unique(key: str, stated: Iterable[tuple[str, OptionValue]]) -> dict[str, OptionValue]:
    """The parsed value of each name.

    Raises:
        SpecError: A name occurs twice.
    """
    found: dict[str, OptionValue] = {}
    for name, value in stated:
        if name in found:
            raise SpecError(key, f"{name} is given twice: {found[name]} and {value}", remedy="Keep one.")
        found[name] = value
    return found


def _require_objectives(key: str, stated: Mapping[str, object], names: Mapping[str, Goal]) -> None:
    for name in stated:
        if name not in names:
            near = "".join(f" Did you mean {near!r}?" for near in get_close_matches(name, names, n=1))
            raise SpecError(key, f"{name} is no objective; they are: {', '.join(names)}", remedy=near.strip())
