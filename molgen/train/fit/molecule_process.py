"""Gaussian processes of molecules fitted to measurements, with intervals calibrated on held-out clusters.

Notation: N molecules, D latent dimensions, P properties, n labelled molecules, G groups of dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.model.gaussian_process import LONGEST
from molgen.model.molecule_process import (
    ABOVE,
    EXACT,
    MISSING,
    N_SHARES,
    N_WIDTHS,
    Kernels,
    MoleculeProcess,
    MoleculeProcessConfig,
    mixed_kernel,
    similarities_among,
    text_tensor,
)
from molgen.train.fit.tobit import sites_of_bounds

N_SEARCHED = 800
"""Maximum number of molecules that the kernel is fitted to; the processes use all."""
N_STEPS = 15
MIN_NOISE = 0.01
"""Minimum variance of a measurement, relative to that of all labels."""
FIRST_NOISE = 0.1
"""Initial variance above `MIN_NOISE`."""
MIN_VARIANCE = 1e-6
N_FOLDS = 4
CLUSTER_SIZE = 20
"""Mean number of molecules in a cluster, which are held out together."""


@dataclass(frozen=True)
class Measurements:
    """Labels of N distinct molecules.

    Attributes:
        smiles: Canonical SMILES.
        z: (N, D) points; NaN for a molecule that cannot be encoded.
        values: (N, P), NaN if missing.
        relations: (N, P), each `EXACT`, `BELOW` or `ABOVE` if there is a value.
        counts: (N, P), number of measurements of a value, at least 1.
        replicate_variance: (P,), variance of single measurements about the mean of their molecule; 0 if unknown.
    """

    smiles: Sequence[str]
    z: NDArray[np.float32]
    values: NDArray[np.float64]
    relations: NDArray[np.uint8]
    counts: NDArray[np.float64]
    replicate_variance: NDArray[np.float64]

    @classmethod
    def exact(cls, smiles: Sequence[str], z: NDArray[np.float32], values: NDArray[np.float64]) -> Measurements:
        """Labels without bounds, from measurements (N, P), NaN if missing; a repeated molecule gets their median."""
        rows: dict[str, list[int]] = {}
        for i, text in enumerate(smiles):
            rows.setdefault(text, []).append(i)
        first = [group[0] for group in rows.values()]
        merged = np.full((len(rows), values.shape[1]), np.nan)
        counts = np.ones_like(merged)
        squares, freedom = np.zeros(values.shape[1]), np.zeros(values.shape[1])
        for i, group in enumerate(rows.values()):
            for p in range(values.shape[1]):
                known = values[group, p][~np.isnan(values[group, p])]
                if len(known):
                    merged[i, p], counts[i, p] = np.median(known), len(known)
                    squares[p] += ((known - known.mean()) ** 2).sum()
                    freedom[p] += len(known) - 1
        variance = squares / np.maximum(freedom, 1.0)
        return cls(list(rows), z[first], merged, np.full(merged.shape, EXACT, np.uint8), counts, variance)


def fit_molecule_process(
    properties: tuple[str, ...],
    data: Measurements,
    prior_scale: Tensor,
    seed: int,
    features: Kernels | None = None,
) -> MoleculeProcess:
    """Calibrated processes of measured molecules; a deterministic function of the arguments.

    Args:
        properties: P names.
        data: At least one molecule; each is kept. Kernels are fitted to values, or to bounds if there are no values.
        prior_scale: (D,) standard deviations of the prior: dimensions with equal ones share a length scale, those with
            the greatest are coarse.
        seed: Seed of the order of the molecules; the first ones determine the kernel and are the centres of clusters.
        features: Similarities and distances (N, N) of the molecules, if they have been computed already.
    """
    order = np.random.default_rng(seed).permutation(len(data.smiles))
    smiles = [data.smiles[i] for i in order]
    text = text_tensor(smiles)
    process = MoleculeProcess(MoleculeProcessConfig(properties, data.z.shape[1], len(smiles), len(text)))
    process.text.copy_(text)
    process.points.copy_(torch.from_numpy(np.nan_to_num(data.z[order])))
    z = process.points.double()
    _, group = torch.unique(prior_scale.cpu(), return_inverse=True)
    features = features or similarities_among([parse(one, AS_IT_IS).mol for one in data.smiles])
    for p in range(len(properties)):
        rows = np.flatnonzero(~np.isnan(data.values[order, p]))
        numbers = order[rows]
        process.relations[:, p] = MISSING
        process.labels[:, p] = process.targets[:, p] = 0.0
        if len(rows):
            labels = _Labels.of(data, numbers, p)
            fit = _fitted(labels, [one[numbers][:, numbers] for one in features], z[rows], group)
            process.relations[rows, p] = torch.from_numpy(labels.relations)
            for name in ("values", "targets", "variances"):
                getattr(process, {"values": "labels"}.get(name, name))[rows, p] = getattr(fit, name).float()
            for name in ("lengths", "descriptor_length", "shares", "signal", "noise", "location", "widths"):
                getattr(process, name)[p] = torch.as_tensor(getattr(fit, name)).float()
    return process.eval()


@dataclass(frozen=True)
class _Labels:
    """Labels (n,) of one property."""

    values: Tensor
    relations: NDArray[np.uint8]
    counts: Tensor
    replicate_variance: float

    @classmethod
    def of(cls, data: Measurements, rows: NDArray[np.int64], p: int) -> _Labels:
        values, counts = (torch.from_numpy(part[rows, p]).double() for part in (data.values, data.counts))
        return cls(values, data.relations[rows, p], counts, float(data.replicate_variance[p]))

    @property
    def is_exact(self) -> Tensor:
        return torch.from_numpy(self.relations == EXACT)


@dataclass
class _Fit:
    """The parameters of one property; `values` to `variances` are (n,)."""

    values: Tensor
    targets: Tensor
    variances: Tensor
    lengths: Tensor
    descriptor_length: Tensor
    shares: Tensor
    signal: float
    noise: float
    location: float
    widths: Tensor


def _fitted(labels: _Labels, features: Kernels, z: Tensor, group: Tensor) -> _Fit:
    """The process of one property, fitted to the n molecules that have a label of it."""
    exact = labels.is_exact.nonzero()[:, 0]
    exact = exact if len(exact) else torch.arange(len(z))
    chosen = exact[:N_SEARCHED]
    spread = float(labels.values[exact].var(correction=0).clamp_min(MIN_VARIANCE))
    replicates = labels.replicate_variance / spread
    kernel = _likeliest(
        (labels.values[chosen] - labels.values[exact].mean()) / math.sqrt(spread),
        [one[chosen][:, chosen] for one in features],
        z[chosen],
        group,
        replicates / labels.counts[chosen],
    )
    shares, lengths, descriptor_length, signal, noise = kernel
    covariance = spread * signal * mixed_kernel(shares, lengths, descriptor_length, features, z, z)
    variances = spread * (noise + replicates / labels.counts)
    location = _likeliest_mean(covariance[exact][:, exact], variances[exact], labels.values[exact])
    targets, variances = _with_sites(labels, covariance, variances, location)
    fit = _Fit(
        labels.values,
        targets,
        variances,
        lengths,
        descriptor_length,
        shares,
        spread * float(signal),
        spread * float(noise) + labels.replicate_variance,
        location,
        torch.zeros(N_WIDTHS),
    )
    fit.widths = _widths(fit, labels, covariance)
    return fit


def _likeliest(
    y: Tensor, features: Kernels, z: Tensor, group: Tensor, fixed_noise: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The kernel of greatest posterior density: shares (6,), length scales (2, D) and (), signal and noise variance.

    The density is the marginal likelihood, with the prior mean that maximises it, times a normal density of the
    logarithm of each parameter, with a standard deviation of 2 ** 0.5.
    Source: Rasmussen & Williams 2006, equation 5.8.

    Args:
        y: (n,) standardised values.
        features: Similarities and distances (n, n).
        z: (n, D).
        group: (D,) the group of each dimension, from 0; coarse dimensions are the last group.
        fixed_noise: (n,) known noise variances, to which a fitted one is added.
    """
    n_groups = int(group.max()) + 1
    variance = z.var(dim=0, correction=0)
    pairwise = torch.stack([2.0 * n_groups * variance[group == g].sum() for g in range(n_groups)])
    first = pairwise.clamp_min(MIN_VARIANCE).sqrt()
    logs = torch.zeros(N_SHARES + n_groups + 3, dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs], max_iter=N_STEPS, line_search_fn="strong_wolfe")

    def numbers() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        lengths = (first * logs[N_SHARES:-3].exp())[group]
        of_coarse = torch.where(group == n_groups - 1, lengths, LONGEST)
        signal, noise = logs[-2].exp(), MIN_NOISE + FIRST_NOISE * logs[-1].exp()
        return logs[:N_SHARES].softmax(dim=0), torch.stack([lengths, of_coarse]), logs[-3].exp(), signal, noise

    def loss() -> float:
        optimiser.zero_grad()
        shares, lengths, descriptor_length, signal, noise = numbers()
        covariance = signal * mixed_kernel(shares, lengths, descriptor_length, features, z, z)
        root = torch.linalg.cholesky(covariance + torch.diag(noise + fixed_noise))
        of_one, of_y = torch.cholesky_solve(torch.stack([torch.ones_like(y), y], dim=1), root).unbind(dim=1)
        mean = of_y.sum() / of_one.sum()
        misfit = ((y - mean) * (of_y - mean * of_one)).sum()
        total = 0.5 * misfit + root.diagonal().log().sum() + 0.25 * logs.square().sum()
        total.backward()
        return float(total.detach())

    optimiser.step(loss)
    with torch.no_grad():
        return numbers()


