"""Results as plain JSON values."""

from __future__ import annotations

import math
from typing import Any


def replace_non_finite(value: Any) -> Any:
    """`value` with None in place of NaN and infinite numbers, which JSON lacks, at any depth; tuples become lists."""
    if isinstance(value, dict):
        return {key: replace_non_finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
