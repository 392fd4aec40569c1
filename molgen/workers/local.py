"""Processes of this machine as workers, each with one task at a time.

Unlike those of a `ProcessPoolExecutor`, they are killed by a shutdown without waiting even in the middle of a task, and
a process that dies loses its own task only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

_SPAWN = get_context("spawn")
"""A process forked from one that runs threads, as torch does, may hang."""

_Result = TypeVar("_Result")


class LocalExecutor(Executor):
    """Processes that end with this process, even if it is killed."""

    def __init__(self, n: int) -> None:
        """Starts no process before the first task; there are at most `n`."""
        self._processes = [_Process() for _ in range(n)]
        self._free: SimpleQueue[_Process] = SimpleQueue()
        for process in reversed(self._processes):
            self._free.put(process)
        self._threads = ThreadPoolExecutor(n, thread_name_prefix="worker")

    def submit(self, task: Callable[..., _Result], /, *args: Any, **options: Any) -> Future[_Result]:
        """See `Executor`; the future raises BrokenExecutor if the process of the task dies."""
        return self._threads.submit(self._run, partial(task, *args, **options))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor`; without waiting, tasks are cancelled and processes killed."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures or not wait)
        for process in self._processes:
            process.end()

    def _run(self, task: Callable[[], _Result]) -> _Result:
        process = self._free.get()
        try:
            result: _Result = process.run(task)
            return result
        finally:
            self._free.put(process)


class _Process:
    """A process that is started at its first task, and again after it died."""

    def __init__(self) -> None:
        self._running: tuple[SpawnProcess, Connection] | None = None
        self._is_over = False
        self._starting = Lock()

    def run(self, task: Callable[[], Any]) -> Any:
        """The result of a task; raises what it raised, or BrokenExecutor."""
        process, connection = self._started()
        try:
            connection.send(task)
            result, error = connection.recv()
        except (EOFError, OSError):
            process.kill()
            self._running = None
            raise BrokenExecutor("the process of a task ended") from None
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        """Kills the process; no other is started."""
        with self._starting:
            self._is_over = True
            if self._running is not None:
                self._running[0].kill()

    def _started(self) -> tuple[SpawnProcess, Connection]:
        with self._starting:
            if self._is_over:
                raise BrokenExecutor("was shut down")
            if self._running is None:
                ours, theirs = _SPAWN.Pipe()
                process = _SPAWN.Process(target=_work, args=(theirs,), daemon=True)
                process.start()
                theirs.close()
                self._running = process, ours
            return self._running


def _work(connection: Connection) -> None:
    """Answers tasks with results or exceptions, until the other process ends; Ctrl-C is left to that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        task = connection.recv()
        try:
            result, error = task(), None
        except Exception as raised:
            result, error = None, raised
        connection.send((result, error))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
