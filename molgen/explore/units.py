"""The meaning of each latent unit: its information, its correlation with descriptors, and a rotated control.

A unit is one coordinate of the latent space. The same scores of randomly rotated spaces are the control: units have a
meaning only if they score higher than random axes.

Notation: N molecules, D latent dimensions, K descriptors.
Sources: active units, Burda et al. 2016 (arXiv:1509.00519), section 5.2; disentanglement, completeness and
informativeness, Eastwood & Williams 2018 (https://openreview.net/forum?id=By-7dz-AZ), section 2, with the weights of
linear probes as importances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import Molecule
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import SpecError
from molgen.explore.linear_probe import cross_predict, fit_probe
from molgen.explore.walk import find_walk_length
from molgen.latent.encodable import encode_named
from molgen.latent.space import LatentSpace
from molgen.metrics import r2
from molgen.model.vae import kl_divergence
from molgen.tokens.batches import batch_by_length

NAMES = ("qed", "logp", "sa", "tpsa", "hbd", "hba", "rotatable_bonds", "rings", "fsp3", "heavy_atoms")
"""Descriptors that units are correlated with."""
ACTIVE_VARIANCE = 0.01
"""Variance of the posterior mean, relative to the prior, above which a unit is active (Burda et al. 2016, section
5.2)."""
MIN_MOLECULES = 50
N_ROTATIONS = 5


@dataclass(frozen=True)
class Unit:
    """One latent unit.

    Attributes:
        index: Its number, from 0.
        is_coarse: Whether it is a coarse dimension.
        kl: KL divergence in nats, averaged over molecules.
        is_active: Whether it is active.
        correlations: Spearman's correlation with descriptors, the strongest first.
    """

    index: int
    is_coarse: bool
    kl: float
    is_active: bool
    correlations: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Dci:
    """Disentanglement scores.

    Attributes:
        disentanglement: In [0, 1]: 1 if each unit matters to one descriptor only.
        completeness: In [0, 1]: 1 if each descriptor depends on one unit only.
        informativeness: Mean R2 of probes of descriptors on all units (5 folds).
    """

    disentanglement: float
    completeness: float
    informativeness: float


@dataclass(frozen=True)
class Units:
    """All units and their scores.

    Attributes:
        n: Molecules.
        units: The D units, in order of decreasing KL divergence.
        score: Scores of the units.
        rotated: Mean scores over random rotations of the space.
    """

    n: int
    units: tuple[Unit, ...]
    score: Dci
    rotated: Dci

    @property
    def n_active(self) -> int:
        """Number of active units."""
        return sum(unit.is_active for unit in self.units)

    def most_correlated(self, n: int) -> tuple[Unit, ...]:
        """The `n` active units with the strongest correlation with a descriptor, strongest first."""
        active = [unit for unit in self.units if unit.is_active]
        return tuple(sorted(active, key=lambda unit: (-abs(unit.correlations[0][1]), unit.index))[:n])


def describe_units(space: LatentSpace, molecules: Sequence[Molecule], seed: int = 0) -> Units:
    """Measures the units on molecules.

    Args:
        space: The latent space.
        molecules: N that can be encoded.
        seed: Seed of folds and rotations.

    Raises:
        SpecError: There are fewer than 50 molecules.
        MoleculeError: One cannot be encoded.
    """
    from scipy.stats import rankdata

    if len(molecules) < MIN_MOLECULES:
        message = f"{len(molecules)} molecules can be encoded, but units are measured on {MIN_MOLECULES} or more"
        raise SpecError("data", message, remedy="Give a file with more molecules.")
    mean, kl = _posterior(space, [molecule.smiles for molecule in molecules])
    values = np.array([[float(DESCRIPTORS[name].function(m.mol)) for name in NAMES] for m in molecules])
    together = _correlations(rankdata(mean, axis=0), rankdata(values, axis=0))
    is_active = mean.var(axis=0) > ACTIVE_VARIANCE
    is_coarse = space.model.vae.config.scale().numpy() == 1.0
    units = tuple(
        Unit(i, bool(is_coarse[i]), float(kl[i]), bool(is_active[i]), _strongest(together[i]))
        for i in np.argsort(-kl, kind="stable").tolist()
    )
    turned = [measure_dci(mean @ rotation, values, seed) for rotation in _rotations(space.size, seed)]
    rotated = Dci(*(float(np.mean([getattr(each, key) for each in turned])) for key in Dci.__dataclass_fields__))
    return Units(len(molecules), units, measure_dci(mean, values, seed), rotated)


@dataclass(frozen=True)
class Traversal:
    """Molecules decoded while one unit moves and the others are fixed.

    Attributes:
        unit: The unit.
        shifts: (T,), how far it moves, in standard deviations of the prior.
        smiles: T canonical SMILES; None where the decoded molecule is invalid.
    """

    unit: Unit
    shifts: Doubles
    smiles: Sequence[str | None]


def traverse_units(
    space: LatentSpace, units: Sequence[Unit], molecules: Sequence[Molecule], start: str | None = None
) -> list[Traversal]:
    """Traversals of units, all from one molecule.

    Args:
        space: The latent space.
        units: The units to move, one after another.
        molecules: N that can be encoded; the one nearest to their mean is the start by default.
        start: SMILES of another molecule to start from.

    Raises:
        MoleculeError: `start` is no molecule, or cannot be encoded.
    """
    (molecule,), points = encode_named(space, [start or _find_central(space, molecules).smiles])
    return [Traversal(unit, *decode_traversal(space, molecule.smiles, points[0], unit.index)) for unit in units]


def measure_dci(points: Doubles, values: Doubles, seed: int = 0) -> Dci:
    """Disentanglement, completeness and informativeness of points (N, D) for descriptors (N, K).

    The importance of a unit for a descriptor is the absolute weight in a linear probe of standardised variables.
    Disentanglement is 1 minus the entropy, base K, of the importances of a unit, averaged over units by their total
    importance; completeness is 1 minus the entropy, base D, of the importances for a descriptor, averaged over
    descriptors.
    """
    spread = values.std(axis=0)
    known = values[:, spread > 0] / spread[spread > 0]
    importance = np.abs(fit_probe(points, known).weight) * points.std(axis=0)[:, None]
    total = importance.sum(axis=1)
    read = cross_predict(points, known, seed)
    return Dci(
        disentanglement=float((1.0 - _entropy(importance)) @ total / max(float(total.sum()), 1e-12)),
        completeness=float((1.0 - _entropy(importance.T)).mean()),
        informativeness=float(np.mean([r2(y, p) for y, p in zip(known.T, read.T, strict=True)])),
    )


def decode_traversal(
    space: LatentSpace, smiles: str, point: Floats, unit: int, n_steps: int = 5
) -> tuple[Doubles, list[str | None]]:
    """Shifts (T,) of a unit, in standard deviations of the prior, and the molecules decoded there.

    The unit moves slightly farther than the molecule stays similar; the other units are fixed.

    Args:
        space: The latent space.
        smiles: The molecule to change.
        point: Its point (D,).
        unit: Number of the unit.
        n_steps: T; the molecule itself is in the middle of an odd number.
    """
    vector = np.zeros(space.size)
    vector[unit] = space.prior_deviation[unit]
    reach = find_walk_length(space, [smiles], point[None], vector)
    places = np.linspace(-reach, reach, n_steps)
    return places, space.decode(point + places[:, None] * vector)


def _find_central(space: LatentSpace, molecules: Sequence[Molecule]) -> Molecule:
    """The molecule whose point is nearest to the mean, in standard deviations of the prior."""
    z = space.encode([molecule.smiles for molecule in molecules], is_refined=False)
    distances = np.linalg.norm((z - z.mean(axis=0)) / space.prior_deviation, axis=1)
    return molecules[int(np.argmin(distances))]


@torch.no_grad()
def _posterior(space: LatentSpace, smiles: Sequence[str]) -> tuple[Doubles, Doubles]:
    """Posterior means (N, D) divided by the prior's scale, and mean KL divergence (D,) from the prior in nats."""
    sequences = [space.model.vocabulary.tokenise(text) for text in smiles]
    mean, kl = np.empty((len(smiles), space.size)), np.empty((len(smiles), space.size))
    scale = space.model.vae.config.scale().double()
    for rows, tokens, lengths in batch_by_length(sequences, space.device):
        point, log_variance = (x.double().cpu() for x in space.model.vae.encoder(tokens, lengths))
        mean[rows] = (point / scale).numpy()
        kl[rows] = kl_divergence(point, log_variance, scale).numpy()
    return mean, kl.mean(axis=0)


