"""Tables of commands that measure a model: rows read, reconstruction, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import show

FIT_COLUMNS = {
    "r2": "R2", "rmse": "RMSE", "mae": "MAE", "spearman": "Spearman", "coverage": "inside 90 % interval",
    "calibration_error": "calibration error",
}  # fmt: skip


def note_rows(path: str | Path, kept: int, read: int, rejected: Mapping[str, int]) -> None:
    """Reports how many rows of a file were kept, and why others were left out."""
    left_out = ", ".join(f"{n} x {reason}" for reason, n in rejected.items())
    show.note(f"{path}: {kept} of {read} rows" + (f"; left out: {left_out}" if left_out else ""))


def show_reconstruction(title: str, measured: Mapping[str, Any]) -> None:
    """Prints figures of reconstruction as a table."""
    show.table(
        title,
        ["exact reconstruction", "NLL, nats per molecule", "KL, nats per molecule", "active units"],
        [[f"{measured['exact']:.1%}", number(measured["nll"]), number(measured["kl"]), str(measured["active_units"])]],
    )


def show_fits(title: str, fits: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Prints the scores of predictions, by property and model."""
    rows = [[fit["name"], model, str(fit["n"]), *(number(fit[key]) for key in FIT_COLUMNS)] for model, fit in fits]
    show.table(title, ["property", "model", "n", *FIT_COLUMNS.values()], rows)


def number(value: float | None) -> str:
    """A number for a table; empty for a missing one."""
    return "" if value is None else f"{value:.3f}"
