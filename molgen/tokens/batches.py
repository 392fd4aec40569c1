"""Token sequences as padded batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.arrays import Integers
from molgen.tokens.selfies_vocabulary import pad

BATCH_SIZE = 256


def batch_by_length(
    sequences: Sequence[NDArray[np.uint16]], device: torch.device | str = "cpu"
) -> Iterator[tuple[Integers, Tensor, Tensor]]:
    """Batches of at most 256 sequences, the shortest first: rows (B,), padded ids (B, L) and lengths (B,) of each."""
    order = np.argsort([len(sequence) for sequence in sequences], kind="stable")
    for start in range(0, len(order), BATCH_SIZE):
        rows = order[start : start + BATCH_SIZE]
        ids, lengths = pad([sequences[row] for row in rows])
        yield rows, torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device)
