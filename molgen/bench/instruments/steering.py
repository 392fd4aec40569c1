"""Benchmark of steering: whether a property changes monotonically on a walk, and how similar to the start it stays.

Monotonicity is Spearman's correlation, over the steps of a walk, of the position with the property of the decoded
molecule. Invalid steps are left out; repeated molecules are ties; a walk on which the property never changes, or with
fewer than three molecules, counts as 0. The property is used only to learn the direction, from other molecules. The
molecule of a step is chosen by its latent vector: choosing by the property would give a high correlation along any
direction (0.7 to 0.9 along random ones).

Notation: N molecules, D latent dimensions.
Source of the protocol: decoded traversals, Elabid et al. 2026 (arXiv:2605.06303).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import AS_IT_IS, Molecule, parse
from molgen.chem.properties import DESCRIPTORS
from molgen.explore.direction import N_FITTED, choose_walk_length, fit_descriptor_direction
from molgen.explore.walk import Series, WalkConfig, measure_similarities, steer
from molgen.latent.space import LatentSpace

STEERED = ("logp", "tpsa", "heavy_atoms", "fsp3", "hba", "qed", "rotatable_bonds")
N_STEERED = 200


@dataclass(frozen=True)
class WalkFigures:
    """Figures of many walks.

    Attributes:
        monotonicity: Mean of Spearman's correlation of position and property, in [-1, 1].
        kept_half: Mean Tanimoto similarity (ECFP4) of the start to the molecules halfway to both ends; 0 if invalid.
        kept_end: Mean Tanimoto similarity of the start to the molecules at both ends; 0 if invalid.
        different: Mean number of distinct molecules on a walk of nine steps.
        change: Median difference of the property between the first and the last valid molecule, in its unit.
    """

    monotonicity: float
    kept_half: float
    kept_end: float
    different: float
    change: float


@dataclass(frozen=True)
class SteeredProperty:
    """The steering of one property.

    Attributes:
        name: Name of the property.
        strength: R2 of the probe that gives the direction, on held-out molecules.
        reach: Median walk length on each side of the start, in standard deviations of the prior.
        along: Walks along the direction of the property.
        control: Walks of the same lengths, each along a random direction of its own.
    """

    name: str
    strength: float
    reach: float
    along: WalkFigures
    control: WalkFigures


@dataclass(frozen=True)
class Steering:
    """The steering of all properties.

    Attributes:
        n: Number of starting molecules.
        properties: The steering of each property.
    """

    n: int
    properties: tuple[SteeredProperty, ...]


def score_steering(
    space: LatentSpace,
    smiles: Sequence[str],
    seed: int,
    on_done: Callable[[float], object] = lambda _: None,
    *,
    names: Sequence[str] = STEERED,
    n_fit: int = N_FITTED,
) -> Steering:
    """Measures steering on the first 200 encodable molecules.

    Args:
        space: The latent space.
        smiles: Canonical SMILES, at least one that can be encoded.
        seed: Seed of the molecules that directions are fitted to, of the points around each step, and of random
            directions.
        on_done: Called with the share done, in [0, 1].
        names: Descriptors to steer by.
        n_fit: Number of shipped molecules that each direction is fitted to.
    """
    z = space.encode(smiles[: 2 * N_STEERED], AS_IT_IS)
    rows = np.flatnonzero(np.isfinite(z).all(axis=1))[:N_STEERED]
    molecules, points = [parse(smiles[row], AS_IT_IS) for row in rows.tolist()], z[rows]
    found = []
    for place, name in enumerate(names):
        direction = fit_descriptor_direction(space, name, seed, n_fit)
        along, control = [], []
        reaches: list[float] = []
        for i, (molecule, point) in enumerate(zip(molecules, points, strict=True)):
            walk = WalkConfig(choose_walk_length(space, direction, molecule, point), seed=seed + i)
            reaches.append(walk.reach)
            along.append(steer(space, molecule, point, direction.vector, walk))
            control.append(steer(space, molecule, point, _random(space, seed + i), walk))
            on_done((place + (i + 1) / len(molecules)) / len(names))
        figures = (_figures(name, molecules, walks) for walks in (along, control))
        found.append(SteeredProperty(name, direction.strength.plain, float(np.median(reaches)), *figures))
    return Steering(len(molecules), tuple(found))


def monotonicity(t: Sequence[float], values: Doubles) -> float:
    """Spearman's correlation of positions (T,) and values (T,), NaN left out; 0 for constant or fewer than 3 values."""
    from scipy.stats import spearmanr

    known = np.isfinite(values)
    if known.sum() < 3 or np.ptp(values[known]) == 0:
        return 0.0
    return float(spearmanr(np.asarray(t)[known], values[known]).statistic)


def _random(space: LatentSpace, seed: int) -> Doubles:
    """A random direction (D,) of length one standard deviation of the prior."""
    normal = np.random.default_rng((seed, 1)).standard_normal(space.size)
    return np.asarray(space.prior_deviation * normal / np.linalg.norm(normal), dtype=np.float64)


def _figures(name: str, molecules: Sequence[Molecule], walks: Sequence[Series]) -> WalkFigures:
    values = [_values(name, series) for series in walks]
    changes = [row[known][-1] - row[known][0] for row in values for known in [np.isfinite(row)]]
    alike = np.array(
        [measure_similarities(molecule.smiles, w.smiles) for molecule, w in zip(molecules, walks, strict=True)]
    )
    side = alike.shape[1] // 2
    half = side // 2
    return WalkFigures(
        monotonicity=float(np.mean([monotonicity(w.t, row) for w, row in zip(walks, values, strict=True)])),
        kept_half=float(alike[:, [side - half, side + half]].mean()),
        kept_end=float(alike[:, [0, -1]].mean()),
        different=float(np.mean([len(series.different().t) for series in walks])),
        change=float(np.median(changes)),
    )


def _values(name: str, series: Series) -> Doubles:
    function = DESCRIPTORS[name].function
    return np.array([float(function(parse(text, AS_IT_IS).mol)) if text else np.nan for text in series.smiles])
