"""`evaluations.csv`: one line per unique scored molecule, in order. It is the state of a campaign.

After a crash, the last line may be incomplete; it is dropped when the file is read.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from molgen.errors import RunError, SpecError
from molgen.paths import write_text

NAME = "evaluations.csv"
"""Name of the ledger in the folder of a campaign."""
_DESIRABILITY = "desirability "
_HEAD = ("index", "smiles")
_TAIL = ("total", "violation", "hypervolume", "parent")
_FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One scored molecule.

    Attributes:
        index: Number of the evaluation, from 1.
        smiles: Canonical SMILES.
        values: Raw value of each measure; NaN if missing.
        desirabilities: In [0, 1], of each objective with a scale.
        total: The maximised number.
        violation: Violation of the constraints; 0 if feasible.
        hypervolume: Hypervolume of the Pareto front so far; NaN without `--pareto`.
        parent: Canonical SMILES of the parent, or "".
        failure: Why a scorer of the user has no value for it, or "".
    """

    index: int
    smiles: str
    values: Mapping[str, float]
    desirabilities: Mapping[str, float]
    total: float
    violation: float
    hypervolume: float
    parent: str
    failure: str = ""

    @property
    def is_feasible(self) -> bool:
        """Whether all constraints are satisfied."""
        return self.violation <= 0.0


class Ledger:
    """Appends evaluations to a file."""

    def __init__(
        self, path: Path, measures: Sequence[str], objectives: Sequence[str], *, has_failures: bool = False
    ) -> None:
        """Describes the ledger at `path`, with a column per measure and per desirability; opens no file.

        Args:
            path: The file.
            measures: Names of the measures.
            objectives: Names of objectives with a desirability.
            has_failures: Whether there is a column of failures.

        Raises:
            SpecError: A measure has the name of another column.
        """
        for name in measures:
            if name in (*_HEAD, *_TAIL, _FAILURE) or name.startswith(_DESIRABILITY):
                raise SpecError("scorer", f"{name!r} is another column of the ledger", remedy="Choose another name.")
        self.path = path
        self.fields = [*_HEAD, *measures, *(_DESIRABILITY + name for name in objectives), *_TAIL]
        self.fields += [_FAILURE] * has_failures
        self.has_failures = has_failures
        self.measures = measures
        self.objectives = objectives

    def begin(self, evaluations: Iterable[Evaluation] = ()) -> None:
        """Replaces the file atomically by one with `evaluations`."""
        write_text(self.path, "".join([_line(self.fields), *map(self._format, evaluations)]))

    def append(self, evaluations: Sequence[Evaluation]) -> None:
        """Adds lines and syncs the file to disk."""
        lines = "".join(map(self._format, evaluations)).encode()
        with self.path.open("ab", buffering=0) as handle:  # unbuffered: normally one write, which a kill does not split
            while lines:  # on a nearly full disk a write may be short; the next one raises
                lines = lines[handle.write(lines) or 0 :]
            os.fsync(handle.fileno())

    def _format(self, evaluation: Evaluation) -> str:
        return _line(
            [
                str(evaluation.index),
                evaluation.smiles,
                *(_number(evaluation.values[name]) for name in self.measures),
                *(_number(evaluation.desirabilities[name]) for name in self.objectives),
                _number(evaluation.total),
                _number(evaluation.violation),
                _number(evaluation.hypervolume),
                evaluation.parent,
                *([evaluation.failure] if self.has_failures else []),
            ]
        )


def read_evaluations(path: Path) -> list[Evaluation]:
    """The evaluations of a ledger, without an incomplete last line.

    Raises:
        RunError: The file is missing, or a line in the middle is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(path, f"cannot be read: {error}", remedy="Name the folder of a campaign.") from None
    whole = text[: text.rfind("\n") + 1]
    try:
        header, *rows = csv.reader(whole.splitlines(keepends=True))
    except (csv.Error, ValueError) as error:
        raise RunError(path, f"is damaged: {error}", remedy="Name the folder of a campaign.") from None
    n_tail = len(_TAIL) + (header[-1:] == [_FAILURE])
    if tuple(header[:2]) != _HEAD or tuple(header[-n_tail:][: len(_TAIL)]) != _TAIL:
        raise RunError(path, "is not a ledger of evaluations", remedy="Name the folder of a campaign.")
    measured = header[len(_HEAD) : -n_tail]
    return [_parse(path, number, header, measured, row) for number, row in enumerate(rows, 1)]


def require_reproduced(path: Path, line: int, expected: str, proposed: str, remedy: str) -> None:
    """Checks that a repeated search proposes the molecule on that line of the file.

    Raises:
        RunError: It proposes another.
    """
    if proposed != expected:
        raise RunError(
            path,
            f"the search proposes {proposed}, but the file has {expected}: it was made by another version, "
            "on another machine, or with other options or threads",
            line=line,
            remedy=remedy,
        )


def _parse(path: Path, number: int, header: Sequence[str], measured: Sequence[str], row: Sequence[str]) -> Evaluation:
    try:
        cells = dict(zip(header, row, strict=True))
        numbers = {name: _value(cells[name]) for name in (*measured, "total", "violation", "hypervolume")}
        index = int(cells["index"])
    except ValueError:
        index = -1
    if index != number:
        raise RunError(path, "is damaged", line=number + 1, remedy="Cut the file before this line and resume.")
    return Evaluation(
        index=index,
        smiles=cells["smiles"],
        values={name: numbers[name] for name in measured if not name.startswith(_DESIRABILITY)},
        desirabilities={
            name.removeprefix(_DESIRABILITY): numbers[name] for name in measured if name.startswith(_DESIRABILITY)
        },
        total=numbers["total"],
        violation=numbers["violation"],
        hypervolume=numbers["hypervolume"],
        parent=cells["parent"],
        failure=cells.get(_FAILURE, ""),
    )


def _number(value: float) -> str:
    """The shortest text that parses to the same number; empty for NaN."""
    return "" if value != value else repr(float(value))


def _value(text: str) -> float:
    return float(text) if text else float("nan")


def _line(fields: Iterable[str]) -> str:
    return ",".join(f'"{f.replace(chr(34), chr(34) * 2)}"' if _needs_quotes(f) else f for f in fields) + "\n"


def _needs_quotes(field: str) -> bool:
    return any(character in field for character in ',"\r\n')
