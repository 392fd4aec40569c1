"""The folder of a project, and the hash chain that protects its files against changes.

`chain.jsonl` has a line for each step, in order: its kind and details, the SHA-256 of every file that it wrote, and the
SHA-256 of the line before. This shows that a forecast precedes its result, and detects a changed file or line. There
are no dates: equal steps give equal bytes.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import tomlkit

from molgen.errors import RunError, SpecError
from molgen.paths import write_text
from molgen.run import file_digest

SPEC, CHAIN = "project.toml", "chain.jsonl"
MEASUREMENTS, PROPOSALS, RESULTS = "measurements.csv", "proposals", "results"
_NO_LINE = "0" * 64

ProjectStep = Literal["new", "propose", "tell"]


@dataclass(frozen=True)
class ProjectSpec:
    """The specification of a project.

    Attributes:
        property_name: The measured property, as in the curated data.
        direction: `maximize` or `minimize`.
        checkpoint: Path of the checkpoint; "" for the shipped one.
        checkpoint_sha256: SHA-256 of the weights of the checkpoint.
        seed: Seed of the proposals.

    Raises:
        SpecError: A value is invalid.
    """

    property_name: str
    direction: str
    checkpoint: str
    checkpoint_sha256: str
    seed: int

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise SpecError("direction", f"must be maximize or minimize, but is {self.direction!r}")

    @property
    def sign(self) -> float:
        """1 if larger is better, else -1."""
        return 1.0 if self.direction == "maximize" else -1.0


@dataclass(frozen=True)
class ProjectFolder:
    """A project on disk, made by `create` or `open`."""

    path: Path
    spec: ProjectSpec

    @classmethod
    def create(cls, path: Path, spec: ProjectSpec) -> ProjectFolder:
        """A new project with its folders and without a chain.

        Raises:
            RunError: `path` holds a project, or anything that an interrupted `create` does not leave.
        """
        if (path / CHAIN).exists():
            raise RunError(path, "holds a project already", remedy="Name another folder.")
        if path.exists() and any(
            entry.name not in (SPEC, MEASUREMENTS, PROPOSALS, RESULTS) for entry in path.iterdir()
        ):
            raise RunError(path, "exists and is no project", remedy="Name another folder.")
        for folder in (path, path / PROPOSALS, path / RESULTS):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(path / SPEC, tomlkit.dumps(asdict(spec)))
        return cls(path, spec)

    @classmethod
    def open(cls, path: Path) -> ProjectFolder:
        """The project at `path`, with all files verified.

        Raises:
            RunError: There is none, it is damaged, or a file was changed; the message names it.
        """
        if not (path / CHAIN).is_file():
            raise RunError(path, "is not a project", remedy="Begin one with `molgen project new DATA --out FOLDER`.")
        try:
            spec = ProjectSpec(**tomllib.loads((path / SPEC).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, SpecError) as error:
            raise RunError(path / SPEC, f"cannot be read: {error}", remedy="Restore the file from a copy.") from None
        folder = cls(path, spec)
        folder.entries()
        return folder

    def entries(self) -> list[dict[str, Any]]:
        """The verified steps so far.

        Raises:
            RunError: A line or a file was changed.
        """
        entries, before = [], _NO_LINE
        for number, line in enumerate(self._lines(), 1):
            entry = self._entry(line, number)
            if entry["previous"] != before:
                raise self._changed(CHAIN, f"line {number} does not follow line {number - 1}")
            entries.append(entry)
            before = sha256(line.encode()).hexdigest()
        for entry in entries:
            for name, digest in entry["files"].items():
                if not (self.path / name).is_file():
                    raise self._changed(name, "is gone")
                if file_digest(self.path / name) != digest:
                    raise self._changed(name, "was changed after it was written")
        return entries

    def append(self, step: ProjectStep, details: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Adds a step to the chain, with the digests of its files, atomically."""
        lines = self._lines() if (self.path / CHAIN).exists() else []
        entry = {
            "step": step,
            "details": dict(details),
            "files": {path.relative_to(self.path).as_posix(): file_digest(path) for path in files},
            "previous": sha256(lines[-1].encode()).hexdigest() if lines else _NO_LINE,
        }
        write_text(self.path / CHAIN, "".join(f"{line}\n" for line in [*lines, json.dumps(entry, sort_keys=True)]))

    def number_of(self, step: ProjectStep) -> int:
        """Number of steps of a kind."""
        return sum(entry["step"] == step for entry in self.entries())

    def _lines(self) -> list[str]:
        try:
            return (self.path / CHAIN).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise self._changed(CHAIN, f"cannot be read: {error}") from None

    def _entry(self, line: str, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
            if {"step", "details", "files", "previous"} <= set(entry) and isinstance(entry["files"], dict):
                names = [Path(os.path.normpath(name)) for name in entry["files"]]
                if not any(name.is_absolute() or ".." in name.parts for name in names):
                    return dict(entry)
        except (ValueError, TypeError, RecursionError):
            pass
        raise self._changed(CHAIN, f"line {number} is no step of a project")

    def _changed(self, name: str, what: str) -> RunError:
        return RunError(self.path / name, what, remedy="Restore it from a copy; a project needs unchanged files.")
