"""The applicability domain of an autoencoder: how typical a molecule is, calibrated on held-out molecules.

Each molecule has five features and three scores derived from them. A score grows with the atypicality of the molecule,
and so is named after its opposite: as the score grows, the likelihood, density or consistency falls.

likelihood   nats per token that the decoder needs for the molecule at its posterior mean;
density      sum of three terms, each standardised over the held-out molecules: divergence of its posterior from the
             prior; its excess over a linear function of the number of tokens (`line`), divided by the square root of
             that number; squared distance of its mean from the origin in the coarse dimensions;
consistency  root mean square distance, in the coarse dimensions, between its posterior mean and that of its
             reconstruction.

A score is turned into a p-value: the share of held-out molecules that score at least as high (conformal anomaly
detection: Vovk, Gammerman & Shafer 2005, Algorithmic learning in a random world, section 2.2; Laxhammar & Falkman
2015, doi:10.1007/s10472-013-9381-7). The three are combined by Fisher's statistic, the sum of their negative
logarithms (Fisher 1932, Statistical methods for research workers, section 21.1), here with weights. Since they are
dependent, the p-value of the statistic is again the share of held-out molecules, not that of a chi-squared
distribution.

Notation: N molecules, L tokens of the longest, D latent dimensions, Q quantiles; coarse dimensions: those with the
greatest standard deviation of the prior (see docs/concepts/latent-space.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.arrays import Doubles
from molgen.chem.molecule import AS_IT_IS, parse_generated
from molgen.errors import MoleculeError
from molgen.model.decoder import is_greedy, negative_log_likelihood
from molgen.model.vae import Vae, kl_divergence
from molgen.tokens.batches import batch_by_length
from molgen.tokens.selfies_vocabulary import Vocabulary, pad

PARTS = ("likelihood", "density", "consistency")
WEIGHTS = np.array([1.0, 1.0, 0.25])
"""Weights of the parts. Consistency counts a quarter: it is 0 for all molecules that the encoder's mean reconstructs
exactly, without refinement; with the shipped checkpoint, for three of four."""
N_FEATURES, N_DENSITY = 5, 3
MAX_DISTANCE = 10.0
"""Maximum consistency score, in standard deviations of the prior; that of a molecule whose reconstruction is invalid or
cannot be encoded."""
MIN_MOLECULES, MAX_MOLECULES = 20, 5000
"""Number of held-out molecules needed for a calibration, and used at most."""
N_NEW_LEVELS = 240
"""Maximum number of quantiles of a new calibration."""
MAX_STORED_LEVELS = 4096
"""Maximum number of quantiles in a checkpoint."""
MAX_NUMBER = 1e12
"""Bound on the numbers of a calibration."""
DIGITS = 6
"""Number of significant digits of the numbers of a calibration."""


@dataclass(frozen=True)
class ApplicabilityDomain:
    """The calibration: quantiles of the scores of held-out molecules.

    Attributes:
        n: Number of held-out molecules.
        line: Intercept and slope of their divergence, in nats, as a linear function of their number of tokens.
        centre: Means (3,) of the terms of their density.
        spread: Standard deviations (3,) of these terms, above 0.
        levels: Q shares of molecules, falling from 1 to 1 / n.
        scores: For each of `PARTS`, the Q scores that these shares of molecules reach or exceed.
        combined: The same for the combined score.

    Raises:
        ValueError: The numbers are of other shapes, not finite, or not in order.
    """

    n: int
    line: tuple[float, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    levels: tuple[float, ...]
    scores: tuple[tuple[float, ...], ...]
    combined: tuple[float, ...]

    def __post_init__(self) -> None:
        n_levels = len(self.levels)
        if not isinstance(self.n, int) or self.n < MIN_MOLECULES or not 2 <= n_levels <= MAX_STORED_LEVELS:
            raise ValueError(
                f"an applicability domain needs {MIN_MOLECULES} molecules, 2 to {MAX_STORED_LEVELS} levels"
            )
        for numbers, size in ((self.line, 2), (self.centre, N_DENSITY), (self.spread, N_DENSITY)):
            if len(numbers) != size or not _is_finite(numbers):
                raise ValueError(
                    f"an applicability domain needs an intercept, a slope, {N_DENSITY} means and deviations"
                )
        if min(self.spread) <= 0 or len(self.scores) != len(PARTS):
            raise ValueError(f"an applicability domain needs standard deviations above 0, and {len(PARTS)} parts")
        if not _is_sorted([-level for level in self.levels]) or not 0 < self.levels[-1] <= self.levels[0] == 1:
            raise ValueError("levels of an applicability domain must fall from 1 to a share above 0")
        for row in (*self.scores, self.combined):
            if len(row) != n_levels or not _is_sorted(row):
                raise ValueError(f"an applicability domain needs {n_levels} scores of a part, in order")

    @classmethod
    def of(cls, features: Doubles) -> ApplicabilityDomain:
        """Calibrates on the features (N, 5) of held-out molecules.

        Raises:
            ValueError: They are fewer than 20.
        """
        n = len(features)
        if n < MIN_MOLECULES:
            raise ValueError(f"an applicability domain needs {MIN_MOLECULES} molecules, but got {n}")
        levels = _levels(n)
        line = _round(_line(features[:, 2], features[:, 1]))
        density = _density(features, line)
        centre, spread = _round(density.mean(axis=0)), _round(np.maximum(density.std(axis=0), 1e-6))
        parts = _scores(features, line, centre, spread)
        tables = tuple(_quantiles(column, levels) for column in parts.T)
        combined = _combination(np.stack([_p(c, t, levels) for c, t in zip(parts.T, tables, strict=True)], axis=1))
        return cls(n, line, centre, spread, levels, tables, _quantiles(combined, levels))

    @classmethod
    def from_json(cls, value: Any) -> ApplicabilityDomain | None:
        """The inverse of `as_json`; None for None.

        Raises:
            ValueError: It is not what `as_json` returns.
            TypeError: An entry has another type.
            KeyError: An entry is missing.
        """
        if value is None:
            return None
        rows = {name: tuple(value[name]) for name in ("line", "centre", "spread", "levels", "combined")}
        if len(value) != len(rows) + 2:
            raise ValueError("the applicability domain has unexpected entries")
        return cls(value["n"], scores=tuple(tuple(row) for row in value["scores"]), **rows)

    def as_json(self) -> dict[str, Any]:
        """The calibration as JSON values."""
        return asdict(self)

    def p_values(self, features: Doubles) -> Doubles:
        """p-values (N, 3) in (0, 1]: for each part, the share of held-out molecules that are at least as atypical.

        Args:
            features: (N, 5), from `measure_features`.
        """
        parts = _scores(features, self.line, self.centre, self.spread)
        columns = [_p(column, table, self.levels) for column, table in zip(parts.T, self.scores, strict=True)]
        return np.stack(columns, axis=1)

    def trust(self, p_values: Doubles) -> Doubles:
        """Trust (N,) in (0, 1]: the share of held-out molecules whose combined score is at least as high."""
        return _p(_combination(p_values), self.combined, self.levels)


@torch.no_grad()
def measure_features(
    vae: Vae,
    vocabulary: Vocabulary,
    sequences: Sequence[NDArray[np.uint16]],
    max_tokens: int,
    on_done: Callable[[int], object] = lambda n_done: None,
) -> Doubles:
    """Features (N, 5) of molecules, from which their scores are derived.

    In this order: nats per token, divergence in nats, number of tokens including EOS, squared coarse distance from the
    origin, coarse distance between the molecule and its reconstruction. They do not depend on the batch, up to rounding
    of matrix products.

    Args:
        vae: Encoder and decoder.
        vocabulary: Their tokens.
        sequences: Token ids of N molecules.
        max_tokens: See `MolecularModel`.
        on_done: Called with the number of molecules done.
    """
    features = np.empty((len(sequences), N_FEATURES))
    device = next(vae.parameters()).device
    n_done = 0
    for rows, tokens, lengths in batch_by_length(sequences, device):
        mean, log_variance = vae.encoder(tokens, lengths)
        nll, is_exact = _measure_likelihood(vae, mean, tokens, lengths)
        divergence, squared_radius = _measure_density(vae, mean, log_variance)
        n_tokens = lengths + 1.0
        columns = (nll / n_tokens, divergence, n_tokens, squared_radius)
        features[rows, :4] = torch.stack(columns, dim=1).double().cpu().numpy()
        features[rows, 4] = 0.0
        inexact = np.flatnonzero(~is_exact.cpu().numpy())
        features[rows[inexact], 4] = _round_trip(vae, vocabulary, mean[inexact], max_tokens)
        n_done += len(rows)
        on_done(n_done)
    return features


def _measure_likelihood(vae: Vae, z: Tensor, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Nats (B,) of `tokens` (B, L) under the decoder at `z` (B, D), and whether greedy decoding gives them (B,)."""
    logits = vae.decoder(z, tokens)
    return negative_log_likelihood(logits, tokens, lengths), is_greedy(logits, tokens, lengths)


