"""Names of the previous release, which still work with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType

COMMANDS: Mapping[str, str] = MappingProxyType({"layers": "probe-layers", "dims": "units"})
OPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"": {"--output": "--out"}, "explore neighbours": {"-k": "-n"}, "explore outliers": {"--limit": "--top"}}
)
"""New names by old ones, by command; "" stands for all commands."""
PRIORS: Mapping[str, str] = MappingProxyType({"diffusion": "flow"})
PREDICTIONS: Mapping[str, str] = MappingProxyType({"lower": "lcb", "upper": "ucb", "spread": "std"})


class RenamedWarning(FutureWarning):
    """Warns of a name that the next release does not accept."""


def current_name(name: str, renamed: Mapping[str, str]) -> str:
    """The current name for an old `name`, with a warning; any other name unchanged."""
    if name not in renamed:
        return name
    warn_renamed(name, renamed[name])
    return renamed[name]


def warn_renamed(old: str, new: str) -> None:
    """Warns that `old` is now called `new`."""
    warnings.warn(f"{old!r} is now called {new!r}; the next release accepts the new name only", RenamedWarning, 3)
