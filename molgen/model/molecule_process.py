"""Properties of molecules by Gaussian processes on structures and latent vectors.

The kernel of two molecules is a weighted sum of six: the Tanimoto similarities of their counts of circular features, of
circular features by role, and of atom pairs, a Matern kernel of their descriptors, and two of their latent vectors, in
all dimensions and in the coarse ones. A bound (`> 5`) is represented by the Gaussian site of expectation propagation.

Notation: B molecules, D latent dimensions, P properties, N measured molecules, n of them with a label of the property;
coarse dimensions: those with the greatest standard deviation of the prior (see docs/concepts/latent-space.md).
Sources: regression, Rasmussen & Williams 2006, algorithm 2.1; sites, their section 3.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from rdkit import Chem
from torch import Tensor, nn

from molgen.arrays import Doubles
from molgen.chem.count_fingerprints import CountFingerprints, FeatureKind
from molgen.chem.descriptor_vectors import compute_descriptors, descriptor_distances
from molgen.chem.molecule import AS_IT_IS, MAX_SMILES_LENGTH, parse
from molgen.model.gaussian_process import LONGEST, SHORTEST, matern_kernel, matern_of_distance
from molgen.model.sizes import MAX_SIZE, require_properties, require_sizes

MAX_MOLECULES = 4096
"""Maximum of N; a checkpoint keeps the molecules, and each prediction costs N squared operations."""
FEATURES: tuple[FeatureKind, ...] = ("circular", "roles", "pairs")
N_SHARES = len(FEATURES) + 3
"""Number of kernels: of features, of descriptors, and two of latent vectors."""
N_WIDTHS = 101
"""Number of central intervals, which hold 0, 1, ... 100 % of measurements, whose half-widths are kept."""
COVERED, COVERED_STDS = 90, 1.6449
"""`COVERED` % of a normal distribution lie within `COVERED_STDS` standard deviations of its mean."""
LEAST_WIDTH = 1e-3
MISSING, EXACT, BELOW, ABOVE = range(4)
"""Kinds of labels: none, a value, an upper bound (`<`), a lower bound (`>`)."""

KernelInputs = Sequence[Tensor]
"""The arguments of kernels: similarities (B, N) by each of `FEATURES`, and last the distances (B, N) of descriptors."""


@dataclass(frozen=True)
class MoleculeProcessConfig:
    """Properties and sizes of the processes.

    Attributes:
        properties: Names of the P properties, in the order of the columns.
        latent_size: D.
        n_molecules: N.
        n_bytes: Total length of the SMILES of the molecules, each followed by a line end.

    Raises:
        ValueError: Names are missing or repeated, or a size is out of range.
    """

    properties: tuple[str, ...]
    latent_size: int
    n_molecules: int
    n_bytes: int

    def __post_init__(self) -> None:
        require_properties(self.properties)
        bounds = {
            "latent_size": MAX_SIZE,
            "n_molecules": MAX_MOLECULES,
            "n_bytes": MAX_MOLECULES * (MAX_SMILES_LENGTH + 1),
        }
        require_sizes(self, bounds)


class MoleculeProcess(nn.Module):
    """Molecules with their latent vectors (B, D) to mean and standard deviation of every property, each (B, P).

    Computes on the CPU in double precision, whatever the device of its tensors.

    Attributes:
        text: (n_bytes,), the canonical SMILES of the N measured molecules, a line each.
        points: (N, D), their latent vectors; 0 for a molecule that cannot be encoded.
        labels: (N, P), measured values and bounds; 0 if missing.
        relations: (N, P), each `MISSING`, `EXACT`, `BELOW` or `ABOVE`.
        targets: (N, P), the observations of the process: values, and site means of bounds.
        variances: (N, P), their noise variances.
        lengths: (P, 2, D), length scales of the two latent kernels, as in `gaussian_process`.
        descriptor_length: (P,), length scale of the kernel of descriptors.
        shares: (P, 6), weights of the kernels, which sum to 1.
        signal: (P,), variance of the process.
        noise: (P,), variance of a single measurement, including variation that the kernels do not explain.
        location: (P,), the prior mean.
        widths: (P, 101), half-widths of intervals, in predicted standard deviations of a measurement before
            calibration, by the share of measurements that they contain; `predict` scales standard deviations so that
            the half-width of the 90 % interval is 1.6449 of them.
    """

    text: Tensor
    points: Tensor
    labels: Tensor
    relations: Tensor
    targets: Tensor
    variances: Tensor
    lengths: Tensor
    descriptor_length: Tensor
    shares: Tensor
    signal: Tensor
    noise: Tensor
    location: Tensor
    widths: Tensor

    def __init__(self, config: MoleculeProcessConfig) -> None:
        super().__init__()
        self.config = config
        n, d, p = config.n_molecules, config.latent_size, len(config.properties)
        self.register_buffer("text", torch.zeros(config.n_bytes, dtype=torch.uint8))
        self.register_buffer("points", torch.zeros(n, d, dtype=torch.float16))
        self.register_buffer("relations", torch.zeros(n, p, dtype=torch.uint8))
        for name, shape in {
            "labels": (n, p),
            "targets": (n, p),
            "variances": (n, p),
            "lengths": (p, 2, d),
            "descriptor_length": (p,),
            "shares": (p, N_SHARES),
            "signal": (p,),
            "noise": (p,),
            "location": (p,),
            "widths": (p, N_WIDTHS),
        }.items():
            self.register_buffer(name, torch.ones(shape))
        self._factors: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def require_sound(self) -> None:
        """Checks the number of SMILES and the ranges of the parameters.

        Raises:
            ValueError: The text does not hold N lines, or a number is out of range.
        """
        if len(self.smiles) != self.config.n_molecules:
            raise ValueError(f"a process of {self.config.n_molecules} molecules holds {len(self.smiles)} SMILES")
        is_labelled = self.relations > MISSING
        for name, values, low, high in (
            ("lengths", self.lengths, SHORTEST, LONGEST),
            ("descriptor_length", self.descriptor_length, SHORTEST, LONGEST),
            ("shares", self.shares, 0.0, 1.0),
            ("signal", self.signal, 0.0, math.inf),
            ("noise", self.noise, 0.0, math.inf),
            ("widths", self.widths, 0.0, math.inf),
            ("relations", self.relations, MISSING, ABOVE),
            ("variances", self.variances[is_labelled], 1e-12, math.inf),
        ):
            if not ((low <= values) & (values <= high)).all():
                raise ValueError(f"{name} of a process must be from {low} to {high}")

    @cached_property
    def smiles(self) -> tuple[str, ...]:
        """The N measured molecules."""
        return tuple(bytes(self.text.cpu().numpy()).decode("ascii").splitlines())

    @torch.no_grad()
    def predict(self, z: Tensor, mols: Sequence[Chem.Mol]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, P) of a single measurement, in the units of the properties.

        Args:
            z: (B, D), latent vectors of the molecules; NaN for one that cannot be encoded.
            mols: The B molecules.
        """
        return self.predict_at(self._inputs_to_measured(mols), z)

    @torch.no_grad()
    def predict_at(self, near: KernelInputs, z: Tensor) -> tuple[Tensor, Tensor]:
        """The same at points (B, D), with the kernel inputs `near` (B, N) to measured molecules."""
        columns = [self._marginal(z, near, p) for p in range(len(self.config.properties))]
        mean, std = (torch.stack(parts, dim=1) for parts in zip(*columns, strict=True))
        return mean, std

    @torch.no_grad()
    def joint(self, z: Tensor, mols: Sequence[Chem.Mol], p: int) -> tuple[Tensor, Tensor]:
        """Mean (B,) and covariance (B, B) of property `p`, without measurement noise.

        The arguments are those of `predict`.
        """
        return self.joint_at(self._inputs_to_measured(mols), compute_kernel_inputs(mols), z, p)

    @torch.no_grad()
    def joint_at(self, near: KernelInputs, among: KernelInputs, z: Tensor, p: int) -> tuple[Tensor, Tensor]:
        """The same at points (B, D).

        Args:
            near: Kernel inputs (B, N) to the measured molecules.
            among: Kernel inputs (B, B) of the molecules with one another.
            z: Their points.
            p: The property.
        """
        rows, factor, alpha = self._factor(p)
        z = _placed(z)
        k_star = self.kernel(near, z, self._z, p)[:, rows]
        own = self.kernel(among, z, z, p)
        v = torch.linalg.solve_triangular(factor, k_star.t(), upper=False)  # algorithm 2.1, line 5
        return float(self.location[p]) + k_star @ alpha, own - v.t() @ v  # equations 2.23, 2.24

    @torch.no_grad()
    def predict_left_out(self, p: int) -> Tensor:
        """Mean (N,) of property `p` for each measured molecule, given the others; NaN without a label.

        Source: Rasmussen & Williams 2006, equation 5.12.
        """
        rows, factor, alpha = self._factor(p)
        inverse = torch.linalg.solve_triangular(factor, torch.eye(len(factor), dtype=factor.dtype), upper=False)
        mean = torch.full((self.config.n_molecules,), math.nan, dtype=torch.double)
        mean[rows] = _double(self.targets[:, p])[rows] - alpha / inverse.square().sum(dim=0)
        return mean

    def half_width(self, interval: float) -> Tensor:
        """Half-width (P,) of the central interval that holds the share `interval`, in predicted standard deviations."""
        place = interval * (N_WIDTHS - 1)
        low = min(int(place), N_WIDTHS - 2)
        widths = _double(self.widths)
        return torch.lerp(widths[:, low], widths[:, low + 1], place - low) / self._stretch

    @property
    def _stretch(self) -> Tensor:
        """Factor (P,) by which `predict` multiplies standard deviations; see `widths`."""
        return _double(self.widths[:, COVERED]).clamp_min(LEAST_WIDTH) / COVERED_STDS

    def kernel(self, inputs: KernelInputs, a: Tensor, b: Tensor, p: int) -> Tensor:
        """Covariance (A, B) of property `p` of molecules with these kernel inputs and points (A, D) and (B, D)."""
        shares, lengths, length = (_double(part[p]) for part in (self.shares, self.lengths, self.descriptor_length))
        return float(self.signal[p]) * mixed_kernel(shares, lengths, length, inputs, a, b)

    def _marginal(self, z: Tensor, inputs: KernelInputs, p: int) -> tuple[Tensor, Tensor]:
        rows, factor, alpha = self._factor(p)
        k_star = self.kernel(inputs, _placed(z), self._z, p)[:, rows]
        v = torch.linalg.solve_triangular(factor, k_star.t(), upper=False)  # algorithm 2.1, line 5
        variance = (float(self.signal[p]) - v.square().sum(dim=0)).clamp_min(0.0) + float(self.noise[p])  # line 6
        return float(self.location[p]) + k_star @ alpha, variance.sqrt() * self._stretch[p]  # line 4

    def _factor(self, p: int) -> tuple[Tensor, Tensor, Tensor]:
        """The n rows with a label, the Cholesky factor L (n, n) of their covariance, and alpha (n,)."""
        if p not in self._factors:
            rows = (self.relations[:, p].cpu() > MISSING).nonzero()[:, 0]
            covariance = self.kernel(self._own, self._z, self._z, p)[rows][:, rows]
            noise = torch.diag(_double(self.variances[:, p])[rows])
            factor = torch.linalg.cholesky(covariance + noise)  # algorithm 2.1, line 2
            residual = _double(self.targets[:, p])[rows] - float(self.location[p])
            self._factors[p] = rows, factor, torch.cholesky_solve(residual[:, None], factor)[:, 0]  # line 3
        return self._factors[p]

    @property
    def _z(self) -> Tensor:
        return _double(self.points)

    @cached_property
    def _fingerprints(self) -> tuple[CountFingerprints, ...]:
        mols = [parse(text, AS_IT_IS).mol for text in self.smiles]
        return tuple(CountFingerprints.of(mols, kind) for kind in FEATURES)

    @cached_property
    def _descriptors(self) -> Doubles:
        return compute_descriptors([parse(text, AS_IT_IS).mol for text in self.smiles])

    @cached_property
    def _own(self) -> KernelInputs:
        similarities = [one.similarities(one) for one in self._fingerprints]
        return _tensors([*similarities, descriptor_distances(self._descriptors, self._descriptors)])

    def _inputs_to_measured(self, mols: Sequence[Chem.Mol]) -> KernelInputs:
        known = zip(FEATURES, self._fingerprints, strict=True)
        similarities = [CountFingerprints.of(mols, kind).similarities(one) for kind, one in known]
        return _tensors([*similarities, descriptor_distances(compute_descriptors(mols), self._descriptors)])


