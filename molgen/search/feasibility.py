"""Whether a search finds molecules that keep the constraints which cost nothing to check, and what removes the others.

Notation: N molecules.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule
from molgen.score.constraint import Constraint
from molgen.score.oracle import Oracle

PATIENCE = 10_000
"""Molecules checked without one that is nearer to keeping the constraints, after which none is expected."""


class Feasibility:
    """Checks molecules against the constraints that need no scorer, and counts what came of it.

    Attributes:
        n_checked: Molecules checked; one that came twice counts twice.
        removed: How many of these each constraint removed.
    """

    def __init__(self, oracle: Oracle) -> None:
        """Nothing was checked yet."""
        self._oracle = oracle
        self._least = math.inf
        self._n_since_gain = 0
        self.n_checked = 0
        self.removed: Counter[Constraint] = Counter()

    @property
    def is_hopeless(self) -> bool:
        """Whether no molecule kept all constraints, and the last `PATIENCE` came no nearer to it than those before."""
        return self._least > 0.0 and self._n_since_gain >= PATIENCE

    def violations(self, molecules: Sequence[Molecule]) -> Doubles:
        """By how much molecules (N,) miss the constraints, in widths of the measures' scales: 0 where they keep them.

        Raises:
            ScorerError: A measure gave something other than one number a molecule.
        """
        each = self._oracle.cheap_violations(molecules)
        total: Doubles = sum(each.values(), np.zeros(len(molecules)))
        self.removed.update({constraint: int((missed > 0).sum()) for constraint, missed in each.items()})
        self.n_checked += len(molecules)
        least = float(total.min(initial=math.inf))
        self._n_since_gain = 0 if least < self._least else self._n_since_gain + len(molecules)
        self._least = min(least, self._least)
        return total

    def __str__(self) -> str:
        """How many molecules each constraint removed."""
        parts = [f'"{constraint}" removed {n:,}' for constraint, n in self.removed.most_common() if n]
        return f"of {self.n_checked:,} molecules checked, {', '.join(parts) or 'no constraint removed any'}"
