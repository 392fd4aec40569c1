"""Scorers of the user on the workers of a `concurrent.futures.Executor`, one molecule per task.

Each worker runs the scorer in a process of its own, as without an executor, and keeps it for the next molecule. Workers
import molgen, and read the file of the scorer under the path that it has here. Tasks are pickled, and whoever reaches
a scheduler can run code on its workers, so use both in a trusted network only.
"""

from __future__ import annotations

import importlib.util
import math
import re
import threading
import uuid
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from molgen.chem.molecule import Molecule
from molgen.errors import InterruptedRunError, SpecError
from molgen.extras import require_package
from molgen.interrupt import raise_if_stop_requested
from molgen.score.external.parallel import ParallelScorer, TasksAhead
from molgen.score.external.scorer import BrokenScorerError, Scorer, one_line_reason

MAX_WORKERS = 1024
MAX_RESUBMISSIONS = 3
"""Number of times that the task of a molecule is submitted again after its worker was lost."""
MAX_KEPT = 4
"""Maximum number of scorers that a thread of a worker keeps running; the least recently used one is closed."""

_LOCAL = re.compile(r"local:(\d{1,4})", re.ASCII)
_DASK = re.compile(r"dask://([\w.-]+|\[[\da-fA-F:]+\]):(\d{1,5})", re.ASCII)
_CONNECT_S = 10.0
_POLL_S = 0.1
"""Interval between checks for a requested stop."""


class Workers(ABC):
    """Where calls of scorers run; a context manager."""

    @abstractmethod
    def parallelise(self, scorer: Scorer) -> Scorer:
        """A scorer with the values of `scorer`, which was not called yet, that scores several molecules at once."""

    def close(self) -> None:  # noqa: B027 - not every kind of workers holds something
        """Gives the workers up."""

    def __enter__(self) -> Self:
        """The workers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes them."""
        self.close()


@dataclass(frozen=True)
class LocalWorkers(Workers):
    """Processes of this machine.

    Attributes:
        n: Number of processes for each scorer.
    """

    n: int

    def parallelise(self, scorer: Scorer) -> Scorer:
        """See `Workers`."""
        return ParallelScorer(scorer, self.n)


@dataclass(frozen=True)
class TaskResult:
    """The result of the task of one molecule.

    Attributes:
        answer: A number, or the text of an answer that is none; NaN after a failure.
        failure: Why there is no answer, or "".
        is_broken: Whether the scorer as such fails: it cannot be started.
    """

    answer: float | str = math.nan
    failure: str = ""
    is_broken: bool = False


class ExecutorWorkers(Workers):
    """The workers of an executor, which is made at the first task, and again after it broke."""

    def __init__(self, make_executor: Callable[[], Executor]) -> None:
        """Stores the function that makes the executor."""
        self._make_executor = make_executor
        self._executor: Executor | None = None
        self._submitting = threading.RLock()
        self._ahead: TasksAhead[TaskResult] = TasksAhead()

    def parallelise(self, scorer: Scorer) -> Scorer:
        """See `Workers`."""
        return ExecutorScorer(scorer, self)

    def submit_ahead(self, task: Task, smiles: Sequence[str]) -> None:
        """Submits tasks whose results a later `run` yields, while an earlier one may still be waiting."""
        for text in smiles:
            self._ahead.add((task.campaign, text), self._submit(task, text))

    def run(self, task: Task, smiles: Sequence[str]) -> Iterator[tuple[int, TaskResult]]:
        """Row and result of each molecule, as tasks end.

        A task whose worker is lost is submitted again, up to `MAX_RESUBMISSIONS` times.

        Raises:
            InterruptedRunError: A stop was requested; tasks that have not begun are cancelled.
            SpecError: The executor cannot be made.
        """
        pending = {self._submitted(task, text): (row, 0) for row, text in enumerate(smiles)}
        try:
            while pending:
                raise_if_stop_requested()
                done, _ = wait(pending, _POLL_S, FIRST_COMPLETED)
                for future in done:
                    row, n_lost = pending.pop(future)
                    result = _result(future, n_lost)
                    if result is None:
                        pending[self._submit(task, smiles[row])] = (row, n_lost + 1)
                    else:
                        yield row, result
        finally:
            for future in pending:
                future.cancel()

    def close(self) -> None:
        """Shuts the executor down, without waiting for tasks."""
        self._ahead.cancel()
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None

    def _submitted(self, task: Task, smiles: str) -> Future[TaskResult]:
        return self._ahead.take((task.campaign, smiles)) or self._submit(task, smiles)

    def _submit(self, task: Task, smiles: str) -> Future[TaskResult]:
        with self._submitting:
            if self._executor is not None:
                try:
                    return self._executor.submit(task, smiles)
                except RuntimeError:  # it is broken, or shut down
                    self.close()
            self._executor = self._make_executor()
            return self._executor.submit(task, smiles)


