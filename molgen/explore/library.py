"""Making an index of a library: its molecules are encoded, rotated and written as a stream.

Points are buffered in an unnamed file until the rotation, which depends on all of them, is known.

Notation: N rows, D latent dimensions, M rows of a chunk.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import DEFAULT_POLICY, Policy
from molgen.chem.table import Rejection, Row, Tally, chunked
from molgen.explore.index import FORMAT, N_LEADING
from molgen.latent.remote import SpaceWorkers, map_chunks
from molgen.latent.space import LatentSpace
from molgen.paths import replace_file

CHUNK = 1024
"""Rows encoded or rotated at once."""
MAX_NAME_LENGTH = 200
"""Maximum length of a name; longer ones are cut."""
_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "U8": np.uint8}


def build_index(
    space: LatentSpace,
    items: Iterable[Row | Rejection],
    path: Path,
    tally: Tally,
    policy: Policy = DEFAULT_POLICY,
    *,
    workers: SpaceWorkers | None = None,
    on_done: Callable[[int], object] = lambda n_done: None,
) -> None:
    """Encodes a library into an index, which is written atomically; takes 16 bytes of memory per row.

    Args:
        space: The latent space. Points are posterior means: refinement costs six times as much or more and moves a
            point by about 0.1, a twentieth of the distance to a near neighbour.
        items: Rows and rejections, as `read_rows` yields them.
        path: The file to write or replace.
        tally: Counts the rows; rows without a molecule that can be encoded are rejected.
        policy: Standardisation before encoding.
        workers: Where to encode; by default here.
        on_done: Called with the number of rows done.

    Raises:
        FileError: No row can be used; `path` is unchanged.
        OSError: The file cannot be written; `path` is unchanged.
        MolgenError: Workers fail, see `map_chunks`; `path` is unchanged.
    """
    with ExitStack() as stack:
        points, smiles, names = (stack.enter_context(TemporaryFile(dir=path.parent)) for _ in range(3))
        library = _Library(space.size, points, smiles, names)
        encode = partial(_encode, policy=policy)
        for chunk, z in map_chunks(space, encode, chunked(items, CHUNK), workers):
            library.add(list(tally.sift(chunk)), z)
            on_done(tally.read)
        tally.require_kept(path)
        with replace_file(path) as temporary, temporary.open("wb") as handle:
            library.write(handle, space.model.digest)


def _encode(
    space: LatentSpace, chunk: Sequence[Row | Rejection], policy: Policy
) -> tuple[list[Row | Rejection], Floats]:
    """The chunk with rejections in place of rows without a point, and the points (M, D) of the other rows."""
    encoding = space.explain([item.smiles for item in chunk if isinstance(item, Row)], policy, is_refined=False)
    reasons = iter(encoding.reasons)
    items = [_or_rejection(item, next(reasons)) if isinstance(item, Row) else item for item in chunk]
    is_kept = np.array([not reason for reason in encoding.reasons], dtype=bool)
    return items, encoding.z[is_kept]


def _or_rejection(row: Row, reason: str) -> Row | Rejection:
    return Rejection(row.line, row.smiles, reason) if reason else row


@dataclass
class _Library:
    """The parts of an index that is being written.

    Attributes:
        size: D.
        points: Buffer of points.
        smiles: Buffer of the bytes of SMILES.
        names: Buffer of the bytes of names.
        ends: End of each SMILES, and of each name.
        total: Sum (D,) of the points.
        products: Sum (D, D) of their outer products.
    """

    size: int
    points: IO[bytes]
    smiles: IO[bytes]
    names: IO[bytes]
    ends: tuple[array[int], array[int]] = field(default_factory=lambda: (array("q"), array("q")))
    total: Doubles = field(init=False)
    products: Doubles = field(init=False)

    def __post_init__(self) -> None:
        self.total, self.products = np.zeros(self.size), np.zeros((self.size, self.size))

    def add(self, rows: Sequence[Row], z: Floats) -> None:
        """Adds rows and their points (M, D)."""
        self.points.write(np.ascontiguousarray(z).tobytes())
        self.total += z.sum(axis=0, dtype=np.float64)
        self.products += z.T.astype(np.float64) @ z
        for row in rows:
            self.smiles.write(row.smiles.split(maxsplit=1)[0].encode())
            self.names.write(row.name[:MAX_NAME_LENGTH].encode("utf-8", errors="replace"))
            self.ends[0].append(self.smiles.tell())
            self.ends[1].append(self.names.tell())

    def write(self, handle: IO[bytes], checkpoint_sha256: str) -> None:
        """Writes the index, with the widest number types first, so that all parts are aligned."""
        n, n_leading = len(self.ends[0]), min(N_LEADING, self.size)
        centre = self.total / n
        covariance = self.products / n - np.outer(centre, centre)
        rotation = np.ascontiguousarray(np.linalg.eigh(covariance)[1][:, ::-1])
        has_names = self.names.tell() > 0
        shapes: dict[str, tuple[str, list[int]]] = {
            "rotation": ("F64", [self.size, self.size]),
            "centre": ("F64", [self.size]),
            "smiles.ends": ("I64", [n]),
            **({"names.ends": ("I64", [n])} if has_names else {}),
            "leading": ("F32", [n, n_leading]),
            "rest": ("F16", [n, self.size - n_leading]),
            "smiles": ("U8", [self.smiles.tell()]),
            **({"names": ("U8", [self.names.tell()])} if has_names else {}),
        }
        handle.write(_header(shapes, {"format": FORMAT, "checkpoint_sha256": checkpoint_sha256}))
        handle.write(rotation.tobytes() + centre.tobytes() + self.ends[0].tobytes())
        handle.write(self.ends[1].tobytes() if has_names else b"")
        for columns, dtype in ((slice(n_leading), np.float32), (slice(n_leading, None), np.float16)):
            for z in self._read_points():
                handle.write(np.ascontiguousarray(((z - centre) @ rotation)[:, columns], dtype=dtype).tobytes())
        for texts in (self.smiles, self.names):
            texts.seek(0)
            shutil.copyfileobj(texts, handle)

    def _read_points(self) -> Iterator[Floats]:
        self.points.seek(0)
        while data := self.points.read(CHUNK * self.size * 4):
            yield np.frombuffer(data, dtype=np.float32).reshape(-1, self.size)


def _header(shapes: dict[str, tuple[str, list[int]]], metadata: dict[str, str]) -> bytes:
    """The header of a safetensors file whose tensors follow in the order of `shapes`.

    Source: https://github.com/huggingface/safetensors, "Format".
    """
    entries: dict[str, object] = {"__metadata__": metadata}
    start = 0
    for name, (dtype, shape) in shapes.items():
        end = start + math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
