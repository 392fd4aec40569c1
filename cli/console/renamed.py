"""Old names of commands, and what the user is told of old names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TextIO

import typer

from . import show


@contextmanager
def note_renames() -> Iterator[None]:
    """Shows warnings of old names as notes inside the block, in one line; others as they come."""
    from molgen.renames import RenamedWarning

    with warnings.catch_warnings():
        usual = warnings.showwarning

        def note(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, RenamedWarning):
                show.note(f"molgen: warning: {message}")
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = note
        yield


def keep_old_name(app: typer.Typer, old: str, command: Callable[..., Any]) -> None:
    """Keeps `command` under an old name too, which is not listed and tells the new one."""

    @wraps(command)
    def call(*arguments: Any, **options: Any) -> Any:
        from molgen.renames import COMMANDS, current_name

        current_name(old, COMMANDS)
        return command(*arguments, **options)

    app.command(old, hidden=True)(call)
