"""Where shipped files are, and how files are written so that a crash never leaves half of one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

_HERE = Path(__file__).resolve().parent


def find_shipped(folder: str) -> Path:
    """The read-only folder that molgen ships: inside the package in a wheel, beside it in a checkout."""
    inside = _HERE / folder
    return inside if inside.is_dir() else _HERE.parent / folder


def cache_folder() -> Path:
    """The folder for what can be made anew: $MOLGEN_CACHE, or `molgen` in the user's cache folder."""
    own = os.environ.get("MOLGEN_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "molgen"


def require_regular(path: Path) -> None:
    """Asks for a regular file: reading a pipe can wait for ever, and a device such as /dev/zero never ends.

    Raises:
        OSError: There is none at `path`.
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
    """A temporary path beside `path` that takes its place, synced to disk, when the block succeeds.

    Raises:
        OSError: The folder cannot be written, or the disk is full; `path` is then as it was.
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
        temporary = Path(handle.name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replaces the file `path` by `text` (UTF-8) in one step."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
