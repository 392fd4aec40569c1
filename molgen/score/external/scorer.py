"""A user's own scorer, kept at arm's length and checked at every call.

A Python function runs in one worker process that lives as long as the scorer (`worker.py`); a program is
started for every batch. Either may raise, hang, print, or answer nonsense: then a ScorerError shows the
molecule, the value and the scorer's own last words. A worker that failed is not restarted.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Self

import numpy as np

from molgen.chem.molecule import Molecule
from molgen.errors import ScorerError, SpecError
from molgen.score.desirability import Array
from molgen.score.external import worker
from molgen.score.external.process import Child

TIME_LIMIT_S = 300.0

_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_FINISH_S = 1.0
_BYTES_PER_VALUE = 1024
_LONGEST_TEXT = 80


class Scorer(ABC):
    """A user's measure; not cheap, without a scale of its own. Use as a context manager, or `close` it.

    Attributes:
        name: As used in objectives and constraints.
        time_limit_s: For one call.
    """

    is_cheap = False
    default_scale: tuple[float, float] | None = None

    def __init__(self, name: str, time_limit_s: float = TIME_LIMIT_S) -> None:
        """Refuses what is not a name, or a limit that is not above 0, by a SpecError."""
        if not _NAME.fullmatch(name):
            raise SpecError(
                "scorer",
                f"{name!r} cannot name a scorer",
                remedy="Put a name of letters, digits, _ . or - before it: my_score=...",
            )
        if not (0 < time_limit_s <= 1e6):
            raise SpecError("time_limit_s", f"must be above 0 and at most 1e6 seconds, but is {time_limit_s}")
        self.name = name
        self.time_limit_s = time_limit_s

    def __call__(self, molecules: Sequence[Molecule], /) -> Array:
        """One finite number a molecule (N,).

        Raises:
            ScorerError: The scorer cannot be started, raised, took too long, or answered anything else.
        """
        smiles = [molecule.smiles for molecule in molecules]
        if not smiles:
            return np.empty(0)
        answers = self._answers(smiles)
        if len(answers) != len(smiles):
            raise self._error(f"gave {len(answers)} values for {len(smiles)} molecules")
        for text, answer in zip(smiles, answers, strict=True):
            if isinstance(answer, str) or not math.isfinite(answer):
                raise self._error(f"gave {answer} for {text}, where a finite number must be")
        return np.array(answers, dtype=np.float64)

    @abstractmethod
    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        """Numbers, and the text of what is no number."""

    @abstractmethod
    def _last_words(self) -> str:
        """The last lines that the scorer wrote to stderr; after this it is stopped."""

    def close(self) -> None:  # noqa: B027 - not every scorer holds something
        """Ends what the scorer has running; a closed scorer cannot be called."""

    def __enter__(self) -> Self:
        """The scorer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the scorer."""
        self.close()

    def _error(self, what: str) -> ScorerError:
        words = self._last_words()
        said = f"\nIts last words on stderr:\n{words}" if words else ""
        remedy = "Run the scorer by itself and repair it; a campaign goes on with --resume."
        return ScorerError(self.name, f"{what}{said}", remedy=remedy)

    def _late(self) -> ScorerError:
        return self._error(f"did not answer within {self.time_limit_s:g} s")


class PythonScorer(Scorer):
    """A function from a list of SMILES to a list of numbers, in a Python file of the user's."""

    def __init__(self, name: str, path: Path, function: str, time_limit_s: float = TIME_LIMIT_S) -> None:
        """Nothing runs before the first call; a missing file is refused by a SpecError."""
        super().__init__(name, time_limit_s)
        if not path.is_file():
            raise SpecError("scorer", f"{path} is not a file", remedy="Write it like file.py:function.")
        self.path = path.resolve()
        self._command = [sys.executable, "-P", worker.__file__, str(self.path), function]
        self._child: Child | None = None
        self._is_over = False

    def close(self) -> None:
        """Ends the worker process."""
        self._is_over = True
        if self._child is not None:
            self._child.finish(_FINISH_S)

    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        if self._is_over:
            raise ScorerError(self.name, "has failed before, or was closed", remedy="Start it anew.")
        request = json.dumps(list(smiles)).encode() + b"\n"
        try:
            return self._exchanged(self._child or self._started(), request)
        except BaseException:  # an interrupt too: it leaves an answer on its way that is not the next call's
            self._stop()
            raise

    def _started(self) -> Child:
        """A worker that has loaded the user's file."""
        try:
            self._child = Child(self._command)
        except OSError as error:
            raise ScorerError(self.name, f"Python cannot be started: {error}") from error
        self._exchanged(self._child, b"")
        return self._child

    def _exchanged(self, child: Child, request: bytes) -> Sequence[float | str]:
        reply = b""
        with suppress(BrokenPipeError), child.limit(self.time_limit_s):
            child.stdin.write(request)
            child.stdin.flush()
            reply = child.stdout.readline()
        if child.is_late:
            raise self._late()
        if not reply.endswith(b"\n"):
            child.finish(_FINISH_S)
            raise self._error(f"ended with exit code {child.wait()} instead of an answer")
        answer = json.loads(reply)
        if "refused" in answer:
            raise self._error(answer["refused"])
        values: list[float | str] = answer["values"]
        return values

    def _last_words(self) -> str:
        self._stop()
        return self._child.tail() if self._child is not None else ""

    def _stop(self) -> None:
        self._is_over = True
        if self._child is not None:
            self._child.stop()


class CommandScorer(Scorer):
    """A program that reads SMILES, one a line, and prints numbers, one a line; started once a batch."""

    def __init__(self, name: str, arguments: Sequence[str], time_limit_s: float = TIME_LIMIT_S) -> None:
        """A program that cannot be found is refused by a SpecError."""
        super().__init__(name, time_limit_s)
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
        try:
            with child.limit(self.time_limit_s):
                Thread(target=_feed, args=(child, "".join(f"{s}\n" for s in smiles)), daemon=True).start()
                output = child.stdout.read(n_allowed + 1)
                exit_code = child.wait() if len(output) <= n_allowed else 0
        finally:
            child.stop()
            self._words = child.tail()
        if child.is_late:
            raise self._late()
        if len(output) > n_allowed:
            raise self._error(f"printed more than {n_allowed} bytes for {len(smiles)} molecules")
        if exit_code != 0:
            raise self._error(f"ended with exit code {exit_code}")
        return [_number_or_text(line) for line in output.decode(errors="replace").splitlines()]

    def _last_words(self) -> str:
        return self._words


def _feed(child: Child, text: str) -> None:
    """Writes to a program that may stop reading, or never start to, at any time."""
    with suppress(OSError, ValueError):  # ValueError: stopped, hence closed, meanwhile
        child.stdin.write(text.encode())
        child.stdin.close()


def _number_or_text(line: str) -> float | str:
    try:
        return float(line)
    except ValueError:
        return ascii(line)[:_LONGEST_TEXT]
