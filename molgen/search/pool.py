"""The pool: children that were judged before any of them costs a call, and the picks among them.

Notation: P children, M scores.
Sources: upper confidence bound, Srinivas et al. 2010 (arXiv:0912.3995); random weights of several scores, ParEGO,
Knowles 2006 (doi:10.1109/TEVC.2005.851274).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from molgen.chem.molecule import Molecule
from molgen.search.breeding import Child

Array = NDArray[np.float64]
Judge = Callable[[Sequence[Molecule]], tuple[Array, Array, Array]]
"""From P molecules to what they miss of the constraints (P,), 0 where they keep them, and mean and spread of their
scores, each (P, M), 0 for the worst and 1 for the best that was found."""


class Pool:
    """Children that were judged."""

    def __init__(self, judge: Judge, confidence: float) -> None:
        """An empty pool; `confidence` is how many deviations a pick adds to the mean at most."""
        self._judge = judge
        self._confidence = confidence
        self._children: dict[str, Child] = {}
        self._judged: list[tuple[Array, Array, Array]] = []

    def add(self, children: Sequence[Child]) -> None:
        """Judges children that are not in it yet."""
        fresh = {c.molecule.smiles: c for c in children if c.molecule.smiles not in self._children}
        if fresh:
            self._children |= fresh
            self._judged.append(self._judge([child.molecule for child in fresh.values()]))

    def share_kept(self) -> float:
        """Share of the children that keep the constraints; 1 where there are none."""
        return float(np.mean(np.concatenate([missed for missed, *_ in self._judged]) <= 0.0)) if self._judged else 1.0

    def picks(self, n: int, rng: np.random.Generator) -> list[Child]:
        """At most `n` children, each the most promising of those left, under a boldness and weights of its own.

        Those that keep the constraints come first, then those that miss them least.
        """
        if not self._judged:
            return []
        missed, mean, spread = (np.concatenate(parts) for parts in zip(*self._judged, strict=True))
        left = np.arange(len(missed))
        picked = []
        for _ in range(min(n, len(missed))):
            boldness, weights = self._confidence * rng.random(), rng.dirichlet(np.ones(mean.shape[1]))
            value = _scalarised(mean[left] + boldness * spread[left], weights)
            place = int(np.lexsort((-value, missed[left]))[0])
            picked.append(int(left[place]))
            left = np.delete(left, place)
        children = list(self._children.values())
        return [children[i] for i in picked]


def _scalarised(share: Array, weights: Array) -> Array:
    """One number (P,) for M scores (P, M), each 1 at the best that was found: what is missing most, by weight.

    Source: augmented Chebyshev with random weights, ParEGO, Knowles 2006 (doi:10.1109/TEVC.2005.851274), equation 2.
    """
    missing = weights * (1.0 - share)
    value: Array = -(missing.max(axis=1) + 0.05 * missing.sum(axis=1))
    return value
