"""Latent vectors in a file (.npz, .csv or .parquet), one row per molecule; a molecule without a vector keeps its row.

Input files may be hostile: nothing is unpickled, and an array in a .npz file, or the columns of a .parquet file, are
refused if they take more memory than `MAX_GROWTH` times their size in the file plus `MIN_UNPACKED` bytes. For a
.parquet file, the memory is estimated from its metadata.

Notation: N rows, D latent dimensions.
"""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.chem.lines import MIN_UNPACKED, lines
from molgen.chem.molecule import AS_IT_IS
from molgen.chem.table import Record, Rejection, Tally, chunked
from molgen.errors import FileError, SpecError
from molgen.latent.space import LatentSpace
from molgen.paths import replace_file

SUFFIXES = (".npz", ".csv", ".parquet")
MAX_SIZE = 4096
"""Maximum of D."""
MAX_GROWTH = 100
"""Maximum ratio of the size in memory to the size in the file, beyond `MIN_UNPACKED` bytes. `write_vectors` does not
compress .npz files, and latent vectors hardly compress in .parquet files."""
CHUNK = 1024
"""Number of rows encoded at once."""

_REMEDY = "Use a file that `molgen encode` wrote."
_DIGEST = "checkpoint_sha256"
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, OverflowError, MemoryError,
    zipfile.BadZipFile, zlib.error, csv.Error,
)  # fmt: skip
"""Errors of zipfile, csv, numpy and pyarrow for broken files."""


@dataclass(frozen=True)
class Vectors:
    """Points and their molecules.

    Attributes:
        z: (N, D) float32; NaN in rows without a point.
        smiles: N canonical SMILES; "" if missing.
        checkpoint_sha256: SHA-256 of the checkpoint of the space; "" if unknown.

    Raises:
        ValueError: Shapes or types do not fit.
    """

    z: NDArray[np.float32]
    smiles: tuple[str, ...]
    checkpoint_sha256: str = ""

    def __post_init__(self) -> None:
        if self.z.ndim != 2 or not 1 <= self.z.shape[1] <= MAX_SIZE:
            raise ValueError(f"z must be rows of 1 to {MAX_SIZE} numbers, but its shape is {self.z.shape}")
        if self.z.dtype != np.float32:
            raise ValueError(f"z must be float32, but is {self.z.dtype}")
        if len(self.smiles) != len(self.z):
            raise ValueError(f"{len(self.smiles)} SMILES do not fit {len(self.z)} rows of z")

    def __len__(self) -> int:
        return len(self.z)

    def require_checkpoint(self, path: Path, digest: str, size: int) -> None:
        """Checks that these vectors belong to the space of a checkpoint.

        Args:
            path: File of the vectors, for messages.
            digest: SHA-256 of the checkpoint.
            size: Number of latent dimensions of the checkpoint.

        Raises:
            FileError: They belong to another checkpoint, or have another size.
        """
        remedy = "Name the checkpoint of the file by --checkpoint, or encode again."
        if self.checkpoint_sha256 not in ("", digest):
            message = f"belongs to the checkpoint {self.checkpoint_sha256:.12}..., not to {digest:.12}..."
            raise FileError(path, message, remedy=remedy)
        if self.z.shape[1] != size:
            raise FileError(path, f"has {self.z.shape[1]} dimensions, the checkpoint {size}", remedy=remedy)


