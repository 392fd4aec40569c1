"""Selection of a batch of candidates by a Gaussian process.

Candidates are picked one after another by a confidence bound. After each pick, the posterior variance of the others is
reduced as if the pick had been measured; the reduction does not depend on the measured value. So with a positive
boldness, compounds similar to a pick, or to pending compounds, become less likely picks.

Notation: N candidates.
Source: Desautels et al. 2014, JMLR 15, 4053 (GP-BUCB), equations 6 and 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rdkit.DataStructs import ExplicitBitVect

from molgen.chem.molecule import tanimoto_to_many

Exploration = Literal["safe", "balanced", "bold"]

BOLDNESS: dict[Exploration, float] = {"safe": -0.5, "balanced": 0.5, "bold": 2.0}
"""Coefficient of the confidence bound: standard deviations added to the mean; below 0, uncertainty is avoided."""
CATALOGUE_EXPLORATION: Exploration = "bold"
"""Default for the compounds of a catalogue."""
NEW_EXPLORATION: Exploration = "balanced"
"""Default for new molecules, which can be arbitrarily far from the measured ones."""
MAX_SIMILARITY = 0.8
"""Candidates with at least this Tanimoto similarity (ECFP4) to a pick or a pending compound are picked only if no
others are left."""
MIN_VARIANCE = 1e-12


def pick_batch(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    noise: float,
    bits: Sequence[ExplicitBitVect],
    n: int,
    boldness: float,
    pending: Sequence[int] = (),
) -> list[int]:
    """The indices of up to `n` candidates, in the order of picking.

    Args:
        mean: (N,), to be maximised.
        covariance: (N, N).
        noise: Variance of a measurement.
        bits: N fingerprints.
        n: Number of picks.
        boldness: Coefficient of the confidence bound; see `BOLDNESS`.
        pending: Indices of compounds that are being measured; they are not picked.
    """
    variance = covariance.diagonal().copy()
    factor = np.zeros((0, len(mean)))  # rows of the Cholesky factor of the picks, extended to all candidates
    is_open = np.ones(len(mean), dtype=bool)
    nearest = np.zeros(len(mean))
    picks: list[int] = []
    waiting = list(pending)
    while waiting or (len(picks) < n and is_open.any()):
        if waiting:
            pick = waiting.pop(0)
        else:
            score = np.where(is_open, mean + boldness * np.sqrt(np.maximum(variance, MIN_VARIANCE)), -np.inf)
            unlike = np.where(nearest < MAX_SIMILARITY, score, -np.inf)
            pick = int((unlike if np.isfinite(unlike).any() else score).argmax())
            picks.append(pick)
        row = (covariance[pick] - factor[:, pick] @ factor) / np.sqrt(max(variance[pick], 0.0) + noise + MIN_VARIANCE)
        factor = np.vstack([factor, row])
        variance = variance - row**2
        is_open[pick] = False
        nearest = np.maximum(nearest, tanimoto_to_many(bits[pick], bits))
    return picks
