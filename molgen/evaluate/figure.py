"""The report on a latent space as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molgen.errors import SpecError
from molgen.extras import require_package
from molgen.output.chart import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png", ".pdf")


def require_figure(path: Path) -> None:
    """Checks that a figure can be drawn in the format that the suffix of `path` names.

    Raises:
        SpecError: matplotlib is not installed, or the suffix is unknown.
    """
    if path.suffix not in SUFFIXES:
        raise SpecError("figure", f"{path} must end in one of {', '.join(SUFFIXES)}")
    require_package("matplotlib", package="matplotlib", extra="metrics", key="figure")


def draw_report(report: Mapping[str, Any], path: Path) -> None:
    """Draws a report of `evaluate_file`.

    Raises:
        OSError: The file cannot be written.
    """
    with write_figure(path, (12, 3.6)) as figure:
        left, middle, right = figure.subplots(1, 3)
        _draw_lengths(left, report["reconstruction"])
        _draw_distances(middle, report["geometry"])
        _draw_shares(right, report)


def _draw_lengths(axes: Axes, reconstruction: Mapping[str, Any]) -> None:
    bands = reconstruction["by_length"]
    names = [f"≤ {band['up_to']}" if band["up_to"] else f"> {band['above']}" for band in bands]
    axes.bar(names, [100 * band["exact"] for band in bands], color="#4878a8")
    for place, band in enumerate(bands):
        axes.annotate(f"{band['n']}", (place, 2), ha="center", color="white", fontsize=8)
    axes.set(title="Molecules reconstructed exactly", xlabel="SELFIES symbols", ylabel="%", ylim=(0, 100))


def _draw_distances(axes: Axes, geometry: Mapping[str, Any] | None) -> None:
    if geometry:
        bins = geometry["profile"]
        centres = [b["tanimoto_distance"] for b in bins]
        axes.fill_between(centres, [b["low"] for b in bins], [b["high"] for b in bins], color="#4878a8", alpha=0.3)
        axes.plot(centres, [b["median"] for b in bins], color="#4878a8", marker="o", markersize=3)
        axes.annotate(f"Pearson {geometry['pearson']:.2f}", (0.05, 0.9), xycoords="axes fraction")
    axes.set(title="Latent and Tanimoto distances", xlabel="Tanimoto distance", ylabel="latent distance", xlim=(0, 1))


def _draw_shares(axes: Axes, report: Mapping[str, Any]) -> None:
    samples, measured = report["samples"], report["reconstruction"]
    shares = {
        "valid samples": samples["validity"],
        "unique samples": samples["uniqueness"],
        "new samples": samples["novelty"],
        "internal diversity": samples["internal_diversity"],
        "active units": measured["active_units"] / measured["latent_size"],
        "stable points": _rest(report["consistency"]["changed"]),
        "useful neighbours": (report["neighbourhood"] or {"useful": 0})["useful"] / 100,
    }
    names = list(shares)[::-1]
    values = [100 * (shares[name] or 0.0) for name in names]
    axes.barh(names, values, color="#4878a8")
    for place, value in enumerate(values):
        axes.annotate(f"{value:.1f}", (min(value, 86) + 1, place), va="center", fontsize=8)
    axes.set(title="Samples and neighbours", xlabel="%", xlim=(0, 100))


def _rest(share: float | None) -> float:
    return 0.0 if share is None else 1.0 - share
