"""A prior that speaks: molecules drawn token by token, as they are distributed.

Where an encoder takes them are draws of the aggregate posterior, with nothing between: most points of a space that
hardly loses anything belong to no molecule, and a model of the points alone puts much of its mass there.

Notation: B molecules, L tokens of the longest, V vocabulary size, H hidden units.
Source: an autoregressive prior over what is encoded, van den Oord et al. 2017 (arXiv:1711.00937), section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from molgen.model.speaker import Speaker, nats
from molgen.model.vae import MAX_SIZE


@dataclass(frozen=True)
class LanguageConfig:
    """Sizes of the model.

    Attributes:
        n_tokens: V, special tokens included.
        hidden_size: H.

    Raises:
        ValueError: A size is not in 1 to 4096.
    """

    n_tokens: int
    hidden_size: int = 448

    def __post_init__(self) -> None:
        for name, size in vars(self).items():
            if not isinstance(size, int) or not 1 <= size <= MAX_SIZE:
                raise ValueError(f"{name} must be a whole number from 1 to {MAX_SIZE}, but got {size!r}")


class Language(Speaker):
    """The distribution of the next token, given those before."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__(config.n_tokens, config.hidden_size)
        self.config = config

    def loss(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Nats (B,) of molecules as padded tokens (B, L) of `lengths` (B,)."""
        return nats(self.read(tokens, *self._begin(len(tokens))), tokens, lengths)

    @torch.no_grad()
    def sample(self, n: int, max_length: int, generator: torch.Generator) -> Tensor:
        """Token ids (n, at most `max_length`), each row ended by EOS where there was room."""
        return self.speak(*self._begin(n), max_length, 1.0, generator)

    def _begin(self, n: int) -> tuple[Tensor, Tensor]:
        """First states (n, H) and additions to the gate inputs (n, 3H): there is nothing to begin with."""
        state = self.recurrence.bias.new_zeros(n, self.config.hidden_size)
        return state, state.new_zeros(n, 3 * self.config.hidden_size)
