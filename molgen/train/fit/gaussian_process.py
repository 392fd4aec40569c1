"""Gaussian processes fitted to points of labelled molecules, calibrated on held-out clusters.

Notation: N labelled molecules, D latent dimensions, P properties, G groups of dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from molgen.metrics import STDS_OF_90_PERCENT
from molgen.model.gaussian_process import (
    LONGEST,
    GaussianProcess,
    GaussianProcessConfig,
    add_noise,
    squared_distances,
    sum_kernel,
)

N_SEARCHED = 800
"""Number of molecules used to fit the kernel; the processes use all."""
N_STEPS = 12
FIRST_NOISE, MIN_NOISE = 0.1, 0.01
MIN_VARIANCE = 1e-6

N_FOLDS = 4
CELL_SIZE = 20
"""Mean number of molecules of a cell."""
COVERAGE = 0.9
"""Share of a normal distribution within `STDS_OF_90_PERCENT` of its mean."""


def fit_gaussian_process(
    properties: tuple[str, ...], z: Tensor, y: Tensor, prior_scale: Tensor, seed: int
) -> GaussianProcess:
    """Calibrated processes of `y` given `z`; a deterministic function of the arguments.

    Args:
        properties: P names.
        z: (N, D) points, on the CPU; each is kept.
        y: (N, P) labels, NaN if missing.
        prior_scale: (D,) standard deviations of the prior: dimensions with equal ones share a length scale, those with
            the greatest are coarse.
        seed: Selects the molecules for the kernel, and those for the posterior variance.
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(z)))
    process = GaussianProcess(GaussianProcessConfig(properties, z.shape[1], len(z)))
    process.points.copy_(z[order])
    points, labels = process.points.double(), y[order].double()
    _, group = torch.unique(prior_scale.cpu(), return_inverse=True)
    for p in range(len(properties)):
        rows = (~labels[:, p].isnan()).nonzero()[:, 0]
        if len(rows):
            single = _fit_property(points[rows], labels[rows, p], group)
            process.weights[rows, p] = single.weights[:, 0]
            for name in ("lengths", "location", "scale", "noise"):
                getattr(process, name)[p] = getattr(single, name)[0]
    return process.eval()


def _fit_property(z: Tensor, y: Tensor, group: Tensor) -> GaussianProcess:
    """The process of one property that all N molecules have labels of."""
    lengths, noise = _maximise_posterior(z[:N_SEARCHED], y[:N_SEARCHED], group)
    process = _condition(z, y, lengths, noise)
    process.scale.fill_(_scale(z, y, lengths, noise))
    return process


def _condition(z: Tensor, y: Tensor, lengths: Tensor, noise: Tensor) -> GaussianProcess:
    """The process of one property given labels (N,), of scale 1."""
    process = GaussianProcess(GaussianProcessConfig(("y",), z.shape[1], len(z)))
    weights, mean, _, _ = _solve(z, y, lengths, noise)
    process.points.copy_(z)
    process.weights.copy_(weights[:, None])
    process.location.fill_(mean)
    process.lengths[0] = lengths
    process.noise.fill_(noise)
    return process


def _solve(z: Tensor, y: Tensor, lengths: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights (N,), the likeliest mean and variance, and the kernel's log determinant.

    Source: Rasmussen & Williams 2006, algorithm 2.1 and, for the mean, equation 2.42.
    """
    root = torch.linalg.cholesky(add_noise(sum_kernel(z, z, lengths), noise))
    of_one, of_y = torch.cholesky_solve(torch.stack([torch.ones_like(y), y], dim=1), root).unbind(dim=1)
    mean = of_y.sum() / of_one.sum()
    weights = of_y - mean * of_one
    return weights, mean, ((y - mean) * weights).mean(), 2.0 * root.diagonal().log().sum()


def _maximise_posterior(z: Tensor, y: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """Length scales (2, D), one per group of dimensions, and noise, with the greatest posterior density.

    That is the marginal likelihood, at its likeliest mean and variance, times a normal density of the logarithm of
    each parameter, with a standard deviation of 2 ** 0.5.
    Source: Rasmussen & Williams 2006, equation 5.8.

    Args:
        z: (N, D).
        y: (N,).
        group: (D,) the group of each dimension, from 0; the last is of the coarse ones.
    """
    n_groups = int(group.max()) + 1
    variance = z.var(dim=0, correction=0)
    pairwise = torch.stack([2.0 * n_groups * variance[group == g].sum() for g in range(n_groups)])
    first = pairwise.clamp_min(MIN_VARIANCE).sqrt()
    target = (y - y.mean()) / y.std(correction=0).clamp_min(MIN_VARIANCE)
    logs = torch.zeros(n_groups + 1, dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs], max_iter=N_STEPS, line_search_fn="strong_wolfe")

    def kernel() -> tuple[Tensor, Tensor]:
        lengths = (first * logs[:-1].exp())[group]
        of_coarse = torch.where(group == n_groups - 1, lengths, LONGEST)
        return torch.stack([lengths, of_coarse]), MIN_NOISE + FIRST_NOISE * logs[-1].exp()

    def loss() -> float:
        optimiser.zero_grad()
        _, _, variance, log_determinant = _solve(z, target, *kernel())
        nll = 0.5 * (len(z) * variance.clamp_min(MIN_VARIANCE).log() + log_determinant)
        total = nll + 0.25 * logs.square().sum()
        total.backward()
        return float(total.detach())

    optimiser.step(loss)
    with torch.no_grad():
        return kernel()


def _scale(z: Tensor, y: Tensor, lengths: Tensor, noise: Tensor) -> float:
    """The factor by which 90 % of molecules lie in the 90 % interval of a process without their cell.

    Random molecules are the centres of cells, and each molecule belongs to the cell of its nearest centre; a cell is
    held out at a time. Held out singly, most would be predicted from the rest of their series, which is not possible
    for a new series.
    Source: Roberts et al. 2017, Ecography 40, 913 (cross-validation in blocks).
    """
    centres = z[: max(N_FOLDS, len(z) // CELL_SIZE)]
    fold = squared_distances(z / lengths[0], centres / lengths[0]).argmin(dim=1) % N_FOLDS
    needed = [torch.zeros(0)]
    for out in (fold == i for i in range(N_FOLDS)):
        if out.any() and not out.all():
            mean, std = _condition(z[~out], y[~out], lengths, noise).predict(z[out].float())
            needed.append((y[out] - mean[:, 0]).abs() / (STDS_OF_90_PERCENT * std[:, 0]))
    ratios = torch.cat(needed)
    return float(torch.quantile(ratios, COVERAGE)) if len(ratios) else 1.0
