"""Signals that ask a long run to save its state and stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from molgen.errors import InterruptedRunError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
"""Those of Ctrl-C, of batch systems before they kill a job, and of a terminal that is closed."""

EXIT_CODE = 130
_HANGUP = getattr(signal, "SIGHUP", None)
_SHOW_CURSOR = "\x1b[?25h"

_requests: list[threading.Event] = []
"""One entry per running `stop_requested` block, the innermost last."""


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """A function that returns whether one of `SIGNALS` arrived since the block began.

    A Ctrl-C after one of these ends the process at once, with `EXIT_CODE`. SIGHUP stays ignored if it was, as under
    `nohup`. Outside the main thread signals cannot be caught, and the function always returns False.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event.is_set
        return
    terminals = [stream for stream in (1, 2) if os.isatty(stream)]

    def remember(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and event.is_set():
            _end_at_once()
        event.set()
        if number == _HANGUP:
            _silence(terminals)

    before = {number: signal.signal(number, remember) for number in SIGNALS if not _stays_ignored(number)}
    _requests.append(event)
    try:
        yield event.is_set
    finally:
        _requests.remove(event)
        for number, handler in before.items():
            # None: a handler that was not set from Python and cannot be restored
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def raise_if_stop_requested() -> None:
    """Interrupts a wait inside a `stop_requested` block.

    Raises:
        InterruptedRunError: A signal arrived.
    """
    if any(event.is_set() for event in _requests):
        raise InterruptedRunError("stopped before workers were done")


def _stays_ignored(number: int) -> bool:
    return number == _HANGUP and signal.getsignal(number) is signal.SIG_IGN


def _silence(terminals: list[int]) -> None:
    """Discards what is written to terminals that were closed: a write error would hide why the run stopped."""
    for stream in terminals:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _end_at_once() -> None:
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR.encode())
    os._exit(EXIT_CODE)
