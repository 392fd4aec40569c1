"""Pieces: every sequence is made of them in one way, and reads back as what it was."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from molgen.tokens.bpe import MAX_SYMBOLS, learn_bpe_tokens
from molgen.tokens.selfies_vocabulary import N_SPECIAL, Vocabulary, split

SYMBOLS = ("[=C]", "[C]", "[N]", "[O]", "[Ring1]")
sequences = st.lists(st.lists(st.integers(1, len(SYMBOLS)), min_size=1, max_size=30), min_size=1, max_size=12)


def flat(texts: list[list[int]]) -> np.ndarray:
    return np.array([i for text in texts for i in (*text, 0)], dtype=np.int64)


def joined_by_hand(texts: list[list[int]], n_pieces: int, min_count: int) -> list[tuple[int, ...]]:
    """Byte pair encoding in plain lists, the greatest count first, ties by the pair that was known first."""
    words: list[list[tuple[int, ...]]] = [[(i,) for i in text] for text in texts]
    order: list[tuple[int, ...]] = [(i,) for i in range(max(map(max, texts)) + 1)]
    bpe_tokens: list[tuple[int, ...]] = []
    while len(order) < max(map(max, texts)) + 1 + n_pieces:
        pairs = Counter((a, b) for word in words for a, b in pairwise(word) if len(a) + len(b) <= MAX_SYMBOLS)
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], [-order.index(part) for part in pair]))
        if pairs[best] < min_count:
            break
        order.append(best[0] + best[1])
        bpe_tokens.append(best[0] + best[1])
        for k, word in enumerate(words):
            merged: list[tuple[int, ...]] = []
            i = 0
            while i < len(word):
                if i + 1 < len(word) and (word[i], word[i + 1]) == best:
                    merged.append(best[0] + best[1])
                    i += 2
                else:
                    merged.append(word[i])
                    i += 1
            words[k] = merged
    return bpe_tokens


@given(sequences, st.integers(0, 6))
def test_the_fast_way_joins_what_the_plain_way_joins(texts: list[list[int]], n_pieces: int) -> None:
    fast = learn_bpe_tokens(flat(texts), n_pieces, min_count=2)
    plain = joined_by_hand(texts, n_pieces, min_count=2)
    if len(set(plain)) == len(plain):  # else two ways lead to one piece, which the plain way counts as one
        assert fast == plain


@given(sequences)
def test_pieces_change_how_a_molecule_is_cut_but_not_what_it_says(texts: list[list[int]]) -> None:
    bpe_tokens = ["".join(SYMBOLS[i - 1] for i in piece) for piece in learn_bpe_tokens(flat(texts), 8, min_count=2)]
    vocabulary = Vocabulary(SYMBOLS).with_tokens(bpe_tokens)
    for text in texts:
        symbols = [SYMBOLS[i - 1] for i in text]
        tokens = [vocabulary.tokens[i - N_SPECIAL] for i in vocabulary.ids(symbols, "")]
        assert split("".join(tokens)) == symbols
        assert len(tokens) <= len(symbols)


def test_a_benzene_ring_becomes_one_piece() -> None:
    ring = "[C][=C][C][=C][C][=C][Ring1][=Branch1]"
    names = sorted(set(split(ring)))
    ids = [names.index(symbol) + 1 for symbol in split(ring)]
    bpe_tokens = ["".join(names[i - 1] for i in piece) for piece in learn_bpe_tokens(flat([ids] * 100), 20)]
    assert ring in bpe_tokens
    assert Vocabulary(tuple(names)).with_tokens(bpe_tokens).tokenise("C1=CC=CC=C1").size == 1


def test_rare_pairs_and_long_runs_are_not_joined() -> None:
    assert learn_bpe_tokens(flat([[1, 2]] * 99), 5) == []
    assert max(map(len, learn_bpe_tokens(flat([[1] * 64] * 100), 50))) <= MAX_SYMBOLS
