"""Walks of a molecule along a direction of the latent space.

Directions differ in how fast molecules change along them: size changes within two standard deviations of the prior,
polarity within ten. So the length of a walk on each side is a little more than the length over which molecules stay
similar to the start. Decoding changes abruptly: at each step several points are decoded, and the molecule whose latent
vector is nearest to the step is kept.

Notation: N molecules, D latent dimensions, T steps, K draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit.Chem import Mol

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, Molecule, fingerprint, parse, tanimoto_to_many
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace

WALK_LENGTHS = tuple(np.geomspace(0.7, 24.0, 16).tolist())
"""Lengths tried, in standard deviations of the prior; two points of the prior are 14 apart."""
RECOGNISABLE = 0.3
"""Tanimoto similarity (ECFP4) below which a decoded molecule is no longer similar to the first one."""
BEYOND = 1.2
"""Walk length relative to the length at which half of the molecules are no longer similar to the start."""
NOISE = 0.15
"""Standard deviation of the noise that makes the points around a step, in standard deviations of the prior."""

MolFunction = Callable[[Mol], float]


@dataclass(frozen=True)
class WalkConfig:
    """Options of a walk.

    Attributes:
        reach: Length of each side in standard deviations of the prior.
        n_steps: Steps on each side of the molecule.
        n_draws: K, points decoded at each step: the one on the line, and others around it.
        seed: Seed of the points around the line.

    Raises:
        SpecError: A number is out of range.
    """

    reach: float
    n_steps: int = 4
    n_draws: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        for name, number in {"steps": self.n_steps, "draws": self.n_draws}.items():
            if number < 1:
                raise SpecError(name, f"must be at least 1, but got {number}")
        if not 0.0 < self.reach < np.inf:
            raise SpecError("reach", f"must be above 0 and finite, but got {self.reach:g}")


@dataclass(frozen=True)
class Series:
    """Molecules on a walk.

    Attributes:
        t: Position of each, in multiples of the direction's vector; 0, in the middle, is the start.
        smiles: Canonical SMILES; None where decoding gives no valid molecule.
    """

    t: tuple[float, ...]
    smiles: tuple[str | None, ...]

    def different(self) -> Series:
        """The walk without invalid steps and repetitions; of equal molecules, the one nearest to the start is kept."""
        seen: set[str | None] = {None}
        rows = []
        for row in sorted(range(len(self.t)), key=lambda row: (abs(self.t[row]), self.t[row])):
            if self.smiles[row] not in seen:
                rows.append(row)
                seen.add(self.smiles[row])
        rows.sort()
        return Series(tuple(self.t[row] for row in rows), tuple(self.smiles[row] for row in rows))


def steer(space: LatentSpace, molecule: Molecule, point: Floats, vector: Doubles, walk: WalkConfig) -> Series:
    """The walk from `molecule`, whose point is `point` (D,), against and along `vector` (D,)."""
    t = walk.reach * (np.arange(-walk.n_steps, walk.n_steps + 1) / walk.n_steps)
    line = point + t[:, None] * vector
    noise = np.random.default_rng(walk.seed).standard_normal((len(t), walk.n_draws, space.size))
    noise[:, 0] = 0.0
    points = line[:, None] + NOISE * space.prior_deviation.astype(np.float64) * noise
    decoded = space.decode_region(points.reshape(-1, space.size))
    drawn = [decoded[i * walk.n_draws : (i + 1) * walk.n_draws] for i in range(len(t))]
    kept = _keep_nearest(space, line, drawn)
    kept[walk.n_steps] = molecule.smiles
    return Series(tuple(t.tolist()), tuple(kept))


def find_walk_length(space: LatentSpace, smiles: Sequence[str], points: Floats, vector: Doubles) -> float:
    """The walk length along `vector` (D,): 1.2 times the median length at which molecules stop being similar.

    Args:
        space: The latent space.
        smiles: N canonical SMILES.
        points: Their points (N, D).
        vector: The direction, one standard deviation of the prior long.
    """
    lengths = np.concatenate([-np.array(WALK_LENGTHS), WALK_LENGTHS])
    line = points[:, None].astype(np.float64) + lengths[:, None] * vector
    decoded = space.decode_region(line.reshape(-1, space.size))
    rows = [decoded[i * len(lengths) : (i + 1) * len(lengths)] for i in range(len(smiles))]
    alike = np.concatenate(
        [measure_similarities(text, row).reshape(2, -1) for text, row in zip(smiles, rows, strict=True)]
    )
    limits = [WALK_LENGTHS[int(side.argmax())] if side.any() else WALK_LENGTHS[-1] for side in alike < RECOGNISABLE]
    return BEYOND * float(np.median(limits))


@dataclass(frozen=True)
class PairedChanges:
    """Changes between the molecules decoded at the two ends of M random lines.

    Attributes:
        ways: (M, D), each of length 1, in standard deviations of the prior.
        changes: (M, 2), of a concept and of heavy atoms.
    """

    ways: Doubles
    changes: Doubles


def decode_pairs(
    space: LatentSpace, z: Doubles, step: Doubles, far: float, measure: MolFunction, seed: int
) -> PairedChanges:
    """Decodes both ends of a random line through each of N points, 45 degrees off a direction on average.

    Args:
        space: The latent space.
        z: Points (N, D).
        step: The direction (D,), of length 1, in standard deviations of the prior.
        far: Distance of either end from its point, in standard deviations of the prior.
        measure: Computes the concept of a molecule.
        seed: Seed of the lines.

    Returns:
        The lines with a valid molecule at both ends.
    """
    ways = step + np.random.default_rng(seed).standard_normal(z.shape) / np.sqrt(len(step))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    shift = far * space.prior_deviation * ways
    rows, changes = [], []
    for row, ends in enumerate(zip(space.decode_region(z + shift), space.decode_region(z - shift), strict=True)):
        up, down = (parse(text, AS_IT_IS).mol if text else None for text in ends)
        if up is not None and down is not None:
            rows.append(row)
            changes.append((measure(up) - measure(down), float(up.GetNumHeavyAtoms() - down.GetNumHeavyAtoms())))
    return PairedChanges(ways[rows], np.array(changes, dtype=np.float64).reshape(-1, 2))


def _keep_nearest(space: LatentSpace, line: Doubles, drawn: Sequence[Sequence[str | None]]) -> list[str | None]:
    """For each point (T, D), the drawn molecule whose latent vector is nearest to it, in standard deviations."""
    found = sorted({text for texts in drawn for text in texts if text})
    z = dict(zip(found, space.encode(found, AS_IT_IS, is_refined=False), strict=True))
    kept: list[str | None] = []
    for point, texts in zip(line, drawn, strict=True):
        known = sorted({text for text in texts if text and np.isfinite(z[text]).all()})
        away = [float(np.linalg.norm((z[text] - point) / space.prior_deviation)) for text in known]
        kept.append(known[int(np.argmin(away))] if known else None)
    return kept


def measure_similarities(smiles: str, others: Sequence[str | None]) -> Doubles:
    """Tanimoto similarity (N,), ECFP4, of a canonical SMILES to others; 0 for None."""
    found = {text: fingerprint(parse(text, AS_IT_IS).mol) for text in others if text}
    values = tanimoto_to_many(fingerprint(parse(smiles, AS_IT_IS).mol), list(found.values()))
    known = dict(zip(found, values.tolist(), strict=True))
    return np.array([known[text] if text else 0.0 for text in others])
