"""Pieces of molecules: runs of SELFIES symbols that occur together so often that one token stands for them.

A benzene ring is eight symbols and one piece. Molecules become three to four times shorter, which a recurrent model
repays twice: in time, and in what it must remember from one end to the other.

Notation: T symbols of all molecules together.
Source: byte pair encoding, Sennrich et al. 2016 (arXiv:1508.07909), section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_SYMBOLS = 12
"""Symbols of a piece at the most."""
MIN_COUNT = 100
"""Occurrences below which a pair is not worth a token."""


def learn_bpe_tokens(
    symbols: NDArray[np.int64], n_bpe_tokens: int, min_count: int = MIN_COUNT
) -> list[tuple[int, ...]]:
    """The pieces that joining the most frequent pair, again and again, makes; each of 2 symbols or more.

    Args:
        symbols: (T,) ids from 1, a 0 after each molecule.
        n_bpe_tokens: How many at the most.
        min_count: Pairs that occur less often are not joined.
    """
    bpe_tokens: list[tuple[int, ...]] = [(i,) for i in range(int(symbols.max(initial=0)) + 1)]
    n_symbols = len(bpe_tokens)
    while len(bpe_tokens) < n_symbols + n_bpe_tokens:
        n = len(bpe_tokens)
        sizes = np.array([len(bpe_token) for bpe_token in bpe_tokens])
        left, right = symbols[:-1], symbols[1:]
        is_open = (left > 0) & (right > 0) & (sizes[left] + sizes[right] <= MAX_SYMBOLS)
        pair = np.where(is_open, left * n + right, 0)
        counts = np.bincount(pair, minlength=1)
        counts[0] = 0
        best = int(counts.argmax())
        if counts[best] < min_count:
            break
        places = _apart(np.flatnonzero(pair == best))
        bpe_tokens.append(bpe_tokens[best // n] + bpe_tokens[best % n])
        symbols = symbols.copy()
        symbols[places] = n
        symbols = np.delete(symbols, places + 1)
    return list(dict.fromkeys(bpe_tokens[n_symbols:]))


def _apart(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of pairs without those that overlap the one before: of a run of neighbours, every other."""
    starts_run = np.diff(places, prepend=-2) != 1
    run = np.cumsum(starts_run) - 1
    position = np.arange(len(places)) - np.flatnonzero(starts_run)[run]
    apart: NDArray[np.int64] = places[position % 2 == 0]
    return apart
