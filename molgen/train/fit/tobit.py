"""Bounds in a Gaussian process, each replaced by an equivalent Gaussian measurement (Tobit likelihood).

Notation: C bounds, f their latent values, with a normal prior; s is +1 for a lower bound b, f + noise > b, and -1 for
an upper one. A site is a Gaussian factor with precision tau and precision times mean nu.
Source: expectation propagation, Rasmussen & Williams 2006, section 3.6; here sites are updated together, damped.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_ROUNDS = 100
DAMPING = 0.7
TOLERANCE = 1e-6
LEAST_PRECISION = 1e-8
"""Minimum precision of a site, relative to the inverse of the mean prior variance."""


def sites_of_bounds(
    mean: Tensor, covariance: Tensor, bounds: Tensor, signs: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Means and variances (C,) of the Gaussian sites of bounds.

    Args:
        mean: (C,) of f, given all values.
        covariance: (C, C) of f.
        bounds: (C,).
        signs: (C,), +1 or -1.
        noise: (C,) variances of the measurements.
    """
    least = LEAST_PRECISION / covariance.diagonal().mean()
    tau, nu = torch.zeros_like(mean), torch.zeros_like(mean)
    for _ in range(MAX_ROUNDS):
        marginal_mean, marginal_variance = _posterior(mean, covariance, tau, nu)
        cavity_precision = (1.0 / marginal_variance - tau).clamp_min(least)
        cavity_mean = (marginal_mean / marginal_variance - nu) / cavity_precision
        moved_mean, moved_variance = _tilted(cavity_mean, 1.0 / cavity_precision, bounds, signs, noise)
        new_tau = (1.0 / moved_variance - cavity_precision).clamp_min(least)
        new_nu = moved_mean * (cavity_precision + new_tau) - cavity_mean * cavity_precision
        change = float((new_tau - tau).abs().max() / (tau.abs().max() + least))
        tau, nu = torch.lerp(tau, new_tau, DAMPING), torch.lerp(nu, new_nu, DAMPING)
        if change < TOLERANCE:
            break
    return nu / tau, 1.0 / tau


def _posterior(mean: Tensor, covariance: Tensor, tau: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) of f given the sites; equations 3.53, 3.68."""
    scale = tau.sqrt()
    inner = torch.eye(len(tau), dtype=tau.dtype) + scale[:, None] * covariance * scale
    v = torch.linalg.solve_triangular(torch.linalg.cholesky(inner), scale[:, None] * covariance, upper=False)
    posterior = covariance - v.t() @ v
    return mean + posterior @ (nu - tau * mean), posterior.diagonal().clamp_min(1e-12)


def _tilted(mean: Tensor, variance: Tensor, bounds: Tensor, signs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) of f, its normal density weighted by the probability to meet the bound; equation 3.58."""
    total = (variance + noise).sqrt()
    x = signs * (mean - bounds) / total
    ratio = torch.exp(-0.5 * x.square() - 0.5 * math.log(2.0 * math.pi) - torch.special.log_ndtr(x))
    moved = mean + signs * variance * ratio / total
    return moved, (variance - variance.square() / total.square() * ratio * (x + ratio)).clamp_min(1e-12)