def _correlations(a: Doubles, b: Doubles) -> Doubles:
    """Pearson correlations (D, K) of columns (N, D) and (N, K); 0 where one is constant."""
    left, right = a - a.mean(axis=0), b - b.mean(axis=0)
    sizes = np.linalg.norm(left, axis=0)[:, None] * np.linalg.norm(right, axis=0)
    return np.asarray(left.T @ right / np.where(sizes > 0, sizes, 1.0))


def _strongest(correlations: Doubles) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-np.abs(correlations), kind="stable").tolist()
    return tuple((NAMES[i], float(correlations[i])) for i in order)


def _entropy(importance: Doubles) -> Doubles:
    """Entropy (D,) of rows of importances (D, K), base K; 0 for a row of zeros, or where K is 1."""
    n = importance.shape[1]
    shares = importance / np.maximum(importance.sum(axis=1, keepdims=True), 1e-12)
    terms = shares * np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(-terms.sum(axis=1) / np.log(n)) if n > 1 else np.zeros(len(importance))


def _rotations(size: int, seed: int) -> list[Doubles]:
    """Random rotations (D, D), uniformly (Mezzadri 2007, arXiv:math-ph/0609050, section 5)."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(N_ROTATIONS):
        q, r = np.linalg.qr(rng.standard_normal((size, size)))
        found.append(q * np.sign(np.diag(r)))
    return found
