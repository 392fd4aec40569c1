"""An autoregressive language model of canonical SMILES, alone or conditioned on the coarse part of a latent vector.

Alone it is a prior: encoding its samples gives draws from the aggregate posterior. Conditioned on coarse dimensions it
draws molecules that belong to a region of the space, at any latent vector, near known molecules or not. It writes
SMILES, though the autoencoder writes SELFIES: SMILES closes a ring by a number, SELFIES by a count of symbols, which is
harder to learn. A text that is no molecule is drawn again or left out.

Notation: B molecules, C coarse dimensions, L tokens of the longest, V vocabulary size, H hidden units.
Source: an autoregressive prior over what is encoded, van den Oord et al. 2017 (arXiv:1711.00937), section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molgen.model.decoder import AutoregressiveDecoder, negative_log_likelihood
from molgen.model.sizes import MAX_SIZE, require_sizes
from molgen.tokens.smiles_vocabulary import SmilesVocabulary

MAX_LENGTH = 120
"""Tokens of a molecule at the most."""
FIRST_WEIGHTS = 0.02
"""Standard deviation of the conditional weights before training: the model begins as an unconditional one."""


@dataclass(frozen=True)
class SmilesLanguageModelConfig:
    """Vocabulary and sizes of a language model.

    Attributes:
        tokens: Its vocabulary, see `SmilesVocabulary`.
        hidden_size: H.
        coarse_size: C, coarse dimensions that it can be conditioned on; 0 for none.

    Raises:
        ValueError: The vocabulary cannot be, H is not in 1 to 4096, or C not in 0 to 4096.
    """

    tokens: tuple[str, ...]
    hidden_size: int = 448
    coarse_size: int = 0

    def __post_init__(self) -> None:
        SmilesVocabulary(self.tokens)
        require_sizes(self, {"hidden_size": MAX_SIZE})
        if self.coarse_size:
            require_sizes(self, {"coarse_size": MAX_SIZE})


class SmilesLanguageModel(AutoregressiveDecoder):
    """The distribution of the next token, given those before and, if asked, the coarse part of a latent vector."""

    def __init__(self, config: SmilesLanguageModelConfig) -> None:
        self.tokens = SmilesVocabulary(config.tokens)
        super().__init__(len(self.tokens), config.hidden_size)
        self.config = config
        if config.coarse_size:
            self.first_state = nn.Linear(config.coarse_size, config.hidden_size)
            self.coarse_inputs = nn.Linear(config.coarse_size, 3 * config.hidden_size)
            for layer in (self.first_state, self.coarse_inputs):
                nn.init.normal_(layer.weight, std=FIRST_WEIGHTS)
                nn.init.zeros_(layer.bias)

    def loss(self, tokens: Tensor, lengths: Tensor, coarse: Tensor | None = None) -> Tensor:
        """Nats (B,) of molecules as padded tokens (B, L) of `lengths` (B,).

        Args:
            tokens: Padded ids.
            lengths: Tokens of each molecule.
            coarse: (B, C), what each molecule is conditioned on, in standard deviations of the prior; rows of NaN are
                not conditioned. None conditions no row.
        """
        start = self._start(len(tokens)) if coarse is None else self._start_near(coarse)
        return negative_log_likelihood(self.predict_logits(tokens, *start), tokens, lengths)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> list[str]:
        """`n` texts, most of them SMILES."""
        uniforms = torch.rand(n, MAX_LENGTH, generator=generator, dtype=torch.float64, device=generator.device)
        return self._texts(self.generate_tokens(*self._start(n), MAX_LENGTH, 1.0, uniforms))

    @torch.no_grad()
    def sample_near(self, coarse: Tensor, temperature: float | Tensor, uniforms: Tensor | None) -> list[str]:
        """One text for each row of `coarse` (B, C), most of them SMILES.

        Args:
            coarse: Coarse parts of latent vectors, in standard deviations of the prior.
            temperature: 0 takes the likeliest token at each step; one number, or one a row (B,).
            uniforms: (B, 120) random numbers from 0 to 1, 1 excluded; may be None where the temperature is 0.
        """
        return self._texts(self.generate_tokens(*self._start_near(coarse), MAX_LENGTH, temperature, uniforms))

    def _texts(self, ids: Tensor) -> list[str]:
        return [self.tokens.text(row) for row in ids.tolist()]

    def _start(self, n: int) -> tuple[Tensor, Tensor]:
        """First states (n, H) and additions to the gate inputs (n, 3H) without a condition."""
        state = self.recurrence.bias.new_zeros(n, self.config.hidden_size)
        return state, state.new_zeros(n, 3 * self.config.hidden_size)

    def _start_near(self, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """The same, conditioned on `coarse` (B, C); rows of NaN are not."""
        is_given = coarse.isfinite().all(dim=1, keepdim=True)
        known = torch.where(is_given, coarse, 0.0)
        return torch.tanh(self.first_state(known) * is_given), self.coarse_inputs(known) * is_given
