"""The geometry loss: ties latent distances to Tanimoto distances.

Reconstruction alone does not place similar molecules near each other. The loss falls with the correlation between the
Euclidean distances of the points of a batch and the Tanimoto distances of its molecules.

Notation: B molecules, D latent dimensions, F fingerprint bits, M pairs of molecules.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SMALL = 1e-6
"""Added to squared distances, since the gradient of a root is unbounded at 0, and to a denominator that can be 0."""


def tanimoto_distances(fingerprints: Tensor) -> Tensor:
    """Tanimoto distances (B, B), in [0, 1], of packed fingerprints (B, F / 8); 0 between two molecules without bits.

    Source: Willett, Barnard & Downs 1998 (doi:10.1021/ci9800211), table 6.
    """
    shifts = torch.arange(8, dtype=torch.uint8, device=fingerprints.device)
    bits = ((fingerprints[:, :, None] >> shifts) & 1).flatten(1).float()
    common = bits @ bits.t()
    sizes = bits.sum(dim=1)
    union = sizes[:, None] + sizes - common
    return 1 - (common + (union == 0)) / union.clamp_min(1)


def euclidean_distances(points: Tensor) -> Tensor:
    """Distances (B, B) of points (B, D), differentiable everywhere."""
    return ((points[:, None] - points).square().sum(dim=2) + _SMALL).sqrt()


def geometry_loss(points: Tensor, fingerprints: Tensor) -> Tensor:
    """1 - r, in [0, 2]: r is the Pearson correlation of latent and Tanimoto distances over the M pairs of a batch.

    Args:
        points: (B, D).
        fingerprints: (B, F / 8), packed.
    """
    a, b = (_pairs(d) for d in (euclidean_distances(points.float()), tanimoto_distances(fingerprints)))
    correlation: Tensor = (a * b).sum() / (a.norm() * b.norm() + _SMALL)
    return 1 - correlation


def _pairs(distances: Tensor) -> Tensor:
    """The centred distances (M,) of pairs of different molecules."""
    n = len(distances)
    row, column = torch.triu_indices(n, n, offset=1, device=distances.device)
    pairs = distances[row, column]
    return pairs - pairs.mean()
