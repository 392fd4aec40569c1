"""One process per folder: a lock of the operating system, released when the process ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from molgen.errors import RunError

LOCK = ".molgen-lock"


@contextmanager
def hold(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Holds the lock `name` of a folder for the duration of a block; another process that asks for it fails at once.

    On a file system without locks, no process is refused.

    Args:
        folder: Existing folder.
        name: Name of the lock file in the folder; the file stays there.

    Raises:
        RunError: Another process holds the lock; the message names that process.
    """
    path = folder / name
    with ExitStack() as stack:
        while True:
            handle = stack.enter_context(path.open("a+", encoding="utf-8"))
            _lock(handle, folder)
            if _is_at(handle, path):
                break  # otherwise the folder was replaced in the meantime
        handle.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"host": socket.gethostname(), "process": os.getpid(), "since": since}, handle)
        handle.flush()
        yield


def _lock(handle: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(
            folder, f"is in use by {_holder(handle)}", remedy="Wait until that process ends, or stop it."
        ) from None
    except OSError:  # a file system without locks
        return


def _is_at(handle: TextIO, path: Path) -> bool:
    """Whether the open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _holder(handle: TextIO) -> str:
    handle.seek(0)
    try:
        entry = json.loads(handle.read(1000))
        since = datetime.fromisoformat(entry["since"]).isoformat(timespec="seconds")
        return f"process {int(entry['process'])} on host {str(entry['host'])[:100]!r} since {since}"
    except (ValueError, KeyError, TypeError):
        return "another process"
