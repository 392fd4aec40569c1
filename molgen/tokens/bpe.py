"""BPE tokens: frequent runs of SELFIES symbols, each represented by one token (byte pair encoding).

A benzene ring is eight symbols and one BPE token. Molecules become three to four times shorter, so a recurrent model
is faster and has to carry information over fewer steps.

Notation: T symbols of all molecules in total, with a 0 after each molecule.
Source: byte pair encoding, Sennrich et al. 2016 (arXiv:1508.07909), section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_SYMBOLS = 12
"""Maximum number of symbols of a BPE token."""
MIN_COUNT = 100
"""Minimum number of occurrences of a pair that becomes a token."""


def learn_bpe_tokens(
    symbols: NDArray[np.int64], n_bpe_tokens: int, min_count: int = MIN_COUNT
) -> list[tuple[int, ...]]:
    """The BPE tokens, of 2 or more symbols each, made by repeatedly joining the most frequent pair.

    Args:
        symbols: (T,) ids from 1, a 0 after each molecule.
        n_bpe_tokens: Maximum number of BPE tokens.
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
    """Positions of non-overlapping pairs: of consecutive positions, the first, third, fifth, ..."""
    starts_run = np.diff(places, prepend=-2) != 1
    run = np.cumsum(starts_run) - 1
    position = np.arange(len(places)) - np.flatnonzero(starts_run)[run]
    apart: NDArray[np.int64] = places[position % 2 == 0]
    return apart
