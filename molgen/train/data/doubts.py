"""Warnings of labels in training files that look wrong, each with a remedy.

Notation: N molecules, P properties.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from molgen.train.data.dataset import TokenSet

RAW_RANGE = 1000.0
"""Ratio of the largest to the smallest label above which positive labels are taken for concentrations."""
FACTOR = 10.0
"""Ratio above which two concentrations measured for the same molecule disagree."""


def find_doubtful_labels(data: TokenSet, properties: Sequence[str]) -> list[str]:
    """Warnings about the labels of each property; empty if none look wrong.

    Positive labels that span more than three orders of magnitude are taken for concentrations, of which models should
    learn the logarithm. Two labels of one molecule disagree if they differ by more than a factor of ten, if they are
    concentrations, or else by more than one standard deviation of all labels.

    Args:
        data: Its labels (N, P).
        properties: P names.
    """
    return [line for column, name in enumerate(properties) for line in _doubts(data.keys, data.labels[:, column], name)]


def _doubts(keys: NDArray[np.uint64], labels: NDArray[np.float32], name: str) -> list[str]:
    is_there = np.isfinite(labels)
    keys, values = keys[is_there], labels[is_there].astype(np.float64)
    if not len(values):
        return []
    is_raw = bool(values.min() > 0.0 and values.max() > RAW_RANGE * values.min())
    lines = []
    if is_raw:
        lines.append(
            f"{name}: values from {values.min():g} to {values.max():g} look like raw concentrations; "
            "`molgen curate FILE --to-p` makes minus log10 of mol/L of them"
        )
    n_apart = _count_disagreeing(keys, np.log10(values) if is_raw else values, 1.0 if is_raw else float(values.std()))
    if n_apart:
        apart = f"a factor of {FACTOR:g}" if is_raw else "a standard deviation"
        lines.append(
            f"{name}: {n_apart} molecules have measurements more than {apart} apart; `molgen curate` lists them and "
            "takes the median"
        )
    return lines


def _count_disagreeing(keys: NDArray[np.uint64], values: NDArray[np.float64], limit: float) -> int:
    """Number of molecules whose values span more than `limit`."""
    _, rows = np.unique(keys, return_inverse=True)
    low, high = np.full(rows.max() + 1, np.inf), np.full(rows.max() + 1, -np.inf)
    np.minimum.at(low, rows, values)
    np.maximum.at(high, rows, values)
    return int((high - low > limit).sum())
