"""Calibration of the applicability domain of a finished autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from molgen.model.applicability import MAX_MOLECULES, MIN_MOLECULES, ApplicabilityDomain, measure_features
from molgen.model.checkpoint import MolecularModel
from molgen.train.data.dataset import TokenSet


def calibrate_trust(
    model: MolecularModel,
    data: TokenSet,
    rows: NDArray[np.int64],
    seed: int,
    watch: Callable[[float], object] = lambda _: None,
) -> MolecularModel:
    """The model with trust calibrated on those of the molecules `rows` (N,) that it was not trained on.

    With fewer than 20 of them, the model has no applicability domain.

    Args:
        model: Its encoder and decoder are not changed.
        data: Molecules, as tokens of the model.
        rows: Rows that may be used.
        seed: Seed of the sample of 5,000 molecules that is drawn if there are more.
        watch: Called with the share done, in [0, 1].
    """
    hashes = (data.keys[rows] >> np.uint64(32)).astype(np.uint32)
    unknown = rows[~np.isin(hashes, model.known)]
    drawn = np.sort(np.random.default_rng(seed).permutation(unknown)[:MAX_MOLECULES])
    if len(drawn) < MIN_MOLECULES:
        return replace(model, applicability=None)
    sequences = [data[i] for i in drawn]
    n = len(sequences)
    features = measure_features(model.vae, model.vocabulary, sequences, model.max_tokens, lambda done: watch(done / n))
    return replace(model, applicability=ApplicabilityDomain.of(features))
