"""Molecules as points in two dimensions: as a figure and as a table.

Notation: N molecules, C columns.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from molgen.arrays import Doubles
from molgen.errors import SpecError
from molgen.extras import require_package
from molgen.paths import replace_file
from molgen.quoting import csv_cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

FIGURES = (".png", ".svg")
SUFFIXES = (".html", *FIGURES, ".csv")

_POINT_COLOUR = "#4878a8"
_MISSING_COLOUR = "#b4bac2"
_COLOURS = "viridis"
_DPI = 130
_LINE = 120  # characters below the figure
_AREA = (2.0, 28.0)
"""Smallest and largest area of a point, in square typographic points."""
_METADATA: Mapping[str, Mapping[str, str | None]] = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
}
"""Without date, equal figures of one matplotlib version have equal bytes."""


@dataclass(frozen=True)
class Scale:
    """The colour scale of a column.

    Attributes:
        low: 1st percentile of the column.
        high: 99th percentile; values beyond have the colours of the ends.
        least: Smallest value.
        greatest: Largest value.
        median: Median.
    """

    low: float
    high: float
    least: float
    greatest: float
    median: float


@dataclass(frozen=True)
class Chart:
    """Molecules and their positions in a picture.

    Attributes:
        title: A line above it.
        subtitle: A second line: under the title of a page, below a figure.
        notes: Lines below it, on its trustworthiness.
        axes: Names of the two axes; empty if they have no meaning.
        points: (N, 2) finite positions; any unit, the same for both axes.
        smiles: N canonical SMILES, not molecules, of which 100,000 would not fit into memory.
        names: N texts, empty if missing.
        columns: Numbers (N,) by name, NaN if missing; the first one colours the figure.

    Raises:
        ValueError: Lengths do not fit.
    """

    title: str
    subtitle: str
    notes: tuple[str, ...]
    axes: tuple[str, str]
    points: Doubles
    smiles: tuple[str, ...]
    names: tuple[str, ...]
    columns: Mapping[str, Doubles]

    def __post_init__(self) -> None:
        n = len(self.smiles)
        if self.points.shape != (n, 2) or not np.isfinite(self.points).all():
            raise ValueError(f"points must be ({n}, 2) finite numbers, but their shape is {self.points.shape}")
        if len(self.names) != n or any(values.shape != (n,) for values in self.columns.values()):
            raise ValueError(f"names and columns must hold {n} values each")


def require_chart(path: Path) -> None:
    """Checks that the format of a chart is known from the suffix of `path`, and that it can be drawn.

    Raises:
        SpecError: The suffix is unknown, or a figure needs matplotlib, which is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise SpecError("output", f"{path} must end in one of {', '.join(SUFFIXES)}")
    if path.suffix in FIGURES:
        require_package("matplotlib", package="matplotlib", extra="map", key="output")


def find_scale(values: Doubles) -> Scale:
    """The scale of a column (N,); all NaN if it has no value."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Scale(*[math.nan] * 5)
    low, median, high = np.percentile(known, (1, 50, 99)).tolist()
    return Scale(low, high, float(known.min()), float(known.max()), median)


def write_table(path: Path, chart: Chart) -> None:
    """Writes a CSV of SMILES, names, positions and columns atomically.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["smiles", "name", "x", "y", *map(csv_cell, chart.columns)])
        numbers = np.column_stack([chart.points, *chart.columns.values()])
        for smiles, name, row in zip(chart.smiles, chart.names, numbers.tolist(), strict=True):
            writer.writerow([smiles, csv_cell(name), *("" if math.isnan(value) else f"{value:.6g}" for value in row)])


def draw_figure(path: Path, chart: Chart) -> None:
    """Draws the chart, coloured by its first column, in the format that the suffix of `path` names; atomically.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    with write_figure(path, (7.6, 6.6)) as figure:
        _draw(figure, chart)


@contextmanager
def write_figure(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """An empty figure of `size` inches, which is written atomically to `path` when the block ends.

    The suffix of `path` names the format.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # ids are equal in equal figures, and a `$` in a text starts no formula
    with replace_file(path) as temporary, rc_context({"svg.hashsalt": "molgen", "text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        figure.savefig(temporary, format=path.suffix[1:], dpi=_DPI, metadata=dict(_METADATA[path.suffix]))


def _draw(figure: Figure, chart: Chart) -> None:
    axes = figure.subplots()
    name, values = next(iter(chart.columns.items()), ("", np.full(len(chart.smiles), math.nan)))
    is_known = np.isfinite(values)
    _dots(axes, chart.points[~is_known], len(values), color=_MISSING_COLOUR if name else _POINT_COLOUR)
    if is_known.any():
        scale = find_scale(values)
        colours = {"c": values[is_known], "cmap": _COLOURS, "vmin": scale.low, "vmax": scale.high}
        dots = _dots(axes, chart.points[is_known], len(values), **colours)
        bar = figure.colorbar(dots, ax=axes, shrink=0.7, pad=0.02, label=_one_line(name), extend=_beyond(scale))
        bar.outline.set_visible(False)
    axes.set_title(_one_line(chart.title), loc="left", fontsize=11)
    axes.set(xlabel=chart.axes[0], ylabel=chart.axes[1], aspect="equal", xmargin=0.02, ymargin=0.02)
    axes.set_adjustable("datalim")
    if not any(chart.axes):
        axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color("#c9ced6")
    axes.tick_params(color="#c9ced6", labelcolor="#5d6670", labelsize=8)
    below = "\n".join(fill(text, _LINE) for text in (chart.subtitle, *chart.notes))
    figure.supxlabel(below, x=0.01, ha="left", fontsize=7.5, color="#5d6670")


def _dots(axes: Axes, places: Doubles, n: int, **colours: Any) -> PathCollection:
    """Draws points, smaller the more there are; rasterised, since programs fail on an SVG of 100,000 circles."""
    area = min(_AREA[1], max(_AREA[0], 6e4 / n))
    return axes.scatter(places[:, 0], places[:, 1], s=area, linewidths=0, rasterized=True, **colours)


def _beyond(scale: Scale) -> Literal["neither", "both", "min", "max"]:
    """The ends of the colour bar beyond which values lie."""
    has_less, has_more = scale.least < scale.low, scale.greatest > scale.high
    if has_less and has_more:
        return "both"
    return "min" if has_less else "max" if has_more else "neither"


def _one_line(text: str) -> str:
    """A text for a figure: one line of at most 80 printable characters."""
    return "".join(char if char.isprintable() else " " for char in text)[:80]
