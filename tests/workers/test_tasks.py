"""Results of tasks come in the order of the items, and few items are read before their turn."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from threading import Event
from typing import Any

import pytest

from molgen.errors import (
    FileError,
    InterruptedRunError,
    MissingColumnError,
    MoleculeError,
    MolgenError,
    NothingValidError,
    ScorerError,
    SpecError,
    TaskError,
)
from molgen.interrupt import stop_requested
from molgen.workers.executor import read_executor
from molgen.workers.local import LocalExecutor
from molgen.workers.tasks import MAX_RESUBMISSIONS, Workers


class BreakingExecutor(Executor):
    """Runs a number of tasks, then breaks for good, like a pool whose worker was killed."""

    def __init__(self, n: int) -> None:
        self.n_left = n

    def submit(self, task: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.n_left -= 1
        if self.n_left < -1:
            raise BrokenExecutor("is broken")
        future: Future[Any] = Future()
        if self.n_left < 0:
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            future.set_result(task(*args))
        return future


@pytest.fixture
def threads() -> Iterator[Workers]:
    with Workers(lambda: ThreadPoolExecutor(3)) as workers:
        yield workers


def test_results_come_in_order_whichever_task_ends_first(threads: Workers) -> None:
    ended = [Event() for _ in range(3)]

    def run_backwards(i: int) -> int:
        if i < 2:
            assert ended[i + 1].wait(60)
        ended[i].set()
        return i

    assert list(threads.run(run_backwards, range(3))) == [0, 1, 2]


@pytest.mark.parametrize("n_pending", [1, 2, 7])
def test_items_are_read_as_results_are_taken(threads: Workers, n_pending: int) -> None:
    n_read = 0

    def items() -> Iterator[int]:
        nonlocal n_read
        for i in range(40):
            n_read += 1
            yield i

    for n_taken, result in enumerate(threads.run(lambda i: i * i, items(), n_pending=n_pending)):
        assert result == n_taken**2
        assert n_read <= n_taken + n_pending
    assert n_read == 40


def test_an_executor_that_breaks_is_made_again() -> None:
    made = []

    def make() -> Executor:
        made.append(BreakingExecutor(3))
        return made[-1]

    assert list(Workers(make).run(str, range(10))) == [str(i) for i in range(10)]
    assert len(made) == 4


def test_a_task_that_always_loses_its_worker_has_an_error_and_the_others_results() -> None:
    made = []

    def make() -> Executor:
        made.append(BreakingExecutor(0))
        return made[-1]

    (outcome,) = Workers(make).run(str, ["a"])
    assert isinstance(outcome, TaskError)
    assert "lost its worker 4 times" in str(outcome)
    assert len(made) == MAX_RESUBMISSIONS + 1


def test_an_exception_is_an_outcome_but_an_error_of_molgen_is_raised(threads: Workers) -> None:
    def fail(i: int) -> int:
        if i == 2:
            raise SpecError("x", "is wrong")
        return 1 // i

    outcomes = threads.run(fail, [0, 1, 2])
    first = next(outcomes)
    assert isinstance(first, TaskError)
    assert "ZeroDivisionError" in first.reason
    assert next(outcomes) == 1
    with pytest.raises(SpecError, match="x: is wrong"):
        next(outcomes)


def test_a_stop_ends_the_wait_and_cancels_what_has_not_begun() -> None:
    pool, release, begun = ThreadPoolExecutor(1), Event(), []

    def work(i: int) -> None:
        begun.append(i)
        os.kill(os.getpid(), signal.SIGTERM)
        release.wait(60)

    with stop_requested(), pytest.raises(InterruptedRunError):
        list(Workers(lambda: pool).run(work, range(5)))
    release.set()
    pool.shutdown()
    assert begun == [0]


@pytest.mark.parametrize(
    "error",
    [
        FileError("a.csv", "is damaged", line=3, remedy="Mend it."),
        MissingColumnError("a.csv", "lacks a column", column="y"),
        MoleculeError("C(", "not a SMILES"),
        SpecError("threads", "must be 1", remedy="Give 1."),
        ScorerError("mine", "is late"),
        TaskError("lost its worker 4 times"),
        NothingValidError("no molecule"),
    ],
)
def test_errors_survive_the_way_from_a_worker(error: MolgenError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.args, vars(back)) == (type(error), str(error), error.args, vars(error))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} goes on"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_a_busy_process_ends_when_it_is_shut_down() -> None:
    executor = LocalExecutor(1)
    pid = executor.submit(os.getpid).result(60)
    executor.submit(time.sleep, 600)
    executor.shutdown(wait=False)
    wait_for_end(pid)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_a_busy_process_ends_when_its_parent_is_killed() -> None:
    code = """
        import os, time
        from molgen.workers.local import LocalExecutor

        if __name__ == "__main__":
            executor = LocalExecutor(1)
            print(executor.submit(os.getpid).result(), flush=True)
            executor.submit(time.sleep, 600)
            time.sleep(600)
    """
    parent = subprocess.Popen([sys.executable, "-c", dedent(code)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    wait_for_end(pid)


def test_processes_that_die_are_replaced_and_their_tasks_run_again() -> None:
    with read_executor("local:2") as workers:
        (outcome,) = workers.run(os._exit, [3])
        assert isinstance(outcome, TaskError)
        assert "lost its worker 4 times" in str(outcome)
        assert list(workers.run(abs, [-1, -2, -3])) == [1, 2, 3]
