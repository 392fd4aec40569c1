"""Decoding a point to the molecule whose own latent vector is nearest: the inverse of a smooth encoder.

Most points of the space are far from the latent vector of any molecule, and there the output of an autoregressive
decoder changes abruptly: one different token changes all that follow. The encoder is smooth. So a point z is decoded
to the molecule x whose latent vector enc(x) is the nearest that a search finds. Greedy decoding at the point and at
points beside it gives the first molecules; from the nearest of these, small graph edits follow as long as they reduce
the distance.

The squared distance is sum_i w_i (enc(x) - z)_i^2, with w_i the standard deviation of the prior in dimension i: the
coarse dimensions, which follow structural similarity, dominate, and the fine ones distinguish similar molecules. The
weights were chosen by experiment (docs/log/latent-space.md). With w_i = 1, fewer different molecules are found around
a molecule; with w_i = 1 / variance_i, a molecule is the nearest to nearly all points around it.

The result for a point depends on the point, the seed and the known molecules, but not on other points. The random edits
of a molecule are seeded by the molecule, so that points that reach the same one share the work.

Notation: N points, D latent dimensions, E edits of a molecule.
Source: decoding as a search for the input of a given code, inversion by optimisation, Mahendran & Vedaldi 2015
(arXiv:1412.0035), equation 1, here over molecules; the edits are those of Jensen 2019 (see `chem.graph_edits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike
from rdkit import Chem

from molgen.arrays import Doubles, Floats
from molgen.chem.graph_edits import mutate
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.latent.space import LatentSpace
from molgen.tokens.tokenisation import hash_key

SHARES = (1.0, 0.9, 0.8)
"""Factors that a point is multiplied by before noise is added: points nearer to the origin decode to more typical
molecules."""
N_BESIDE = 16
"""Number of points decoded beside each point."""
SPREAD = 0.3
"""Standard deviation of the Gaussian noise that makes these points, in standard deviations of the prior."""
N_EDITS = 200
"""Random edits of a molecule; about half of them are possible and distinct."""
N_ROUNDS = 2
"""Maximum number of successive edits; a third hardly reduces the distance."""
CHUNK = 512
"""Number of points processed together."""


def nearest_molecules(space: LatentSpace, z: ArrayLike, seed: int = 0, known: Sequence[str] = ()) -> list[str | None]:
    """Canonical SMILES of the molecules whose latent vectors are nearest to points (N, D); None if none is found.

    Far slower than `LatentSpace.decode` (docs/concepts/latent-space.md has a time), and faster for points that are
    close together. Latent vectors are posterior means, without refinement.

    Args:
        space: The latent space.
        z: Points; rows that are not finite give None.
        seed: Seed of the points beside each point, and of the edits.
        known: Canonical SMILES of molecules that may be near, such as the one that the points were drawn around; the
            search also starts from them.

    Raises:
        SpecError: `z` is not an array of rows of D numbers.
    """
    first = space.decode(z)
    points = np.asarray(z, dtype=np.float32)
    found: list[str | None] = [None] * len(points)
    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        beside = _beside(space, points[chunk], seed)
        search = _Search(space, points[chunk], _Surroundings(space, seed))
        search.look([[first[row], *beside, *known] for row, beside in zip(chunk, beside, strict=True)])
        for _ in range(N_ROUNDS):
            search.step()
        for row, text in zip(chunk, search.best, strict=True):
            found[row] = text and parse(text, AS_IT_IS).smiles
    return found


def _beside(space: LatentSpace, points: Floats, seed: int) -> list[list[str | None]]:
    """SMILES decoded beside each of N points (N, D); they do not depend on the other points."""
    shares = np.resize(np.array(SHARES, dtype=np.float32), N_BESIDE)
    draws = []
    for point in points:
        rng = np.random.default_rng([seed, *point.view(np.uint32).tolist()])
        noise = rng.standard_normal((N_BESIDE, space.size), dtype=np.float32)
        draws.append(shares[:, None] * point + SPREAD * space.prior_deviation * noise)
    decoded = iter(space.decode(np.concatenate(draws)))
    return [list(islice(decoded, N_BESIDE)) for _ in points]


class _Surroundings:
    """Latent vectors of molecules and of their edits, each computed once."""

    def __init__(self, space: LatentSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._weight = np.sqrt(space.prior_deviation.astype(np.float64))
        self._codes: dict[str, Floats] = {}
        self._edits: dict[str, list[str]] = {}

    def learn(self, texts: Iterable[str]) -> None:
        """Computes the latent vectors of molecules."""
        new = [text for text in dict.fromkeys(texts) if text not in self._codes]
        self._codes.update(zip(new, self._space.encode(new, AS_IT_IS, is_refined=False), strict=True))

    def learn_edits(self, texts: Iterable[str]) -> None:
        """Computes the edits of molecules, and their latent vectors."""
        new = [text for text in dict.fromkeys(texts) if text not in self._edits]
        self._edits.update((text, _edits(text, self._seed)) for text in new)
        self.learn(edit for text in new for edit in self._edits[text])

    def edits(self, text: str) -> list[str]:
        """The edits of a molecule, computed before."""
        return self._edits[text]

    def distances(self, texts: Sequence[str], point: Floats) -> Doubles:
        """Distances (E,) of computed molecules to a point (D,); infinite for those that cannot be encoded."""
        codes = np.stack([self._codes[text] for text in texts]).astype(np.float64)
        away = np.linalg.norm((codes - point) * self._weight, axis=1)
        return np.where(np.isfinite(away), away, np.inf)


class _Search:
    """A descent, for each of N points, from its first molecules to nearer ones.

    Attributes:
        best: The nearest molecule (N,) so far, or None.
    """

    def __init__(self, space: LatentSpace, points: Floats, surroundings: _Surroundings) -> None:
        self.best: list[str | None] = [None] * len(points)
        self._distance = np.full(len(points), np.inf)
        self._points = points
        self._surroundings = surroundings
        self._open: list[int] = []

    def look(self, drawn: Sequence[Sequence[str | None]]) -> None:
        """Starts each point from the nearest of its first molecules."""
        found = [list(dict.fromkeys(text for text in texts if text is not None)) for texts in drawn]
        self._surroundings.learn(text for texts in found for text in texts)
        self._open = [row for row, texts in enumerate(found) if self._moves(row, texts)]

    def step(self) -> None:
        """Replaces the best molecule of each point by its nearest edit, if that is nearer.

        Points whose last step did not reduce the distance are left out.
        """
        at = {row: text for row in self._open if (text := self.best[row]) is not None}
        self._surroundings.learn_edits(at.values())
        self._open = [row for row, text in at.items() if self._moves(row, self._surroundings.edits(text))]

    def _moves(self, row: int, texts: Sequence[str]) -> bool:
        """Makes the nearest of the molecules the best of a point; False if none is nearer than the best so far."""
        if not texts:
            return False
        distances = self._surroundings.distances(texts, self._points[row])
        nearest = int(distances.argmin())
        if distances[nearest] >= self._distance[row]:
            return False
        self.best[row], self._distance[row] = texts[nearest], float(distances[nearest])
        return True


def _edits(smiles: str, seed: int) -> list[str]:
    """Distinct results of single edits of a canonical SMILES, always the same ones."""
    rng = np.random.default_rng([seed, hash_key(smiles)])
    edited = (mutate(rng, smiles) for _ in range(N_EDITS))
    return list(dict.fromkeys(Chem.MolToSmiles(mol) for mol in edited if mol is not None))
