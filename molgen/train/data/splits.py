"""Validation splits, which depend on the molecules alone, not on the order of their rows.

Notation: N molecules.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["random", "scaffold"]

UNLABELLED_SHARE = 0.05
MAX_UNLABELLED = 2000
LABELLED_SHARE = 0.1

_MIX = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier that reorders 64-bit keys (Knuth, TAOCP 3, section 6.4), so that a split is not a range of keys."""


def validation_rows(
    keys: NDArray[np.uint64], scaffolds: NDArray[np.uint64], is_labelled: NDArray[np.bool_], split_by: Split
) -> NDArray[np.bool_]:
    """Whether each molecule (N,) is held out; at least one is not.

    A random twentieth of the unlabelled molecules, at most 2,000, and a tenth of the labelled ones, at random or by
    scaffold. A molecule that occurs both with and without labels is treated as labelled.
    """
    is_out = np.zeros(len(keys), dtype=bool)
    labelled, unlabelled = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
    share = min(UNLABELLED_SHARE, MAX_UNLABELLED / max(1, len(unlabelled)))
    is_out[unlabelled] = random_split(keys[unlabelled], share)
    if split_by == "scaffold":
        is_out[labelled] = scaffold_split(scaffolds[labelled], LABELLED_SHARE)
    else:
        is_out[labelled] = random_split(keys[labelled], LABELLED_SHARE)
    is_both = ~is_labelled & np.isin(keys, keys[labelled])
    is_out[is_both] = np.isin(keys[is_both], keys[is_labelled & is_out])
    return is_out


def random_split(keys: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Whether each molecule (N,) is held out: a `share` (below 1) of the distinct keys, pseudorandomly chosen."""
    if not len(keys):
        return np.zeros(0, dtype=bool)
    mixed = np.sort(np.unique(keys) * _MIX)
    is_out: NDArray[np.bool_] = keys * _MIX < mixed[int(share * len(mixed))]
    return is_out


def scaffold_split(scaffolds: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Whether each molecule (N,) is held out: whole scaffolds, rarest first, at most a `share` of all molecules.

    At least one scaffold is held out, unless there is only one.

    Source: Wu et al. 2018, MoleculeNet (doi:10.1039/C7SC02664A), section 3.2, after Bemis & Murcko 1996.
    """
    names, inverse, counts = np.unique(scaffolds, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return np.zeros(len(scaffolds), dtype=bool)
    order = np.lexsort((names, counts))
    is_out = np.cumsum(counts[order]) <= max(share * len(scaffolds), counts.min())
    return np.isin(inverse, order[is_out])
