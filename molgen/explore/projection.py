"""Two-dimensional projections of a latent space, and their trustworthiness.

Notation: N molecules, D latent dimensions, k neighbours.

| method | keeps | needs |
| --- | --- | --- |
| `pca` | the two directions of the largest variance: undistorted, but most of the variance is hidden | nothing |
| `tsne` | neighbourhoods; distances between clusters mean little | openTSNE |
| `umap` | neighbourhoods, with tighter clusters; distances between clusters mean little | umap-learn |

Sources: Pearson 1901, doi:10.1080/14786440109462720; van der Maaten & Hinton, J. Mach. Learn. Res. 2008, 9, 2579,
computed as in Linderman et al. 2019, doi:10.1038/s41592-018-0308-4; McInnes et al. 2018, arXiv:1802.03426.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from molgen.arrays import Doubles
from molgen.errors import SpecError
from molgen.extras import require_package
from molgen.metrics import measure_trustworthiness

N_JUDGED = 2000
"""Maximum number of random points on which the trustworthiness is measured; they have two million pairs."""
MIN_POINTS = 3
"""Minimum number of points."""
PERPLEXITY = 30
"""Perplexity of t-SNE; van der Maaten & Hinton 2008 advise 5 to 50."""
UMAP_NEIGHBOURS = 15
"""Neighbours of UMAP: the default of its authors."""

OnDone = Callable[[float], object]


@dataclass(frozen=True)
class Projection:
    """N points projected to two dimensions.

    Attributes:
        method: `pca`, `tsne` or `umap`.
        points: (N, 2) float64, in the units of the method: of the latent space for `pca`, else none.
        explained: Shares in [0, 1] of the variance along the two axes of `pca`; empty for the other methods.
        n_judged: Random points used for `trustworthiness`.
        trustworthiness: By k, 1 at best and 0.5 by chance (see `metrics.trustworthiness`); None if fewer than 2 k
            points were used.
    """

    method: str
    points: Doubles
    explained: tuple[float, ...]
    n_judged: int
    trustworthiness: Mapping[str, float | None]


def require_method(method: str) -> None:
    """Checks that `method` is known and its package is installed.

    Raises:
        SpecError: It is not.
    """
    if method not in METHODS:
        raise SpecError("method", f"must be one of {', '.join(METHODS)}, but got {method!r}")
    if method == "tsne":
        require_package("openTSNE", package="openTSNE", extra="map", key="method")
    if method == "umap":
        require_package("umap", package="umap-learn", extra="umap", key="method")


def project(z: NDArray[np.float32], method: str, seed: int = 0, *, on_done: OnDone = lambda share: None) -> Projection:
    """The projection of points (N, D), reproducible by seed.

    Args:
        z: At least three points, none missing.
        method: `pca`, `tsne` or `umap`.
        seed: Seed of t-SNE, UMAP and of the points used for trustworthiness.
        on_done: Called with the share of the work that is done, in [0, 1].

    Raises:
        SpecError: The method is unknown or not installed, there are too few points, or one is not finite.
    """
    require_method(method)
    if z.ndim != 2 or not np.isfinite(z).all():
        raise SpecError("z", f"must be rows of finite numbers, but its shape is {z.shape}")
    if len(z) < MIN_POINTS:
        message = f"only {len(z)} molecules can be encoded, and a map needs {MIN_POINTS}"
        raise SpecError("data", message, remedy="Give a file with more molecules.")
    axes, explained = principal_axes(z)
    points = METHODS[method](z, axes, seed, on_done)
    judged = np.sort(np.random.default_rng(seed).permutation(len(z))[:N_JUDGED])
    return Projection(
        method=method,
        points=points,
        explained=explained if method == "pca" else (),
        n_judged=len(judged),
        trustworthiness=measure_trustworthiness(z[judged], points[judged]),
    )


def principal_axes(z: NDArray[np.float32]) -> tuple[Doubles, tuple[float, float]]:
    """Coordinates (N, 2) along the two directions of the largest variance, and the shares in [0, 1] they explain.

    The sign of a direction is arbitrary: its largest entry is made positive.
    """
    centred = z.astype(np.float64) - z.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    axes = np.zeros((z.shape[1], 2))
    shares = [0.0, 0.0]
    for place in range(min(2, z.shape[1])):
        axis = vectors[:, -1 - place]
        axes[:, place] = axis * np.sign(axis[np.argmax(np.abs(axis))])
        shares[place] = float(max(values[-1 - place], 0.0) / max(values.sum(), np.finfo(np.float64).tiny))
    return centred @ axes, (shares[0], shares[1])


def _pca(z: NDArray[np.float32], axes: Doubles, seed: int, on_done: OnDone) -> Doubles:
    return axes


def _tsne(z: NDArray[np.float32], axes: Doubles, seed: int, on_done: OnDone) -> Doubles:
    from openTSNE import TSNE

    n_steps = 250 + 500  # steps of early exaggeration in openTSNE, and steps after it
    done = [0]

    def watch(step: int, error: float, embedding: object) -> None:
        done[0] += _TOLD_EVERY
        on_done(min(1.0, done[0] / n_steps))

    model = TSNE(
        perplexity=min(PERPLEXITY, (len(z) - 1) / 3),
        initialization=_small(axes, 1e-4),
        random_state=seed,
        n_jobs=1,  # with more threads, sums depend on their timing
        callbacks=watch,
        callbacks_every_iters=_TOLD_EVERY,
    )
    return np.array(model.fit(z), dtype=np.float64)


_TOLD_EVERY = 10


def _umap(z: NDArray[np.float32], axes: Doubles, seed: int, on_done: OnDone) -> Doubles:
    from umap import UMAP

    model = UMAP(
        n_neighbors=min(UMAP_NEIGHBOURS, len(z) - 1),
        init=_small(axes, 1.0).astype(np.float32),
        random_state=seed,
        n_jobs=1,
    )
    return np.asarray(model.fit_transform(z), dtype=np.float64)


def _small(axes: Doubles, spread: float) -> Doubles:
    """Initialisation that preserves global structure: principal axes (N, 2), the first with the deviation `spread`.

    Source: Kobak & Linderman 2021, doi:10.1038/s41587-020-00809-z.
    """
    deviation = axes[:, 0].std()
    return axes / deviation * spread if deviation > 0.0 else axes


METHODS: Mapping[str, Callable[[NDArray[np.float32], Doubles, int, OnDone], Doubles]] = MappingProxyType(
    {"pca": _pca, "tsne": _tsne, "umap": _umap}
)
"""Functions that compute the projected points (N, 2) from points (N, D), coordinates on the principal axes (N, 2), a
seed and a callback for progress."""
