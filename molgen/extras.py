"""Packages that only some features need, in the extras of `pyproject.toml`."""

from __future__ import annotations

from importlib import import_module

from molgen.errors import SpecError


def require_package(module: str, *, package: str, extra: str, key: str) -> None:
    """Checks that an optional package is installed.

    Args:
        module: Name of the import.
        package: Name in the message.
        extra: The extra of molgen that installs it.
        key: The option that needs it, for the message.

    Raises:
        SpecError: It is not installed.
    """
    try:
        import_module(module)
    except ImportError:
        remedy = f"Install it with `pip install 'molgen-workbench[{extra}]'`."
        raise SpecError(key, f"needs {package}, which is not installed", remedy=remedy) from None