def require_writable_kind(path: Path) -> None:
    """Checks that a file of this name can be written.

    Raises:
        SpecError: The suffix is none of `SUFFIXES`, or the package that writes it is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise SpecError("output", f"{path} must end in one of {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        _parquet()


def write_vectors(path: Path, vectors: Vectors) -> None:
    """Writes vectors atomically, in the format that the suffix of `path` names.

    Raises:
        SpecError: The suffix is unknown, or pyarrow is not installed.
        OSError: The file cannot be written.
    """
    require_writable_kind(path)
    write = {".npz": _write_npz, ".csv": _write_csv, ".parquet": _write_parquet}[path.suffix]
    with replace_file(path) as temporary:
        write(temporary, vectors)


def read_vectors(path: Path) -> Vectors:
    """The vectors in a file that `write_vectors` wrote.

    Raises:
        FileError: The file is missing, damaged, or of another kind.
        SpecError: pyarrow is needed and not installed.
    """
    if path.suffix not in SUFFIXES:
        raise FileError(path, f"must end in one of {', '.join(SUFFIXES)}", remedy=_REMEDY)
    if not path.is_file():
        raise FileError(path, "is not a file", remedy="Check the path.")
    read = {".npz": _read_npz, ".csv": _read_csv, ".parquet": _read_parquet}[path.suffix]
    try:
        return read(path)
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(path, f"does not hold latent vectors: {reason}", remedy=_REMEDY) from None


def encode_items(space: LatentSpace, items: Iterable[Record | Rejection], tally: Tally) -> Vectors:
    """The vectors of the rows of a file, in order; a row that cannot be encoded has no point.

    Args:
        space: The latent space.
        items: Records and rejections, as `read_molecules` yields them.
        tally: Counts the rows; rows that cannot be encoded are rejected too.
    """
    parts, smiles = [], []
    for chunk in chunked(items, CHUNK):
        texts = [item.molecule.smiles if isinstance(item, Record) else "" for item in chunk]
        encoding = space.explain(texts, AS_IT_IS)
        for item, reason in zip(chunk, encoding.reasons, strict=True):
            if isinstance(item, Record) and reason:
                item = Rejection(item.line, item.molecule.smiles, reason)
            tally.add(item)
        parts.append(encoding.z)
        smiles += texts
    z = np.concatenate(parts) if parts else np.empty((0, space.size), dtype=np.float32)
    return Vectors(z, tuple(smiles), space.model.digest)


def _columns(size: int) -> list[str]:
    return ["smiles", *(f"z{i}" for i in range(size))]


def _write_npz(temporary: Path, vectors: Vectors) -> None:
    with temporary.open("wb") as handle:
        np.savez(
            handle,
            z=vectors.z,
            smiles=np.array(vectors.smiles, dtype=np.str_),
            checkpoint_sha256=vectors.checkpoint_sha256,
        )


def _read_npz(path: Path) -> Vectors:
    with zipfile.ZipFile(path) as archive:
        for name in ("z", "smiles", _DIGEST):
            _require_honest_member(archive, f"{name}.npy")
    with np.load(path, allow_pickle=False) as arrays:
        z, smiles, digest = arrays["z"], arrays["smiles"], arrays[_DIGEST]
    if smiles.dtype.kind != "U" or smiles.ndim != 1 or digest.dtype.kind != "U" or digest.ndim != 0:
        raise ValueError("smiles and checkpoint_sha256 must be text")
    return Vectors(z, tuple(smiles.tolist()), str(digest))


def _require_honest_member(archive: zipfile.ZipFile, name: str) -> None:
    """Checks that an array is not larger than its archive member, before memory is allocated."""
    info = archive.getinfo(name)
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](member)
    if math.prod(shape) * dtype.itemsize > info.file_size:
        raise ValueError(f"{name} is truncated")
    if info.file_size > MAX_GROWTH * info.compress_size + MIN_UNPACKED:
        raise ValueError(f"{name} unpacks to more than {MAX_GROWTH} times its size")


def _write_csv(temporary: Path, vectors: Vectors) -> None:
    with temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(_columns(vectors.z.shape[1]))
        for smiles, z in zip(vectors.smiles, vectors.z.tolist(), strict=True):
            writer.writerow([smiles, *("" if math.isnan(value) else f"{value:.9g}" for value in z)])


def _read_csv(path: Path) -> Vectors:
    table = csv.reader(lines(path))
    header = next(table)
    if header != _columns(len(header) - 1):
        raise ValueError("the columns must be smiles, z0, z1 and so on")
    smiles: list[str] = []
    rows: list[NDArray[np.float32]] = []
    for cells in table:
        if len(cells) != len(header):
            message = f"has {len(cells)} cells, not {len(header)}"
            raise FileError(path, message, line=table.line_num, remedy=_REMEDY)
        smiles.append(cells[0])
        rows.append(_numbers(path, table.line_num, cells[1:]))
    return Vectors(np.array(rows, dtype=np.float32).reshape(len(rows), len(header) - 1), tuple(smiles))


def _numbers(path: Path, line: int, cells: list[str]) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # beyond float32: infinite, decodes to nothing
            return np.array([float(cell) if cell else math.nan for cell in cells], dtype=np.float32)
    except ValueError as error:
        raise FileError(path, str(error), line=line, remedy=_REMEDY) from None


def _parquet() -> tuple[ModuleType, ModuleType]:
    """The modules `pyarrow` and `pyarrow.parquet`, which only .parquet files need."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        remedy = "Install it with `pip install 'molgen-workbench[parquet]'`, or use a .npz or .csv file."
        raise SpecError("parquet", "needs pyarrow, which is not installed", remedy=remedy) from None


def _write_parquet(temporary: Path, vectors: Vectors) -> None:
    arrow, parquet = _parquet()
    columns = dict(zip(_columns(vectors.z.shape[1]), [list(vectors.smiles), *vectors.z.T], strict=True))
    table = arrow.table(columns).replace_schema_metadata({_DIGEST: vectors.checkpoint_sha256})
    parquet.write_table(table, temporary)


def _require_honest_columns(path: Path, metadata: Any) -> None:
    """Checks that the columns are not much larger than the file, before memory is allocated.

    A column of equal numbers takes a few bytes for any number of rows.
    """
    declared = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    size = max(declared, 4 * metadata.num_rows * metadata.num_columns)
    if size > MAX_GROWTH * path.stat().st_size + MIN_UNPACKED:
        raise ValueError(f"its columns unpack to more than {MAX_GROWTH} times its size")


def _read_parquet(path: Path) -> Vectors:
    _, parquet = _parquet()
    _require_honest_columns(path, parquet.read_metadata(path))
    table = parquet.read_table(path)
    if table.column_names != _columns(table.num_columns - 1):
        raise ValueError("the columns must be smiles, z0, z1 and so on")
    smiles, *columns = (column.to_numpy() for column in table.columns)
    metadata = table.schema.metadata or {}
    z = np.array(columns, dtype=np.float32).T
    return Vectors(np.ascontiguousarray(z), tuple(map(str, smiles)), metadata.get(_DIGEST.encode(), b"").decode())
