"""Gaussian processes fitted to the points of labelled molecules, and told how wrong they are where they did not look.

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
"""Molecules that the kernel is chosen with; the processes themselves take them all."""
N_STEPS = 12
FIRST_NOISE, MIN_NOISE = 0.1, 0.01
MIN_VARIANCE = 1e-6

N_FOLDS = 4
CELL_SIZE = 20
"""Molecules of a cell, on average."""
COVERAGE = 0.9
"""Share of a normal distribution within `STDS_OF_90_PERCENT` of its mean."""


def fit_gaussian_process(
    properties: tuple[str, ...], z: Tensor, y: Tensor, prior_scale: Tensor, seed: int
) -> GaussianProcess:
    """Processes of `y` given `z`, their standard deviations calibrated; a function of its arguments alone.

    Args:
        properties: P names.
        z: (N, D) points, on the CPU; each is kept.
        y: (N, P) labels, NaN where missing.
        prior_scale: (D,) standard deviations of the prior: dimensions with the same one get the same length, those with
            the greatest are coarse.
        seed: Decides which molecules choose the kernel, and which the spread knows of.
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
    """Lengths (2, D), one for each of G groups of dimensions, and noise: those of the greatest posterior density.

    That is the marginal likelihood, its mean and variance the likeliest, times a normal density of the logarithm of
    each number, with a standard deviation of 2 ** 0.5: it decides where the labels do not.
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
    """The scale at which 90 % of molecules lie in the 90 % interval of a process that knows nothing like them.

    Molecules are left out with the others of their cell: those nearest to the same of some molecules drawn at random.
    Left out one by one, most would be predicted from the rest of their series, which a new series does not have.
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
