"""Run folders: the specification (`spec.toml`), facts about the run (`manifest.json`) and a log (`log.txt`).

A run is resumed only with the same specification, inputs, checkpoint and versions. One process at a time works in a
run. A new run exists once its `spec.toml` exists, which is written last.
"""

from __future__ import annotations

import json
import platform
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomlkit

from molgen import __version__, replacement
from molgen.chem.table import Tally
from molgen.errors import FileError, InterruptedRunError, MolgenError, RunError
from molgen.lock import LOCK, hold
from molgen.paths import require_regular, write_text

PACKAGES = ("torch", "rdkit", "selfies", "optuna", "numpy")
SPEC, MANIFEST, LOG = "spec.toml", "manifest.json", "log.txt"


def versions() -> dict[str, str]:
    """Versions of Python, of molgen and of the packages that can change a result."""
    return {
        "python": platform.python_version(),
        "molgen": __version__,
        **{name: version(name) for name in PACKAGES},
    }


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
    """The current time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_input(path: Path, tally: Tally) -> dict[str, Any]:
    """The manifest entry of an input file."""
    return {
        "path": str(path),
        "sha256": file_digest(path),
        "rows_read": tally.read,
        "rows_kept": tally.kept,
        "rows_rejected": dict(tally.rejected.most_common()),
    }


class RunFolder:
    """The folder of a run, with a specification in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_kept = False

    @classmethod
    @contextmanager
    def begin(
        cls,
        path: Path,
        spec: Mapping[str, Any],
        files: Sequence[str],
        *,
        facts: Mapping[str, Any] | None = None,
        exports: Sequence[str] = (),
        inputs: Iterable[Path] = (),
        is_forced: bool = False,
    ) -> Iterator[RunFolder]:
        """A new run at `path`, locked until the block ends.

        If the block fails before `keep`, the new run is removed, and an earlier run is unchanged. If it is interrupted
        before `keep`, an earlier run is restored, or if there is none, the new one stays to be resumed.

        Args:
            path: A folder that does not exist or is empty.
            spec: TOML values by option name; None is left out.
            files: Names, or patterns of names, of the files that this kind of run writes besides those of every run.
            facts: Further entries of the manifest.
            exports: Those of `files` that another process may be writing, without the lock.
            inputs: Files that the run reads.
            is_forced: Replace an earlier run at `path`. A folder that holds anything else is never replaced.

        Raises:
            RunError: `path` holds a run, other files or one of `inputs`, or another process works there.
        """
        is_new_folder = not path.exists()
        content = _Content(path, files, exports)
        content.require_room(inputs, is_forced=is_forced)
        path.mkdir(parents=True, exist_ok=True)
        with hold(path):
            content.recover()
            content.require_room(inputs, is_forced=is_forced)
            content.make_room()
            run = cls(path)
            try:
                run._write(spec, facts or {})
                yield run
                run.keep()
            except BaseException as error:
                if not run._is_kept:
                    _end_start(content, error, is_new_folder=is_new_folder)
                raise

    @classmethod
    @contextmanager
    def resume(cls, path: Path, files: Sequence[str], *, exports: Sequence[str] = ()) -> Iterator[RunFolder]:
        """The run at `path`, locked until the block ends.

        Args:
            path: Folder of the run.
            files: See `begin`.
            exports: See `begin`.

        Raises:
            RunError: There is none, or another process works there.
        """
        content = _Content(path, files, exports)
        if not content.is_run_or_was():
            cls.open(path)
        with hold(path):
            content.recover()
            yield cls.open(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run at `path`, for reading.

        Raises:
            RunError: There is none.
        """
        if not (path / SPEC).is_file():
            raise RunError(path, "is not a molgen run: it has no spec.toml", remedy="Name the folder given as --out.")
        return cls(path)

    def keep(self) -> None:
        """Marks the run as worth keeping; the earlier run that it replaces is removed."""
        if not self._is_kept:
            self._is_kept = True
            replacement.discard(self.path)

    def _write(self, spec: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Writes manifest and specification; the latter completes the start of the run."""
        text = tomlkit.dumps({key: value for key, value in spec.items() if value is not None})
        digest = sha256(text.encode()).hexdigest()
        self.update(versions=versions(), command=sys.argv, start=now(), spec_sha256=digest, **facts)
        write_text(self.path / SPEC, text)

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
        """Adds or replaces entries of the manifest, atomically."""
        merged = self.manifest() | entries
        write_text(self.path / MANIFEST, json.dumps(merged, indent=1) + "\n")

    def require_same(self, **entries: Any) -> None:
        """Checks that `entries`, and versions and specification, are those in the manifest.

        Raises:
            RunError: Something changed; the message names it.
        """
        manifest = self.manifest()
        digest = file_digest(self.path / SPEC)
        for key, value in {"versions": versions(), "spec_sha256": digest, **entries}.items():
            if manifest.get(key) != json.loads(json.dumps(value)):
                raise RunError(
                    self.path,
                    f"{key} changed since this run began: was {manifest.get(key)}, is {value}",
                    remedy="Restore what it began with, or start a new run in another folder.",
                )

    def log(self, text: str) -> None:
        """Appends a line to the log."""
        with (self.path / LOG).open("a", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(f"{now()} {text}\n")


class _Content:
    """The content of a run folder, or of a folder that is to become one."""

    def __init__(self, path: Path, files: Sequence[str], exports: Sequence[str]) -> None:
        self.path = path
        self.patterns = (SPEC, MANIFEST, LOG, *files)
        self.exports = exports

    def require_room(self, inputs: Iterable[Path], *, is_forced: bool) -> None:
        """Checks that a run can be made here.

        Raises:
            RunError: It cannot.
        """
        path = self.path
        if path.exists() and not path.is_dir():
            raise RunError(path, "is a file", remedy="Name another folder with --out.")
        entries = self._entries()
        foreign = [entry.name for entry in entries if not self._is_own(entry)]
        is_run = self.is_run_or_was()
        if entries and not (self._is_recognised() if is_run else all(map(self._is_of_a_start, entries))):
            raise RunError(path, "exists and is not a molgen run", remedy="Name another folder with --out.")
        if foreign and is_forced:
            raise RunError(path, f"holds other files than a run: {_join_names(foreign)}", remedy="Name another folder.")
        if is_run and not is_forced:
            raise RunError(path, "holds a run already", remedy="Continue it with --resume, or replace it with --force.")
        for file in inputs:
            if file.resolve().parent == path.resolve():
                raise RunError(path, f"holds an input of the new run: {file.name}", remedy="Name another folder.")

    def is_run_or_was(self) -> bool:
        """Whether there is a run, or an earlier one that can be put back."""
        return (self.path / SPEC).is_file() or replacement.has_earlier(self.path)

    def recover(self) -> None:
        """Completes what a killed process left half done; only for the process that holds the lock."""
        replacement.recover(self.path)
        if replacement.has_earlier(self.path) and not (self.path / SPEC).is_file():
            self._put_back()
        for entry in self._entries():
            if self._is_temporary(entry.name):
                entry.unlink()

    def make_room(self) -> None:
        """Moves an earlier run aside; if one is aside already, removes the unfinished start that was to replace it."""
        if (self.path / SPEC).is_file() and not replacement.has_earlier(self.path):
            replacement.set_aside(self.path, self._files())
        self._remove_files()

    def undo(self, *, is_new_folder: bool) -> None:
        """Removes the new run, and restores the earlier one; if there is none, removes the folder if it is new."""
        if replacement.has_earlier(self.path):
            self._put_back()
            return
        self._remove_files()
        (self.path / LOCK).unlink(missing_ok=True)
        if is_new_folder and not any(self.path.iterdir()):
            self.path.rmdir()

    def _put_back(self) -> None:
        self._remove_files()
        replacement.put_back(self.path)

    def _remove_files(self) -> None:
        (self.path / SPEC).unlink(missing_ok=True)
        for file in self._files():
            file.unlink()

    def _files(self) -> list[Path]:
        return [entry for entry in self._entries() if self._is_own(entry) and not entry.is_dir()]

    def _entries(self) -> list[Path]:
        """The files and folders in the folder, except its lock."""
        return sorted(entry for entry in self.path.iterdir() if entry.name != LOCK) if self.path.is_dir() else []

    def _is_recognised(self) -> bool:
        """Whether the manifest, or that of an earlier run moved aside, says that molgen made the folder."""
        return any(_is_manifest(place / MANIFEST) for place in (self.path, *replacement.find_earlier(self.path)))

    def _is_own(self, entry: Path) -> bool:
        if entry.is_dir():
            return entry.name in replacement.FOLDERS
        return any(fnmatchcase(entry.name, form) for p in self.patterns for form in (p, _TEMPORARY.format(p)))

    def _is_temporary(self, name: str) -> bool:
        """Whether this is an unfinished file that no other process can be writing."""
        return any(fnmatchcase(name, _TEMPORARY.format(p)) for p in self.patterns if p not in self.exports)

    def _is_of_a_start(self, entry: Path) -> bool:
        """Whether the file can be there when a run was killed before its specification was written."""
        if entry.name == MANIFEST:
            return _is_manifest(entry)
        return any(fnmatchcase(entry.name, _TEMPORARY.format(name)) for name in (SPEC, MANIFEST))


_TEMPORARY = ".{}." + 16 * "[0-9a-f]"
"""How `paths.replace_file` names an unfinished file."""


def _end_start(content: _Content, error: BaseException, *, is_new_folder: bool) -> None:
    """Undoes the start of a run that `error` ended; an interrupted run stays, unless an earlier one can be restored."""
    is_stopped = isinstance(error, InterruptedRunError) or not isinstance(error, Exception)
    has_earlier = replacement.has_earlier(content.path)
    if is_stopped and not has_earlier:
        return
    content.undo(is_new_folder=is_new_folder)
    if has_earlier and isinstance(error, MolgenError):
        remedy = "" if is_stopped else error.remedy
        error.remedy = f"{remedy}\nThe earlier run in {content.path} is as it was.".strip()


def _is_manifest(path: Path) -> bool:
    """Whether a file is the manifest of a run."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    match manifest:
        case {"versions": {"molgen": str()}, "start": str(), "command": list()}:
            return True
    return False


def _join_names(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
