"""Results as plain JSON values."""

from __future__ import annotations

import math
from typing import Any


def replace_nan(value: Any) -> Any:
    """`value`, of dicts, lists and tuples, with None in place of NaN and infinite numbers, which JSON lacks."""
    if isinstance(value, dict):
        return {key: replace_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [replace_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
