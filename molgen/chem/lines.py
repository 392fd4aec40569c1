"""The lines of text files, plain or .gz, streamed, within limits that protect against hostile files."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, cast

from molgen.errors import FileError, SpecError
from molgen.paths import require_regular

SWITCH = "MOLGEN_LIMITS"
"""Environment variable that lifts `Limits` when it is `off`."""
MIN_UNPACKED = 16_000_000
"""Characters that any .gz file may unpack to, however small it is."""

_LINES_PER_REPORT = 1_000
_UNLIMITED = sys.maxsize - 1

OnShare = Callable[[float], object]
"""Called with the share, in [0, 1], of a file that was read so far."""


def ignore_share(share: float) -> None:
    """An `OnShare` that does nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that no real file of molecules exceeds; without them a hostile file could exhaust memory and time.

    Attributes:
        line: Characters of a line.
        record: Characters of a record of an SDF.
        blank: Consecutive blank lines.
        growth: Characters that a .gz file may unpack to per byte, if they are more than `MIN_UNPACKED`; tables and SDF
            have 3 to 20.
    """

    line: int = 1_000_000
    record: int = 10_000_000
    blank: int = 1_000_000
    growth: int = 100

    @classmethod
    def current(cls) -> Limits:
        """The limits, or practically none if `MOLGEN_LIMITS=off` is in the environment.

        Raises:
            SpecError: The variable is neither `on` nor `off`.
        """
        match os.environ.get(SWITCH, "on"):
            case "on":
                return cls()
            case "off":
                return cls(_UNLIMITED, _UNLIMITED, _UNLIMITED, _UNLIMITED)
        raise SpecError(SWITCH, f"must be on or off, but is {os.environ[SWITCH]!r}")

    def require_line(self, path: Path, number: int, line: str) -> None:
        """Raises a FileError if a line is too long."""
        if len(line) > self.line:
            raise excess(path, f"more than {self.line:,} characters", number)

    def require_size(self, path: Path, number: int, n_chars: int, n_bytes: int) -> None:
        """Raises a FileError if `n_chars` characters, unpacked so far, are too many for a .gz file of `n_bytes`."""
        if n_chars > max(MIN_UNPACKED, self.growth * n_bytes):
            raise excess(path, f"unpacks to more than {self.growth} times its size", number)


def excess(path: Path, what: str, line: int) -> FileError:
    """The error for a file that exceeds a limit."""
    remedy = f"If this is a file of molecules, read it with {SWITCH}=off in the environment."
    return FileError(path, what, line=line, remedy=remedy)


def lines(path: Path, on_share: OnShare = ignore_share) -> Iterator[str]:
    """The lines of a text file, each checked to be text, within `Limits`.

    Raises:
        FileError: The file cannot be opened, is no regular file, is empty, is damaged at a line, or exceeds a limit.
    """
    number = 0
    try:
        for line in _checked(path, on_share):
            number += 1
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(
            path, f"compressed data are damaged: {error}", line=number + 1, remedy="Copy it anew."
        ) from error
    except OSError as error:
        raise FileError(path, error.strerror or str(error), remedy="Check the path.") from error
    if number == 0:
        raise FileError(path, "is empty", remedy="Give a file with at least one molecule.")


def _checked(path: Path, on_share: OnShare) -> Iterator[str]:
    limits = Limits.current()
    require_regular(path)
    n_bytes, n_chars, n_blank = max(1, path.stat().st_size), 0, 0
    is_packed = path.name.lower().endswith(".gz")
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        binary = stack.enter_context(gzip.open(raw)) if is_packed else raw
        # surrogateescape: _require_text then reports undecodable bytes at their own line, not at that of the buffer
        text = TextIOWrapper(cast(BinaryIO, binary), encoding="utf-8-sig", errors="surrogateescape")
        for number, line in enumerate(iter(lambda: text.readline(limits.line + 1), ""), 1):
            limits.require_line(path, number, line)
            _require_text(path, number, line)
            n_chars += len(line)
            n_blank = n_blank + 1 if line == "\n" else 0
            if n_blank > limits.blank:
                raise excess(path, f"more than {limits.blank:,} blank lines in a row", number)
            if is_packed:
                limits.require_size(path, number, n_chars, n_bytes)
            if number % _LINES_PER_REPORT == 0:
                on_share(raw.tell() / n_bytes)
            yield line
    on_share(1.0)


def _require_text(path: Path, number: int, line: str) -> None:
    if "\0" in line or (not line.isascii() and any("\ud800" <= char <= "\udfff" for char in line)):
        raise FileError(
            path,
            "not UTF-8 text",
            line=number,
            remedy="Save it as UTF-8; the name of a gzip file must end in .gz.",
        )
