"""Plots as numbers: axes with ticks, lines, areas and marks in units of the drawing, for the template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

WIDTH, HEIGHT = 560.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 12.0, 44.0
"""Room around the axes."""
N_INTERVALS = 6
"""Maximum number of intervals between the ticks of an axis, so that it has one tick more."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MARGIN = 0.04  # of an axis beyond its values

Style = Literal["main", "second", "faint"]


@dataclass(frozen=True)
class Axis:
    """One axis of a plot.

    Attributes:
        label: Its name.
        low: Its lower end, finite.
        high: Its upper end, finite and above `low`.
    """

    label: str
    low: float
    high: float

    @classmethod
    def around(cls, label: str, values: Iterable[float]) -> Axis:
        """An axis for all finite `values` with a margin; for the range from 0 to 1 if there are none."""
        known = [value for value in values if math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        room = _MARGIN * (high - low) or max(abs(high), 1.0) / 2
        return cls(label, low - room, high + room)

    def share(self, value: float) -> float:
        """The position of a value, from 0 at `low` to 1 at `high`."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values within the axis, at most `N_INTERVALS + 1`, each with its text."""
        coarse = (self.high - self.low) / N_INTERVALS
        power = 10.0 ** math.floor(math.log10(coarse))
        step = next(step * power for step in _STEPS if step * power >= coarse * (1 - 1e-9))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(number * step, f"{number * step:.6g}") for number in range(first, last + 1)]


@dataclass(frozen=True)
class Line:
    """A line or area.

    Attributes:
        name: For the legend.
        points: (x, y), finite.
        style: Its style.
        is_area: Whether the area below it is filled.
    """

    name: str
    points: Sequence[tuple[float, float]]
    style: Style = "main"
    is_area: bool = False


@dataclass(frozen=True)
class Mark:
    """One point.

    Attributes:
        x: Finite.
        y: Finite.
        text: Text under the pointer.
        style: Its style.
        card: Id of the molecule shown under the pointer, or "".
        interval: Ends of a horizontal bar through it.
    """

    x: float
    y: float
    text: str
    style: Style = "main"
    card: str = ""
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        title: Above it.
        x: Horizontal axis.
        y: Vertical axis.
        lines: Drawn first.
        marks: Drawn in their order.
        legend: Names of the styles of marks.
    """

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    legend: Sequence[tuple[Style, str]] = field(default=())

    def across(self, value: float) -> float:
        """The x coordinate of a value in the drawing, to a tenth."""
        return round(LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT), 1)

    def down(self, value: float) -> float:
        """The y coordinate of a value in the drawing, to a tenth."""
        return round(HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM), 1)

    def path(self, line: Line) -> str:
        """The attribute `d` of the SVG path of a line."""
        places = [f"{self.across(x)} {self.down(y)}" for x, y in line.points]
        if line.is_area and places:
            base = f"{self.down(self.y.low)}"
            ends = self.across(line.points[-1][0]), self.across(line.points[0][0])
            places += [f"{end} {base}" for end in ends]
        return f"M{'L'.join(places)}{'Z' if line.is_area else ''}" if places else ""
