"""Benchmark of paths: linear against spherical, and both against bare lines, which are decoded without a search.

Notation: N molecules, M pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.errors import SpecError
from molgen.explore.path import KINDS, LINEAR, SPHERICAL, Path, PathConfig, decode_line, find_path
from molgen.latent.space import LatentSpace

N_PAIRS = 60


@dataclass(frozen=True)
class Figures:
    """The figures of a path, or their means over pairs.

    Attributes:
        between: Number of distinct molecules between the ends.
        leaving: Spearman's correlation of t with dissimilarity to the start; 0 if there is nothing between.
        coming: Spearman's correlation of t with similarity to the end; 0 if there is nothing between.
        confidence: The lowest on the path, see `explore.path.measure_confidence`; 0 if there is nothing between.
        leap: The largest Tanimoto distance (ECFP4) between successive molecules.
    """

    between: float
    leaving: float
    coming: float
    confidence: float
    leap: float


@dataclass(frozen=True)
class InterpolationScore:
    """Paths of many pairs.

    Attributes:
        n: Number of pairs of different molecules that can both be encoded, M.
        means: By kind: `linear`, `spherical`, and `linear line`, `spherical line` for the bare lines.
        p_values: By figure, the p-value of the two-sided Wilcoxon signed-rank test of linear against spherical paths;
            1 if they never differ.
    """

    n: int
    means: dict[str, Figures]
    p_values: dict[str, float]


def measure_path(path: Path) -> Figures:
    """The figures of one path."""
    values = (*path.monotonicity, path.worst_confidence)
    leaving, coming, confidence = (0.0 if math.isnan(value) else value for value in values)
    return Figures(path.n_between, leaving, coming, confidence, path.largest_leap)


def score_interpolation(
    space: LatentSpace,
    smiles: Sequence[str],
    seed: int = 0,
    on_done: Callable[[float], object] = lambda _share: None,
    *,
    n_pairs: int = N_PAIRS,
) -> InterpolationScore:
    """Measures paths between random molecules of a list.

    Args:
        space: The latent space.
        smiles: N canonical SMILES.
        seed: Seed of the pairs, and of the points around the lines.
        on_done: Called with the share done, in [0, 1].
        n_pairs: Maximum number of pairs.

    Raises:
        SpecError: No pair consists of different molecules that can both be encoded.
    """
    return compare_paths(space, draw_pairs(smiles, n_pairs, seed), PathConfig(seed=seed), on_done)


def compare_paths(
    space: LatentSpace,
    pairs: Sequence[tuple[str, str]],
    route: PathConfig,
    on_done: Callable[[float], object] = lambda _share: None,
) -> InterpolationScore:
    """Linear and spherical paths between pairs of canonical SMILES, and the bare lines; `route.kind` is not used.

    Raises:
        SpecError: No pair consists of different molecules that can both be encoded.
    """
    from scipy.stats import wilcoxon

    flat = [text for pair in pairs for text in pair]
    points = space.encode(flat, AS_IT_IS).reshape(len(pairs), 2, space.size)
    rows = [i for i, (a, b) in enumerate(pairs) if a != b and np.isfinite(points[i]).all()]
    if not rows:
        raise SpecError("pairs", "none is of different molecules that can be encoded", remedy="Give other molecules.")
    found: dict[str, list[Figures]] = {name: [] for kind in KINDS for name in (kind, f"{kind} line")}
    for done, row in enumerate(rows, 1):
        molecules = parse(pairs[row][0]), parse(pairs[row][1])
        for kind in KINDS:
            own = replace(route, kind=kind)
            found[kind].append(measure_path(find_path(space, molecules, points[row], own)))
            found[f"{kind} line"].append(measure_path(decode_line(space, molecules, points[row], own)))
        on_done(done / len(rows))
    tables = {name: np.array([astuple(each) for each in paths]) for name, paths in found.items()}
    difference = tables[LINEAR] - tables[SPHERICAL]
    return InterpolationScore(
        n=len(rows),
        means={name: Figures(*table.mean(axis=0).tolist()) for name, table in tables.items()},
        p_values={
            field.name: float(wilcoxon(column).pvalue) if column.any() else 1.0
            for field, column in zip(fields(Figures), difference.T, strict=True)
        },
    )


def draw_pairs(smiles: Sequence[str], n: int, seed: int) -> list[tuple[str, str]]:
    """At most `n` pairs of different molecules, no molecule in two pairs."""
    order = np.random.default_rng(seed).permutation(len(smiles))
    texts = [smiles[i] for i in order]
    return [(a, b) for a, b in zip(texts[::2], texts[1::2], strict=False) if a != b][:n]
