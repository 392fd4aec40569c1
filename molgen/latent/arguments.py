"""Checks of the arguments that a user passes to a latent space from Python.

Notation: N molecules.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Set
from numbers import Real
from typing import Any

from molgen.errors import SpecError

MAX_SEED = 2**63 - 1
MISSING = "missing"
"""The reason why None and NaN, which stand for empty cells of a table, have no point."""

_NOT_A_VALUE = ("NAType", "NaTType")  # missing values of pandas, compared by name so that pandas need not be imported


def smiles_list(smiles: Iterable[Any]) -> list[str | None]:
    """The texts (N,) of a list, array, pandas column or generator; None for None and NaN.

    Raises:
        SpecError: It is one text or no one-dimensional sequence, or an item is neither a text nor missing; the message
            names the first such item.
    """
    is_list = isinstance(smiles, Iterable) and not isinstance(smiles, str | bytes | bytearray | Mapping | Set)
    if not is_list or getattr(smiles, "ndim", 1) != 1:
        what = "one text" if isinstance(smiles, str) else type(smiles).__name__
        raise SpecError("smiles", f"must be a list of SMILES, but got {what}")
    return [_text(row, item) for row, item in enumerate(smiles)]


def require_seed(seed: Any) -> int:
    """The seed as a number.

    Raises:
        SpecError: It is not a whole number from 0 to 2^63 - 1.
    """
    return _whole("seed", seed, MAX_SEED)


def require_count(n: Any) -> int:
    """A requested number of items.

    Raises:
        SpecError: It is not a whole number of at least 0.
    """
    return _whole("n", n, MAX_SEED)


def _text(row: int, item: Any) -> str | None:
    if isinstance(item, str):
        return item
    if item is None or type(item).__name__ in _NOT_A_VALUE or (isinstance(item, Real) and math.isnan(item)):
        return None
    raise SpecError("smiles", f"item {row} must be a text, None or NaN, but is {item!r}")


def _whole(name: str, value: Any, greatest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise SpecError(name, f"must be a whole number, but got {value!r}") from None
    if not 0 <= number <= greatest:
        raise SpecError(name, f"must be from 0 to {greatest}, but got {number}")
    return number