def mixed_kernel(
    shares: Tensor, lengths: Tensor, descriptor_length: Tensor, inputs: KernelInputs, a: Tensor, b: Tensor
) -> Tensor:
    """The kernel (A, B) of unit variance.

    Args:
        shares: (6,), which sum to 1.
        lengths: (2, D), of the latent kernels.
        descriptor_length: (), of the kernel of descriptors.
        inputs: Kernel inputs (A, B).
        a: Points (A, D).
        b: Points (B, D).
    """
    *similarities, distances = inputs
    of_latent = [matern_kernel(a, b, one) for one in lengths]
    parts = [*similarities, matern_of_distance(distances / descriptor_length), *of_latent]
    return torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum(dim=0)


def compute_kernel_inputs(mols: Sequence[Chem.Mol]) -> KernelInputs:
    """Kernel inputs (B, B) of molecules with one another."""
    descriptors = compute_descriptors(mols)
    fingerprints = [CountFingerprints.of(mols, kind) for kind in FEATURES]
    similarities = [one.similarities(one) for one in fingerprints]
    return _tensors([*similarities, descriptor_distances(descriptors, descriptors)])


def _tensors(matrices: Sequence[Doubles]) -> KernelInputs:
    return [torch.from_numpy(matrix) for matrix in matrices]


def text_tensor(smiles: Sequence[str]) -> Tensor:
    """SMILES in the form of `MoleculeProcess.text`."""
    return torch.from_numpy(np.frombuffer("".join(f"{text}\n" for text in smiles).encode("ascii"), np.uint8).copy())


def _placed(z: Tensor) -> Tensor:
    """Points (B, D) in double precision, with the origin in place of NaN."""
    return torch.nan_to_num(_double(z), nan=0.0)


def _double(values: Tensor) -> Tensor:
    return values.detach().cpu().double()
