"""A recurrent network that generates molecules token by token.

Notation: B molecules, L tokens of the longest, V vocabulary size, H hidden units.
Source: a recurrent language model of molecules, Segler et al. 2018 (doi:10.1021/acscentsci.7b00512), there of LSTMs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from molgen.model.gru import Gru
from molgen.tokens.selfies_vocabulary import BOS, EOS, PAD


class AutoregressiveDecoder(nn.Module):
    """Next-token logits of a GRU; first state and gate inputs depend on what it is conditioned on."""

    def __init__(self, n_tokens: int, size: int) -> None:
        """Makes a network of V tokens and H units."""
        super().__init__()
        self.inputs = nn.Embedding(n_tokens, 3 * size)
        self.recurrence = Gru(size)
        self.logits = nn.Linear(size, n_tokens)
        nn.init.normal_(self.inputs.weight, std=0.5)

    def predict_logits(self, tokens: Tensor, state: Tensor, gates: Tensor) -> Tensor:
        """Logits (L + 1, B, V): entry t predicts token t of the targets, which `append_end` makes.

        Args:
            tokens: (B, L) padded ids.
            state: First states (B, H).
            gates: (B, 3H), added to the gate inputs of every step.
        """
        logits: Tensor = self.logits(self.read(tokens, state, gates))
        return logits.float()

    def read(self, tokens: Tensor, state: Tensor, gates: Tensor) -> Tensor:
        """States (L + 1, B, H): entry t follows the tokens before t; arguments as of `predict_logits`."""
        begin = torch.full((len(tokens), 1), BOS, dtype=tokens.dtype, device=tokens.device)
        x = self.inputs(torch.cat([begin, tokens], dim=1).t()) + gates
        states: Tensor = self.recurrence(x, state)
        return states

    def generate_tokens(
        self,
        state: Tensor,
        gates: Tensor,
        max_length: int,
        temperature: float | Tensor,
        uniforms: Tensor | None,
        first: Tensor | None = None,
    ) -> Tensor:
        """Token ids (B, at most `max_length`); a row that is shorter ends with EOS and padding.

        A row depends on its own arguments only, up to rounding of matrix products.

        Args:
            state: First states (B, H).
            gates: (B, 3H), added to the gate inputs of every step.
            max_length: Maximum number of steps.
            temperature: 0 takes the likeliest token; above 0, tokens are sampled from softmax(logits / temperature).
                One number, or one per row (B,).
            uniforms: (B, max_length) random numbers in [0, 1), one per sampled token; may be None if the temperature
                is 0.
            first: (B,) tokens that precede the generated ones; by default BOS.
        """
        n = len(state)
        token = torch.full((n,), BOS, device=state.device) if first is None else first
        softness = torch.as_tensor(temperature, device=state.device).expand(n)
        tokens = torch.full((n, max_length), PAD, device=state.device)
        rows = torch.arange(n, device=state.device)
        n_steps = 0
        while len(rows) and n_steps < max_length:
            state = self.recurrence.step(self.inputs(token) + gates, state)
            logits = self.logits(state)
            logits[:, [PAD, BOS]] = -torch.inf
            token = choose_tokens(logits, softness, None if uniforms is None else uniforms[rows, n_steps])
            tokens[rows, n_steps] = token
            n_steps += 1
            if (token == EOS).any():
                is_open = token != EOS
                rows, state, gates, token, softness = (x[is_open] for x in (rows, state, gates, token, softness))
        return tokens[:, :n_steps]


def append_end(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Target tokens (B, L + 1): the tokens (B, L) of `lengths` (B,), then EOS, then padding."""
    padded = functional.pad(tokens, (0, 1), value=PAD)
    return padded.scatter(1, lengths[:, None], EOS)


def negative_log_likelihood(logits: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Negative log likelihood (B,) of tokens (B, L) of `lengths` (B,) under logits (L + 1, B, V)."""
    wanted = append_end(tokens, lengths).t()
    nll = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, reduction="none")
    return nll.view(wanted.shape).sum(dim=0)


def is_greedy(logits: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Whether (B,) all tokens (B, L) of `lengths` (B,) and EOS are the likeliest under logits (L + 1, B, V).

    Greedy decoding then gives these tokens.
    """
    wanted = append_end(tokens, lengths).t()
    return ((logits.argmax(dim=2) == wanted) | (wanted == PAD)).all(dim=0)


def choose_tokens(logits: Tensor, temperature: Tensor, uniforms: Tensor | None) -> Tensor:
    """The likeliest tokens (B,) of logits (B, V) where the temperature (B,) is 0, else samples by `uniforms` (B,).

    Source: inversion of the cumulative distribution function, Devroye 1986, Non-Uniform Random Variate Generation,
    section III.2.
    """
    likeliest = logits.argmax(dim=1)
    if uniforms is None:
        return likeliest
    # far outside the prior, logits may be infinite or NaN
    distance = torch.nan_to_num(logits).double() - torch.nan_to_num(logits).double().amax(dim=1, keepdim=True)
    weights = (distance / temperature[:, None].clamp_min(torch.finfo(torch.float32).tiny)).exp()
    weights[:, [PAD, BOS]] = 0.0
    cumulative = weights.cumsum(dim=1)
    drawn = torch.searchsorted(cumulative, uniforms[:, None] * cumulative[:, -1:], right=True)[:, 0]
    return torch.where(temperature > 0.0, drawn, likeliest)
