"""The oracle: evaluates all measures of a campaign and computes one total per molecule.

Notation: N molecules, M objectives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule
from molgen.errors import ScorerError, SpecError
from molgen.score.constraint import Constraint, require_consistent
from molgen.score.desirability import Desirability, combine
from molgen.score.external.scorer import Scorer
from molgen.score.measure import Measure, MeasureContext, resolve
from molgen.score.objective import Objective, labelled_property


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of N molecules: raw values, desirabilities, totals and violations.

    Attributes:
        values: Raw value (N,) of each measure; NaN for a molecule that the checkpoint cannot encode, or that a tolerant
            scorer has no value for.
        desirabilities: (N,) in [0, 1] of each objective with a scale; 0 for NaN.
        total: (N,), larger is better: the signed raw value of a single objective, or the weighted geometric mean, in
            [0, 1], of the desirabilities of several. Minus infinity if the value of an objective is NaN.
        violation: (N,), the sum over constraints of the distances to their bounds, in widths of the scale of the
            measure if it has one; 0 if all are satisfied, infinite if the value of an objective or a constraint is NaN.
        failures: N texts, why scorers of the user have no value; "" if they have one, and for restored scores.
    """

    values: Mapping[str, Doubles]
    desirabilities: Mapping[str, Doubles]
    total: Doubles
    violation: Doubles
    failures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError unless all arrays are (N,)."""
        if not self.failures:
            object.__setattr__(self, "failures", ("",) * self.total.size)
        arrays = (*self.values.values(), *self.desirabilities.values(), self.violation, np.array(self.failures))
        if self.total.ndim != 1 or any(array.shape != self.total.shape for array in arrays):
            raise ValueError(f"a score's arrays must all be (N,), but its total is {self.total.shape}")

    @property
    def feasible(self) -> npt.NDArray[np.bool_]:
        """Whether each molecule (N,) satisfies all constraints and could be measured."""
        return np.equal(self.violation, 0)


class Oracle:
    """Scores molecules by the objectives of a campaign under its constraints.

    Attributes:
        objectives: M objectives, at least one, each on a different measure.
        constraints: Constraints without contradictions.
        measure_names: All measures in stable order: of objectives, of constraints, extra ones.
        n_calls: Number of molecules passed to scorers of the user, summed over scorers.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        context: MeasureContext | None = None,
        *,
        extra: Sequence[str] = (),
    ) -> None:
        """Resolves every name; `extra` measures are evaluated and reported only.

        Raises:
            SpecError: There is no objective, a name is unknown or given twice, constraints contradict each
                other, or one of several objectives has no scale.
        """
        if not objectives:
            raise SpecError("objectives", "there is none", remedy='Name one: --maximize "qed".')
        if len({objective.name for objective in objectives}) < len(objectives):
            raise SpecError("objectives", "a measure is given twice", remedy="Keep one of them.")
        require_consistent(constraints)
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self.n_calls = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scorers")
        self._measures = _resolved(objectives, constraints, extra, context or MeasureContext())
        self._ramps = self._resolved_ramps()

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Every measure, in stable order."""
        return tuple(self._measures)

    @property
    def is_tolerant(self) -> bool:
        """Whether a molecule may be scored although a scorer has no value for it."""
        return any(isinstance(measure, Scorer) and measure.is_tolerant for measure in self._measures.values())

    def cheap_violations(self, molecules: Sequence[Molecule]) -> dict[Constraint, Doubles]:
        """The violation (N,) of each constraint that needs no scorer of the user, in widths of the scale.

        Raises:
            ScorerError: A measure did not give one number per molecule.
        """
        cheap = [c for c in self.constraints if self._measures[c.name].is_cheap]
        values = self._measured({c.name for c in cheap}, molecules)
        return {constraint: self._scaled(constraint, values) for constraint in cheap}

    def score(self, molecules: Sequence[Molecule]) -> Score:
        """The score of N molecules, each measure called once.

        Raises:
            ScorerError: A measure did not give one number per molecule.
        """
        return self._scored(molecules, self._measured(self._measures, molecules))

    def begin(self, molecules: Sequence[Molecule]) -> Callable[[], Score]:
        """Starts scorers of the user on N molecules, in a thread; built-in measures are computed at once.

        Returns:
            A function that waits for the score; see `score` for its errors.

        Raises:
            ScorerError: A built-in measure did not give one number per molecule.
        """
        cheap = {name for name, measure in self._measures.items() if measure.is_cheap}
        values = self._measured(cheap, molecules)
        others = self._thread.submit(self._measured, self._measures.keys() - cheap, molecules)

        def wait() -> Score:
            found = values | others.result()
            return self._scored(molecules, {name: found[name] for name in self._measures})

        return wait

    def send_ahead(self, molecules: Sequence[Molecule]) -> None:
        """Lets the workers of scorers begin with molecules that `begin` or `score` is called with later."""
        for measure in self._measures.values():
            if isinstance(measure, Scorer):
                measure.send_ahead(molecules)

    def restore(self, values: Mapping[str, npt.ArrayLike]) -> Score:
        """The score of N molecules from their raw values, without any measurement.

        Args:
            values: (N,) for each of `measure_names`; others are ignored.

        Raises:
            ValueError: A measure is missing, or the arrays are not all (N,).
        """
        missing = [name for name in self._measures if name not in values]
        if missing:
            raise ValueError(f"values of these measures are missing: {', '.join(missing)}")
        raw = {name: np.array(values[name], dtype=np.float64) for name in self._measures}
        return self._weighed(raw, next(iter(raw.values())).size)

    def is_known(self, labels: Mapping[str, float]) -> bool:
        """Whether known values of properties tell what a molecule scores without a call of a user's scorer.

        There must be a known value for every scorer, and for at least one objective; for a predicted objective, it is
        the known value of the property.
        """
        scorers = [name for name, measure in self._measures.items() if not measure.is_cheap]
        wanted = {labelled_property(objective.name) for objective in self.objectives}
        return all(name in labels for name in scorers) and bool(wanted & labels.keys())

    def recall(self, molecules: Sequence[Molecule], labels: Sequence[Mapping[str, float]]) -> Score:
        """The score of N molecules from known values of scorers; built-in measures are computed.

        Raises:
            ScorerError: A measure did not give one number per molecule.
        """
        cheap = {name for name, measure in self._measures.items() if measure.is_cheap}
        values = self._measured(cheap, molecules)
        read = {name: np.array([known[name] for known in labels]) for name in self._measures if name not in cheap}
        return self._weighed(values | read, len(molecules))

    def objective_matrix(self, score: Score) -> Doubles:
        """Desirabilities (N, M) in [0, 1] in the order of the objectives, all to be maximised.

        Raises:
            SpecError: The only objective has no scale.
        """
        for objective in self.objectives:
            objective.desirability(self._measures[objective.name].default_scale)
        return np.column_stack([score.desirabilities[objective.name] for objective in self.objectives])

    def _resolved_ramps(self) -> dict[str, Desirability]:
        """The desirability of each objective; a single objective needs none and may lack a scale."""
        scales = {o.name: self._measures[o.name].default_scale for o in self.objectives}
        is_single = len(self.objectives) == 1
        return {
            o.name: o.desirability(scales[o.name])
            for o in self.objectives
            if not (is_single and o.scale is None and scales[o.name] is None)
        }

    def _scored(self, molecules: Sequence[Molecule], values: Mapping[str, Doubles]) -> Score:
        score = self._weighed(values, len(molecules))
        return replace(score, failures=tuple(self._failure(molecule.smiles) for molecule in molecules))

    def _failure(self, smiles: str) -> str:
        """Why scorers of the user have no value for a molecule of the last call, or ""."""
        scorers = [measure for measure in self._measures.values() if isinstance(measure, Scorer)]
        return "; ".join(f"{one.name} {one.failures[smiles]}" for one in scorers if smiles in one.failures)

    def _measured(self, names: Container[str], molecules: Sequence[Molecule]) -> dict[str, Doubles]:
        return {name: self._called(m, molecules) for name, m in self._measures.items() if name in names}

    def _called(self, measure: Measure, molecules: Sequence[Molecule]) -> Doubles:
        if not measure.is_cheap:
            self.n_calls += len(molecules)
        values = measure(molecules)
        if values.shape != (len(molecules),) or np.isinf(values).any():
            what = f"{values.shape} values for {len(molecules)} molecules, or an infinite one"
            raise ScorerError(measure.name, f"gave {what}")
        return values

    def _weighed(self, values: Mapping[str, Doubles], n: int) -> Score:
        desirabilities = {name: _desired(ramps, values[name]) for name, ramps in self._ramps.items()}
        wanted = np.column_stack([values[objective.name] for objective in self.objectives])
        is_missing = np.isnan(wanted).any(axis=1)
        violation = sum((self._scaled(constraint, values) for constraint in self.constraints), np.zeros(n))
        return Score(
            values=values,
            desirabilities=desirabilities,
            total=np.where(is_missing, -math.inf, self._total(values, desirabilities)),
            violation=np.where(is_missing, math.inf, violation),
        )

    def _total(self, values: Mapping[str, Doubles], desirabilities: Mapping[str, Doubles]) -> Doubles:
        if len(self.objectives) == 1:
            return self.objectives[0].signed(values[self.objectives[0].name])
        columns = [desirabilities[objective.name] for objective in self.objectives]
        return combine(np.column_stack(columns), [objective.weight for objective in self.objectives])

    def _scaled(self, constraint: Constraint, values: Mapping[str, Doubles]) -> Doubles:
        """The violation (N,) of a constraint, in widths of the scale of its measure if it has one."""
        low, high = self._measures[constraint.name].default_scale or (0.0, 1.0)
        return constraint.violation(values[constraint.name]) / (high - low)


def _resolved(
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    extra: Sequence[str],
    context: MeasureContext,
) -> dict[str, Measure]:
    keys = [(objective.name, str(objective.goal)) for objective in objectives]
    keys += [(constraint.name, "constraint") for constraint in constraints]
    keys += [(name, "extra") for name in extra]
    measures: dict[str, Measure] = {}
    for name, key in keys:
        if name not in measures:
            measures[name] = resolve(name, context, key=key)
    return measures


def _desired(ramps: Desirability, values: Doubles) -> Doubles:
    """Desirabilities (N,); 0 for NaN."""
    is_missing = np.isnan(values)
    return np.where(is_missing, 0.0, ramps(np.where(is_missing, 0.0, values)))
