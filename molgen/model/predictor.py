"""Properties from latent vectors: a deep ensemble of small networks.

Notation: B molecules, D latent dimensions, P properties, K members, H hidden units. Missing labels are NaN.
Source: deep ensembles of Gaussian networks, Lakshminarayanan et al. 2017 (arXiv:1612.01474), equations 1, 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molgen.model.sizes import MAX_SIZE, require_properties, require_sizes

MAX_MEMBERS = 64


@dataclass(frozen=True)
class PredictorConfig:
    """Properties and sizes of the predictor.

    Attributes:
        properties: Names of the P properties, in the order of the columns.
        latent_size: D.
        hidden_size: H.
        n_members: K.

    Raises:
        ValueError: Names are missing or repeated, or a size is out of range.
    """

    properties: tuple[str, ...]
    latent_size: int
    hidden_size: int = 128
    n_members: int = 5

    def __post_init__(self) -> None:
        require_properties(self.properties)
        require_sizes(self, {"latent_size": MAX_SIZE, "hidden_size": MAX_SIZE, "n_members": MAX_MEMBERS})


class Predictor(nn.Module):
    """Latent vectors (B, D) to mean and standard deviation of every property, each (B, P)."""

    location: Tensor
    scale: Tensor

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.config = config
        k, d, h, p = config.n_members, config.latent_size, config.hidden_size, len(config.properties)
        self.hidden = nn.Parameter(torch.randn(k, d, h) * (2.0 / d) ** 0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(k, 1, h))
        self.output = nn.Parameter(torch.randn(k, h, 2 * p) * 0.1 * h**-0.5)
        self.output_bias = nn.Parameter(torch.zeros(k, 1, 2 * p))
        self.register_buffer("location", torch.zeros(p))
        self.register_buffer("scale", torch.ones(p))

    def standardise(self, y: Tensor) -> None:
        """Sets location and scale of the properties from training labels `y` (N, P), NaN where missing."""
        location = torch.nanmean(y, dim=0)
        deviation = torch.sqrt(torch.nanmean((y - location) ** 2, dim=0))
        self.location.copy_(torch.nan_to_num(location))
        self.scale.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (K, B, P) of each member, in standardised units."""
        hidden = torch.relu(z @ self.hidden + self.hidden_bias)
        mean, log_variance = (hidden @ self.output + self.output_bias).chunk(2, dim=2)
        return mean, log_variance.clamp(-8.0, 8.0)

    def loss(self, z: Tensor, y: Tensor, member_weight: Tensor) -> Tensor:
        """Negative log likelihood (B,) in nats, up to a constant, averaged over members and summed over known labels.

        Args:
            z: (B, D).
            y: (B, P) labels in the properties' units, NaN where missing.
            member_weight: (K, B), multiplicity of the molecule in the bootstrap sample of each member.
        """
        mean, log_variance = self(z)
        is_known = ~torch.isnan(y)
        target = (torch.nan_to_num(y) - self.location) / self.scale
        nll = 0.5 * (log_variance + (target - mean) ** 2 * torch.exp(-log_variance)) * is_known
        loss: Tensor = (nll.sum(dim=2) * member_weight).mean(dim=0)
        return loss

    @torch.no_grad()
    def predict(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, P) of the equally weighted mixture of members, in units of the labels."""
        mean, log_variance = self(z)
        centre = mean.mean(dim=0)
        variance = (log_variance.exp() + mean.square()).mean(dim=0) - centre.square()
        std = variance.clamp_min(0.0).sqrt() * self.scale
        return centre * self.scale + self.location, std
