"""A function of the running program as a scorer, for notebooks: no process of its own, no time limit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from hashlib import sha256

from molgen.score.external.scorer import Scorer, require_scorer_name
from molgen.score.external.worker import answer

ScoreFunction = Callable[[list[str]], Sequence[float]]
"""From N canonical SMILES to N numbers; None or NaN for a molecule without a value."""


class InProcessScorer(Scorer):
    """A Python function as a measure.

    Attributes:
        digest: SHA-256 of its source text; "" if Python cannot find it. A campaign can only be resumed with the
            same digest.
    """

    def __init__(self, name: str, function: ScoreFunction, *, is_tolerant: bool = False) -> None:
        """Raises SpecError if `name` is not spelled as the name of a scorer."""
        require_scorer_name(name)
        super().__init__(name, is_tolerant=is_tolerant)
        self._function = function
        self.digest = _digest(function)

    def _answers(self, smiles: Sequence[str]) -> Sequence[float | str]:
        return self._read(answer(self._function, list(smiles)))

    def _last_words(self) -> str:
        return ""


def _digest(function: ScoreFunction) -> str:
    try:
        return sha256(inspect.getsource(function).encode()).hexdigest()
    except (OSError, TypeError):
        return ""
