"""The folder that a command leaves behind: what was asked (`spec.toml`), what it ran on (`manifest.json`), `log.txt`.

A run is resumed only as what it was: the same specification, inputs, checkpoint and versions.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomlkit

from molgen.chem.table import Tally
from molgen.errors import FileError, RunError
from molgen.paths import require_regular, write_text

PACKAGES = ("molgen", "torch", "rdkit", "selfies", "optuna", "numpy")
SPEC, MANIFEST, LOG = "spec.toml", "manifest.json", "log.txt"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        FileError: The file cannot be read.
    """
    digest = sha256()
    try:
        require_regular(path)
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise FileError(path, error.strerror or str(error), remedy="Check the path.") from None
    return digest.hexdigest()


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_input(path: Path, tally: Tally) -> dict[str, Any]:
    """What the manifest says of an input file."""
    return {
        "path": str(path),
        "sha256": file_digest(path),
        "rows_read": tally.read,
        "rows_kept": tally.kept,
        "rows_rejected": dict(tally.rejected.most_common()),
    }


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, existing and with a specification in it."""

    path: Path

    @classmethod
    def create(cls, path: Path, spec: Mapping[str, Any], *, is_forced: bool = False) -> RunFolder:
        """A new run at `path`, with `spec` (without None values) as its specification.

        Args:
            path: A folder that does not exist or is empty.
            spec: TOML values by option name.
            is_forced: Remove an earlier run at `path` first. A folder that is no run is never removed.

        Raises:
            RunError: Something is at `path` already.
        """
        if path.is_dir() and any(path.iterdir()):
            cls._make_room(path, is_forced)
        elif path.exists() and not path.is_dir():
            raise RunError(path, "is a file", remedy="Name another folder with --out.")
        path.mkdir(parents=True, exist_ok=True)
        given = {key: value for key, value in spec.items() if value is not None}
        write_text(path / SPEC, tomlkit.dumps(given))
        folder = cls(path)
        folder.update(versions=versions(), command=sys.argv, start=now())
        return folder

    @staticmethod
    def _make_room(path: Path, is_forced: bool) -> None:
        if not (path / SPEC).is_file():
            raise RunError(path, "exists and is not a molgen run", remedy="Name another folder with --out.")
        if not is_forced:
            raise RunError(path, "holds a run already", remedy="Continue it with --resume, or replace it with --force.")
        shutil.rmtree(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run at `path`.

        Raises:
            RunError: There is none.
        """
        if not (path / SPEC).is_file():
            raise RunError(path, "is not a molgen run: it has no spec.toml", remedy="Name the folder given as --out.")
        return cls(path)

    def spec(self) -> dict[str, Any]:
        """The specification.

        Raises:
            RunError: It is damaged.
        """
        try:
            return tomllib.loads((self.path / SPEC).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(self.path / SPEC, f"cannot be read: {error}", remedy="Start a new run.") from None

    def manifest(self) -> dict[str, Any]:
        """The manifest; empty before the first `update`.

        Raises:
            RunError: It is damaged.
        """
        path = self.path / MANIFEST
        if not path.exists():
            return {}
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(path, f"cannot be read: {error}", remedy="Start a new run.") from None
        if not isinstance(entries, dict):
            raise RunError(path, "is not a JSON object", remedy="Start a new run.")
        return entries

    def update(self, **entries: Any) -> None:
        """Adds to the manifest, or replaces entries of it, in one step."""
        merged = self.manifest() | entries
        write_text(self.path / MANIFEST, json.dumps(merged, indent=1) + "\n")

    def require_same(self, **entries: Any) -> None:
        """Asks that manifest entries, versions included, are now what they were when the run began.

        Raises:
            RunError: Something changed; the message names it.
        """
        manifest = self.manifest()
        for key, value in {"versions": versions(), **entries}.items():
            if manifest.get(key) != json.loads(json.dumps(value)):
                raise RunError(
                    self.path,
                    f"{key} changed since this run began: was {manifest.get(key)}, is {value}",
                    remedy="Resume under what it began with, or start a new run in another folder.",
                )

    def log(self, text: str) -> None:
        """Appends a line to the log."""
        with (self.path / LOG).open("a", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(f"{now()} {text}\n")
