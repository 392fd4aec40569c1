"""Samples of a prior that meet a request, such as `qed > 0.8`, without decoding every point.

Predictors of the requested measures are fitted to a first sample of the prior. From then on, points are accepted by
rejection sampling with their predicted probability of meeting the request, so that the samples follow the prior as far
as the predictors are right.

Molecules similar to a given one, or with a scaffold, are too rare for that. Points are then sampled between points of
the prior and molecules that meet the request, starting with the given one.

Notation: N points, D latent dimensions, P measures, G given molecules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import DEFAULT_POLICY, Molecule, Policy, parse, parse_or_none
from molgen.errors import SpecError
from molgen.explore.liked import read_liking
from molgen.latent.combined_model import make_predict_function
from molgen.latent.encodable import encode_named
from molgen.latent.space import LatentSpace
from molgen.latent.trust import make_trust_function
from molgen.model.predictor import PredictorConfig
from molgen.score.constraint import Constraint, require_consistent
from molgen.score.measure import Measure, MeasureContext, resolve
from molgen.train.fit.predictor import fit_ensemble

N_PILOT = 2000
"""Number of points of the first sample."""
BATCH_SIZE = 256
OVERSAMPLING = 8
"""Number of candidate points per decoded point."""
MAX_DECODED = 50
"""Maximum number of decoded points per requested molecule before the search gives up."""
MIN_DECODED = 10_000
"""The limit on decoded points is never below this."""

LIKE = 0.4
"""Default minimum Tanimoto similarity to a molecule that samples must resemble."""
SHORTEST = 0.05
"""Smallest relative position between a molecule that meets the request (0) and a point of the prior (1)."""
LONGEST = 0.6
"""Largest relative position."""


@dataclass
class ConditionalSamples:
    """Molecules found, and counts of points.

    Attributes:
        smiles: Distinct molecules that meet the request.
        n_decoded: Points decoded after the first sample.
        n_met: How many of these meet the request.
        n_plain: Points of the first sample.
        n_plain_met: How many of these meet it.
    """

    smiles: list[str] = field(default_factory=list)
    n_decoded: int = 0
    n_met: int = 0
    n_plain: int = 0
    n_plain_met: int = 0

    @property
    def share(self) -> float:
        """Share, in [0, 1], of decoded points that meet the request; the plain share if the first sample sufficed."""
        return self.n_met / self.n_decoded if self.n_decoded else self.plain_share

    @property
    def plain_share(self) -> float:
        """Share, in [0, 1], of the points of the first sample that meet the request."""
        return self.n_plain_met / max(1, self.n_plain)


class SampleRequest:
    """Bounds that samples must satisfy.

    Attributes:
        named: The G molecules that samples must resemble or contain; these do not count as samples.
        centres: (G, D), their points.
    """

    def __init__(
        self,
        texts: Sequence[str],
        space: LatentSpace,
        *,
        like: str | None = None,
        scaffold: str | None = None,
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        """Reads the constraints.

        Args:
            texts: Constraints as in campaigns, such as `2 < logp < 3`; at least one, unless `like` or
                `scaffold` is given.
            space: The latent space; its checkpoint may predict properties.
            like: SMILES of a molecule that samples must resemble, by `LIKE` unless a constraint states another lower
                bound on the similarity to this molecule.
            scaffold: SMILES of a substructure that samples must contain.
            policy: Standardisation of both.

        Raises:
            SpecError: A text cannot be read, a measure is unknown, or two contradict each other.
            MoleculeError: `like` or `scaffold` is no molecule that the checkpoint can encode.
        """
        named, self.centres = encode_named(space, [text for text in (like, scaffold) if text is not None], policy)
        self.named = tuple(named)
        stated = [constraint for text in texts for constraint in Constraint.parse(text)]
        implied = []
        if like is not None and not any(_is_similarity_above(constraint, named[0]) for constraint in stated):
            implied.append(Constraint(f"similarity:{named[0].smiles}", ">=", LIKE))
        if scaffold is not None:
            implied.append(Constraint(f"scaffold:{named[-1].smiles}", ">=", 1.0))
        self.constraints = [*implied, *stated]
        if not self.constraints:
            raise SpecError("where", "no constraint is given")
        require_consistent(self.constraints)
        context = MeasureContext(
            predict=make_predict_function(space),
            property_names=space.property_names,
            trust=make_trust_function(space),
            familiarity=space.model.familiarity,
            liking=partial(read_liking, space),
        )
        names = dict.fromkeys(constraint.name for constraint in self.constraints)
        self.measures: dict[str, Measure] = {name: resolve(name, context, key="where") for name in names}

    def values(self, molecules: Sequence[Molecule]) -> Doubles:
        """Values (N, P) of the measures of molecules."""
        return np.stack([measure(molecules) for measure in self.measures.values()], axis=1)

    def is_met(self, values: Doubles) -> NDArray[np.bool_]:
        """Whether rows (N,) of measures (N, P) satisfy all bounds."""
        names = list(self.measures)
        broken = [c.violation(values[:, names.index(c.name)]) for c in self.constraints]
        return np.asarray(np.max(broken, axis=0) == 0)

    def probability(self, mean: Doubles, std: Doubles) -> Doubles:
        """Probability (N,) that normal predictions (N, P), independent between measures, satisfy all bounds."""
        from scipy.stats import norm

        result = np.ones(len(mean))
        for column, name in enumerate(self.measures):
            low, high = self._interval(name)
            m, s = mean[:, column], np.maximum(std[:, column], 1e-9)
            result *= norm.cdf((high - m) / s) - norm.cdf((low - m) / s)
        return np.clip(result, 1e-12, 1.0)

    def _interval(self, name: str) -> tuple[float, float]:
        """The widest interval within the bounds on a measure; an exact value gets a tolerance."""
        own = [(c.operator, c.bound, 0.5 if c.operator == "==" else 0.0) for c in self.constraints if c.name == name]
        low = max((bound - room for operator, bound, room in own if operator in (">", ">=", "==")), default=-np.inf)
        high = min((bound + room for operator, bound, room in own if operator in ("<", "<=", "==")), default=np.inf)
        return low, high


def _is_similarity_above(constraint: Constraint, molecule: Molecule) -> bool:
    """Whether a constraint is a lower bound on the similarity to a molecule."""
    measure, _, smiles = constraint.name.partition(":")
    found = parse_or_none(smiles) if measure == "similarity" and smiles else None
    return found == molecule and constraint.operator in (">", ">=")


def sample_conditionally(
    space: LatentSpace,
    request: SampleRequest,
    n: int,
    *,
    seed: int,
    prior: str,
    on_found: Callable[[int], object] = lambda _: None,
) -> ConditionalSamples:
    """At most `n` distinct molecules that meet the request; fewer if they are too rare.

    Args:
        space: The latent space.
        request: The request.
        n: Number of molecules.
        seed: Seed of all sampling.
        prior: Name of the prior.
        on_found: Called with the number found so far.

    Raises:
        SpecError: The checkpoint has no such prior.
    """
    result = ConditionalSamples()
    points = space.sample_points(N_PILOT, seed, prior=prior)
    values, is_met = _look(request, space.decode(points), result)
    result.n_plain, result.n_plain_met = len(points), int(is_met.sum())
    is_known = np.isfinite(values).all(axis=1)
    if not is_known.any() and not len(request.centres):
        return result
    draw: _Draw
    if len(request.centres):
        draw = _InterpolatedDraw(np.concatenate([request.centres, points[is_met]]), seed)
    else:
        draw = _WeightedDraw(request, points[is_known], values[is_known], seed)
    limit = max(MIN_DECODED, MAX_DECODED * n)
    round_ = 0
    while len(result.smiles) < n and result.n_decoded < limit:
        round_ += 1
        chosen = draw.points(space.sample_points(draw.n_pool, seed + round_, prior=prior))
        n_before = len(result.smiles)
        decoded = space.vary(chosen, seed=seed + round_) if len(request.centres) else space.decode(chosen)
        _, is_met = _look(request, decoded, result)
        if len(result.smiles) > n_before:
            draw.learn(chosen[is_met])
        result.n_decoded += len(chosen)
        result.n_met += int(is_met.sum())
        on_found(min(n, len(result.smiles)))
    result.smiles = result.smiles[:n]
    return result


class _Draw(Protocol):
    """Chooses points to decode.

    Attributes:
        n_pool: Number of points of the prior that `points` takes.
    """

    n_pool: int

    def points(self, pool: Floats) -> Floats:
        """At most a batch of points (N, D) to decode, from points (n_pool, D) of the prior."""

    def learn(self, points: Floats) -> None:
        """Records points (N, D) that met the request."""


class _WeightedDraw:
    """Points of the prior, each accepted with its predicted probability of meeting the request."""

    n_pool = OVERSAMPLING * BATCH_SIZE

    def __init__(self, request: SampleRequest, points: Floats, values: Doubles, seed: int) -> None:
        config = PredictorConfig(tuple(request.measures), points.shape[1], n_members=5)
        self._predictor = fit_ensemble(config, torch.from_numpy(points), torch.from_numpy(values).float(), seed)
        self._request = request
        self._rng = np.random.default_rng(seed)

    def points(self, pool: Floats) -> Floats:
        mean, std = (part.double().numpy() for part in self._predictor.predict(torch.from_numpy(pool)))
        return pool[_accept(self._request.probability(mean, std), self._rng)]

    def learn(self, points: Floats) -> None:
        pass


class _InterpolatedDraw:
    """Points between molecules that meet the request and points of the prior."""

    n_pool = BATCH_SIZE

    def __init__(self, centres: Floats, seed: int) -> None:
        self._centres = centres
        self._rng = np.random.default_rng(seed)

    def points(self, pool: Floats) -> Floats:
        centres = self._centres[self._rng.integers(len(self._centres), size=len(pool))]
        share = self._rng.uniform(SHORTEST, LONGEST, (len(pool), 1)).astype(np.float32)
        return centres + share * (pool - centres)

    def learn(self, points: Floats) -> None:
        self._centres = np.concatenate([self._centres, points])


def _accept(probability: Doubles, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most a batch of rows, each accepted with its probability relative to the greatest."""
    rows = np.flatnonzero(rng.random(len(probability)) * probability.max() < probability)
    return np.asarray(rng.permutation(rows)[:BATCH_SIZE])


def _look(
    request: SampleRequest, decoded: Sequence[str | None], result: ConditionalSamples
) -> tuple[Doubles, NDArray[np.bool_]]:
    """Adds new molecules that meet the request; returns measures (N, P) and whether each meets it (N,)."""
    rows = [i for i, text in enumerate(decoded) if text is not None]
    values = np.full((len(decoded), len(request.measures)), np.nan)
    is_met = np.zeros(len(decoded), dtype=bool)
    if rows:
        molecules = [parse(decoded[i] or "") for i in rows]
        values[rows] = request.values(molecules)
        is_new = np.array([molecule not in request.named for molecule in molecules])
        is_met[rows] = request.is_met(values[rows]) & is_new
        found = dict.fromkeys(result.smiles)
        found.update(dict.fromkeys(m.smiles for m, i in zip(molecules, rows, strict=True) if is_met[i]))
        result.smiles = list(found)
    return values, is_met
