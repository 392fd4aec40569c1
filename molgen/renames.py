"""Names of the release before, which still work and say what they are called now."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import MappingProxyType

COMMANDS: Mapping[str, str] = MappingProxyType({"layers": "probe-layers", "dims": "units"})
PRIORS: Mapping[str, str] = MappingProxyType({"diffusion": "flow"})
PREDICTIONS: Mapping[str, str] = MappingProxyType({"lower": "lcb", "upper": "ucb", "spread": "std"})


class RenamedWarning(FutureWarning):
    """A name is used that the next release does not know any more."""


def current_name(name: str, renamed: Mapping[str, str]) -> str:
    """What `name` is called now, with a warning where it is an old name; any other name as it is."""
    if name not in renamed:
        return name
    warn_renamed(name, renamed[name])
    return renamed[name]


def warn_renamed(old: str, new: str) -> None:
    """Warns that `old` is now called `new`."""
    warnings.warn(f"{old!r} is now called {new!r}; the next release knows the new name only", RenamedWarning, 3)