def _measure_density(vae: Vae, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Divergence (B,) from the prior in nats, and squared coarse distance (B,) of the mean from the origin."""
    divergence = kl_divergence(mean, log_variance, vae.encoder.scale).sum(dim=1)
    return divergence, mean[:, : vae.config.coarse_size].square().sum(dim=1)


def _round_trip(vae: Vae, vocabulary: Vocabulary, mean: Tensor, max_tokens: int) -> Doubles:
    """Coarse distances (B,) between posterior means (B, D) and those of their reconstructions."""
    distance = np.full(len(mean), MAX_DISTANCE)
    if not len(mean):
        return distance
    decoded = vae.decoder.generate(mean, max_tokens).tolist()
    found = {i: ids for i, row in enumerate(decoded) if len(ids := _retokenise(row, vocabulary, max_tokens))}
    if found:
        rows = list(found)
        tokens, lengths = (torch.from_numpy(part).to(mean.device) for part in pad(list(found.values())))
        again, _ = vae.encoder(tokens, lengths)
        step = (again - mean[rows])[:, : vae.config.coarse_size]
        distance[rows] = step.square().mean(dim=1).sqrt().clamp_max(MAX_DISTANCE).double().cpu().numpy()
    return distance


def _retokenise(ids: Sequence[int], vocabulary: Vocabulary, max_tokens: int) -> NDArray[np.uint16]:
    """Token ids of a decoded molecule, canonicalised; empty if it cannot be encoded."""
    molecule = parse_generated(vocabulary.to_smiles(ids, max_tokens), AS_IT_IS)
    if molecule is None:
        return np.empty(0, dtype=np.uint16)
    try:
        tokens = vocabulary.tokenise(molecule.smiles)
    except MoleculeError:
        return np.empty(0, dtype=np.uint16)
    return tokens[:0] if len(tokens) > max_tokens else tokens


def _line(x: Doubles, y: Doubles) -> Doubles:
    """Intercept and slope of the least squares line through points (N,); the slope is 0 if all `x` are equal."""
    spread = x.var()
    slope = ((x - x.mean()) * (y - y.mean())).mean() / spread if spread > 0 else 0.0
    return np.array([y.mean() - slope * x.mean(), slope])


def _density(features: Doubles, line: Sequence[float]) -> Doubles:
    """The terms of the density (N, 3): divergence, its excess over the line, squared distance from the origin."""
    divergence, n_tokens, squared_radius = features[:, 1:4].T
    excess = (divergence - line[0] - line[1] * n_tokens) / np.sqrt(n_tokens)
    return np.stack([divergence, excess, squared_radius], axis=1)


def _scores(features: Doubles, line: Sequence[float], centre: Sequence[float], spread: Sequence[float]) -> Doubles:
    """Scores (N, 3) in the order of `PARTS`."""
    density = (_density(features, line) - np.array(centre)) / np.array(spread)
    return np.stack([features[:, 0], density.sum(axis=1), features[:, 4]], axis=1)


def _combination(p_values: Doubles) -> Doubles:
    """Weighted Fisher statistic (N,) of p-values (N, 3)."""
    statistic: Doubles = -np.log(p_values) @ WEIGHTS
    return statistic


def _levels(n: int) -> tuple[float, ...]:
    """Shares of `n` molecules, falling from 1 to 1 / n: half of them evenly spaced, half by their logarithm."""
    wanted = np.concatenate([np.geomspace(1 / n, 1.0, N_NEW_LEVELS // 2), np.linspace(1 / n, 1.0, N_NEW_LEVELS // 2)])
    counts = np.unique(np.clip(np.ceil(wanted * n - 1e-9), 1, n))[::-1]
    return _round(counts / n)


def _quantiles(scores: Doubles, levels: Sequence[float]) -> tuple[float, ...]:
    """For each level, the greatest score that this share of the N scores reaches or exceeds."""
    falling = np.sort(scores)[::-1]
    rows = np.rint(np.array(levels) * len(scores)).astype(int) - 1
    return _round(falling[rows])


def _round(values: Doubles) -> tuple[float, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)


def _p(scores: Doubles, table: Sequence[float], levels: Sequence[float]) -> Doubles:
    """The shares (N,) of held-out molecules that reach or exceed scores (N,), interpolated between quantiles.

    A score above all quantiles gets the last share.
    """
    quantiles, shares = np.array(table), np.array(levels)
    after = np.minimum(np.searchsorted(quantiles, scores, side="left"), len(shares) - 1)
    before = np.maximum(after - 1, 0)
    gap = quantiles[after] - quantiles[before]
    way = np.clip((scores - quantiles[before]) / np.where(gap > 0, gap, 1.0), 0.0, 1.0)
    way = np.where((before == after) | (gap <= 0), 1.0, way)
    result: Doubles = shares[before] + way * (shares[after] - shares[before])
    return result


def _is_finite(values: Sequence[float]) -> bool:
    return all(isinstance(value, int | float) and abs(value) <= MAX_NUMBER for value in values)


def _is_sorted(values: Sequence[float]) -> bool:
    return _is_finite(values) and all(a <= b for a, b in pairwise(values))
