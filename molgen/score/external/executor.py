"""Scorers of the user on the workers of an executor, one molecule per task.

Each worker runs the scorer in a process of its own, as without an executor, and keeps it for the next molecule. Workers
read the file of the scorer under the path that it has here.
"""

from __future__ import annotations

import math
import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field

from molgen.chem.molecule import Molecule
from molgen.errors import TaskError
from molgen.score.external.parallel import ParallelScorer
from molgen.score.external.scorer import BrokenScorerError, Scorer, one_line_reason
from molgen.workers.tasks import TasksAhead, Workers

MAX_KEPT = 4
"""Maximum number of scorers that a thread of a worker keeps running; the least recently used one is closed."""


def parallelise(scorer: Scorer, workers: Workers) -> Scorer:
    """A scorer with the values of `scorer`, which was not called yet, that scores several molecules at once."""
    return ParallelScorer(scorer, workers.n_local) if workers.n_local else ExecutorScorer(scorer, workers)


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


class ExecutorScorer(Scorer):
    """A scorer whose calls run on the workers of an executor.

    Values and failures come in the order of the molecules, whichever task ends first, so that a ledger does not depend
    on the workers.
    """

    def __init__(self, scorer: Scorer, workers: Workers) -> None:
        """Takes the place of `scorer`, which was not called yet; nothing runs before the first call."""
        super().__init__(scorer.name, scorer.time_limit_s, is_tolerant=scorer.is_tolerant)
        self.default_value = scorer.default_value
        self._workers = workers
        self._task = ScorerTask(scorer)
        self._ahead: TasksAhead[TaskResult] = TasksAhead()

    def send_ahead(self, molecules: Sequence[Molecule]) -> None:
        """See `Scorer`."""
        for molecule in molecules:
            self._ahead.add(molecule.smiles, self._workers.submit(self._task, molecule.smiles))

    def close(self) -> None:
        """Cancels what was sent ahead and has not begun."""
        self._ahead.cancel()

    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        answers: list[float | str] = []
        results = self._workers.run(self._task, smiles, n_pending=len(smiles), find_submitted=self._ahead.take)
        for text, outcome in zip(smiles, results, strict=True):
            result = TaskResult(failure=outcome.reason) if isinstance(outcome, TaskError) else outcome
            if result.is_broken:
                raise BrokenScorerError(self.name, result.failure)
            if result.failure:
                self.failures[text] = result.failure
                if not self.is_tolerant:
                    raise self._error(f"{result.failure}, for {text}")
            answers.append(result.answer)
        return answers

    def _last_words(self) -> str:
        return ""


@dataclass(frozen=True)
class ScorerTask:
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

    def scorer_of(self, task: ScorerTask) -> Scorer:
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
