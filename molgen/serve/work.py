"""Long tasks, each run in a process of its own, so that the server answers meanwhile and a task can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import Any

from molgen.output.latent_map import StageWatch

_EVERY_S = 0.2
"""Time between two reports of progress."""


@dataclass(frozen=True)
class Stage:
    """Progress of a task.

    Attributes:
        name: Name of the current stage, such as `Encoding`.
        share: Fraction of the stage that is done, in [0, 1]; 0 if unknown.
    """

    name: str = "Starting"
    share: float = 0.0


@dataclass
class Work:
    """A task in a process of its own, with its progress.

    Attributes:
        process: The process.
        stage: The last stage it reported.
        failure: Why it failed; "" if it did not.
    """

    process: BaseProcess
    _receiver: Connection
    stage: Stage = field(default_factory=Stage)
    failure: str = ""

    @classmethod
    def start(cls, name: str, target: Callable[..., object], *arguments: Any) -> Work:
        """Starts a process that calls `target` with the arguments and then the sending end of a pipe.

        `target` may send a `Stage` whenever its progress changes, and a text that says why it failed.
        """
        context = get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(*arguments, sender), daemon=True, name=name)
        process.start()
        sender.close()
        return cls(process, receiver)

    def is_running(self) -> bool:
        """Reads waiting messages into `stage` and `failure`; returns whether the process is alive."""
        with suppress(EOFError, OSError):
            while self._receiver.poll():
                match self._receiver.recv():
                    case Stage() as stage:
                        self.stage = stage
                    case text:
                        self.failure = str(text)
        return self.process.is_alive()

    def stop(self) -> None:
        """Asks the process to end."""
        if self.is_running():
            self.process.terminate()


def watch_stages(sender: Connection) -> StageWatch:
    """A `StageWatch` that sends the progress of each stage.

    A stage is sent when it begins, and then at most every `_EVERY_S` seconds.
    """

    @contextmanager
    def watch(total: float | None, name: str) -> Iterator[Callable[[float], object]]:
        sender.send(Stage(name))
        last = monotonic()

        def advance(done: float) -> None:
            nonlocal last
            if total and monotonic() - last > _EVERY_S:
                last = monotonic()
                sender.send(Stage(name, min(1.0, done / total)))

        yield advance

    return watch
