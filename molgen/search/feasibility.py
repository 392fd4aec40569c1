"""A search for molecules that satisfy the constraints on built-in measures, and counts of the violated ones.

If no early proposal is feasible, a genetic algorithm on molecular graphs searches for feasible molecules. It checks
thousands in the time in which the search proposes a hundred.

Notation: N molecules.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from rdkit import Chem

from molgen.arrays import Doubles
from molgen.chem.graph_edits import cross, mutate
from molgen.chem.molecule import AS_IT_IS, Molecule, neutralise, parse
from molgen.errors import MoleculeError
from molgen.score.constraint import Constraint
from molgen.score.oracle import Oracle

PATIENCE = 10_000
"""Number of molecules without a smaller violation after which the search stops."""
N_PARENTS = 100
"""Number of parents per round: the molecules with the smallest violations."""
N_CHILDREN = 250
"""Number of attempts at offspring per round."""
CROSS_SHARE = 0.3
"""Share of offspring from two parents."""


class Feasibility:
    """Checks molecules against the constraints that need no scorer, and counts the results.

    Attributes:
        n_checked: Molecules checked, repetitions included.
        removed: Number of these that each constraint removed.
    """

    def __init__(self, oracle: Oracle, *, is_neutralised: bool = False) -> None:
        """Starts with counts of zero; if `is_neutralised`, molecules are checked in their neutral form."""
        self._oracle = oracle
        self._is_neutralised = is_neutralised
        self._least = math.inf
        self._n_since_gain = 0
        self.n_checked = 0
        self.removed: Counter[Constraint] = Counter()

    @property
    def is_met(self) -> bool:
        """Whether a feasible molecule was found."""
        return self._least <= 0.0

    @property
    def is_hopeless(self) -> bool:
        """Whether none was feasible, and the last `PATIENCE` molecules did not reduce the smallest violation."""
        return not self.is_met and self._n_since_gain >= PATIENCE

    def violations(self, molecules: Sequence[Molecule]) -> Doubles:
        """Violation (N,) of the constraints, in widths of the scales of the measures; 0 if feasible.

        Raises:
            ScorerError: A measure did not give one number per molecule.
        """
        if self._is_neutralised:
            molecules = [neutralise(molecule) for molecule in molecules]
        each = self._oracle.cheap_violations(molecules)
        total: Doubles = sum(each.values(), np.zeros(len(molecules)))
        self.removed.update({constraint: int((missed > 0).sum()) for constraint, missed in each.items()})
        self.n_checked += len(molecules)
        least = float(total.min(initial=math.inf))
        self._n_since_gain = 0 if least < self._least else self._n_since_gain + len(molecules)
        self._least = min(least, self._least)
        return total

    def probe(self, smiles: Sequence[str], seed: int, is_stop_requested: Callable[[], bool]) -> None:
        """Evolves molecules until one is feasible, or until the search gives up.

        Args:
            smiles: Starting molecules, at least one.
            seed: Random seed.
            is_stop_requested: Called before each round; a probe that is stopped early is inconclusive.
        """
        rng = np.random.default_rng(seed)
        known: dict[str, float] = {}
        fresh = [parse(text) for text in smiles]
        while fresh and not (self.is_met or self.is_hopeless) and not is_stop_requested():
            known |= {m.smiles: float(v) for m, v in zip(fresh, self.violations(fresh), strict=True)}
            parents = sorted(known, key=lambda text: known[text])[:N_PARENTS]
            fresh = _children(rng, parents)

    def __str__(self) -> str:
        """The counts of removed molecules in words."""
        parts = [f'"{constraint}" removed {n:,}' for constraint, n in self.removed.most_common() if n]
        return f"of {self.n_checked:,} molecules checked, {', '.join(parts) or 'no constraint removed any'}"


def _children(rng: np.random.Generator, parents: Sequence[str]) -> list[Molecule]:
    """Distinct molecules from random changes of parents."""
    children: dict[str, Molecule] = {}
    for _ in range(N_CHILDREN):
        one, other = (parents[int(rng.integers(len(parents)))] for _ in range(2))
        mol = cross(rng, one, other) if rng.random() < CROSS_SHARE else mutate(rng, one)
        if mol is not None:
            with suppress(MoleculeError):
                child = parse(Chem.MolToSmiles(mol), AS_IT_IS)
                children[child.smiles] = child
    return list(children.values())
