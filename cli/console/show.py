"""The only place that prints: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from molgen.quoting import printable

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_WIDTH = 160  # columns of a table that goes to a file or a pipe


class Advance(Protocol):
    """Moves a progress bar."""

    def __call__(self, completed: float, status: str = "") -> None:
        """Sets the amount done so far, in units of the total, and a text to show beside it."""


def data(text: str) -> None:
    """Prints a result and flushes it, so that a closed pipe is noticed here and not at exit.

    As in all functions here, control characters are escaped as in JSON.
    """
    print(printable(text), flush=True)


def as_json(value: object) -> None:
    """Prints a result as JSON; NaN and infinite numbers become null."""
    from molgen.json_values import replace_non_finite

    data(json.dumps(replace_non_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """Prints a message to standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def give_up_data() -> None:
    """Flushes standard output, or discards what is pending: writing it would fail again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a result as a table."""
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_WIDTH, markup=False)
    grid = Table(*_one_line(columns), title=printable(title), title_justify="left")
    for row in rows:
        grid.add_row(*_one_line(row))
    console.print(grid)
    sys.stdout.flush()


def _one_line(cells: Sequence[str]) -> list[str]:
    return [printable(cell, keep="") for cell in cells]


@contextmanager
def progress(total: float | None, description: str) -> Iterator[Advance]:
    """A progress bar with the remaining time, on standard error; nothing is shown if that is no terminal.

    Args:
        total: Final value of `completed`, in any unit; None if unknown.
        description: Text before the bar.
    """
    with _bar() as bar:
        task = bar.add_task(description, total=total, status="")

        def advance(completed: float, status: str = "") -> None:
            bar.update(task, completed=completed, status=status)

        yield advance


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[status]}", markup=False),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
