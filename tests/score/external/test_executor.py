"""Workers of an executor give what one process gives, in the same order; a lost task runs again, up to three times."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from threading import Event
from typing import Any

import pytest

from molgen.chem.molecule import parse
from molgen.errors import InterruptedRunError, ScorerError
from molgen.interrupt import stop_requested
from molgen.score.external.executor import ExecutorScorer, parallelise
from molgen.score.external.plugin import parse_python_scorer
from molgen.score.external.scorer import Scorer
from molgen.workers.executor import read_executor
from molgen.workers.tasks import MAX_RESUBMISSIONS, Workers

MOLECULES = [parse("C" * n) for n in range(1, 9)]
MakeScorer = Callable[..., Scorer]

PROCESSES = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    def make_executor():
        return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
"""


class LosingExecutor(Executor):
    """Loses the first tasks of some molecules, as when a worker dies."""

    def __init__(self, losses: dict[str, int]) -> None:
        self.losses, self.n_submitted = losses, 0
        self._pool = ThreadPoolExecutor(2)

    def submit(self, task: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        self.n_submitted += 1
        if self.losses.get(args[0], 0) < 1:
            return self._pool.submit(task, *args)
        self.losses[args[0]] -= 1
        future: Future[Any] = Future()
        if self.losses[args[0]] % 2:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_exception(BrokenExecutor("a worker died"))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


@pytest.fixture
def scorer_of(tmp_path: Path) -> MakeScorer:
    def make(source: str, *, is_tolerant: bool = False, time_limit_s: float = 60) -> Scorer:
        (tmp_path / "mine.py").write_text(dedent(source))
        return parse_python_scorer(f"{tmp_path / 'mine.py'}:score", time_limit_s, is_tolerant=is_tolerant)

    return make


@pytest.fixture
def executor() -> Iterator[Callable[[dict[str, int]], LosingExecutor]]:
    made = []

    def make(losses: dict[str, int]) -> LosingExecutor:
        made.append(LosingExecutor(losses))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()


LENGTH = "def score(smiles):\n    return [float(len(text)) for text in smiles]\n"


def test_lost_tasks_are_run_again_and_values_come_in_order(
    scorer_of: MakeScorer, executor: Callable[[dict[str, int]], LosingExecutor]
) -> None:
    losing = executor({"C": MAX_RESUBMISSIONS, "CCCC": 1})
    scorer = ExecutorScorer(scorer_of(LENGTH), Workers(lambda: losing))
    assert scorer(MOLECULES).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert losing.n_submitted == 8 + MAX_RESUBMISSIONS + 1


def test_a_task_that_is_lost_too_often_is_a_failure_of_its_molecule(
    scorer_of: MakeScorer, executor: Callable[[dict[str, int]], LosingExecutor]
) -> None:
    losing = executor({"CC": 99})
    scorer = ExecutorScorer(scorer_of(LENGTH, is_tolerant=True), Workers(lambda: losing))
    values = scorer(MOLECULES)
    assert [n for n, value in enumerate(values, 1) if value == n] == [1, 3, 4, 5, 6, 7, 8]
    assert scorer.failures == {"CC": "lost its worker 4 times"}
    intolerant = ExecutorScorer(scorer_of(LENGTH), Workers(lambda: executor({"CC": 99})))
    with pytest.raises(ScorerError, match="lost its worker 4 times, for CC"):
        intolerant(MOLECULES)


def test_molecules_that_are_sent_ahead_are_scored_once_each_and_lost_ones_again(
    scorer_of: MakeScorer, executor: Callable[[dict[str, int]], LosingExecutor]
) -> None:
    losing = executor({"CC": 2})
    scorer = ExecutorScorer(scorer_of(LENGTH), Workers(lambda: losing))
    scorer.send_ahead([*MOLECULES[:4], MOLECULES[0]])
    assert losing.n_submitted == 5
    assert scorer(MOLECULES).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert losing.n_submitted == 5 + 4 + 2
    assert scorer(MOLECULES[:2]).tolist() == [1, 2]
    assert losing.n_submitted == 5 + 4 + 2 + 1


def test_processes_begin_with_what_is_sent_ahead(scorer_of: MakeScorer, tmp_path: Path) -> None:
    log = tmp_path / "calls.txt"
    source = f"""
        def score(smiles):
            with open({str(log)!r}, "a") as file:
                file.write("".join(f"{{text}}\\n" for text in smiles))
            return [float(len(text)) for text in smiles]
    """
    with parallelise(scorer_of(source), read_executor("local:2")) as scorer:
        scorer.send_ahead(MOLECULES[:4])
        while not log.exists() or len(log.read_text().split()) < 4:
            time.sleep(0.01)
        assert scorer(MOLECULES).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sorted(log.read_text().split(), key=len) == [molecule.smiles for molecule in MOLECULES]


def test_what_is_sent_ahead_and_not_begun_is_cancelled_at_the_end(scorer_of: MakeScorer) -> None:
    pool = ThreadPoolExecutor(1)
    begun = Event()
    pool.submit(begun.wait, 60)
    scorer = ExecutorScorer(scorer_of(LENGTH), Workers(lambda: pool))
    scorer.send_ahead(MOLECULES)
    (waiting,) = {len(tasks) for tasks in scorer._ahead._tasks.values()}
    futures = [future for tasks in scorer._ahead._tasks.values() for future in tasks]
    scorer.close()
    begun.set()
    assert waiting == 1
    assert all(future.cancelled() for future in futures)


def test_failures_are_those_of_their_molecules(
    scorer_of: MakeScorer, executor: Callable[[dict[str, int]], LosingExecutor], partly_failing: str
) -> None:
    scorer = ExecutorScorer(scorer_of(partly_failing, is_tolerant=True), Workers(lambda: executor({})))
    values = scorer(MOLECULES)
    assert [n for n, value in enumerate(values, 1) if value == n] == [1, 5, 6, 7, 8]
    assert set(scorer.failures) == {"CC", "CCC", "CCCC"}
    assert "exit code 7" in scorer.failures["CCC"]
    assert "too long" in scorer.failures["CCCC"]
    assert scorer(MOLECULES[4:]).tolist() == [5, 6, 7, 8]
    assert scorer.failures == {}


def test_a_scorer_that_cannot_be_started_ends_even_a_tolerant_run(
    scorer_of: MakeScorer, executor: Callable[[dict[str, int]], LosingExecutor]
) -> None:
    scorer = ExecutorScorer(scorer_of("import no_such_module\n", is_tolerant=True), Workers(lambda: executor({})))
    with pytest.raises(ScorerError, match="no_such_module"):
        scorer(MOLECULES)


def test_a_stop_ends_the_wait(
    scorer_of: MakeScorer, executor: Callable[[dict[str, int]], LosingExecutor], tmp_path: Path
) -> None:
    source = """
        import os, signal, time

        def score(smiles):
            if smiles == ["CCC"]:  # one signal: a task that ends later finds the handler gone
                os.kill(int(open(__file__ + ".pid").read()), signal.SIGTERM)
            time.sleep(2)
            return [0.0]
    """
    scorer = ExecutorScorer(scorer_of(source), Workers(lambda: executor({})))
    (tmp_path / "mine.py.pid").write_text(str(os.getpid()))
    with stop_requested(), pytest.raises(InterruptedRunError):
        scorer(MOLECULES)


def test_a_broken_pool_of_processes_is_made_again(scorer_of: MakeScorer, tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(dedent(PROCESSES))
    source = f"""
        import os, signal
        from pathlib import Path

        DEAD = Path({str(tmp_path / "dead")!r})

        def score(smiles):
            if smiles == ["CCC"] and not DEAD.exists():
                DEAD.touch()
                supervisor = int(Path(f"/proc/{{os.getppid()}}/stat").read_text().rpartition(")")[2].split()[1])
                os.kill(supervisor, signal.SIGKILL)  # the worker that runs this scorer
            return [float(len(text)) for text in smiles]
    """
    with read_executor(f"{tmp_path / 'pool.py'}:make_executor") as workers:
        scorer = parallelise(scorer_of(source), workers)
        assert scorer(MOLECULES).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (tmp_path / "dead").exists()
