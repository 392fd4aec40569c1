"""The errors of molgen, one class per kind of cause, each with the value at fault.

Every message says what must hold and what was found; `remedy` says what to do next. Only `cli/main.py` turns errors
into exit codes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from molgen.quoting import shortened


class MolgenError(Exception):
    """Base class of all errors that molgen raises on purpose.

    Attributes:
        message: What must hold, and what was found instead; a very long message is shortened in the middle.
        remedy: What the user can do about it, shortened likewise; may be empty.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = shortened(message)
        self.remedy = shortened(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the error of a worker without the arguments that made it."""
        return Exception.__new__, (type(self), self.message), vars(self)


class FileError(MolgenError):
    """A file cannot be used: missing, empty, unreadable, of the wrong kind, or broken at a line.

    Attributes:
        path: The file.
        line: 1-based number of the line at fault, or None for the whole file.
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
    """A text is not a usable molecule.

    Attributes:
        text: The text as given.
        reason: Short and the same for all molecules with this fault, so that they can be counted by it.
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
    """A scorer raised an exception, exceeded its time limit, or did not return one finite number per molecule.

    Attributes:
        scorer: The scorer's name.
        reason: The message without the scorer's name.
    """

    def __init__(self, scorer: str, message: str, *, remedy: str = "") -> None:
        super().__init__(f"scorer {scorer}: {message}", remedy=remedy)
        self.scorer = scorer
        self.reason = message


class TaskError(MolgenError):
    """A task for workers has no result.

    Attributes:
        reason: The message without its subject.
    """

    def __init__(self, reason: str) -> None:
        remedy = "Read the logs of the workers: they need the same molgen and files as this machine, and enough memory."
        super().__init__(f"a task {reason}", remedy=remedy)
        self.reason = reason


class RunError(FileError):
    """A run folder exists already, is not a run, is in use, or does not match the request."""


class NothingValidError(MolgenError):
    """The command ran but produced no valid molecule."""


class InterruptedRunError(MolgenError):
    """A signal or a request to pause stopped a run, which can be resumed."""
