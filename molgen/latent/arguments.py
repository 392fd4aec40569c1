"""What a user hands to a latent space from Python, checked before any of it is used.

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
"""The reason why None and NaN, as a column of a table holds them where nothing was written, have no point."""

_NOT_A_VALUE = ("NAType", "NaTType")  # of pandas, which is not imported for their sake


def smiles_list(smiles: Iterable[Any]) -> list[str | None]:
    """The texts (N,) of a list, array, pandas column or generator; None where there is None or NaN.

    Raises:
        SpecError: It is one text, something without an order of one dimension, or an item is neither a text nor
            missing; the message names the first such item.
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
    """How many are asked for, as a number.

    Raises:
        SpecError: It is not a whole number from 0 on.
    """
    return _whole("n", n, MAX_SEED)


def _text(row: int, item: Any) -> str | None:
    if isinstance(item, str):
        return item
    if item is None or type(item).__name__ in _NOT_A_VALUE or (isinstance(item, Real) and math.isnan(item)):
        return None
    raise SpecError("smiles", f"item {row} must be a text, or None or NaN where there is none, but is {item!r}")


def _whole(name: str, value: Any, greatest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise SpecError(name, f"must be a whole number, but got {value!r}") from None
    if not 0 <= number <= greatest:
        raise SpecError(name, f"must be from 0 to {greatest}, but got {number}")
    return number
