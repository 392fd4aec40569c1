"""A Pareto front as a figure: every feasible molecule by its objectives, with non-dominated ones marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from molgen.errors import SpecError
from molgen.extras import require_package
from molgen.output.candidates import rank_feasible
from molgen.output.chart import FIGURES, write_figure
from molgen.search.ledger import Evaluation

_FRONT_COLOUR, _OTHER_COLOUR = "#c0392b", "#b4bac2"


def require_front_file(path: Path) -> None:
    """Checks that the format is known and the library is installed.

    Raises:
        SpecError: The suffix is unknown, or matplotlib is not installed.
    """
    if path.suffix not in FIGURES:
        raise SpecError("plot", f"{path} must end in .svg or .png")
    require_package("matplotlib", package="the package matplotlib", extra="map", key="plot")


def draw_front(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Draws the raw values of feasible molecules for each pair of objectives; the file is written atomically.

    Raises:
        SpecError: The campaign was run without `--pareto`.
        NothingValidError: No molecule is feasible.
    """
    ranked = rank_feasible(evaluations)
    names = list(ranked[0][0].desirabilities)
    if not any(is_on_front for _, is_on_front in ranked):
        raise SpecError("plot", "the campaign has no Pareto front", remedy="Start a campaign with --pareto.")
    values = np.array([[evaluation.values[name] for name in names] for evaluation, _ in ranked])
    is_first = np.array([is_on_front for _, is_on_front in ranked])
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    with write_figure(path, (4.2 * len(pairs), 4.0)) as figure:
        for axes, (i, j) in zip(np.atleast_1d(figure.subplots(1, len(pairs))), pairs, strict=True):
            axes.scatter(values[~is_first, i], values[~is_first, j], s=9, c=_OTHER_COLOUR, label="other feasible")
            axes.scatter(values[is_first, i], values[is_first, j], s=22, c=_FRONT_COLOUR, label="Pareto front")
            axes.set(xlabel=names[i], ylabel=names[j])
            axes.legend(frameon=False)
