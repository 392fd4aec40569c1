"""Molecules and noise of each training step, as functions of the seed and the step alone.

There is no state between steps, so a resumed training needs only the number of its last step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.tokens.selfies_vocabulary import pad
from molgen.train.data.dataset import TokenSet

POOL_BATCHES = 20
"""Number of batches per random pool of molecules; a pool is split into batches by length."""

LABELLED_SHARE = 0.25
"""Share of labelled molecules in an epoch: if there are fewer, each is repeated."""
MAX_REPEATS = 20
"""Maximum number of times that a labelled molecule occurs in an epoch."""

_ORDER, _NOISE, _BOOTSTRAP = range(3)
"""Uses of the seed, each with an independent stream."""


@dataclass(frozen=True)
class Batch:
    """The inputs of one training step.

    Attributes:
        tokens: (B, L) padded ids.
        lengths: (B,).
        labels: (B, P), NaN if missing.
        fingerprints: (B, F / 8), packed bits.
        rows: (B,) indices into the token set.
    """

    tokens: Tensor
    lengths: Tensor
    labels: Tensor
    fingerprints: Tensor
    rows: NDArray[np.int64]

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on `device`."""
        return Batch(
            tokens=self.tokens.to(device),
            lengths=self.lengths.to(device),
            labels=self.labels.to(device),
            fingerprints=self.fingerprints.to(device),
            rows=self.rows,
        )


def collate(data: TokenSet, rows: NDArray[np.int64]) -> Batch:
    """The molecules `rows` (B,) of `data` as one padded batch."""
    ids, lengths = pad([data[i] for i in rows])
    labels, fingerprints = (torch.from_numpy(array[rows]) for array in (data.labels, data.fingerprints))
    return Batch(torch.from_numpy(ids), torch.from_numpy(lengths), labels, fingerprints, rows)


class Schedule:
    """Endless training batches of a token set, addressed by step."""

    def __init__(self, data: TokenSet, batch_size: int, seed: int) -> None:
        """Makes the schedule.

        Args:
            data: The molecules; those held out for validation are never used.
            batch_size: B.
            seed: Seed of the order and of all noise.

        Raises:
            ValueError: All molecules are held out.
        """
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self._rows = _training_rows(data)
        if not len(self._rows):
            raise ValueError("all molecules are held out of training")
        self._epoch = -1
        self._batches: list[NDArray[np.int64]] = []

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches per epoch; every training molecule occurs once, labelled ones possibly more often."""
        pool = POOL_BATCHES * self.batch_size
        full, rest = divmod(len(self._rows), pool)
        return full * POOL_BATCHES + -(-rest // self.batch_size)

    def batch(self, step: int) -> Batch:
        """The batch of step `step`, from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._cut(epoch)
        return collate(self.data, self._batches[position])

    def generator(self, step: int) -> torch.Generator:
        """The random generator of step `step`."""
        entropy = _stream(self.seed, _NOISE, step).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(entropy[0] >> np.uint64(1)))

    def _cut(self, epoch: int) -> list[NDArray[np.int64]]:
        """The batches of one epoch: random pools, each split into batches of similar length, in random order."""
        rng = np.random.default_rng(_stream(self.seed, _ORDER, epoch))
        order = rng.permutation(self._rows)
        pool = POOL_BATCHES * self.batch_size
        batches = []
        for start in range(0, len(order), pool):
            rows = order[start : start + pool]
            rows = rows[np.argsort(self.data.lengths[rows], kind="stable")]
            batches += [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        return [batches[i] for i in rng.permutation(len(batches))]


def bootstrap(n_members: int, n_molecules: int, seed: int) -> Tensor:
    """Multiplicity (K, N) of N molecules in the bootstrap samples of K members (Poisson bootstrap, mean 1)."""
    rng = np.random.default_rng(_stream(seed, _BOOTSTRAP))
    return torch.from_numpy(rng.poisson(1.0, (n_members, n_molecules)).astype(np.uint8))


def _stream(seed: int, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=key)


def _training_rows(data: TokenSet) -> NDArray[np.int64]:
    """The rows of an epoch, labelled ones repeated."""
    is_labelled = ~np.isnan(data.labels).all(axis=1)
    unlabelled = np.flatnonzero(~data.is_validation & ~is_labelled)
    labelled = np.flatnonzero(~data.is_validation & is_labelled)
    wanted = LABELLED_SHARE / (1 - LABELLED_SHARE) * len(unlabelled) / max(1, len(labelled))
    return np.concatenate([unlabelled, np.tile(labelled, int(np.clip(wanted, 1, MAX_REPEATS)))])
