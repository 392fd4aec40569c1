"""Work that takes long: in a process of its own, so that the server answers meanwhile and the work can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any

_EVERY_S = 0.2
"""Time between two reports of progress."""


@dataclass(frozen=True)
class Stage:
    """How far work is.

    Attributes:
        name: Of what is done now, such as `Encoding`.
        share: Of it that is done, in [0, 1]; 0 if unknown.
    """

    name: str = "Starting"
    share: float = 0.0


@dataclass
class Work:
    """A process that works.

    Attributes:
        process: The process.
        stage: What it did last.
        failure: Why it failed, or "".
    """

    process: BaseProcess
    _messages: Connection
    stage: Stage = field(default_factory=Stage)
    failure: str = ""

    @classmethod
    def start(cls, name: str, target: Callable[..., object], *arguments: Any) -> Work:
        """Starts a process that calls `target` with the arguments and the connection for its messages."""
        context = get_context("spawn")
        messages, told = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(*arguments, told), daemon=True, name=name)
        process.start()
        told.close()
        return cls(process, messages)

    def is_running(self) -> bool:
        """Whether the process lives; reads its messages."""
        with suppress(EOFError, OSError):
            while self._messages.poll():
                match self._messages.recv():
                    case Stage() as stage:
                        self.stage = stage
                    case text:
                        self.failure = str(text)
        return self.process.is_alive()

    def stop(self) -> None:
        """Asks the process to end."""
        if self.is_running():
            self.process.terminate()


def watch_stages(told: Connection) -> Callable[[float | None, str], Any]:
    """A `StageWatch` of library functions that sends each stage of the work as a message."""

    @contextmanager
    def watch(total: float | None, name: str) -> Iterator[Callable[[float], object]]:
        told.send(Stage(name))
        last = monotonic()

        def advance(done: float) -> None:
            nonlocal last
            if total and monotonic() - last > _EVERY_S:
                last = monotonic()
                told.send(Stage(name, min(1.0, done / total)))

        yield advance

    return watch
