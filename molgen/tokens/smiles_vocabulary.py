"""SMILES as tokens: symbols of the notation, and BPE tokens of several symbols.

Sources: SMILES, Weininger 1988 (doi:10.1021/ci00057a005); BPE tokens, see `molgen.tokens.bpe`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from molgen.errors import MoleculeError
from molgen.tokens.bpe import MAX_SYMBOLS, learn_bpe_tokens
from molgen.tokens.selfies_vocabulary import MAX_VOCABULARY, N_SPECIAL, TokenTrie, require_tokens

_SYMBOL = re.compile(r"\[[^\]]*\]|Br|Cl|%\d\d|.", re.DOTALL)
MIN_COUNT = 10
"""Number of molecules in which a symbol must occur to become a token, if there are 9,000 molecules or more."""
N_LEARNT_FROM = 30_000
"""Maximum number of molecules that BPE tokens are learned from."""
MAX_TOKEN_LENGTH = 256


@dataclass(frozen=True)
class SmilesVocabulary:
    """A vocabulary of SMILES.

    Attributes:
        tokens: Sorted, unique; token i has id `i + N_SPECIAL`.

    Raises:
        ValueError: `tokens` is empty, too long, not sorted and unique, or holds a text that is no run of symbols.
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        require_tokens(self.tokens)
        for token in self.tokens:
            if not 1 <= len(token) <= MAX_TOKEN_LENGTH or len(split_smiles(token)) > MAX_SYMBOLS:
                raise ValueError(f"{token[:20]!r} is not a run of 1 to {MAX_SYMBOLS} symbols of SMILES")

    def __len__(self) -> int:
        return len(self.tokens) + N_SPECIAL

    @classmethod
    def from_smiles(cls, smiles: Sequence[str], n_bpe_tokens: int) -> SmilesVocabulary:
        """Makes a vocabulary of the symbols of molecules, without the rarest, and at most `n_bpe_tokens` BPE tokens.

        Raises:
            ValueError: There are no molecules.
        """
        split = [split_smiles(text) for text in smiles]
        counts = Counter(symbol for symbols in split for symbol in set(symbols))
        fewest = min(MIN_COUNT, 1 + len(smiles) // 1000)
        symbols = sorted((s for s, n in counts.items() if n >= fewest), key=lambda s: (-counts[s], s))
        symbols = sorted(symbols[: MAX_VOCABULARY - N_SPECIAL - n_bpe_tokens])
        ids = {symbol: i for i, symbol in enumerate(symbols, start=1)}
        rows = [[*(ids.get(symbol, 0) for symbol in row), 0] for row in split[:N_LEARNT_FROM]]
        flat = np.array([i for row in rows for i in row], dtype=np.int64)
        bpe_tokens = ["".join(symbols[i - 1] for i in bpe_token) for bpe_token in learn_bpe_tokens(flat, n_bpe_tokens)]
        return cls(tuple(sorted({*symbols, *bpe_tokens})))

    @cached_property
    def _tree(self) -> TokenTrie:
        return TokenTrie(map(split_smiles, self.tokens))

    def ids(self, smiles: str) -> NDArray[np.uint16]:
        """Token ids (L,) of a SMILES, without BOS and EOS: at each position the longest token that fits.

        Raises:
            MoleculeError: A symbol is unknown; the error names it.
        """
        try:
            return self._tree.ids(split_smiles(smiles))
        except KeyError as error:
            raise MoleculeError(smiles, f"unknown symbol {error.args[0]}") from None

    def text(self, ids: Iterable[int]) -> str:
        """The text of token ids without special tokens; not always a valid SMILES."""
        return "".join(self.tokens[i - N_SPECIAL] for i in ids if i >= N_SPECIAL)


def split_smiles(smiles: str) -> list[str]:
    """The symbols of a text: atoms, bonds, parentheses and ring numbers; joined, they are the text."""
    return _SYMBOL.findall(smiles)
