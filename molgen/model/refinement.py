"""Inversion: the point that decodes to a molecule, where the encoder's answer does not.

The encoder answers in one pass, and for long molecules slightly beside the mark. A few steps of gradient descent on the
decoder's loss, from where it puts the molecule, find the point next to it that gives the molecule back.

Notation: B molecules, L tokens of the longest, D latent dimensions.
Source: semi-amortised inference, Kim et al. 2018 (arXiv:1802.02550), section 3; as inversion in latent optimisation,
Chu et al. 2024, InvBO (arXiv:2411.05330), section 3.1.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from molgen.model.decoder import is_greedy, negative_log_likelihood
from molgen.model.vae import Decoder, Vae

N_STEPS = 60
STEP_LENGTH = 0.3
"""Of each step, in standard deviations of the prior; two points of the prior are some 14 apart."""
GRID = 2.0**-12
"""Points of the descent are multiples of it, in standard deviations of the prior."""


def to_double(vae: Vae) -> Vae:
    """A copy of `vae` on the CPU in double precision, to refine with; see `refine`."""
    return copy.deepcopy(vae).cpu().double().requires_grad_(False).eval()


@torch.no_grad()
def decodes_to(decoder: Decoder, z: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Which points (B,) of `z` (B, D) decode greedily to `tokens` (B, L) of `lengths` (B,)."""
    return is_greedy(decoder(z, tokens), tokens, lengths)


def refine(decoder: Decoder, z: Tensor, tokens: Tensor, lengths: Tensor, *, n_steps: int = N_STEPS) -> Tensor:
    """Points (B, D) that decode greedily to `tokens` (B, L), as near to `z` (B, D) as the descent comes upon them.

    Points that do already stay where they are; those that still do not after `n_steps` are the likeliest on the way.

    Matrix products round differently in batches of different sizes, and a descent multiplies such differences. After
    each step the point is therefore rounded to a grid, far coarser than the rounding errors of double precision and far
    finer than a step. In double precision the result then does not depend on the batch.

    Args:
        decoder: Its weights are left alone.
        z: Where to begin.
        tokens: Padded ids.
        lengths: (B,).
        n_steps: Steps at the most.
    """
    result = z.clone()
    rows = torch.arange(len(z), device=z.device)
    point, least = z.clone(), torch.full((len(z),), torch.inf, device=z.device)
    for _ in range(n_steps + 1):
        loss, is_exact, direction = _look(decoder, point, tokens[rows], lengths[rows])
        is_better = (loss < least[rows]) | is_exact
        result[rows[is_better]], least[rows[is_better]] = point[is_better], loss[is_better]
        rows, point, direction = rows[~is_exact], point[~is_exact], direction[~is_exact]
        if not len(rows):
            break
        point = _rounded(point - STEP_LENGTH * direction, decoder.scale)
    return result


def _rounded(point: Tensor, scale: Tensor) -> Tensor:
    """The nearest points of the grid (B, D)."""
    return (point / scale / GRID).round() * GRID * scale


def _look(decoder: Decoder, point: Tensor, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nats (B,), whether each token is the likeliest (B,), and the way up (B, D), one standard deviation long."""
    unit = (point / decoder.scale).requires_grad_()
    with torch.enable_grad():
        logits = decoder(unit * decoder.scale, tokens)
        loss = negative_log_likelihood(logits, tokens, lengths)
        (slope,) = torch.autograd.grad(loss.sum(), [unit])
    direction = slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-12) * decoder.scale
    return loss.detach(), is_greedy(logits, tokens, lengths), direction
