"""What the page asks: values of a JSON object, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from molgen.errors import SpecError
from molgen.serve.instruments import MAX_SHOWN

Asked = Mapping[str, Any]
"""A JSON object."""


def text_of(asked: Asked, key: str) -> str:
    """A text that is not blank, without blanks around it.

    Raises:
        SpecError: There is none.
    """
    value = asked.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SpecError(key, "is missing", remedy="Fill it in.")
    return value.strip()


def texts_of(asked: Asked, key: str) -> Sequence[str]:
    """A list of texts.

    Raises:
        SpecError: There is none.
    """
    values = asked.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise SpecError(key, "must be a list of texts")
    return values


def number_of(asked: Asked, key: str, limit: int = MAX_SHOWN) -> int:
    """A whole number from 1 to `limit`.

    Raises:
        SpecError: There is none.
    """
    value = asked.get(key)
    if not isinstance(value, int) or not 1 <= value <= limit:
        raise SpecError(key, f"must be a whole number from 1 to {limit}, but got {value!r}")
    return value
