"""Tasks on the workers of a `concurrent.futures.Executor`: sent in order, sent again after a loss, taken in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, Self, TypeVar

from molgen.errors import MolgenError, TaskError
from molgen.interrupt import raise_if_stop_requested

MAX_RESUBMISSIONS = 3
"""Number of times that a task is submitted again after its worker was lost."""
N_PENDING = 256
"""Number of tasks submitted at once to workers whose number is unknown."""
N_PENDING_EACH = 4
"""Number of tasks submitted at once for each of a known number of workers."""
_POLL_S = 0.1
"""Interval between checks for a requested stop."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class TasksAhead(Generic[_Result]):
    """Submitted tasks that a later call waits for, by key; several may have the same key. Threads may share it."""

    def __init__(self) -> None:
        """Starts without tasks."""
        self._tasks: dict[Hashable, list[Future[_Result]]] = {}
        self._lock = threading.Lock()

    def add(self, key: Hashable, task: Future[_Result]) -> None:
        """Keeps a task."""
        with self._lock:
            self._tasks.setdefault(key, []).append(task)

    def take(self, key: Hashable) -> Future[_Result] | None:
        """A task of that key, which is no longer kept; None if there is none."""
        with self._lock:
            tasks = self._tasks.get(key, [])
            task = tasks.pop() if tasks else None
            if not tasks:
                self._tasks.pop(key, None)
            return task

    def cancel(self) -> None:
        """Cancels all tasks that have not begun, and keeps none."""
        with self._lock:
            for task in chain.from_iterable(self._tasks.values()):
                task.cancel()
            self._tasks.clear()


class Workers:
    """The workers of an executor, which is made at the first task, and again after it broke; a context manager.

    Attributes:
        n_local: Number of workers, if all are processes of this machine; None for others.
    """

    def __init__(self, make_executor: Callable[[], Executor], n_local: int | None = None) -> None:
        """Stores the function that makes the executor."""
        self.n_local = n_local
        self._make_executor = make_executor
        self._executor: Executor | None = None
        self._submitting = threading.RLock()

    def submit(self, task: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
        """The future result of one task, which is not submitted again if it is lost.

        Raises:
            SpecError: The executor cannot be made.
        """
        with self._submitting:
            if self._executor is not None:
                try:
                    return self._executor.submit(task, item)
                except RuntimeError:  # it is broken, or shut down
                    self.close()
            self._executor = self._make_executor()
            return self._executor.submit(task, item)

    def run(
        self,
        task: Callable[[_Item], _Result],
        items: Iterable[_Item],
        *,
        n_pending: int | None = None,
        find_submitted: Callable[[_Item], Future[_Result] | None] = lambda item: None,
    ) -> Iterator[_Result | TaskError]:
        """Results of a task of each item, in the order of the items, or the errors of tasks without a result.

        A task whose worker is lost is submitted again, up to `MAX_RESUBMISSIONS` times. Exceptions of a task other than
        a MolgenError become a TaskError.

        Args:
            task: Called with an item by a worker; it is pickled.
            items: Read as tasks end.
            n_pending: Maximum number of items read whose results were not taken; by default a few for each worker.
            find_submitted: The future result of an item whose task was submitted before, or None.

        Raises:
            InterruptedRunError: A stop was requested; tasks that have not begun are cancelled.
            MolgenError: A task raised it, or the executor cannot be made.
        """
        limit = n_pending or (N_PENDING_EACH * self.n_local if self.n_local else N_PENDING)
        unread, pending = iter(items), deque[_Submission]()
        try:
            while True:
                pending.extend(
                    _Submission(item, find_submitted(item) or self.submit(task, item))
                    for item in islice(unread, limit - len(pending))
                )
                if not pending:
                    return
                self._wait(task, pending)
                if pending[0].future.done() and not pending[0].is_lost():
                    yield pending.popleft().outcome()
        finally:
            for one in pending:
                one.future.cancel()

    def close(self) -> None:
        """Shuts the executor down, without waiting for tasks."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None

    def __enter__(self) -> Self:
        """The workers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes them."""
        self.close()

    def _wait(self, task: Callable[[Any], Any], pending: deque[_Submission]) -> None:
        """Waits a short time for a task to end, unless the first one has, and submits lost tasks again."""
        raise_if_stop_requested()
        if not pending[0].future.done():
            wait([one.future for one in pending if not one.future.done()], _POLL_S, FIRST_COMPLETED)
        for one in pending:
            if one.is_lost():
                one.future, one.n_submitted = self.submit(task, one.item), one.n_submitted + 1


@dataclass
class _Submission:
    """A task, the item that it is for, and how often it was submitted."""

    item: Any
    future: Future[Any]
    n_submitted: int = 1

    def is_lost(self) -> bool:
        """Whether the task ended with its worker and may be submitted again."""
        if self.n_submitted > MAX_RESUBMISSIONS or not self.future.done():
            return False
        return self.future.cancelled() or isinstance(self.future.exception(), (BrokenExecutor, CancelledError))

    def outcome(self) -> Any:
        """The result of the task, which ended, or why there is none."""
        try:
            return self.future.result()
        except (BrokenExecutor, CancelledError):
            return TaskError(f"lost its worker {self.n_submitted} times")
        except MolgenError:
            raise
        except Exception as error:  # of the task, or of a scheduler or worker that cannot run it
            what = " ".join(f"{type(error).__name__}: {error}".split())
            return TaskError(f"failed on a worker, or could not be sent to one ({what[:300]})")
