"""A prior that speaks: molecules drawn token by token, as they are distributed.

Where an encoder takes them are draws of the aggregate posterior, with nothing between: most points of a space that
hardly loses anything belong to no molecule, and a model of the points alone puts much of its mass there. It speaks
SMILES, though the autoencoder speaks SELFIES: a ring in SMILES is closed by a number, in SELFIES by a count of symbols,
which is harder to learn; what is no SMILES is not drawn.

Notation: B molecules, L tokens of the longest, V vocabulary size, H hidden units.
Source: an autoregressive prior over what is encoded, van den Oord et al. 2017 (arXiv:1711.00937), section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from molgen.model.decoder import AutoregressiveDecoder, negative_log_likelihood
from molgen.model.sizes import MAX_SIZE, require_sizes
from molgen.tokens.smiles_vocabulary import SmilesVocabulary

MAX_LENGTH = 120
"""Tokens of a molecule at the most."""


@dataclass(frozen=True)
class SmilesLanguageModelConfig:
    """What the model speaks, and its size.

    Attributes:
        tokens: Its vocabulary, see `SmilesVocabulary`.
        hidden_size: H.

    Raises:
        ValueError: The vocabulary cannot be, or the size is not in 1 to 4096.
    """

    tokens: tuple[str, ...]
    hidden_size: int = 448

    def __post_init__(self) -> None:
        SmilesVocabulary(self.tokens)
        require_sizes(self, {"hidden_size": MAX_SIZE})


class SmilesLanguageModel(AutoregressiveDecoder):
    """The distribution of the next token, given those before."""

    def __init__(self, config: SmilesLanguageModelConfig) -> None:
        self.tokens = SmilesVocabulary(config.tokens)
        super().__init__(len(self.tokens), config.hidden_size)
        self.config = config

    def loss(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Nats (B,) of molecules as padded tokens (B, L) of `lengths` (B,)."""
        return negative_log_likelihood(self.predict_logits(tokens, *self._begin(len(tokens))), tokens, lengths)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> list[str]:
        """`n` texts, most of them SMILES."""
        uniforms = torch.rand(n, MAX_LENGTH, generator=generator, dtype=torch.float64, device=generator.device)
        ids = self.generate_tokens(*self._begin(n), MAX_LENGTH, 1.0, uniforms)
        return [self.tokens.text(row) for row in ids.tolist()]

    def _begin(self, n: int) -> tuple[Tensor, Tensor]:
        """First states (n, H) and additions to the gate inputs (n, 3H): there is nothing to begin with."""
        state = self.recurrence.bias.new_zeros(n, self.config.hidden_size)
        return state, state.new_zeros(n, 3 * self.config.hidden_size)
