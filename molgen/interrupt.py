"""Signals that ask a long run to save its state and stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Ctrl-C, and what batch systems send before they kill a job."""


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """A function that tells whether one of `SIGNALS` has come since the block began.

    Outside the main thread signals cannot be caught; the function then always says no.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event.is_set
        return

    def remember(_number: int, _frame: FrameType | None) -> None:
        event.set()

    before = {number: signal.signal(number, remember) for number in SIGNALS}
    try:
        yield event.is_set
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python and cannot be set again
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
