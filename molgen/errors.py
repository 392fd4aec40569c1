"""What can go wrong, one class a stage, each carrying the value at fault.

Every message says what must hold and what was found; `remedy` says what to do next. Only `cli/main.py`
turns these into exit codes.
"""

from __future__ import annotations

from pathlib import Path

from molgen.quoting import shortened


class MolgenError(Exception):
    """Root of all errors that molgen raises on purpose.

    Attributes:
        message: What must hold, and what was found instead; without its middle where it is very long.
        remedy: What the user can do about it, likewise; may be empty.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = shortened(message)
        self.remedy = shortened(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class FileError(MolgenError):
    """A file cannot be used: missing, empty, unreadable, of the wrong kind, or broken at a line.

    Attributes:
        path: The file.
        line: 1-based line in it, or None where the whole file is meant.
    """

    def __init__(self, path: str | Path, message: str, *, line: int | None = None, remedy: str = "") -> None:
        where = f"{path}, line {line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {message}", remedy=remedy)
        self.path = Path(path)
        self.line = line


class MissingColumnError(FileError):
    """A table or an SDF lacks a column or data field that was asked for.

    Attributes:
        column: Its name.
    """

    def __init__(self, path: str | Path, message: str, *, column: str, remedy: str = "") -> None:
        super().__init__(path, message, remedy=remedy)
        self.column = column


class MoleculeError(MolgenError):
    """A text is not a molecule that can be used.

    Attributes:
        text: The text as given.
        reason: Short and stable, usable as a key to count by.
    """

    def __init__(self, text: str, reason: str, *, remedy: str = "") -> None:
        super().__init__(f"{text!r}: {reason}", remedy=remedy)
        self.text = text
        self.reason = reason


class CheckpointError(FileError):
    """A checkpoint is missing, damaged, of another format, or does not fit its use."""


class SpecError(MolgenError):
    """An option or a line of a specification is wrong.

    Attributes:
        key: The option's name, the same on the command line and in TOML.
    """

    def __init__(self, key: str, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{key}: {message}", remedy=remedy)
        self.key = key


class ScorerError(MolgenError):
    """A scorer raised, hung, or returned something other than one finite number a molecule.

    Attributes:
        scorer: The scorer's name.
        reason: What it did, without its name.
    """

    def __init__(self, scorer: str, message: str, *, remedy: str = "") -> None:
        super().__init__(f"scorer {scorer}: {message}", remedy=remedy)
        self.scorer = scorer
        self.reason = message


class RunError(FileError):
    """A run folder exists already, is not a run, or does not match what is asked of it."""


class NothingValidError(MolgenError):
    """The command ran, but no valid molecule came out."""


class InterruptedRunError(MolgenError):
    """A signal stopped the run after its state was saved."""
