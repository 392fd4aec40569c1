"""An autoregressive language model of canonical SMILES, alone or conditioned on the coarse part of a latent vector.

Alone it is a prior: encoding its samples gives samples from the aggregate posterior. Conditioned on coarse dimensions,
it corrects molecules that the autoencoder decodes (drafts). `repair` rewrites a draft from its first unlikely token
on; `vary` from a random token on, which gives a molecule with the same beginning. It uses SMILES, unlike the
autoencoder: SMILES close a ring by a number, SELFIES by a count of symbols, which is harder to learn. An invalid
SMILES is sampled again or left out.

Notation: B molecules, C coarse dimensions, L tokens of the longest, V vocabulary size, H hidden units.
Source: an autoregressive prior over latent codes, van den Oord et al. 2017 (arXiv:1711.00937), section 3.3; a draft
that a second model accepts up to a token and continues, Leviathan et al. 2023 (arXiv:2211.17192).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from molgen.model.decoder import AutoregressiveDecoder, append_end, choose_tokens, negative_log_likelihood
from molgen.model.sizes import MAX_SIZE, require_sizes
from molgen.tokens.selfies_vocabulary import BOS, EOS, PAD, pad
from molgen.tokens.smiles_vocabulary import SmilesVocabulary

MAX_LENGTH = 120
"""Maximum number of tokens of a molecule, its end included; a draft that is rewritten may have more."""
FIRST_WEIGHTS = 0.02
"""Standard deviation of the conditional weights before training: the model starts almost unconditional."""
MAX_SURPRISE = 5.0
"""Negative log likelihood of a token, in nats, above which a draft is rewritten. With limits of 5 and of 7 nats, the SA
score of the neighbours of 24 molecules is 0.15 above that of the molecules; without a limit, 0.3 to 0.5."""
SURPRISE_POWER, POSITION_POWER = 0.4, 7.0
"""A draft is varied from a token on with a chance in proportion to surprise^0.4 * position^7 of the token; its surprise
is its negative log likelihood."""
FIRST_TEMPERATURE, NEXT_TEMPERATURE = 3.5, 0.4
"""Temperatures of the first token of a variant that differs from its draft, and of those after it. They, the powers and
the limit above were chosen on molecules of ZINC250k's validation part, by how many of 100 neighbours are useful, and by
their SA score."""


@dataclass(frozen=True)
class SmilesLanguageModelConfig:
    """Vocabulary and sizes of a language model.

    Attributes:
        tokens: Its vocabulary, see `SmilesVocabulary`.
        hidden_size: H.
        coarse_size: C, the number of coarse dimensions that it can be conditioned on; 0 for none.

    Raises:
        ValueError: The vocabulary is invalid, H is not in 1 to 4096, or C not in 0 to 4096.
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
    """The distribution of the next token, given those before and optionally the coarse part of a latent vector."""

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
        """Negative log likelihood (B,), in nats, of molecules as padded tokens (B, L) of `lengths` (B,).

        Args:
            tokens: Padded ids.
            lengths: Number of tokens of each molecule.
            coarse: (B, C), the condition of each molecule, in standard deviations of the prior; a row of NaN, or None
                for all rows, is unconditional.
        """
        start = self._start(len(tokens)) if coarse is None else self._start_near(coarse)
        return negative_log_likelihood(self.predict_logits(tokens, *start), tokens, lengths)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> list[str]:
        """`n` texts, most of them valid SMILES."""
        uniforms = torch.rand(n, MAX_LENGTH, generator=generator, dtype=torch.float64, device=generator.device)
        return self._texts(self.generate_tokens(*self._start(n), MAX_LENGTH, 1.0, uniforms))

    @torch.no_grad()
    def read_drafts(self, drafts: Sequence[NDArray[np.uint16]], coarse: Tensor) -> Reading:
        """States and likelihoods of B drafts, for `repair` and `vary`.

        Args:
            drafts: Token ids of B molecules; an empty one is generated from the beginning.
            coarse: (B, C), their condition, in standard deviations of the prior.
        """
        ids, lengths = (torch.from_numpy(x).to(coarse.device) for x in pad(drafts))
        start, gates = self._start_near(coarse)
        states = self.read(ids, start, gates)
        tokens = append_end(ids, lengths)
        chance = torch.log_softmax(self.logits(states).float(), dim=2).gather(2, tokens.t()[:, :, None])[:, :, 0].t()
        return Reading(tokens, states, gates, torch.where(tokens == PAD, 0.0, -chance))

    @torch.no_grad()
    def repair(self, reading: Reading, temperature: float, uniforms: Tensor | None) -> list[str]:
        """Texts of drafts, each rewritten from its first token above `MAX_SURPRISE` nats on; most are valid SMILES.

        Args:
            reading: The B drafts.
            temperature: Of the generated tokens; 0 takes the likeliest.
            uniforms: (B, 122) random numbers in [0, 1); may be None if the temperature is 0.
        """
        first = (reading.surprise > MAX_SURPRISE).int().argmax(dim=1)
        is_likely = (reading.surprise <= MAX_SURPRISE).all(dim=1)
        cut = torch.where(is_likely, reading.surprise.shape[1], first)
        return self._rewrite(reading, cut, temperature, temperature, uniforms)

    @torch.no_grad()
    def vary(self, reading: Reading, uniforms: Tensor, *, max_surprise: float = MAX_SURPRISE) -> list[str]:
        """Texts that differ from their drafts from a random token on, at the latest the first unlikely one.

        Args:
            reading: The B drafts.
            uniforms: (B, 122) random numbers in [0, 1).
            max_surprise: Nats above which a token is unlikely.
        """
        surprise = reading.surprise.double()
        is_unlikely = surprise > max_surprise
        is_open = (reading.tokens != PAD) & (is_unlikely.cumsum(dim=1) - is_unlikely.long() == 0)
        position = torch.arange(1, surprise.shape[1] + 1, device=surprise.device).double()
        weight = surprise.clamp_min(torch.finfo(torch.float32).eps).pow(SURPRISE_POWER) * position.pow(POSITION_POWER)
        cumulative = (weight * is_open).cumsum(dim=1)
        cut = torch.searchsorted(cumulative, uniforms[:, :1] * cumulative[:, -1:], right=True)[:, 0]
        return self._rewrite(reading, cut, FIRST_TEMPERATURE, NEXT_TEMPERATURE, uniforms)

    def _rewrite(
        self,
        reading: Reading,
        cut: Tensor,
        first_temperature: float,
        next_temperature: float,
        uniforms: Tensor | None,
    ) -> list[str]:
        """Texts that keep the first `cut` (B,) tokens of their drafts and continue with a different one."""
        texts = [self.tokens.text(row[:n]) for row, n in zip(reading.tokens.tolist(), cut.tolist(), strict=True)]
        rows = torch.nonzero(cut < reading.tokens.shape[1])[:, 0]
        state, gates = reading.states[cut[rows], rows], reading.gates[rows]
        logits = self.logits(state).float()
        logits[:, [PAD, BOS]] = -torch.inf
        logits[torch.arange(len(rows), device=rows.device), reading.tokens[rows, cut[rows]]] = -torch.inf
        numbers = uniforms[rows] if uniforms is not None else None
        heat = torch.full((len(rows),), first_temperature, device=rows.device)
        token = choose_tokens(logits, heat, None if numbers is None else numbers[:, 1])
        is_open = token != EOS
        following = self.generate_tokens(
            state[is_open],
            gates[is_open],
            MAX_LENGTH,
            next_temperature,
            None if numbers is None else numbers[is_open, 2:],
            first=token[is_open],
        )
        rewritten = zip(rows[is_open].tolist(), token[is_open].tolist(), following.tolist(), strict=True)
        for row, first, others in rewritten:
            texts[row] += self.tokens.text([first, *others])
        return texts

    def _texts(self, ids: Tensor) -> list[str]:
        return [self.tokens.text(row) for row in ids.tolist()]

    def _start(self, n: int) -> tuple[Tensor, Tensor]:
        """First states (n, H) and additions to the gate inputs (n, 3H) without a condition."""
        state = self.recurrence.bias.new_zeros(n, self.config.hidden_size)
        return state, state.new_zeros(n, 3 * self.config.hidden_size)

    def _start_near(self, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """The same, conditioned on `coarse` (B, C); rows of NaN are unconditional."""
        is_given = coarse.isfinite().all(dim=1, keepdim=True)
        known = torch.where(is_given, coarse, 0.0)
        return torch.tanh(self.first_state(known) * is_given), self.coarse_inputs(known) * is_given


@dataclass(frozen=True)
class Reading:
    """States and likelihoods of B drafts.

    Attributes:
        tokens: (B, L + 1), each ended by EOS, then padded.
        states: (L + 1, B, H); entry t is that before token t.
        gates: (B, 3H), added to the gate inputs of every step.
        surprise: (B, L + 1), negative log likelihood of each token in nats; 0 in padding.
    """

    tokens: Tensor
    states: Tensor
    gates: Tensor
    surprise: Tensor

    def take(self, rows: NDArray[np.int64]) -> Reading:
        """The drafts numbered `rows` (R,)."""
        chosen = torch.from_numpy(rows).to(self.tokens.device)
        return Reading(self.tokens[chosen], self.states[:, chosen], self.gates[chosen], self.surprise[chosen])
