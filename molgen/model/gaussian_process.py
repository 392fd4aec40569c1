"""Properties from latent vectors by Gaussian processes, one a property: what predicts best of a few thousand molecules.

A process compares a point with those of the molecules that were measured, and is surer the nearer they are. Half of its
kernel sees all dimensions, half the coarse ones alone, which follow the structure of molecules: so it also learns from
molecules that are alike only in part.

Notation: B molecules, D latent dimensions, P properties, N labelled molecules, M of them that the spread knows of.
Sources: regression, Rasmussen & Williams 2006, algorithm 2.1; a spread that knows a subset of the data, their section
8.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molgen.model.sizes import MAX_SIZE, require_properties, require_sizes

MAX_POINTS = 4096
"""N; a checkpoint keeps the points, in half precision."""
N_KERNELS = 2
N_LANDMARKS = 512
"""M at most; the cost of a prediction grows with its square."""

SHORTEST, LONGEST = 1e-4, 1e6
LEAST_NOISE, MOST_NOISE = 1e-3, 1e6


@dataclass(frozen=True)
class GaussianProcessConfig:
    """What the processes predict, and their sizes.

    Attributes:
        properties: Names, one a property, in the order of the columns.
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
        points: (N, D), of the molecules that were measured, in half precision.
        lengths: (P, 2, D), the distance in each dimension over which a property changes; in the second kernel so long,
            for fine dimensions, that it does not see them.
        weights: (N, P) of the kernel's values, in the property's units; 0 where a molecule has no label.
        location: (P,), what is predicted far from all points.
        scale: (P,), standard deviation of the process.
        noise: (P,), variance of a label, over that of the process.
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
        """Asks for numbers with which every point has a prediction.

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
        """Mean and standard deviation (B, P) of a label, in the properties' units."""
        points = self.points.float()
        results = [self._predict(z, points, p) for p in range(len(self.config.properties))]
        mean, std = (torch.stack(columns, dim=1) for columns in zip(*results, strict=True))
        return mean, std

    def _predict(self, z: Tensor, points: Tensor, p: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B,) of property `p`."""
        near = sum_kernel(z, points, self.lengths[p])
        mean = self.location[p] + near @ self.weights[:, p]
        landmarks = self.weights[:, p].nonzero()[:N_LANDMARKS, 0]
        own = sum_kernel(points[landmarks], points[landmarks], self.lengths[p])
        root = torch.linalg.cholesky(add_noise(own, self.noise[p]))
        known = torch.linalg.solve_triangular(root, near[:, landmarks].t(), upper=False).square().sum(dim=0)
        return mean, self.scale[p] * ((1.0 - known).clamp_min(0.0) + self.noise[p]).sqrt()


def sum_kernel(a: Tensor, b: Tensor, lengths: Tensor) -> Tensor:
    """The mean (A, B) of two Matern kernels of points (A, D) and (B, D), with lengths (2, D)."""
    return torch.stack([matern_kernel(a, b, one) for one in lengths]).mean(dim=0)


def matern_kernel(a: Tensor, b: Tensor, lengths: Tensor) -> Tensor:
    """The Matern kernel of smoothness 3/2, (A, B) in [0, 1], of points (A, D) and (B, D).

    Source: Rasmussen & Williams 2006, equation 4.17.

    Args:
        a: Points.
        b: Points.
        lengths: (D,), the unit of distance in each dimension.
    """
    distance = 3**0.5 * squared_distances(a / lengths, b / lengths).clamp_min(1e-12).sqrt()
    return (1.0 + distance) * torch.exp(-distance)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (A, B) of points (A, D) and (B, D), a little below 0 where rounding has it so."""
    return a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2.0 * a @ b.t()


def add_noise(kernel: Tensor, noise: Tensor) -> Tensor:
    """A kernel's matrix (N, N) with the variance of the labels' noise on its diagonal."""
    return kernel + noise * torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
