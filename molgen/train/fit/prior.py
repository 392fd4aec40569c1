"""Learned priors, fitted to the points or the molecules of a finished autoencoder.

Notation: N points, D latent dimensions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from molgen.model.checkpoint import MolecularModel
from molgen.model.prior import POINT_PRIORS, FlowPrior, GanPrior, PointPrior, Prior, PriorConfig, PriorKind
from molgen.train.data.dataset import TokenSet
from molgen.train.fit.language_model import Watch, draw_training_smiles, fit_language_model
from molgen.train.validation import encode_rows

N_POINTS = 200_000
"""Maximum number of points that a flow or a GAN is fitted to."""
BATCH_SIZE = 256
N_STEPS: dict[PriorKind, int] = {"flow": 12_000, "gan": 3_000}
SIZES: dict[PriorKind, tuple[int, int]] = {"flow": (384, 3), "gan": (256, 2)}
"""Hidden units and residual blocks; both fits take about five minutes on one core."""
RATES: dict[PriorKind, float] = {"flow": 1e-3, "gan": 1e-4}
N_CRITIC = 5
"""Steps of the critic per step of the generator (Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1)."""


def fit_prior(
    model: MolecularModel, kind: PriorKind, data: TokenSet, seed: int, watch: Watch = lambda _: None
) -> MolecularModel:
    """The model with a learned prior of that kind, fitted to the training molecules of `data`.

    Args:
        model: Its encoder and its Gaussian prior are not changed.
        kind: Kind of the prior; an existing one of this kind is replaced.
        data: Molecules; validation molecules are not used.
        seed: Seed of points, initial weights and noise.
        watch: Called after each step.
    """
    prior: Prior
    if kind == "language":
        prior = fit_language_model(draw_training_smiles(model.vocabulary, data, seed), seed, watch)
    else:
        rows = np.flatnonzero(~data.is_validation)
        rows = np.random.default_rng(seed).permutation(rows)[:N_POINTS]
        mean, _ = encode_rows(model.vae, data, rows)
        points = whiten(mean, model.prior_mean, model.prior_factor)
        prior = fit_point_prior(kind, points, seed, watch)
    return replace(model, priors={**model.priors, kind: prior})


def whiten(z: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """Points (N, D) whitened by the Gaussian of `mean` (D,) and Cholesky factor (D, D)."""
    white: Tensor = torch.linalg.solve_triangular(factor, (z - mean).t(), upper=False)
    return white.t()


def fit_point_prior(
    kind: PriorKind,
    points: Tensor,
    seed: int,
    watch: Watch = lambda _: None,
    *,
    config: PriorConfig | None = None,
    n_steps: int | None = None,
) -> PointPrior:
    """A prior over whitened points (N, D), on the CPU; a deterministic function of the arguments."""
    config = config or PriorConfig(points.shape[1], *SIZES[kind])
    n_steps = n_steps or N_STEPS[kind]
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        prior = POINT_PRIORS[kind](config)
    draws = _Draws(points, seed)
    if isinstance(prior, FlowPrior):
        return _fit_flow(prior, draws, n_steps, watch)
    return _fit_gan(prior, draws, n_steps, watch)


class _Draws:
    """Batches of points and noise, from one seed."""

    def __init__(self, points: Tensor, seed: int) -> None:
        self.points = points
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self) -> Tensor:
        return self.points[torch.randint(len(self.points), (BATCH_SIZE,), generator=self.generator)]


def _fit_flow(prior: FlowPrior, draws: _Draws, n_steps: int, watch: Watch) -> FlowPrior:
    optimiser = torch.optim.Adam(prior.parameters(), lr=RATES["flow"])
    for step in range(n_steps):
        _set_rate(optimiser, RATES["flow"] * (1.0 - step / n_steps))
        _descend(optimiser, prior.loss(draws.batch(), draws.generator))
        watch((step + 1) / n_steps)
    return prior.eval()


def _fit_gan(prior: GanPrior, draws: _Draws, n_steps: int, watch: Watch) -> GanPrior:
    rate, betas = RATES["gan"], (0.0, 0.9)
    critic = torch.optim.Adam(prior.critic.parameters(), lr=rate, betas=betas)
    generator = torch.optim.Adam(prior.generator.parameters(), lr=rate, betas=betas)
    for step in range(n_steps):
        for _ in range(N_CRITIC):
            _descend(critic, prior.critic_loss(draws.batch(), draws.generator))
        _descend(generator, prior.generator_loss(BATCH_SIZE, draws.generator))
        watch((step + 1) / n_steps)
    return prior.eval()


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
