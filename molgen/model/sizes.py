"""Bounds of the sizes in configurations, so that a hostile checkpoint cannot demand all memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAX_SIZE = 4096
"""Upper bound of every width."""
MAX_PROPERTIES = 1024


def require_sizes(sizes: object, bounds: Mapping[str, int]) -> None:
    """Checks that the attributes of `sizes` that `bounds` names are whole numbers from 1 to their bound.

    Raises:
        ValueError: One is not; the message names it.
    """
    for name, bound in bounds.items():
        size = getattr(sizes, name)
        if not isinstance(size, int) or not 1 <= size <= bound:
            raise ValueError(f"{name} must be a whole number from 1 to {bound}, but got {size!r}")


def require_properties(properties: Sequence[str]) -> None:
    """Checks names of properties: at least one, none twice.

    Raises:
        ValueError: Names are missing, repeated or too many.
    """
    if not 1 <= len(set(properties)) == len(properties) <= MAX_PROPERTIES:
        raise ValueError(f"properties must be 1 to {MAX_PROPERTIES} different names")
