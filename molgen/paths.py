"""Locations of shipped files, and atomic writing of files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from molgen.errors import FileError

_HERE = Path(__file__).resolve().parent
_SHIPPED = ("data", "checkpoints")
_MAX_NAME_PART = 50  # characters of a file's name kept in its temporary name, which may have 255 bytes


def find_shipped(folder: str) -> Path:
    """A read-only folder that molgen ships: inside the package in a wheel, beside it in a checkout."""
    inside = _HERE / folder
    return inside if inside.is_dir() else _HERE.parent / folder


def cache_folder() -> Path:
    """The cache folder: $MOLGEN_CACHE, or `molgen` in the user's cache folder."""
    own = os.environ.get("MOLGEN_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "molgen"


def require_regular(path: Path) -> None:
    """Checks that `path` is a regular file: a pipe can block for ever, and a device such as /dev/zero never ends.

    Raises:
        OSError: It is not.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        OSError: It cannot be read, or is larger.
    """
    require_regular(path)
    with path.open("rb") as handle:
        if os.fstat(handle.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"is larger than {limit:,} bytes", str(path))
        return handle.read(limit)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, whose file replaces `path`, synced to disk, when the block succeeds.

    A new file gets its mode from the umask, a replaced one keeps its mode. If `path` is a symbolic link, its target is
    replaced.

    Raises:
        OSError: The folder cannot be written, or the disk is full; `path` is then as it was.
    """
    target = Path(os.path.realpath(path))
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    temporary = target.with_name(f".{target.name[:_MAX_NAME_PART]}.{token_hex(8)}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if mode is None else 0o600))
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replaces the file `path` by `text` (UTF-8), atomically."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths, links followed, lead to one file; or to one location, if a file is missing."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def require_no_input(output: Path, inputs: Iterable[Path]) -> None:
    """Checks that an output is neither an input nor a file that molgen ships.

    Args:
        output: The file or folder to write.
        inputs: Files and folders that are read.

    Raises:
        FileError: `output` is one of `inputs` or a shipped file, links included.
    """
    for path in inputs:
        if is_same_file(output, path):
            raise FileError(output, f"is read by this command, as {path}", remedy="Name another file to write.")
    real = Path(os.path.realpath(output))
    if real.exists() and any(real.parent == Path(os.path.realpath(find_shipped(folder))) for folder in _SHIPPED):
        raise FileError(output, "is a file that molgen ships", remedy="Name another file to write.")
