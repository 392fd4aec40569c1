"""Properties from latent vectors by Gaussian processes, one per property, for up to a few thousand molecules.

The posterior variance at a point falls with its distance to the measured molecules. The kernel is the mean of two
Matern kernels, of all dimensions and of the coarse ones, which follow molecular structure, so that the process also
learns from molecules that are similar only in part.

Notation: B molecules, D latent dimensions, P properties, N labelled molecules, M of them used for the posterior
variance.
Sources: regression, Rasmussen & Williams 2006, algorithm 2.1; posterior variance from a subset of the data, their
section 8.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molgen.model.sizes import MAX_SIZE, require_properties, require_sizes

MAX_POINTS = 4096
"""Maximum of N; a checkpoint keeps the points, in half precision."""
N_KERNELS = 2
N_LANDMARKS = 512
"""Maximum of M; the cost of a prediction grows with its square."""

SHORTEST, LONGEST = 1e-4, 1e6
"""Bounds of a length scale."""
LEAST_NOISE, MOST_NOISE = 1e-3, 1e6
"""Bounds of the noise variance, relative to the variance of the process."""


@dataclass(frozen=True)
class GaussianProcessConfig:
    """Properties and sizes of the processes.

    Attributes:
        properties: Names of the P properties, in the order of the columns.
        latent_size: D.
        n_points: N.

    Raises:
        ValueError: Names are missing or repeated, or a size is out of range.
    """

    properties: tuple[str, ...]
    latent_size: int
    n_points: int

    def __post_init__(self) -> None:
        require_properties(self.properties)
        require_sizes(self, {"latent_size": MAX_SIZE, "n_points": MAX_POINTS})


class GaussianProcess(nn.Module):
    """Latent vectors (B, D) to mean and standard deviation of every property, each (B, P).

    Attributes:
        points: (N, D), of the measured molecules, in half precision.
        lengths: (P, 2, D), length scales; those of the fine dimensions are so long in the second kernel that it
            ignores them.
        weights: (N, P), alpha of algorithm 2.1, in the units of the property; 0 for a molecule without a
            label.
        location: (P,), the prior mean.
        scale: (P,), standard deviation of the process.
        noise: (P,), variance of a label relative to that of the process.
    """

    points: Tensor
    lengths: Tensor
    weights: Tensor
    location: Tensor
    scale: Tensor
    noise: Tensor

    def __init__(self, config: GaussianProcessConfig) -> None:
        super().__init__()
        self.config = config
        n, d, p = config.n_points, config.latent_size, len(config.properties)
        self.register_buffer("points", torch.zeros(n, d, dtype=torch.float16))
        self.register_buffer("lengths", torch.ones(p, N_KERNELS, d))
        self.register_buffer("weights", torch.zeros(n, p))
        self.register_buffer("location", torch.zeros(p))
        self.register_buffer("scale", torch.ones(p))
        self.register_buffer("noise", torch.ones(p))

    def require_sound(self) -> None:
        """Checks that the parameters allow a prediction at every point.

        Raises:
            ValueError: A length, scale or noise is out of range.
        """
        for name, low, high in (
            ("lengths", SHORTEST, LONGEST),
            ("scale", 0.0, torch.inf),
            ("noise", LEAST_NOISE, MOST_NOISE),
        ):
            values = getattr(self, name)
            if not ((low <= values) & (values <= high)).all():
                raise ValueError(f"{name} of a process must be from {low} to {high}")

    @torch.no_grad()
    def predict(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, P) of a label, in the units of the properties."""
        points = self.points.float()
        results = [self._predict(z, points, p) for p in range(len(self.config.properties))]
        mean, std = (torch.stack(columns, dim=1) for columns in zip(*results, strict=True))
        return mean, std

    def _predict(self, z: Tensor, points: Tensor, p: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B,) of property `p`."""
        k_star = mean_kernel(z, points, self.lengths[p])
        mean = self.location[p] + k_star @ self.weights[:, p]  # algorithm 2.1, line 4
        landmarks = self.weights[:, p].nonzero()[:N_LANDMARKS, 0]
        own = mean_kernel(points[landmarks], points[landmarks], self.lengths[p])
        factor = torch.linalg.cholesky(add_noise(own, self.noise[p]))  # L, line 2
        v = torch.linalg.solve_triangular(factor, k_star[:, landmarks].t(), upper=False)  # line 5
        variance = (1.0 - v.square().sum(dim=0)).clamp_min(0.0)  # line 6
        return mean, self.scale[p] * (variance + self.noise[p]).sqrt()


def mean_kernel(a: Tensor, b: Tensor, lengths: Tensor) -> Tensor:
    """The mean (A, B) of two Matern kernels of points (A, D) and (B, D), with length scales (2, D)."""
    return torch.stack([matern_kernel(a, b, one) for one in lengths]).mean(dim=0)


def matern_kernel(a: Tensor, b: Tensor, lengths: Tensor) -> Tensor:
    """The Matern kernel of smoothness 3/2, (A, B) in [0, 1], of points (A, D) and (B, D).

    Source: Rasmussen & Williams 2006, equation 4.17.

    Args:
        a: Points.
        b: Points.
        lengths: (D,), the length scales.
    """
    return matern_of_distance(squared_distances(a / lengths, b / lengths).clamp_min(1e-12).sqrt())


def matern_of_distance(distance: Tensor) -> Tensor:
    """The same kernel (A, B), of distances (A, B) that are divided by the length scale."""
    scaled = 3**0.5 * distance
    return (1.0 + scaled) * torch.exp(-scaled)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (A, B) of points (A, D) and (B, D); rounding may give values slightly below 0."""
    return a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2.0 * a @ b.t()


def add_noise(kernel: Tensor, noise: Tensor) -> Tensor:
    """A kernel matrix (N, N) with the noise variance of the labels added to its diagonal."""
    return kernel + noise * torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
