"""A path between two molecules: distinct molecules that change gradually from one to the other.

A line between two points is decoded at several steps. Away from encoded molecules, decoding is unreliable, and
molecules on the line may be unlike both ends. So several points around each step are decoded, and the results are
encoded and decoded again from their own latent vectors, where decoding is reliable. The path is the chain of these
molecules along which similarity to the end never falls and similarity to the start never rises, and whose steps have
the largest sum of similarity and confidence. Where two neighbours are still dissimilar, the same is repeated between
them.

Notation: N molecules, D latent dimensions, T steps, K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
import torch
from rdkit import Chem, DataStructs

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, Molecule, fingerprint, parse, tanimoto_to_many
from molgen.errors import MoleculeError, SpecError
from molgen.latent.space import BATCH_SIZE, LatentSpace
from molgen.model.decoder import negative_log_likelihood
from molgen.tokens.selfies_vocabulary import pad

LINEAR, SPHERICAL = "linear", "spherical"
KINDS = (LINEAR, SPHERICAL)
NOISES = (0.1, 0.2, 0.3)
"""Standard deviations of the noise that makes the points around a step, in standard deviations of the prior; used in
turn."""
LEAST_CONFIDENCE = 0.3
"""Minimum confidence of a molecule on a path."""
_PARALLEL = 1e-6
"""Sine of an angle below which an arc is treated as straight."""

GAP = 0.5
"""Tanimoto distance of neighbours above which the search is repeated between them."""
GAP_STEPS = 3
"""Number of steps between such neighbours."""
GAP_DRAWS = 8
"""Maximum number of points decoded at each of these steps."""

Decoded = tuple[Doubles, Floats, Sequence[str | None]]
"""Positions on the way (K,), points (K, D), and the SMILES decoded from them."""


@dataclass(frozen=True)
class PathConfig:
    """Options of the search for a path.

    Attributes:
        kind: `linear`, or `spherical` for an arc about the prior's mean.
        n_steps: T, points on the line without the ends.
        n_draws: Points decoded at each step: the one on the line, and others around it.
        scaffold: Substructure that every molecule on the way must contain, or None.
        seed: Seed of the points around the line.

    Raises:
        SpecError: A kind is unknown, or a number is too small.
    """

    kind: str = LINEAR
    n_steps: int = 24
    n_draws: int = 16
    scaffold: Chem.Mol | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SpecError("kind", f"must be one of {', '.join(KINDS)}, but got {self.kind!r}")
        for name in ("n_steps", "n_draws"):
            if getattr(self, name) < 1:
                raise SpecError(name.removeprefix("n_"), f"must be at least 1, but got {getattr(self, name)}")


@dataclass(frozen=True)
class PathPoint:
    """One molecule of a path.

    Attributes:
        t: Position, from 0 at the start to 1 at the end.
        smiles: Canonical SMILES.
        to_start: Tanimoto similarity (ECFP4) to the start, in [0, 1].
        to_end: Tanimoto similarity to the end.
        confidence: See `measure_confidence`; NaN if it cannot be measured.
    """

    t: float
    smiles: str
    to_start: float
    to_end: float
    confidence: float


@dataclass(frozen=True)
class Path:
    """Distinct molecules from one end to the other, ends included.

    Attributes:
        stops: In their order; at least the two ends.
    """

    stops: tuple[PathPoint, ...]

    @property
    def n_between(self) -> int:
        """Molecules between the ends."""
        return len(self.stops) - 2

    @cached_property
    def monotonicity(self) -> tuple[float, float]:
        """Spearman's correlation, in [-1, 1], of t with dissimilarity to the start and with similarity to the end.

        The ends are included; NaN for a path of the ends alone.
        """
        from scipy.stats import spearmanr

        if not self.n_between:
            return float("nan"), float("nan")
        t = [stop.t for stop in self.stops]
        leaving = spearmanr(t, [-stop.to_start for stop in self.stops]).statistic
        coming = spearmanr(t, [stop.to_end for stop in self.stops]).statistic
        return float(leaving), float(coming)

    @property
    def worst_confidence(self) -> float:
        """The least confidence between the ends, 0 if one cannot be measured; NaN if nothing is between them."""
        values = [stop.confidence for stop in self.stops[1:-1]]
        return float(np.nan_to_num(values).min()) if values else float("nan")

    @cached_property
    def largest_leap(self) -> float:
        """The largest Tanimoto distance, in [0, 1], of two neighbours."""
        bits = [_bits(stop.smiles) for stop in self.stops]
        return max(1.0 - float(tanimoto_to_many(a, [b])[0]) for a, b in pairwise(bits))


def interpolate_points(space: LatentSpace, ends: Floats, t: Doubles, kind: str = LINEAR) -> Floats:
    """Points (T, D) at positions `t` (T,) between two `ends` (2, D).

    A spherical path is an arc in the whitened space, about the prior's mean: its points are as far from the mean as
    the ends, which is typical of molecules, while those of a straight line are nearer.

    Source: Shoemake, SIGGRAPH 1985 (doi:10.1145/325334.325242), slerp; for points of a generative model, White 2016
    (arXiv:1609.04468), section 2.
    """
    shares = t[:, None]
    if kind == LINEAR:
        return np.asarray((1 - shares) * ends[0] + shares * ends[1], dtype=np.float32)
    mean, factor = (x.double().numpy() for x in (space.model.prior_mean, space.model.prior_factor))
    start, end = np.linalg.solve(factor, (ends - mean).T).T
    cosine = start @ end / max(float(np.linalg.norm(start) * np.linalg.norm(end)), 1e-12)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < _PARALLEL:
        return interpolate_points(space, ends, t)
    whitened = (np.sin((1 - shares) * angle) * start + np.sin(shares * angle) * end) / np.sin(angle)
    return np.asarray(mean + whitened @ factor.T, dtype=np.float32)


@torch.no_grad()
def measure_confidence(space: LatentSpace, z: Floats, smiles: Sequence[str]) -> Doubles:
    """Confidence of the decoder in each molecule (N,) at its point (N, D): mean probability of a token, in [0, 1].

    The mean is geometric: the exponential of the mean log-likelihood of a token of the canonical text, EOS included.
    NaN for a molecule without tokens.
    """
    result = np.full(len(smiles), np.nan)
    rows, sequences = [], []
    for row, text in enumerate(smiles):
        try:
            sequences.append(space.model.vocabulary.tokenise(text))
        except MoleculeError:
            continue
        rows.append(row)
    for start in range(0, len(rows), BATCH_SIZE):
        chunk = rows[start : start + BATCH_SIZE]
        ids, lengths = (torch.from_numpy(x).to(space.device) for x in pad(sequences[start : start + BATCH_SIZE]))
        logits = space.model.vae.decoder(torch.from_numpy(z[chunk]).to(space.device), ids)
        result[chunk] = torch.exp(-negative_log_likelihood(logits, ids, lengths) / (lengths + 1)).cpu().double().numpy()
    return result


def find_path(space: LatentSpace, molecules: tuple[Molecule, Molecule], ends: Floats, route: PathConfig) -> Path:
    """The path between two molecules: the best chain of the molecules decoded along the line between their points.

    Args:
        space: The latent space.
        molecules: The start and the end.
        ends: (2, D), their points.
        route: Options of the search.

    Raises:
        SpecError: Both molecules are the same.
    """
    decoded = _decode(space, ends, route)
    stops = _best_stops(_stops(space, molecules, ends, decoded), route)
    gaps = _gaps(space, stops, ends, route)
    if gaps:
        parts = zip(decoded, *gaps, strict=True)
        t, points, texts = (list(chain.from_iterable(part)) for part in parts)
        stops = _best_stops(_stops(space, molecules, ends, (np.array(t), np.stack(points), texts)), route)
    return Path(tuple(stops))


def decode_line(space: LatentSpace, molecules: tuple[Molecule, Molecule], ends: Floats, route: PathConfig) -> Path:
    """The distinct molecules decoded from the line alone, in order: a baseline for paths.

    The arguments are those of `find_path`; the scaffold is ignored.

    Raises:
        SpecError: Both molecules are the same.
    """
    t, points = _around_line(space, ends, replace(route, n_draws=1))
    stops = _stops(space, molecules, ends, (t, points, space.decode_region(points)))
    first = {stop.smiles: stop for stop in reversed(stops)}
    return Path(tuple(sorted(first.values(), key=lambda stop: stop.t)))


def _around_line(space: LatentSpace, ends: Floats, route: PathConfig) -> tuple[Doubles, Floats]:
    """Positions (K,) and points (K, D) on and around the line, those of one step together."""
    t = np.repeat(np.linspace(0.0, 1.0, route.n_steps + 2)[1:-1], route.n_draws)
    noise = np.random.default_rng(route.seed).standard_normal((route.n_steps, route.n_draws, space.size))
    noise *= np.resize(NOISES, route.n_draws)[:, None]
    noise[:, 0] = 0.0
    points = interpolate_points(space, ends, t, route.kind) + space.prior_deviation * noise.reshape(len(t), space.size)
    return t, np.asarray(points, dtype=np.float32)


def _decode(space: LatentSpace, ends: Floats, route: PathConfig) -> Decoded:
    """Molecules on and around a line, and the molecules decoded from their latent vectors, the latter first."""
    t, points = _around_line(space, ends, route)
    texts = space.decode_region(points)
    own = _own_points(space, texts)
    return np.tile(t, 2), np.concatenate([own, points]), [*space.decode(own), *texts]


def _gaps(space: LatentSpace, stops: Sequence[PathPoint], ends: Floats, route: PathConfig) -> list[Decoded]:
    """Molecules on and around the lines between the latent vectors of dissimilar neighbours."""
    own = _own_points(space, [stop.smiles for stop in stops])
    own[[0, -1]] = ends
    bits = [_bits(stop.smiles) for stop in stops]
    route = replace(route, n_steps=GAP_STEPS, n_draws=min(GAP_DRAWS, route.n_draws))
    gaps = []
    for row, (one, other) in enumerate(pairwise(stops)):
        if 1.0 - float(tanimoto_to_many(bits[row], bits[row + 1 : row + 2])[0]) > GAP:
            t, points, texts = _decode(space, own[row : row + 2], replace(route, seed=route.seed + row + 1))
            gaps.append((one.t + (other.t - one.t) * t, points, texts))
    return gaps


def _own_points(space: LatentSpace, texts: Sequence[str | None]) -> Floats:
    """Posterior means (K, D) of molecules; NaN if there is none."""
    unique = list(dict.fromkeys(text or "" for text in texts))
    rows = {text: row for row, text in enumerate(unique)}
    return space.encode(unique, AS_IT_IS, is_refined=False)[[rows[text or ""] for text in texts]]


def _stops(
    space: LatentSpace,
    molecules: tuple[Molecule, Molecule],
    ends: Floats,
    decoded: Decoded,
) -> list[PathPoint]:
    """The ends, and between them, in the order of t, each decoded molecule once per step.

    Args:
        space: The latent space.
        molecules: The start and the end.
        ends: (2, D), their points.
        decoded: Positions (K,), points (K, D), and decoded SMILES; of equal ones, the first is taken.

    Raises:
        SpecError: Both ends are the same.
    """
    start, end = (molecule.smiles for molecule in molecules)
    if start == end:
        remedy = "Name two different molecules; `molgen explore neighbours` shows the neighbourhood of one."
        raise SpecError("path", f"both ends are {start}", remedy=remedy)
    first: dict[tuple[float, str], Floats] = {(0.0, start): ends[0], (1.0, end): ends[1]}
    for t, point, text in zip(*decoded, strict=True):
        if text is not None and text not in (start, end):
            first.setdefault((float(t), text), point)
    keys = sorted(first, key=lambda key: key[0])
    texts = [text for _, text in keys]
    bits = [_bits(text) for text in texts]
    likeness = (tanimoto_to_many(bits[row], bits) for row in (0, -1))
    sure = measure_confidence(space, np.stack([first[key] for key in keys]), texts)
    rows = zip(keys, *likeness, sure, strict=True)
    return [PathPoint(t, text, float(a), float(b), float(confidence)) for (t, text), a, b, confidence in rows]


def _best_stops(stops: Sequence[PathPoint], route: PathConfig) -> list[PathPoint]:
    """The best chain of the ends and of molecules that a route allows between them."""
    allowed = [stops[0], *(stop for stop in stops[1:-1] if _is_fit(stop, route)), stops[-1]]
    return [allowed[row] for row in find_best_chain(allowed)]


def _is_fit(stop: PathPoint, route: PathConfig) -> bool:
    """Whether a molecule may be on a path: confidence and scaffold."""
    if not stop.confidence >= LEAST_CONFIDENCE:  # NaN counts as too low
        return False
    return route.scaffold is None or parse(stop.smiles).mol.HasSubstructMatch(route.scaffold)


def find_best_chain(stops: Sequence[PathPoint]) -> list[int]:
    """Rows of the chain from the first to the last stop with the largest sum over steps.

    A step leads to a later t, to no lower similarity to the end and to no higher similarity to the start, and changes
    at least one of the two. Its value is the similarity of its two molecules plus the confidence of the second, so
    chains of many small, confident steps are preferred. Solved by dynamic programming over the stops in order.
    """
    t, to_start, to_end, sure = np.array([[s.t, s.to_start, s.to_end, s.confidence] for s in stops]).T
    bits = [_bits(stop.smiles) for stop in stops]
    best, before = np.full(len(stops), -np.inf), np.zeros(len(stops), dtype=int)
    best[0] = 0.0
    for row in range(1, len(stops)):
        is_before = (t[:row] < t[row]) & (to_start[:row] >= to_start[row]) & (to_end[:row] <= to_end[row])
        is_before &= (to_start[:row] > to_start[row]) | (to_end[:row] < to_end[row])
        gain = tanimoto_to_many(bits[row], bits[:row]) + np.nan_to_num(sure[row])
        total = np.where(is_before, best[:row] + gain, -np.inf)
        before[row] = int(total.argmax())
        best[row] = total[before[row]]
    rows = [len(stops) - 1]
    while rows[-1]:
        rows.append(int(before[rows[-1]]))
    return rows[::-1]


def _bits(text: str) -> DataStructs.ExplicitBitVect:
    return fingerprint(parse(text).mol)