def _likeliest_mean(covariance: Tensor, variances: Tensor, y: Tensor) -> float:
    """The prior mean with the greatest marginal likelihood.

    Source: Rasmussen & Williams 2006, equation 2.42, for a constant mean.
    """
    root = torch.linalg.cholesky(covariance + torch.diag(variances))
    of_one = torch.cholesky_solve(torch.ones_like(y)[:, None], root)[:, 0]
    return float((of_one * y).sum() / of_one.sum())


def _with_sites(labels: _Labels, covariance: Tensor, variances: Tensor, location: float) -> tuple[Tensor, Tensor]:
    """Targets and variances (n,): values unchanged, bounds as sites."""
    is_exact = labels.is_exact
    if is_exact.all():
        return labels.values, variances
    exact, bounded = is_exact.nonzero()[:, 0], (~is_exact).nonzero()[:, 0]
    mean, posterior = _conditioned(covariance, labels.values - location, variances, exact, bounded)
    signs = torch.from_numpy(np.where(labels.relations == ABOVE, 1.0, -1.0))[bounded]
    sites = sites_of_bounds(mean + location, posterior, labels.values[bounded], signs, variances[bounded])
    targets, variances = labels.values.clone(), variances.clone()
    targets[bounded], variances[bounded] = sites
    return targets, variances


