"""Sorted sets of 32-bit hashes, stored as the gaps between them, most of which take two bytes."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

FULL_WORD, MAX_HASH = 2**16 - 1, 2**32 - 1

Hashes = NDArray[np.uint32]


def hash_text(text: str) -> int:
    """A 32-bit hash of a text, the same on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "little")


def contains(known: Hashes, hashes: Hashes) -> NDArray[np.bool_]:
    """Which of `hashes` (K,) are among the sorted `known` (N,)."""
    if not len(known):
        return np.zeros(len(hashes), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.asarray(known[places] == hashes)


def encode_hashes(hashes: Hashes) -> NDArray[np.uint16]:
    """The gaps between sorted, distinct hashes (N,), the first one counted from 0, as words of 16 bits.

    A gap g is written as g // 65535 words of value 65535 and a last word of value g % 65535.
    """
    n_full, rest = np.divmod(np.diff(hashes.astype(np.int64), prepend=np.int64(0)), FULL_WORD)
    n_words = n_full + 1
    words = np.full(int(n_words.sum()), FULL_WORD, dtype=np.uint16)
    words[np.cumsum(n_words) - 1] = rest
    return words


def decode_hashes(words: NDArray[np.uint16]) -> Hashes:
    """The hashes (N,) that `encode_hashes` wrote.

    Raises:
        ValueError: The hashes are not sorted and distinct, or one has more than 32 bits.
    """
    hashes = np.cumsum(words, dtype=np.int64)[words != FULL_WORD]
    if len(hashes) and (hashes[-1] > MAX_HASH or (np.diff(hashes) <= 0).any()):
        raise ValueError("hashes must be sorted, different numbers of 32 bits")
    return np.asarray(hashes, dtype=np.uint32)
