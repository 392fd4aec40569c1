"""Latent refinement: the point that decodes to a molecule, if its posterior mean does not.

The encoder is amortised, and its mean is slightly off for long molecules. A few steps of gradient descent on the
reconstruction loss, from the posterior mean, find a point nearby that decodes to the molecule.

Notation: B molecules, L tokens of the longest, D latent dimensions.
Source: semi-amortised inference, Kim et al. 2018 (arXiv:1802.02550), section 3; in latent optimisation, where it is
called inversion, Chu et al. 2024, InvBO (arXiv:2411.05330), section 3.1.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from molgen.model.decoder import is_greedy, negative_log_likelihood
from molgen.model.vae import Decoder, Vae

N_STEPS = 60
STEP_LENGTH = 0.3
"""Length of a step, in standard deviations of the prior; two points of the prior are about 14 apart."""
GRID = 2.0**-12
"""Spacing of the grid to which points are rounded, in standard deviations of the prior."""


def to_double(vae: Vae) -> Vae:
    """A copy of `vae` on the CPU in double precision, in which `refine` does not depend on the batch."""
    return copy.deepcopy(vae).cpu().double().requires_grad_(False).eval()


@torch.no_grad()
def decodes_to(decoder: Decoder, z: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Which points (B,) of `z` (B, D) decode greedily to `tokens` (B, L) of `lengths` (B,)."""
    return is_greedy(decoder(z, tokens), tokens, lengths)


def refine(decoder: Decoder, z: Tensor, tokens: Tensor, lengths: Tensor, *, n_steps: int = N_STEPS) -> Tensor:
    """Points (B, D) near `z` (B, D) that decode greedily to `tokens` (B, L), found by gradient descent.

    Points that already do are unchanged. If no such point is found in `n_steps`, the one with the smallest loss is
    returned.

    Matrix products round differently in batches of different sizes, and a descent amplifies such differences. After
    each step the point is therefore rounded to a grid, far coarser than the rounding errors of double precision and
    far finer than a step, so that in double precision the result does not depend on the batch.

    Args:
        decoder: Its weights are not changed.
        z: Starting points.
        tokens: Padded ids.
        lengths: (B,).
        n_steps: Maximum number of steps.
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
    """Nats (B,), whether every token is the likeliest (B,), and the normalised ascent direction (B, D)."""
    unit = (point / decoder.scale).requires_grad_()
    with torch.enable_grad():
        logits = decoder(unit * decoder.scale, tokens)
        loss = negative_log_likelihood(logits, tokens, lengths)
        (slope,) = torch.autograd.grad(loss.sum(), [unit])
    direction = slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-12) * decoder.scale
    return loss.detach(), is_greedy(logits, tokens, lengths), direction
