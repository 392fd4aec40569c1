"""Doubtful labels: what a chemist would notice in a file is said, and nothing is said of sound ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from molgen.train.data.dataset import TokenSet
from molgen.train.data.doubts import find_doubtful_labels


def told(labels: Sequence[float], keys: Sequence[int] | None = None) -> str:
    n = len(labels)
    data = TokenSet(
        tokens=np.full(n, 9, dtype=np.uint16),
        offsets=np.arange(n + 1, dtype=np.int64),
        labels=np.array(labels, dtype=np.float32).reshape(n, 1),
        keys=np.array(keys or range(n), dtype=np.uint64),
        fingerprints=np.zeros((n, 0), dtype=np.uint8),
        is_validation=np.zeros(n, dtype=np.bool_),
    )
    return "\n".join(find_doubtful_labels(data, ["Ki"]))


def test_raw_concentrations_are_named_and_logarithms_are_not() -> None:
    assert "look like raw concentrations" in told([0.3, 12.0, 50_000.0])
    assert told([6.5, 9.2, 4.1]) == told([-3.0, 5000.0, 0.1]) == told([float("nan")]) == ""


def test_measurements_of_one_molecule_that_disagree_are_counted() -> None:
    assert "Ki: 1 molecules have measurements more than a factor of 10 apart" in told([1.0, 20.0, 5000.0], [7, 7, 8])
    assert "factor" not in told([1.0, 9.0, 5000.0], [7, 7, 8])
    assert "1 molecules have measurements more than a standard deviation apart" in told(
        [5.0, 9.0, 6.0, 6.5], [1, 1, 2, 2]
    )
