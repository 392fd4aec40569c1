"""Packages that only some features need, in the extras of `pyproject.toml`."""

from __future__ import annotations

from importlib import import_module

from molgen.errors import SpecError


def require_package(module: str, *, package: str, extra: str, key: str) -> None:
    """Asks for a package that is not always installed.

    Args:
        module: What is imported.
        package: What to call it.
        extra: The extra of molgen that brings it.
        key: The option that needs it, for the message.

    Raises:
        SpecError: It is not installed.
    """
    try:
        import_module(module)
    except ImportError:
        remedy = f"Install it with `pip install 'molgen[{extra}]'`."
        raise SpecError(key, f"needs {package}, which is not installed", remedy=remedy) from None
