"""Gaussian processes of molecules fitted to measurements, with intervals calibrated on held-out clusters.

Notation: N molecules, D latent dimensions, P properties, n labelled molecules; coarse dimensions: those with the
greatest standard deviation of the prior (see docs/concepts/latent-space.md).
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
    KernelInputs,
    MoleculeProcess,
    MoleculeProcessConfig,
    compute_kernel_inputs,
    mixed_kernel,
    text_tensor,
)
from molgen.train.fit.tobit import sites_of_bounds

MAX_FITTED = 800
"""Maximum number of molecules that hyper-parameters are fitted to; predictions use all."""
N_STEPS = 15
MIN_NOISE = 0.01
"""Minimum variance of a measurement, relative to that of all labels."""
FIRST_NOISE = 0.1
"""Initial noise variance, to which `MIN_NOISE` is added."""
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
    inputs: KernelInputs | None = None,
) -> MoleculeProcess:
    """Calibrated processes of measured molecules; a deterministic function of the arguments.

    Args:
        properties: P names.
        data: At least one molecule; the process keeps all. Hyper-parameters are fitted to values, or to bounds if
            there are no values.
        prior_scale: (D,) standard deviations of the prior. Dimensions of equal standard deviation share a length scale;
            those of the greatest are the coarse ones.
        seed: Seed of the order of the molecules. Hyper-parameters are fitted to the first ones, which are also the
            centres of clusters.
        inputs: Kernel inputs (N, N) of the molecules, if they have been computed already.
    """
    order = np.random.default_rng(seed).permutation(len(data.smiles))
    smiles = [data.smiles[i] for i in order]
    text = text_tensor(smiles)
    process = MoleculeProcess(MoleculeProcessConfig(properties, data.z.shape[1], len(smiles), len(text)))
    process.text.copy_(text)
    process.points.copy_(torch.from_numpy(np.nan_to_num(data.z[order])))
    z = process.points.double()
    _, group = torch.unique(prior_scale.cpu(), return_inverse=True)
    inputs = inputs or compute_kernel_inputs([parse(one, AS_IT_IS).mol for one in data.smiles])
    for p in range(len(properties)):
        rows = np.flatnonzero(~np.isnan(data.values[order, p]))
        numbers = order[rows]
        process.relations[:, p] = MISSING
        process.labels[:, p] = process.targets[:, p] = 0.0
        if len(rows):
            labels = _Labels.of(data, numbers, p)
            fit = _fit_property(labels, [one[numbers][:, numbers] for one in inputs], z[rows], group)
            process.relations[rows, p] = torch.from_numpy(labels.relations)
            for name in ("labels", "targets", "variances"):
                getattr(process, name)[rows, p] = getattr(fit, name).float()
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
    """The parameters of one property.

    Attributes:
        labels: (n,), values and bounds.
        targets: (n,), the same with site means in place of bounds.
        variances: (n,), noise variances of the targets.
        lengths: (2, D), length scales of the two latent kernels.
        descriptor_length: (), length scale of the kernel of descriptors.
        shares: (6,), weights of the kernels, which sum to 1.
        signal: Variance of the process.
        noise: Variance of a single measurement.
        location: The prior mean.
        widths: (101,), half-widths of intervals, see `MoleculeProcess`.
    """

    labels: Tensor
    targets: Tensor
    variances: Tensor
    lengths: Tensor
    descriptor_length: Tensor
    shares: Tensor
    signal: float
    noise: float
    location: float
    widths: Tensor


def _fit_property(labels: _Labels, inputs: KernelInputs, z: Tensor, group: Tensor) -> _Fit:
    """Fits the process of one property to the n molecules that have a label of it."""
    exact = labels.is_exact.nonzero()[:, 0]
    exact = exact if len(exact) else torch.arange(len(z))
    chosen = exact[:MAX_FITTED]
    spread = float(labels.values[exact].var(correction=0).clamp_min(MIN_VARIANCE))
    replicates = labels.replicate_variance / spread
    kernel = _fit_hyperparameters(
        (labels.values[chosen] - labels.values[exact].mean()) / math.sqrt(spread),
        [one[chosen][:, chosen] for one in inputs],
        z[chosen],
        group,
        replicates / labels.counts[chosen],
    )
    shares, lengths, descriptor_length, signal, noise = kernel
    covariance = spread * signal * mixed_kernel(shares, lengths, descriptor_length, inputs, z, z)
    variances = spread * (noise + replicates / labels.counts)
    location = _fit_mean(covariance[exact][:, exact], variances[exact], labels.values[exact])
    targets, variances = _replace_bounds(labels, covariance, variances, location)
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
    fit.widths = _calibrate_widths(fit, labels, covariance)
    return fit


def _fit_hyperparameters(
    y: Tensor, inputs: KernelInputs, z: Tensor, group: Tensor, fixed_noise: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Hyper-parameters of maximum posterior density.

    The density is the marginal likelihood, at the prior mean that maximises it, with log-normal priors centred on the
    initial values (standard deviation 2 ** 0.5 of the logarithm; MAP). Returned are the shares (6,), the length scales
    (2, D) and (), and the variances of signal and noise, relative to that of the values.
    Source: Rasmussen & Williams 2006, equation 5.8.

    Args:
        y: (n,) standardised values.
        inputs: Kernel inputs (n, n).
        z: (n, D).
        group: (D,) the group of each dimension, from 0; coarse dimensions are the last group.
        fixed_noise: (n,) known noise variances, to which a fitted one is added.
    """
    n_groups = int(group.max()) + 1
    variance = z.var(dim=0, correction=0)
    # in these length scales, the mean squared distance of two molecules is 1 / n_groups in each group
    pairwise = torch.stack([2.0 * n_groups * variance[group == g].sum() for g in range(n_groups)])
    initial = pairwise.clamp_min(MIN_VARIANCE).sqrt()
    logs = torch.zeros(N_SHARES + n_groups + 3, dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([logs], max_iter=N_STEPS, line_search_fn="strong_wolfe")

    def numbers() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        lengths = (initial * logs[N_SHARES:-3].exp())[group]
        # the longest length scale switches the fine dimensions off
        of_coarse = torch.where(group == n_groups - 1, lengths, LONGEST)
        signal, noise = logs[-2].exp(), MIN_NOISE + FIRST_NOISE * logs[-1].exp()
        return logs[:N_SHARES].softmax(dim=0), torch.stack([lengths, of_coarse]), logs[-3].exp(), signal, noise

    def loss() -> float:
        optimiser.zero_grad()
        shares, lengths, descriptor_length, signal, noise = numbers()
        covariance = signal * mixed_kernel(shares, lengths, descriptor_length, inputs, z, z)
        root = torch.linalg.cholesky(covariance + torch.diag(noise + fixed_noise))
        inverse_ones, inverse_y = torch.cholesky_solve(torch.stack([torch.ones_like(y), y], dim=1), root).unbind(dim=1)
        mean = inverse_y.sum() / inverse_ones.sum()
        misfit = ((y - mean) * (inverse_y - mean * inverse_ones)).sum()
        total = 0.5 * misfit + root.diagonal().log().sum() + 0.25 * logs.square().sum()
        total.backward()
        return float(total.detach())

    optimiser.step(loss)
    with torch.no_grad():
        return numbers()


def _fit_mean(covariance: Tensor, variances: Tensor, y: Tensor) -> float:
    """The prior mean of maximum marginal likelihood.

    Source: Rasmussen & Williams 2006, equation 2.42, for a constant mean.
    """
    root = torch.linalg.cholesky(covariance + torch.diag(variances))
    inverse_ones = torch.cholesky_solve(torch.ones_like(y)[:, None], root)[:, 0]
    return float((inverse_ones * y).sum() / inverse_ones.sum())


def _replace_bounds(labels: _Labels, covariance: Tensor, variances: Tensor, location: float) -> tuple[Tensor, Tensor]:
    """Targets and variances (n,): values unchanged, bounds replaced by sites."""
    is_exact = labels.is_exact
    if is_exact.all():
        return labels.values, variances
    exact, bounded = is_exact.nonzero()[:, 0], (~is_exact).nonzero()[:, 0]
    mean, posterior = _condition(covariance, labels.values - location, variances, exact, bounded)
    signs = torch.from_numpy(np.where(labels.relations == ABOVE, 1.0, -1.0))[bounded]
    sites = sites_of_bounds(mean + location, posterior, labels.values[bounded], signs, variances[bounded])
    targets, variances = labels.values.clone(), variances.clone()
    targets[bounded], variances[bounded] = sites
    return targets, variances


def _condition(
    covariance: Tensor, residual: Tensor, variances: Tensor, given: Tensor, asked: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean (A,) and covariance (A, A) of the process at rows `asked`, given residuals at rows `given`."""
    root = torch.linalg.cholesky(covariance[given][:, given] + torch.diag(variances[given]))
    v = torch.linalg.solve_triangular(root, covariance[given][:, asked], upper=False)
    whitened = torch.linalg.solve_triangular(root, residual[given][:, None], upper=False)
    return (v.t() @ whitened)[:, 0], covariance[asked][:, asked] - v.t() @ v


def _calibrate_widths(fit: _Fit, labels: _Labels, covariance: Tensor) -> Tensor:
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
            mean, posterior = _condition(covariance, residual, fit.variances, given, asked)
            std = (posterior.diagonal().clamp_min(0.0) + fit.noise).sqrt()
            ratios.append((residual[asked] - mean).abs() / std)
    shares = torch.linspace(0.0, 1.0, N_WIDTHS, dtype=torch.double)
    together = torch.cat(ratios)
    of_normal: Tensor = torch.special.ndtri(0.5 + 0.5 * shares.clamp_max(0.999))
    return torch.quantile(together, shares) if len(together) >= 2 * N_FOLDS else of_normal
