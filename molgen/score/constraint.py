"""Constraints: bounds on a measure, and the amount by which a molecule violates them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from molgen.arrays import Doubles
from molgen.errors import SpecError
from molgen.score.text import OPERATORS, is_number, is_usable, require_name, unreadable_error

Operator = Literal["<=", ">=", "<", ">", "==", "!="]

_MIRRORED: dict[Operator, Operator] = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "==": "==", "!=": "!="}
_TWO_SIDED = ("<<", ">>")
"""Each entry joins the first characters of the left and the right operator of a two-sided constraint."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a measure.

    Attributes:
        name: The measure.
        operator: Required relation of the measure to the bound.
        bound: In the unit of the measure; absolute value at most 1e100.
    """

    name: str
    operator: Operator
    bound: float

    def __post_init__(self) -> None:
        """Checks name, operator and bound; raises SpecError."""
        require_name("constraint", self.name)
        if self.operator not in OPERATORS or not is_usable(self.bound):
            raise unreadable_error("constraint", str(self), "an operator and a usable number are needed")

    def __str__(self) -> str:
        """The text form, the inverse of `parse`."""
        return f"{self.name} {self.operator} {self.bound!r}"

    @classmethod
    def parse(cls, text: str) -> tuple[Constraint, ...]:
        """The constraint in a text; two for a text with bounds on both sides.

        >>> [str(constraint) for constraint in Constraint.parse("2 <= logp < 3")]
        ['logp >= 2.0', 'logp < 3.0']

        Raises:
            SpecError: The text is not `NAME OPERATOR NUMBER`, `NUMBER OPERATOR NAME` or `LOW < NAME < HIGH`.
        """
        name, right = _split_right(text.strip())
        name, left = _split_left(name)
        if left and right and left[0][0][0] + right[0][0][0] not in _TWO_SIDED:
            raise unreadable_error("constraint", text, "two bounds need two < or <=, or two > or >=")
        if not left and not right:
            raise unreadable_error(
                "constraint", text, "has no operator with a blank on both sides and a number at one end"
            )
        mirrored = [(_MIRRORED[operator], bound) for operator, bound in left]
        return tuple(cls(name, operator, bound) for operator, bound in (*mirrored, *right))

    def violation(self, values: npt.ArrayLike) -> Doubles:
        """Violation (N,) of the bound by values (N,), in the unit of the measure: 0 if satisfied.

        A value equal to the bound violates `<` and `>` by 2.2e-16, and `!=` by 1. NaN violates by infinity.
        """
        raw = np.asarray(values, dtype=np.float64)
        amount: Doubles = np.where(np.isnan(raw), math.inf, self._excess(raw))
        if self.operator in ("<", ">"):
            amount = np.where(raw == self.bound, np.finfo(np.float64).eps, amount)
        return amount.clip(min=0.0)

    def _excess(self, raw: Doubles) -> Doubles:
        match self.operator:
            case "<=" | "<":
                return raw - self.bound
            case ">=" | ">":
                return self.bound - raw
            case "==":
                return np.abs(raw - self.bound)
            case "!=":
                return np.equal(raw, self.bound).astype(np.float64)


def require_consistent(constraints: Iterable[Constraint]) -> None:
    """Refuses contradictory constraints on a measure.

    Raises:
        SpecError: Names the contradictory constraints.
    """
    by_name: dict[str, list[Constraint]] = {}
    for constraint in constraints:
        by_name.setdefault(constraint.name, []).append(constraint)
    for group in by_name.values():
        clash = _contradiction(group)
        if clash:
            texts = " and ".join(f'"{constraint}"' for constraint in dict.fromkeys(clash))
            raise SpecError("constraint", f"no value can satisfy {texts}", remedy="Drop or relax one of them.")


def _contradiction(group: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """Constraints of a group on one measure that no value satisfies together; empty if there are none."""
    floors = [c for c in group if c.operator in (">=", ">", "==")]
    ceilings = [c for c in group if c.operator in ("<=", "<", "==")]
    if not floors or not ceilings:
        return ()
    floor = max(floors, key=lambda c: (c.bound, c.operator == ">"))
    ceiling = min(ceilings, key=lambda c: (c.bound, c.operator != "<"))
    if floor.bound != ceiling.bound:
        return (floor, ceiling) if floor.bound > ceiling.bound else ()
    if floor.operator == ">" or ceiling.operator == "<":
        return floor, ceiling
    holes = [c for c in group if c.operator == "!=" and c.bound == floor.bound]
    return (floor, ceiling, *holes) if holes else ()


def _split_right(text: str) -> tuple[str, list[tuple[Operator, float]]]:
    """The text before a final `OPERATOR NUMBER`, with operator and number if present."""
    parts = text.rsplit(maxsplit=2)
    if len(parts) == 3 and parts[1] in OPERATORS and is_number(parts[2]):
        return parts[0], [(cast(Operator, parts[1]), float(parts[2]))]
    return text, []


def _split_left(text: str) -> tuple[str, list[tuple[Operator, float]]]:
    """The text after an initial `NUMBER OPERATOR`, with number and operator if present."""
    parts = text.split(maxsplit=2)
    if len(parts) == 3 and parts[1] in OPERATORS and is_number(parts[0]):
        return parts[2], [(cast(Operator, parts[1]), float(parts[0]))]
    return text, []
