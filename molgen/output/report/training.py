"""The report on a training: its options, its curves, and the scores on held-out molecules."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from molgen.errors import RunError
from molgen.evaluate.training_report import REPORT
from molgen.output.report.content import Facts, Plots, Report, Section, Table, flatten_entries, show_cell
from molgen.output.report.plot import Axis, Line, Plot, Style
from molgen.run import RunFolder
from molgen.train.log import NAME

_PREDICTORS = {"predictor": "this model", "baseline": "random forest, Morgan fingerprints"}


def describe_training(folder: RunFolder, title: str) -> Report:
    """The report on a training, finished or not.

    Raises:
        RunError: A file of it is missing or damaged.
    """
    rows = _read_metrics(folder.path / NAME)
    result = _read_report(folder.path / REPORT)
    manifest = folder.manifest()
    sections: list[Section] = [
        Facts("Specification", flatten_entries(folder.spec())),
        Plots("Training", list(_curves(rows))),
        *_outcome(result),
        Facts("Provenance", flatten_entries(manifest), is_folded=True),
    ]
    state = f"{manifest.get('start', '')} to {manifest['end']}" if "end" in manifest else "not finished"
    return Report(title, f"Training, {state}", _figures(rows, result), sections)


def _read_metrics(path: Path) -> list[dict[str, float]]:
    """One row per validation; a training without epochs has none."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(handle)]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(path, f"cannot be read: {error}", remedy="Resume the training, or start it anew.") from None


def _read_report(path: Path) -> dict[str, Any]:
    """The final report of the training; empty before its end."""
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(path, f"cannot be read: {error}", remedy="Resume the training, or start it anew.") from None


def _figures(rows: Sequence[Mapping[str, float]], result: Mapping[str, Any]) -> list[tuple[str, str]]:
    figures = []
    if result:
        figures += [
            ("training molecules", f"{result['training_molecules']:,}"),
            ("held-out molecules", f"{result['validation_molecules']:,}"),
            ("reconstructed exactly", f"{result['reconstruction']['exact']:.1%}"),
        ]
    if rows:
        figures += [("steps", f"{rows[-1]['step']:,.0f}"), ("minutes", f"{rows[-1]['seconds'] / 60:.1f}")]
    for fit in result.get("predictor", []):
        figures.append((f"R2 of {fit['name']}", show_cell(_number(fit["r2"]))))
    return figures


def _curves(rows: Sequence[Mapping[str, float]]) -> Iterator[Plot]:
    """A plot of the losses, and one for each other number of the validations."""
    names = [name for name in (rows[0] if rows else {}) if name.startswith("validation_")]
    yield _curve(rows, "loss", {"train_loss": "training", "validation_loss": "validation"})
    for name in names:
        if name != "validation_loss" and any(math.isfinite(row[name]) for row in rows):
            plain = name.removeprefix("validation_")
            yield _curve(rows, plain, {name: plain})


def _curve(rows: Sequence[Mapping[str, float]], title: str, shown: Mapping[str, str]) -> Plot:
    styles: tuple[Style, ...] = ("second", "main") if len(shown) > 1 else ("main",)
    lines = [
        Line(label, [(row["epoch"], row[name]) for row in rows if math.isfinite(row[name])], style)
        for (name, label), style in zip(shown.items(), styles, strict=True)
    ]
    x = Axis.around("epoch", [0.0, *(row["epoch"] for row in rows)])
    return Plot(title, x, Axis.around(title, [y for line in lines for _, y in line.points]), lines)


def _outcome(result: Mapping[str, Any]) -> Iterator[Section]:
    if not result:
        return
    yield Facts(f"Reconstruction, of {result['measured_on']}", flatten_entries(_rounded(result["reconstruction"])))
    fits = [(label, fit) for key, label in _PREDICTORS.items() for fit in result.get(key, [])]
    if fits:
        measures = [name for name in fits[0][1] if name != "name"]
        rows = [[label, fit["name"], *(show_cell(_number(fit.get(name))) for name in measures)] for label, fit in fits]
        note = f"Split: {result['split']}."
        yield Table("Predictors, on held-out molecules", ["model", "property", *measures], rows, note)


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: show_cell(value) if isinstance(value, float) else value for name, value in values.items()}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
