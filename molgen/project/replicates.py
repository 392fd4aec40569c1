"""Merging of replicates: their median and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, stdev

from molgen.project.quantity import Relation

CONTRADICTION = 1.0
"""Difference between replicates, in steps (see `merge_replicates`), above which they are contradictory."""


@dataclass(frozen=True, slots=True)
class Label:
    """The merged measurements of one property of one compound.

    Attributes:
        value: In the unit of the property; for a bound, the bound.
        relation: `=` or `~` for a value, `<` or `>` for a bound.
        n: Number of measurements, at least 1.
        std: Their sample standard deviation, or that of a uniform distribution between two bounds; NaN if unknown.
    """

    value: float
    relation: Relation = "="
    n: int = 1
    std: float = math.nan


def merge_replicates(labels: Sequence[Label], name: str, step: float) -> tuple[Label, str]:
    """The merged label, and a note on how it was merged; "" for a single label.

    Values take precedence over bounds: the result is the median of the values, and the note says whether it violates
    bounds. Bounds alone give the tightest one; a lower and an upper bound give their mean, with the standard deviation
    of a uniform distribution between them.

    Args:
        labels: At least one, in the order of the file.
        name: Name of the property.
        step: The difference that counts as one step; 0 if a step is a factor of ten.
    """
    if len(labels) == 1:
        return labels[0], ""
    exact = [label for label in labels if label.relation in "=~"]
    if not exact:
        return _merge_bounds(labels, name)
    values = [label.value for label in exact]
    n = sum(label.n for label in exact)
    std = stdev(values) if len(values) > 1 else exact[0].std
    relation: Relation = "=" if any(label.relation == "=" for label in exact) else "~"
    merged = Label(median(values), relation, n, std)
    return merged, _note_of(labels, values, merged, name, step)


def _note_of(labels: Sequence[Label], values: Sequence[float], merged: Label, name: str, step: float) -> str:
    notes = [f"{name}: median {merged.value:.4g} of {len(values)} values" if len(values) > 1 else ""]
    if _steps(min(values), max(values), step) > CONTRADICTION:
        notes.append(f"contradictory: from {min(values):.4g} to {max(values):.4g}")
    bounds = [label for label in labels if label.relation in "<>"]
    violated = [label for label in bounds if _violates(merged.value, label)]
    if violated:
        texts = ", ".join(f"{label.relation}{label.value:.4g}" for label in violated)
        notes.append(f"contradictory: {name} {merged.value:.4g} against {texts}")
    elif bounds:
        notes.append(f"{len(bounds)} bound(s) of {name} agree with {merged.value:.4g}")
    return ", ".join(filter(None, notes))


def _merge_bounds(labels: Sequence[Label], name: str) -> tuple[Label, str]:
    lower = max((label.value for label in labels if label.relation == ">"), default=-math.inf)
    upper = min((label.value for label in labels if label.relation == "<"), default=math.inf)
    n = sum(label.n for label in labels)
    if math.isinf(upper):
        return Label(lower, ">", n), f"{name}: tightest of {len(labels)} bounds, >{lower:.4g}"
    if math.isinf(lower):
        return Label(upper, "<", n), f"{name}: tightest of {len(labels)} bounds, <{upper:.4g}"
    middle = Label((lower + upper) / 2, "~", n, abs(upper - lower) / math.sqrt(12))
    verb = "contradictory: " if lower > upper else ""
    return middle, f"{verb}{name}: >{lower:.4g} and <{upper:.4g}, taken as {middle.value:.4g}"


def _steps(low: float, high: float, step: float) -> float:
    if step > 0:
        return (high - low) / step
    return math.log10(high / low) if low > 0 else math.inf


def _violates(value: float, bound: Label) -> bool:
    return value > bound.value if bound.relation == "<" else value < bound.value
