"""A scorer of the user, in a process of its own and checked at every call.

A Python function runs in one worker process that lives as long as the scorer (`worker.py`); a program is started for
every batch. If it raises an exception, exceeds its time limit or returns an invalid answer, a ScorerError names the
molecule, the value and the last lines that the scorer wrote to stderr.

A tolerant scorer continues instead: the molecule has no value, and `failures` gives the reason. After a call for
several molecules fails, each molecule is scored in a call of its own from then on; a worker that ended or hangs
is started again.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule
from molgen.errors import ScorerError, SpecError
from molgen.score.external import worker
from molgen.score.external.process import Child, how_it_ended

TIME_LIMIT_S = 300.0

MAX_FAILURES_IN_A_ROW = 50
"""Failures in a row after which the scorer counts as broken."""

_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_FINISH_S = 0.5
_BYTES_PER_VALUE = 1024
_LONGEST_TEXT = 80
_LONGEST_REASON = 200
_REMEDY = (
    "Run the scorer by itself and repair it; a campaign that has scored molecules goes on with "
    "--resume RUN --accept-changed-scorer. "
    "If only some molecules fail, start it with --on-failure skip."
)


class BrokenScorerError(ScorerError):
    """A failure of the scorer as such: it cannot be started, or has failed too often."""


class Scorer(ABC):
    """A user's measure, whose calls the budget counts, without a default scale.

    Use as a context manager, or `close` it.

    Attributes:
        name: As used in objectives and constraints.
        time_limit_s: Limit of one call.
        is_tolerant: Whether molecules without a value are allowed.
        failures: By SMILES, why molecules of the last call have no value.
        default_value: The value of a molecule that has none; NaN unless the scorer has a worst value.
    """

    default_value = math.nan
    is_cheap = False
    default_scale: tuple[float, float] | None = None

    def __init__(self, name: str, time_limit_s: float = TIME_LIMIT_S, *, is_tolerant: bool = False) -> None:
        """Checks the time limit; raises SpecError."""
        if not (0 < time_limit_s <= 1e6):
            raise SpecError("time_limit_s", f"must be above 0 and at most 1e6 seconds, but is {time_limit_s}")
        self.name = name
        self.time_limit_s = time_limit_s
        self.is_tolerant = is_tolerant
        self.failures: dict[str, str] = {}
        self._n_failed_in_row = 0
        self._takes_several = True

    def __call__(self, molecules: Sequence[Molecule], /) -> Doubles:
        """One finite number per molecule (N,); `default_value` if a tolerant scorer has none.

        Raises:
            ScorerError: The scorer cannot be started, raised an exception, exceeded its time limit or gave an invalid
                answer; for a tolerant one, it cannot be started, or `MAX_FAILURES_IN_A_ROW` molecules failed.
            InterruptedRunError: A stop was requested.
        """
        smiles = [molecule.smiles for molecule in molecules]
        self.failures = {}
        if not smiles:
            return np.empty(0)
        answers = self._tolerated(smiles) if self.is_tolerant else self._checked(smiles)
        values = [self._value(text, answer) for text, answer in zip(smiles, answers, strict=True)]
        return np.array(values, dtype=np.float64)

    def send_ahead(self, molecules: Sequence[Molecule], /) -> None:  # noqa: B027 - not every scorer has a queue
        """Lets workers begin with molecules that later calls score, so that none waits for the end of a batch."""

    def _checked(self, smiles: Sequence[str]) -> Sequence[float | str]:
        """One answer per molecule."""
        answers = self._answers(smiles)
        if len(answers) != len(smiles):
            raise self._error(f"gave {len(answers)} values for {len(smiles)} molecules")
        return answers

    def _tolerated(self, smiles: Sequence[str]) -> Sequence[float | str]:
        """One answer per molecule, NaN for one that fails in a call of its own."""
        if self._takes_several and len(smiles) > 1:
            try:
                return self._checked(smiles)
            except BrokenScorerError:
                raise
            except ScorerError:
                self._takes_several = False
        return [self._alone(text) for text in smiles]

    def _alone(self, smiles: str) -> float | str:
        try:
            return self._checked([smiles])[0]
        except BrokenScorerError:
            raise
        except ScorerError as error:
            self.failures[smiles] = one_line_reason(error)
            return math.nan

    def _value(self, smiles: str, answer: float | str) -> float:
        """The answer as a number, or NaN with an entry in `failures`."""
        if not isinstance(answer, str) and math.isfinite(answer):
            self._n_failed_in_row = 0
            return answer
        if not self.is_tolerant:
            raise self._error(f"gave {answer} for {smiles}, where a finite number must be")
        reason = self.failures.setdefault(smiles, f"gave {answer}")
        self._n_failed_in_row += 1
        if self._n_failed_in_row >= MAX_FAILURES_IN_A_ROW:
            what = f"has failed for {self._n_failed_in_row} molecules in a row; for the last it {reason}"
            raise BrokenScorerError(self.name, what, remedy=_REMEDY)
        return self.default_value

    @abstractmethod
    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        """Numbers, and the texts of answers that are no numbers."""

    @abstractmethod
    def _last_words(self) -> str:
        """The last lines that the scorer wrote to stderr; a scorer that is not tolerant is stopped."""

    def close(self) -> None:  # noqa: B027 - not every scorer holds something
        """Ends the processes of the scorer; a closed scorer cannot be called."""

    def __enter__(self) -> Self:
        """The scorer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the scorer."""
        self.close()

    def _read(self, answer: dict[str, Any]) -> Sequence[float | str]:
        """The values of an answer of `worker.answer`; raises ScorerError if it was refused."""
        if "refused" in answer:
            raise self._error(answer["refused"])
        values: list[float | str] = answer["values"]
        return values

    def _error(self, what: str) -> ScorerError:
        words = self._last_words()
        said = f"\nThe last it wrote to stderr:\n{words}" if words else ""
        return ScorerError(self.name, f"{what}{said}", remedy=_REMEDY)

    def _late(self) -> ScorerError:
        return self._error(f"did not answer within {self.time_limit_s:g} s")


class FunctionScorer(Scorer):
    """A function from a list of SMILES to a list of numbers, in a worker process."""

    def __init__(
        self,
        name: str,
        place: str,
        function: str,
        time_limit_s: float = TIME_LIMIT_S,
        *,
        is_tolerant: bool = False,
    ) -> None:
        """Runs nothing before the first call; `place` is a .py file or an installed module."""
        super().__init__(name, time_limit_s, is_tolerant=is_tolerant)
        self._place, self._function = place, function
        self._child: Child | None = None
        self._is_over = False
        self._words = ""

    def close(self) -> None:
        """Ends the worker process."""
        self._is_over = True
        if self._child is not None:
            self._child.finish(_FINISH_S)

    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        if self._is_over:
            raise ScorerError(self.name, "has failed before, or was closed", remedy="Start it anew.")
        return self._exchanged(self._child or self._started(), json.dumps(list(smiles)).encode() + b"\n")

    def _started(self) -> Child:
        """A worker that has loaded the user's file."""
        try:
            self._child = Child([sys.executable, "-P", worker.__file__, self._place, self._function])
        except OSError as error:
            raise BrokenScorerError(self.name, f"Python cannot be started: {error}") from error
        child = self._child
        try:
            self._exchanged(child, b"")
        except ScorerError as error:
            self._stop()
            raise BrokenScorerError(self.name, error.reason, remedy=error.remedy) from None
        return child

    def _exchanged(self, child: Child, request: bytes) -> Sequence[float | str]:
        self._words = ""
        try:
            reply = child.line(request, self.time_limit_s)
            answer: dict[str, Any] = json.loads(reply) if reply.endswith(b"\n") else {"refused": self._ending(child)}
        except TimeoutError:
            self._stop()
            raise self._late() from None
        except BaseException:  # an interrupt too: it leaves an answer in the pipe that does not belong to the next call
            self._stop()
            raise
        return self._read(answer)

    def _ending(self, child: Child) -> str:
        """How a worker ended instead of answering."""
        what = f"{how_it_ended(child.wait(self.time_limit_s))} instead of an answer"
        self._stop()
        return what

    def _last_words(self) -> str:
        if not self.is_tolerant:
            self._stop()
        return self._words

    def _stop(self) -> None:
        """Ends the worker; a tolerant scorer starts another at its next call."""
        self._is_over = not self.is_tolerant
        if self._child is not None:
            self._child.stop()
            self._words = self._child.tail()
            self._child = None