def _conditioned(
    covariance: Tensor, residual: Tensor, variances: Tensor, given: Tensor, asked: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean (A,) and covariance (A, A) of the process at rows `asked`, given residuals at rows `given`."""
    root = torch.linalg.cholesky(covariance[given][:, given] + torch.diag(variances[given]))
    reach = torch.linalg.solve_triangular(root, covariance[given][:, asked], upper=False)
    whitened = torch.linalg.solve_triangular(root, residual[given][:, None], upper=False)
    return (reach.t() @ whitened)[:, 0], covariance[asked][:, asked] - reach.t() @ reach


def _widths(fit: _Fit, labels: _Labels, covariance: Tensor) -> Tensor:
    """Half-widths (101,) of intervals in standard deviations, by the share of held-out values that they contain.

    Random molecules are the centres of clusters, and each molecule belongs to the cluster of its most similar centre. A
    quarter of the clusters is held out at a time. If molecules were held out one by one, most would be predicted from
    the rest of their series, which is not possible for a new series. With fewer than 8 held-out values, the half-widths
    are those of a normal distribution.
    Source: Roberts et al. 2017, Ecography 40, 913 (cross-validation in blocks).
    """
    n_clusters = max(N_FOLDS, len(covariance) // CLUSTER_SIZE)
    fold = covariance[:, :n_clusters].argmax(dim=1) % N_FOLDS
    residual = fit.targets - fit.location
    ratios = [torch.zeros(0, dtype=torch.double)]
    for out in (fold == i for i in range(N_FOLDS)):
        asked, given = (out & labels.is_exact).nonzero()[:, 0], (~out).nonzero()[:, 0]
        if len(asked) and len(given):
            mean, posterior = _conditioned(covariance, residual, fit.variances, given, asked)
            std = (posterior.diagonal().clamp_min(0.0) + fit.noise).sqrt()
            ratios.append((residual[asked] - mean).abs() / std)
    shares = torch.linspace(0.0, 1.0, N_WIDTHS, dtype=torch.double)
    together = torch.cat(ratios)
    of_normal: Tensor = torch.special.ndtri(0.5 + 0.5 * shares.clamp_max(0.999))
    return torch.quantile(together, shares) if len(together) >= 2 * N_FOLDS else of_normal