class ExecutorScorer(Scorer):
    """A scorer whose calls run on the workers of an executor.

    Values and failures come in the order of the molecules, whichever task ends first, so that a ledger does not depend
    on the workers.
    """

    def __init__(self, scorer: Scorer, workers: ExecutorWorkers) -> None:
        """Takes the place of `scorer`, which was not called yet; nothing runs before the first call."""
        super().__init__(scorer.name, scorer.time_limit_s, is_tolerant=scorer.is_tolerant)
        self.default_value = scorer.default_value
        self._workers = workers
        self._task = Task(scorer)

    def send_ahead(self, molecules: Sequence[Molecule]) -> None:
        """See `Scorer`."""
        self._workers.submit_ahead(self._task, [molecule.smiles for molecule in molecules])

    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        answers: list[float | str] = [math.nan] * len(smiles)
        failures: dict[int, str] = {}
        for row, result in self._workers.run(self._task, smiles):
            answers[row] = result.answer
            if result.is_broken:
                raise BrokenScorerError(self.name, result.failure)
            if result.failure:
                failures[row] = result.failure
                if not self.is_tolerant:
                    raise self._error(f"{result.failure}, for {smiles[row]}")
        self.failures |= {smiles[row]: failures[row] for row in sorted(failures)}
        return answers

    def _last_words(self) -> str:
        return ""


@dataclass(frozen=True)
class Task:
    """What a worker does with a molecule; it is pickled.

    Attributes:
        scorer: The scorer, not started; each thread of a worker starts its own.
        campaign: Distinguishes the scorers of several campaigns on one worker.
    """

    scorer: Scorer
    campaign: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __call__(self, smiles: str) -> TaskResult:
        """What the scorer of this thread answers for a molecule."""
        scorer = _kept.scorer_of(self)
        scorer.failures = {}
        try:
            (answer,) = scorer._tolerated([smiles])
        except BrokenScorerError as error:
            return TaskResult(failure=one_line_reason(error), is_broken=True)
        return TaskResult(answer, scorer.failures.get(smiles, ""))


class _KeptScorers(threading.local):
    """The scorers that run in this thread of a worker, by campaign, the least recently used first."""

    def __init__(self) -> None:
        self._scorers: OrderedDict[str, Scorer] = OrderedDict()

    def scorer_of(self, task: Task) -> Scorer:
        """The scorer of a task; it is tolerant, so that it goes on after a molecule that ends it."""
        if task.campaign not in self._scorers:
            scorer = self._scorers[task.campaign] = copy(task.scorer)
            scorer.is_tolerant = True
            if len(self._scorers) > MAX_KEPT:
                _, oldest = self._scorers.popitem(last=False)
                oldest.close()
        self._scorers.move_to_end(task.campaign)
        return self._scorers[task.campaign]


_kept = _KeptScorers()


def read_executor(text: str) -> Workers:
    """The workers that an option names; none is started or reached.

    `local:N` is N processes of this machine; `dask://HOST:PORT` the workers of a scheduler of Dask; and
    `file.py:FUNCTION` those of the `concurrent.futures.Executor` that a function of the user makes, without arguments.

    Raises:
        SpecError: The text has another form, N is not from 1 to `MAX_WORKERS`, there is no such file, or the extra
            `dask` is not installed.
    """
    if (local := _LOCAL.fullmatch(text)) and 1 <= int(local[1]) <= MAX_WORKERS:
        return LocalWorkers(int(local[1]))
    if dask := _DASK.fullmatch(text):
        require_package("distributed", package="distributed", extra="dask", key="executor")
        return ExecutorWorkers(lambda: _connect(f"tcp://{dask[1]}:{dask[2]}"))
    path, _, function = text.rpartition(":")
    if path.endswith(".py") and function.isidentifier():
        if not Path(path).is_file():
            raise SpecError("executor", f"{path} is not a file", remedy="Write it like file.py:make_executor.")
        return ExecutorWorkers(lambda: _make(Path(path), function))
    remedy = f"Write local:N (N from 1 to {MAX_WORKERS}), dask://HOST:PORT or file.py:make_executor."
    raise SpecError("executor", f"{text!r} is no executor", remedy=remedy)


def _result(future: Future[TaskResult], n_lost: int) -> TaskResult | None:
    """The result of a task that ended; None if its worker was lost and it may be submitted again."""
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        return None if n_lost < MAX_RESUBMISSIONS else TaskResult(failure=f"lost its worker {n_lost + 1} times")
    except InterruptedRunError:  # in a thread of this process
        raise
    except Exception as error:  # what a scheduler or a worker makes of a task that it cannot run
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return TaskResult(failure=f"was not run by a worker ({what[:300]})")


def _connect(address: str) -> Executor:
    """The executor of a scheduler of Dask.

    Raises:
        SpecError: The scheduler does not answer.
    """
    from distributed import Client
    from distributed.cfexecutor import ClientExecutor

    class ConnectedExecutor(ClientExecutor):
        """An executor that closes its connection when it is shut down."""

        def shutdown(self, wait: bool = True, **_: object) -> None:
            super().shutdown(wait=wait)  # type: ignore[no-untyped-call]
            self._client.close()

    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except OSError as error:
        remedy = "Start one: `dask scheduler`, and workers: `dask worker HOST:PORT --nthreads 1`."
        raise SpecError("executor", f"no scheduler of Dask answers at {address}: {error}", remedy=remedy) from None
    executor: Executor = ConnectedExecutor(  # type: ignore[no-untyped-call]
        client,
        pure=False,  # pure, it would answer from its cache
    )
    return executor


def _make(path: Path, function: str) -> Executor:
    """The executor that a function of the user makes.

    Raises:
        SpecError: The file or the function fails, or gives something else.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SpecError("executor", f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        executor: Any = getattr(module, function)()
    except Exception as error:
        raise SpecError("executor", f"{path}:{function} raised {type(error).__name__}: {error}") from error
    if not isinstance(executor, Executor):
        what = f"{path}:{function} gave {type(executor).__name__}, not a concurrent.futures.Executor"
        raise SpecError("executor", what)
    return executor
