"""SELFIES text <-> token ids: the vocabulary, with the semantic constraints of its SELFIES.

A token is one SELFIES symbol, `[C]`, or a BPE token of several, `[C][=C][C]`; tokenisation takes the longest that
fits.

Notation: B molecules, L tokens of the longest.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import selfies
from numpy.typing import NDArray

from molgen.errors import MoleculeError

PAD, BOS, EOS = 0, 1, 2
"""Ids of padding, begin and end of sequence; the tokens of the vocabulary follow."""
N_SPECIAL = 3
MAX_VOCABULARY = 4096
"""Maximum number of ids; the rarest tokens are left out."""

_LOCK = threading.RLock()
_SYMBOL = re.compile(r"\[[^\]]*\]|\.")

DEFAULT_CONSTRAINTS: Mapping[str, int] = selfies.get_preset_constraints("default")
"""Number of bonds that an atom may have, by element and charge (Krenn et al. 2022, SELFIES library paper, Table 1)."""


@contextmanager
def semantic_constraints(constraints: Mapping[str, int]) -> Iterator[None]:
    """Applies SELFIES constraints, which are global to the process, during the block only, one thread at a time."""
    with _LOCK:
        before = selfies.get_semantic_constraints()
        if before == dict(constraints):
            yield
            return
        selfies.set_semantic_constraints(dict(constraints))
        try:
            yield
        finally:
            selfies.set_semantic_constraints(before)


def split(text: str) -> list[str]:
    """The SELFIES symbols of `text`, in order."""
    return _SYMBOL.findall(text)


def require_tokens(tokens: Sequence[str]) -> None:
    """Checks that tokens are sorted, unique, at least one, and not too many.

    Raises:
        ValueError: They are not.
    """
    if not tokens or list(tokens) != sorted(set(tokens)):
        raise ValueError("tokens must be sorted, unique and at least one")
    if len(tokens) > MAX_VOCABULARY - N_SPECIAL:
        raise ValueError(f"there may be at most {MAX_VOCABULARY - N_SPECIAL} tokens, but got {len(tokens)}")


@dataclass(frozen=True)
class Vocabulary:
    """The sorted tokens of a model, and its SELFIES constraints.

    Token i of `tokens` has id `i + N_SPECIAL`.

    Raises:
        ValueError: `tokens` is empty, too long, not sorted and unique, or holds what SELFIES cannot decode.
    """

    tokens: tuple[str, ...]
    constraints: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_CONSTRAINTS))

    def __post_init__(self) -> None:
        require_tokens(self.tokens)
        with semantic_constraints(self.constraints):
            for symbol in {symbol for token in self.tokens for symbol in _split_token(token)}:
                _require_decodable(symbol)

    def __len__(self) -> int:
        return len(self.tokens) + N_SPECIAL

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        *,
        min_count: int,
        constraints: Mapping[str, int] = DEFAULT_CONSTRAINTS,
    ) -> Vocabulary:
        """Makes a vocabulary of the symbols that occur at least `min_count` times.

        Raises:
            ValueError: No symbol does.
        """
        frequent = sorted((t for t, n in counts.items() if n >= min_count), key=lambda t: (-counts[t], t))
        return cls(tuple(sorted(frequent[: MAX_VOCABULARY - N_SPECIAL])), dict(constraints))

    def with_tokens(self, bpe_tokens: Iterable[str]) -> Vocabulary:
        """The vocabulary extended by `bpe_tokens`.

        Raises:
            ValueError: There are too many, or SELFIES cannot decode one.
        """
        return Vocabulary(tuple(sorted({*self.tokens, *bpe_tokens})), self.constraints)

    @cached_property
    def _tree(self) -> TokenTrie:
        return TokenTrie(map(_split_token, self.tokens))

    def tokenise(self, smiles: str) -> NDArray[np.uint16]:
        """Token ids (L,) of a molecule, without BOS and EOS.

        Raises:
            MoleculeError: SELFIES cannot express the molecule, or one of its symbols is unknown.
        """
        return self.ids(split(to_selfies(smiles, self.constraints)), smiles)

    def ids(self, symbols: Sequence[str], smiles: str) -> NDArray[np.uint16]:
        """Ids (L,) of the tokens of `symbols`: at each position the longest that fits.

        Raises:
            MoleculeError: A symbol is unknown; the error names it, and the molecule as `smiles`.
        """
        try:
            return self._tree.ids(symbols)
        except KeyError as error:
            raise MoleculeError(smiles, f"unknown token {error.args[0]}") from None

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        """Number of symbols of each token."""
        return tuple(len(split(token)) for token in self.tokens)

    def to_smiles(self, ids: Iterable[int], max_symbols: float = math.inf) -> str:
        """SMILES of token ids up to the first EOS, without other special tokens; not canonical, possibly empty.

        A sequence of more than `max_symbols` SELFIES symbols is cut after the last token that fits.
        """
        tokens, room = [], max_symbols
        for i in ids:
            if i >= N_SPECIAL:
                room -= self._sizes[i - N_SPECIAL]
                tokens.append(self.tokens[i - N_SPECIAL])
            if i == EOS or room < 0:
                break
        if room < 0:
            tokens.pop()
        return from_selfies("".join(tokens), self.constraints)


def from_selfies(text: str, constraints: Mapping[str, int] = DEFAULT_CONSTRAINTS) -> str:
    """SMILES, not canonical and possibly empty, of SELFIES symbols under these constraints."""
    with semantic_constraints(constraints):
        return str(selfies.decoder(text))


def to_selfies(smiles: str, constraints: Mapping[str, int] = DEFAULT_CONSTRAINTS) -> str:
    """SELFIES text of a canonical SMILES.

    Raises:
        MoleculeError: SELFIES cannot express the molecule under these constraints.
    """
    try:
        with semantic_constraints(constraints):
            return str(selfies.encoder(smiles))
    except (selfies.EncoderError, KeyError, IndexError, ValueError, RecursionError):
        raise MoleculeError(smiles, "SELFIES cannot express it") from None


class TokenTrie:
    """A prefix tree of tokens: the node of the last symbol of a token holds its id."""

    def __init__(self, tokens: Iterable[Sequence[str]]) -> None:
        """The tree of tokens given as symbols; token i has id `i + N_SPECIAL`."""
        self._root = _Node()
        for i, symbols in enumerate(tokens):
            node = self._root
            for symbol in symbols:
                node = node.next.setdefault(symbol, _Node())
            node.id = i + N_SPECIAL

    def ids(self, symbols: Sequence[str]) -> NDArray[np.uint16]:
        """Ids (L,) of the tokens of `symbols`: at each position the longest that fits.

        Raises:
            KeyError: No token fits; the argument is the symbol that it would begin with.
        """
        ids = []
        place = 0
        while place < len(symbols):
            token, end = self._longest(symbols, place)
            if token == PAD:
                raise KeyError(symbols[place])
            ids.append(token)
            place = end
        return np.array(ids, dtype=np.uint16)

    def _longest(self, symbols: Sequence[str], start: int) -> tuple[int, int]:
        """The longest token that begins at `start`, or PAD, and the position of its end."""
        token, end = PAD, start
        node: _Node | None = self._root
        for place in range(start, len(symbols)):
            node = node.next.get(symbols[place]) if node else None
            if node is None:
                break
            if node.id != PAD:
                token, end = node.id, place + 1
        return token, end


class _Node:
    """A node of the prefix tree: the id of the token that ends here, or PAD, and the nodes that may follow."""

    __slots__ = ("id", "next")

    def __init__(self) -> None:
        self.id = PAD
        self.next: dict[str, _Node] = {}


def _split_token(token: str) -> list[str]:
    symbols = split(token)
    if not symbols or "".join(symbols) != token:
        raise ValueError(f"{token!r} is not made of SELFIES symbols")
    return symbols


def _require_decodable(symbol: str) -> None:
    try:
        selfies.decoder(symbol)
    except selfies.DecoderError:
        raise ValueError(f"SELFIES cannot decode {symbol!r}") from None


def pad(sequences: Sequence[NDArray[np.uint16]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Right-padded ids (B, L) and lengths (B,) of B sequences."""
    lengths = np.array([len(s) for s in sequences], dtype=np.int64)
    ids = np.full((len(sequences), max(1, int(lengths.max(initial=1)))), PAD, dtype=np.int64)
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = sequence
    return ids, lengths
