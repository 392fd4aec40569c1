"""Where shipped files are, and how files are written so that a crash never leaves half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

_HERE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The read-only folder that molgen ships: inside the package in a wheel, beside it in a checkout."""
    inside = _HERE / folder
    return inside if inside.is_dir() else _HERE.parent / folder


def cache_folder() -> Path:
    """The folder for what can be made anew: $MOLGEN_CACHE, or `molgen` in the user's cache folder."""
    own = os.environ.get("MOLGEN_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "molgen"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
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
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
