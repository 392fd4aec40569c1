"""What commands that judge a model show: rows read, reconstruction, predictions."""

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
    """Tells how many rows of a file were kept, and why the others were not."""
    left_out = ", ".join(f"{n} x {reason}" for reason, n in rejected.items())
    show.note(f"{path}: {kept} of {read} rows" + (f"; left out: {left_out}" if left_out else ""))


def show_reconstruction(title: str, measured: Mapping[str, Any]) -> None:
    """Prints how well molecules come back."""
    show.table(
        title,
        ["exact reconstruction", "NLL, nats a molecule", "KL, nats a molecule", "active units"],
        [[f"{measured['exact']:.1%}", number(measured["nll"]), number(measured["kl"]), str(measured["active_units"])]],
    )


def show_fits(title: str, fits: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Prints how well properties are predicted, each with the model that does."""
    rows = [[fit["name"], model, str(fit["n"]), *(number(fit[key]) for key in FIT_COLUMNS)] for model, fit in fits]
    show.table(title, ["property", "model", "n", *FIT_COLUMNS.values()], rows)


def number(value: float | None) -> str:
    """A number for a table; empty where there is none."""
    return "" if value is None else f"{value:.3f}"
