"""Old names of commands and options, which still work, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TextIO

import typer

from . import show


@contextmanager
def note_renames() -> Iterator[None]:
    """Shows warnings about old names as one-line notes during the block; other warnings are shown as before."""
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


def replace_old_options(arguments: Sequence[str]) -> list[str]:
    """The arguments of the command line with old options under their current names, with a warning for each."""
    from molgen.renames import OPTIONS, current_name

    command = " ".join([word for word in arguments if not word.startswith("-")][:2])
    names = {**OPTIONS[""], **OPTIONS.get(command, {})}
    options = [word.partition("=") for word in arguments]
    return ["".join((current_name(option, names), *rest)) for option, *rest in options]


def keep_old_name(app: typer.Typer, old: str, command: Callable[..., Any]) -> None:
    """Registers `command` under an old name too, hidden and with a warning that names the new one."""

    @wraps(command)
    def call(*arguments: Any, **options: Any) -> Any:
        from molgen.renames import COMMANDS, current_name

        current_name(old, COMMANDS)
        return command(*arguments, **options)

    app.command(old, hidden=True)(call)
