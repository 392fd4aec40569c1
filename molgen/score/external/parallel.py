"""A scorer of the user in several processes at once, one molecule per call."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from queue import SimpleQueue

from molgen.chem.molecule import Molecule
from molgen.score.external.scorer import Scorer
from molgen.workers.tasks import TasksAhead


class ParallelScorer(Scorer):
    """A scorer that scores several molecules at once, each by one of n copies of another scorer.

    Values and failures come in the order of the molecules, whichever call ends first, so that a ledger does not depend
    on n.
    """

    def __init__(self, scorer: Scorer, n: int) -> None:
        """Takes `scorer`, not called before, as the first of n copies; no process starts before the first call."""
        super().__init__(scorer.name, scorer.time_limit_s, is_tolerant=scorer.is_tolerant)
        self.default_value = scorer.default_value
        self._copies = [scorer, *(copy(scorer) for _ in range(n - 1))]
        self._free: SimpleQueue[Scorer] = SimpleQueue()
        for one in self._copies:
            self._free.put(one)
        self._pool = ThreadPoolExecutor(n, thread_name_prefix=f"scorer {scorer.name}")
        self._ahead: TasksAhead[tuple[float | str, str]] = TasksAhead()

    def send_ahead(self, molecules: Sequence[Molecule], /) -> None:
        """See `Scorer`."""
        for molecule in molecules:
            self._ahead.add(molecule.smiles, self._pool.submit(self._answer, molecule.smiles))

    def close(self) -> None:
        """Ends the processes of all copies."""
        for one in self._copies:
            one.close()
        self._pool.shutdown(cancel_futures=True)

    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        futures = [self._ahead.take(text) or self._pool.submit(self._answer, text) for text in smiles]
        try:
            outcomes = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        self.failures |= {text: reason for text, (_, reason) in zip(smiles, outcomes, strict=True) if reason}
        return [answer for answer, _ in outcomes]

    def _answer(self, smiles: str) -> tuple[float | str, str]:
        """The value that a free copy gives, and the reason if it gives none."""
        scorer = self._free.get()
        try:
            scorer.failures = {}
            (answer,) = scorer._tolerated([smiles]) if self.is_tolerant else scorer._checked([smiles])
            return answer, scorer.failures.get(smiles, "")
        finally:
            self._free.put(scorer)

    def _last_words(self) -> str:
        return "\n".join(filter(None, [one._last_words() for one in self._copies]))