class PythonScorer(FunctionScorer):
    """A function in a Python file of the user.

    Attributes:
        path: The file.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        function: str,
        time_limit_s: float = TIME_LIMIT_S,
        *,
        is_tolerant: bool = False,
    ) -> None:
        """Checks the name, and that the file exists (SpecError); nothing runs before the first call."""
        require_scorer_name(name)
        if not path.is_file():
            raise SpecError("scorer", f"{path} is not a file", remedy="Write it like file.py:function.")
        self.path = path.resolve()
        super().__init__(name, str(self.path), function, time_limit_s, is_tolerant=is_tolerant)


class InstalledScorer(FunctionScorer):
    """A function that an installed package offers as a measure.

    Attributes:
        version: Name and version of the package; a campaign can only be resumed with the same.
    """

    def __init__(
        self, entry_point: EntryPoint, time_limit_s: float = TIME_LIMIT_S, *, is_tolerant: bool = False
    ) -> None:
        """The function that an entry point of the group `molgen.scorers` names, under the name of the entry point.

        Raises:
            SpecError: It names no function of a module.
        """
        require_scorer_name(entry_point.name)
        if not (entry_point.attr or "").isidentifier():
            remedy = "The package must write it like package.module:function."
            raise SpecError("scorer", f"the entry point {entry_point.value!r} names no function", remedy=remedy)
        package = entry_point.dist
        self.version = f"{package.name} {package.version}" if package else ""
        super().__init__(entry_point.name, entry_point.module, entry_point.attr, time_limit_s, is_tolerant=is_tolerant)


class CommandScorer(Scorer):
    """A program that reads SMILES and prints numbers, one per line; started once per batch."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        time_limit_s: float = TIME_LIMIT_S,
        *,
        is_tolerant: bool = False,
    ) -> None:
        """Checks the name, and that the program exists; raises SpecError."""
        require_scorer_name(name)
        super().__init__(name, time_limit_s, is_tolerant=is_tolerant)
        if not arguments or shutil.which(arguments[0]) is None:
            program = arguments[0] if arguments else ""
            raise SpecError(
                "scorer_command",
                f"there is no program {program!r}",
                remedy="Give its full path, and make the file executable.",
            )
        self._arguments = list(arguments)
        self._words = ""

    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        try:
            child = Child(self._arguments)
        except OSError as error:
            raise ScorerError(self.name, f"{self._arguments[0]} cannot be started: {error}") from error
        n_allowed = _BYTES_PER_VALUE * (len(smiles) + 1)
        text = "".join(f"{one}\n" for one in smiles).encode()
        try:
            output, exit_code = self._outcome(child, text, n_allowed)
        except TimeoutError:
            raise self._late() from None
        if exit_code is None:
            raise self._error(f"printed more than {n_allowed} bytes for {len(smiles)} molecules")
        if exit_code != 0:
            raise self._error(how_it_ended(exit_code))
        return [_number_or_text(line) for line in output.decode(errors="replace").splitlines()]

    def _outcome(self, child: Child, text: bytes, n_allowed: int) -> tuple[bytes, int | None]:
        try:
            return child.output(text, self.time_limit_s, n_allowed)
        finally:
            child.stop()
            self._words = child.tail()

    def _last_words(self) -> str:
        return self._words


def require_scorer_name(name: str) -> None:
    """Checks the spelling of a scorer's name, not whether it is taken; raises SpecError."""
    if not _NAME.fullmatch(name):
        raise SpecError(
            "scorer",
            f"{name!r} cannot name a scorer",
            remedy="Put a name of letters, digits, _ . or - before it: my_score=...",
        )


def one_line_reason(error: ScorerError) -> str:
    """A failure in ASCII on one line, with the last line of stderr if that adds information."""
    first, *words = error.reason.splitlines()
    text = f"{first} ({words[-1].strip()})" if words else first
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(c if c.isprintable() else " " for c in plain)[:_LONGEST_REASON]


def _number_or_text(line: str) -> float | str:
    try:
        return float(line)
    except ValueError:
        return ascii(line)[:_LONGEST_TEXT]
