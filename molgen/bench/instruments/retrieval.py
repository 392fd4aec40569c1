"""Benchmark of neighbours: recall and speed of a library search, and similarity of the molecules found.

Notation: N molecules, Q queries among them, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from molgen.arrays import Doubles, Floats
from molgen.chem.formats import Row
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto_to_many
from molgen.chem.table import Tally
from molgen.errors import SpecError
from molgen.explore.index import Index, Rows
from molgen.explore.library import build_index
from molgen.latent.space import LatentSpace

K = 10
N_QUERIES = 100
ROUNDING = 1e-3
"""Tolerance of squared distances in float32."""


@dataclass(frozen=True)
class Retrieval:
    """Figures of the search of an index, means over queries unless stated otherwise.

    Attributes:
        n: Number of molecules in the library.
        n_queries: Number of query molecules, which are not their own neighbours.
        recall: Share of the 10 nearest points found; 1 if the search is exact.
        query_ms: Median time of a search, in milliseconds.
        brute_force_ms: The same for all distances by one matrix product, in the same run.
        tanimoto: Mean Tanimoto similarity (ECFP4) of a query to the molecules of its 10 nearest points.
        tanimoto_of_best: The same for its 10 most similar molecules, the highest value possible.
        tanimoto_by_chance: The same for all other molecules of the library.
        overlap: Share of the 10 nearest points that are among the 10 most similar molecules.
        overlap_by_chance: The same for 10 molecules drawn at random.
        spearman: Rank correlation of latent nearness and Tanimoto similarity over the library.
    """

    n: int
    n_queries: int
    recall: float
    query_ms: float
    brute_force_ms: float
    tanimoto: float
    tanimoto_of_best: float
    tanimoto_by_chance: float
    overlap: float
    overlap_by_chance: float
    spearman: float


def score_retrieval(
    space: LatentSpace, smiles: Sequence[str], seed: int, on_done: Callable[[int], object] = lambda _n: None
) -> Retrieval:
    """Measures an index of molecules on queries among them.

    Args:
        space: The latent space.
        smiles: Distinct canonical SMILES. The library is those that can be encoded, more than 20.
        seed: Seed of the choice of queries.
        on_done: Called with the number of queries done, at most `N_QUERIES`.

    Raises:
        SpecError: Too few of the molecules can be encoded.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "library.safetensors"
        build_index(space, (Row(i, text, "", ()) for i, text in enumerate(smiles, 1)), path, Tally(), AS_IT_IS)
        index = Index.open(path)
        if len(index) <= 2 * K:
            raise SpecError("molecules", f"more than {2 * K} that can be encoded are needed, but got {len(index)}")
        return _measure(index, seed, on_done)


def _measure(index: Index, seed: int, on_done: Callable[[int], object]) -> Retrieval:
    n_queries = min(N_QUERIES, len(index))
    queries = np.random.default_rng(seed).choice(len(index), n_queries, replace=False)
    bits = [fingerprint(parse(index.smiles[row]).mol) for row in range(len(index))]
    z = index.points(slice(None))
    lengths: Floats = np.einsum("nd,nd->n", z, z)
    timings, agreements = [], []
    for n_done, row in enumerate(queries.tolist(), 1):
        start = perf_counter()
        found, _ = index.nearest(z[row], K + 1)
        middle = perf_counter()
        squares = lengths - 2.0 * (z @ z[row]) + lengths[row]
        np.argpartition(squares, K + 1)
        timings.append((middle - start, perf_counter() - middle))
        agreements.append(_agreement(row, found, squares, tanimoto_to_many(bits[row], bits)))
        on_done(n_done)
    query_s, brute_force_s = np.median(timings, axis=0).tolist()
    return Retrieval(
        n=len(index),
        n_queries=n_queries,
        query_ms=1e3 * query_s,
        brute_force_ms=1e3 * brute_force_s,
        overlap_by_chance=K / (len(index) - 1),
        **{name: float(np.mean([each[name] for each in agreements])) for name in agreements[0]},
    )


def _agreement(row: int, found: Rows, squares: Floats, similarity: Doubles) -> dict[str, float]:
    """The figures of one query, the molecule `row`, other than times; the query is not its own neighbour."""
    from scipy.stats import spearmanr

    others = np.delete(np.arange(len(squares)), row)
    near, like = squares[others], similarity[others]
    best = others[np.argsort(-like, kind="stable")[:K]]
    rows = found[found != row][:K]
    return {
        "recall": float((squares[rows] <= np.partition(near, K - 1)[K - 1] + ROUNDING).mean()),
        "tanimoto": float(similarity[rows].mean()),
        "tanimoto_of_best": float(similarity[best].mean()),
        "tanimoto_by_chance": float(like.mean()),
        "overlap": float(np.isin(rows, best).mean()),
        "spearman": float(spearmanr(-near, like).statistic),
    }
