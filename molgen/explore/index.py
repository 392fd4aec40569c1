"""A library encoded once, in a file that is searched in milliseconds: its rotated latent vectors and its SMILES.

The points are posterior means, rotated onto the principal axes of the library, so that the leading coordinates contain
most of a distance. A search computes the distances in these coordinates for all rows, which are lower bounds of the
full distances, and the full distances only for rows that can still be among the nearest. The search is exact.

The file is in the safetensors format, written by `explore.library` and read through a memory map. It is hostile input
until checked.

Notation: N rows, D latent dimensions, Q leading coordinates, k neighbours.
Source: lower bounds of distances from leading principal axes, Chakrabarti & Mehrotra, VLDB 2000, 89.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from molgen.arrays import Doubles, Floats
from molgen.errors import FileError, SpecError

SUFFIX = ".safetensors"
FORMAT = "molgen-index-1"
N_LEADING = 16
"""Maximum of Q: the coarse dimensions of the shipped checkpoint hold three quarters of a squared distance."""
FARTHEST = 1e6
"""Maximum of the absolute coordinates of the centre, and of the length of the leading coordinates of a row; those of
molecules are below 100."""
SAMPLE_STEP = 64
"""One in this many partial distances is in the sample that determines a threshold."""

_REMEDY = "Make it again with `molgen index FILE -o INDEX.safetensors`."
_ROUNDING = 1e-5
"""Upper bound of the relative error of a sum of 16 products in float32."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class PackedTexts:
    """N texts in one buffer.

    Attributes:
        blob: Their UTF-8 bytes, uint8.
        ends: (N,) int64: end of each text in `blob`.

    Raises:
        ValueError: The ends do not rise to the length of the blob.
    """

    blob: NDArray[np.uint8]
    ends: Rows

    def __post_init__(self) -> None:
        steps = np.diff(self.ends, prepend=0)
        if (steps < 0).any() or (self.ends[-1] if len(self.ends) else 0) != len(self.blob):
            raise ValueError("texts must end one after the other, the last where their bytes do")

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> str:
        start = int(self.ends[row - 1]) if row else 0
        return self.blob[start : int(self.ends[row])].tobytes().decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Index:
    """A searchable library.

    Attributes:
        leading: (N, Q) float32: the first coordinates of the rotated points.
        rest: (N, D - Q) float16: the others.
        rotation: (D, D) float64: column i is the axis of coordinate i.
        centre: (D,) float64: subtracted before the rotation.
        smiles: N SMILES as in the library.
        names: N names, or none if the library has none.
        checkpoint_sha256: SHA-256 of the checkpoint that encoded it.

    Raises:
        ValueError: Shapes or types do not fit, there is no row, or numbers are out of range.
    """

    leading: Floats
    rest: NDArray[np.float16]
    rotation: Doubles
    centre: Doubles
    smiles: PackedTexts
    names: PackedTexts | None
    checkpoint_sha256: str

    def __post_init__(self) -> None:
        n, size = len(self.smiles), len(self.centre)
        n_leading = min(N_LEADING, size)
        wanted = {
            "leading": ((n, n_leading), np.float32),
            "rest": ((n, size - n_leading), np.float16),
            "rotation": ((size, size), np.float64),
            "centre": ((size,), np.float64),
        }
        for name, (shape, dtype) in wanted.items():
            value = getattr(self, name)
            if value.shape != shape or value.dtype != dtype:
                raise ValueError(
                    f"{name} must be {np.dtype(dtype)} of shape {shape}, but is {value.dtype}{value.shape}"
                )
        if not n or (self.names is not None and len(self.names) != n):
            raise ValueError("there must be rows, and as many names as rows, or none")
        self._require_sound()

    def _require_sound(self) -> None:
        """Refuses numbers that no library of molecules has and that would break a search, by a ValueError."""
        with np.errstate(over="ignore", invalid="ignore"):
            is_rotation = np.allclose(self.rotation.T @ self.rotation, np.eye(len(self.centre)), atol=1e-6)
            is_near = (np.abs(self.centre) <= FARTHEST).all() and (self._lengths <= FARTHEST**2).all()
        if not is_rotation:
            raise ValueError("rotation must be orthogonal")
        if not is_near or not _is_finite(self.rest):
            raise ValueError(f"points must be finite numbers of at most {FARTHEST:g}")

    def __len__(self) -> int:
        return len(self.smiles)

    @classmethod
    def open(cls, path: Path) -> Index:
        """The index in a file, memory-mapped, so that only parts that a search needs are read.

        Raises:
            FileError: The file is missing, damaged, or no index.
        """
        if not path.is_file():
            raise FileError(path, "is not a file", remedy="Check the path.")
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
            return cls._of(tensors, metadata)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FileError(path, f"is not an index of a library: {reason}", remedy=_REMEDY) from None

    @classmethod
    def _of(cls, tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> Index:
        parts = {name: tensors[name] for name in ("leading", "rest", "rotation", "centre")}
        names = _texts(tensors, "names") if "names" in tensors else None
        smiles = _texts(tensors, "smiles")
        return cls(**parts, smiles=smiles, names=names, checkpoint_sha256=metadata["checkpoint_sha256"])

    def require_checkpoint(self, path: Path, digest: str) -> None:
        """Checks that this index, read from `path`, belongs to the checkpoint with SHA-256 `digest`.

        Raises:
            FileError: It belongs to another one.
        """
        if self.checkpoint_sha256 != digest:
            message = f"was made with the checkpoint {self.checkpoint_sha256:.12}..., not with {digest:.12}..."
            remedy = f"Name the checkpoint that it was made with by --checkpoint. {_REMEDY}"
            raise FileError(path, message, remedy=remedy)

    def points(self, rows: slice | Rows) -> Floats:
        """Points (M, D) of rows, in the original coordinates, with about three correct digits."""
        rotated = np.concatenate([self.leading[rows], self.rest[rows].astype(np.float32)], axis=1)
        back: Floats = rotated @ self.rotation.T.astype(np.float32) + self.centre.astype(np.float32)
        return back

    def nearest(self, point: Floats, k: int) -> tuple[Rows, Floats]:
        """The `k` rows nearest to a point (D,), or all if they are fewer, and their distances, nearest first.

        For equal distances, the earlier row comes first.

        Raises:
            SpecError: The point is not D finite numbers.
        """
        if point.shape != self.centre.shape or not np.isfinite(point).all():
            raise SpecError("point", f"must be {len(self.centre)} finite numbers")
        k = min(k, len(self))
        query = ((point - self.centre) @ self.rotation).astype(np.float32)
        partial = self._partial_squares(query[: self.leading.shape[1]])
        slack = np.float32(_ROUNDING * (float(self._lengths.max()) + float(query @ query)))
        bound = np.partition(self._squares(query, _likely(partial, k)), k - 1)[k - 1] + slack
        rows = np.flatnonzero(partial <= bound)
        squares = self._squares(query, rows)
        order = np.lexsort((rows, squares))[:k]
        return rows[order], np.sqrt(squares[order])

    def in_order(self, point: Floats) -> Iterator[tuple[int, float]]:
        """All rows in order of their distance to a point (D,), each with its distance.

        Raises:
            SpecError: The point is not D finite numbers.
        """
        n_seen, k = 0, 64
        while n_seen < len(self):
            rows, distances = self.nearest(point, k)
            yield from zip(rows[n_seen:].tolist(), distances[n_seen:].tolist(), strict=True)
            n_seen, k = len(rows), 4 * k

    def _partial_squares(self, query: Floats) -> Floats:
        """Squared distances (N,) of a rotated point to all rows in the leading coordinates (Q,) alone."""
        partial: Floats = self.leading @ (np.float32(-2.0) * query)
        partial += self._lengths + np.float32(query @ query)
        return partial

    def _squares(self, query: Floats, rows: Rows) -> Floats:
        """Squared distances (M,) of a rotated point (D,) to rows."""
        n_leading = self.leading.shape[1]
        leading, rest = self.leading[rows] - query[:n_leading], self.rest[rows].astype(np.float32) - query[n_leading:]
        squares: Floats = np.einsum("mq,mq->m", leading, leading) + np.einsum("mq,mq->m", rest, rest)
        return squares

    @cached_property
    def _lengths(self) -> Floats:
        """Squared lengths (N,) of the leading coordinates."""
        lengths: Floats = np.einsum("nq,nq->n", self.leading, self.leading)
        return lengths


def _is_finite(values: NDArray[np.float16]) -> bool:
    """Whether numbers (N, M) of half precision are finite, by their bits."""
    return not ((values.view(np.uint16) & 0x7C00) == 0x7C00).any()


def _texts(tensors: dict[str, NDArray[Any]], name: str) -> PackedTexts:
    blob, ends = tensors[name], tensors[f"{name}.ends"]
    if blob.ndim != 1 or blob.dtype != np.uint8 or ends.ndim != 1 or ends.dtype != np.int64:
        raise ValueError(f"{name} must be bytes with whole numbers where each text ends")
    return PackedTexts(blob, ends)


def _likely(partial: Floats, k: int) -> Rows:
    """At least `k` rows, among them most of the `k` with the smallest partial distances (N,).

    A sample determines the threshold.
    """
    n_wanted = max(4 * k, 256)
    sample = partial[::SAMPLE_STEP]
    place = -(-n_wanted // SAMPLE_STEP)
    if place >= len(sample):
        return np.arange(len(partial))
    rows = np.flatnonzero(partial <= np.partition(sample, place)[place])
    return rows if len(rows) >= k else np.argpartition(partial, k)[:k]
