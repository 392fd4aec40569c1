"""Learned priors: samplers of the aggregate posterior.

The aggregate posterior is not Gaussian, and samples of the best Gaussian approximation decode to molecules unlike the
training molecules. Three models approximate the aggregate posterior. A flow (flow matching) and a generative
adversarial network map noise to points, both in whitened units, in which the best Gaussian is the standard one. A
language model samples molecules, which the encoder maps to points.

Notation: N points, D latent dimensions, H hidden units, t time from 0 (noise) to 1 (data).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from molgen.model.language_model import SmilesLanguageModel
from molgen.model.sizes import MAX_SIZE, require_sizes

PriorKind = Literal["flow", "gan", "language"]
PRIOR_KINDS: tuple[PriorKind, ...] = get_args(PriorKind)
MAX_BLOCKS = 64
N_FREQUENCIES = 16
N_STEPS = 32
"""Number of steps of Heun's method from noise to data."""


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of a prior.

    Attributes:
        latent_size: D.
        hidden_size: H.
        n_blocks: Number of residual blocks.

    Raises:
        ValueError: A size is out of range.
    """

    latent_size: int
    hidden_size: int = 384
    n_blocks: int = 3

    def __post_init__(self) -> None:
        require_sizes(self, {"latent_size": MAX_SIZE, "hidden_size": MAX_SIZE, "n_blocks": MAX_BLOCKS})


class _Block(nn.Module):
    """A residual block (He et al. 2016, arXiv:1603.05027), initially the identity."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.up = nn.Linear(size, size)
        self.down = nn.Linear(size, size)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = x + self.down(functional.silu(self.up(self.norm(x))))
        return moved


def _network(n_in: int, n_out: int, config: PriorConfig) -> nn.Sequential:
    blocks = [_Block(config.hidden_size) for _ in range(config.n_blocks)]
    last = nn.Linear(config.hidden_size, n_out)
    return nn.Sequential(nn.Linear(n_in, config.hidden_size), *blocks, nn.SiLU(), last)


class FlowPrior(nn.Module):
    """Flow matching: the velocity of points on straight lines from noise to data.

    Source: flow matching with the optimal-transport path, Lipman et al. 2023 (arXiv:2210.02747), equations 20 to 23;
    it is the probability-flow form of a Gaussian diffusion (Song et al. 2021, arXiv:2011.13456, section 4.3).
    """

    frequencies: Tensor

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        self.network = _network(config.latent_size + 2 * N_FREQUENCIES, config.latent_size, config)
        steps = torch.arange(N_FREQUENCIES) / (N_FREQUENCIES - 1)
        self.register_buffer("frequencies", math.pi * 64.0**steps, persistent=False)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Velocity (N, D) at points (N, D) and times (N,)."""
        angles = t[:, None] * self.frequencies
        velocity: Tensor = self.network(torch.cat([x, angles.sin(), angles.cos()], dim=1))
        return velocity

    def loss(self, data: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the velocity at a random time on the line to each of `data` (N, D)."""
        noise = torch.randn(data.shape, generator=generator).to(data.device)
        t = torch.rand(len(data), generator=generator).to(data.device)
        x = noise + t[:, None] * (data - noise)
        return functional.mse_loss(self(x, t), data - noise)

    def sample(self, noise: Tensor) -> Tensor:
        """Points (N, D) that `noise` (N, D) flows to (Heun's method)."""
        x, step = noise, 1.0 / N_STEPS
        with torch.no_grad():
            for i in range(N_STEPS):
                t = torch.full((len(x),), i * step, device=x.device)
                first = self(x, t)
                x = x + 0.5 * step * (first + self(x + step * first, t + step))
        return x


class GanPrior(nn.Module):
    """A generator of points, and its critic.

    Source: LatentGAN, Prykhodko et al. 2019 (doi:10.1186/s13321-019-0397-9), with the Wasserstein loss and gradient
    penalty of Gulrajani et al. 2017 (arXiv:1704.00028), equation 3.
    """

    PENALTY = 10.0

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = _network(config.latent_size, config.latent_size, config)
        self.critic = _network(config.latent_size, 1, config)

    def critic_loss(self, data: Tensor, generator: torch.Generator) -> Tensor:
        """Loss of the critic on `data` (N, D) and as many generated points."""
        noise = torch.randn(data.shape, generator=generator).to(data.device)
        fake = self.sample(noise)
        mix = torch.rand(len(data), 1, generator=generator).to(data.device)
        between = (data + mix * (fake - data)).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between).sum(), [between], create_graph=True)
        penalty = (slope.norm(dim=1) - 1.0).square().mean()
        loss: Tensor = self.critic(fake).mean() - self.critic(data).mean() + self.PENALTY * penalty
        return loss

    def generator_loss(self, n: int, generator: torch.Generator) -> Tensor:
        """Loss of the generator on `n` points."""
        noise = torch.randn(n, self.config.latent_size, generator=generator)
        loss: Tensor = -self.critic(self._generate(noise.to(next(self.parameters()).device))).mean()
        return loss

    def sample(self, noise: Tensor) -> Tensor:
        """Points (N, D) generated from `noise` (N, D)."""
        with torch.no_grad():
            return self._generate(noise)

    def _generate(self, noise: Tensor) -> Tensor:
        points: Tensor = noise + self.generator(noise)
        return points


PointPrior = FlowPrior | GanPrior
"""Priors that map noise to points."""
Prior = PointPrior | SmilesLanguageModel

POINT_PRIORS: dict[PriorKind, type[FlowPrior] | type[GanPrior]] = {"flow": FlowPrior, "gan": GanPrior}
