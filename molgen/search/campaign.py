"""A campaign: propose points, decode, score new molecules and tell the sampler, until the budget is spent.

A campaign is a deterministic function of the specification, the checkpoint and the scores, so the ledger is its only
state. It is resumed by running it again with the values of the ledger instead of calls of the oracle, and continues
where they end. The finished ledger equals that of a campaign that was never stopped.
"""

from __future__ import annotations

import math
import time
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from optuna.trial import FrozenTrial, Trial

from molgen.chem.molecule import AS_IT_IS, neutralise, parse
from molgen.errors import InterruptedRunError, NothingValidError
from molgen.latent.space import LatentSpace
from molgen.sample.series import CoreSeries
from molgen.score.oracle import Oracle, Score
from molgen.search import ledger, study
from molgen.search.feasibility import Feasibility
from molgen.search.ledger import Evaluation, Ledger
from molgen.search.pareto import Front
from molgen.search.spec import CampaignSpec
from molgen.search.start import StartMolecule, limit_start
from molgen.search.study import Journal, LatentStudy, Outcome, SamplerConfig

MAX_IDLE_BATCHES = 50
"""Number of batches without a new molecule after which a campaign ends."""
PROBE_AFTER = 50
"""Number of infeasible molecules, without a feasible one, after which a search for feasible molecules starts."""
MAX_PROPOSALS = 256
"""Maximum number of proposals decoded at once if few are feasible."""


@dataclass(frozen=True)
class CampaignStatus:
    """The progress of a campaign.

    Attributes:
        n_scored: Molecules scored, which count against the budget.
        best: Highest total among feasible molecules, NaN before the first.
        top_10: Mean of the ten highest such totals.
        n_proposed: Proposals, starting molecules included.
        n_invalid: Proposals without a valid molecule.
        n_duplicate: Proposals of a molecule that was proposed before.
        n_filtered: Proposals of a new molecule that violates a constraint on a built-in measure.
        n_known: Starting molecules with known values, which were not scored.
        n_failed: Scored molecules that a scorer of the user has no value for.
        hypervolume: Hypervolume of the Pareto front; NaN without `--pareto`.
        seconds: Time since the start of the loop.
    """

    n_scored: int
    best: float
    top_10: float
    n_proposed: int
    n_invalid: int
    n_duplicate: int
    n_filtered: int
    n_known: int
    n_failed: int
    hypervolume: float
    seconds: float

    @property
    def unique_rate(self) -> float:
        """Share of new molecules among valid proposals."""
        valid = self.n_proposed - self.n_invalid
        return (valid - self.n_duplicate) / valid if valid else math.nan


@dataclass
class _Proposal:
    """One trial of a batch.

    Attributes:
        trial: Its trial.
        smiles: Canonical SMILES; "" if invalid.
        violation: Violation of the constraints on built-in measures; None if it is not computed yet.
        outcome: What the search is told; None before it is known.
        is_scored: Whether its molecule has a line in the ledger.
    """

    trial: Trial
    smiles: str
    violation: float | None = None
    outcome: Outcome | None = None
    is_scored: bool = False


class CampaignLoop:
    """The loop of one campaign in one folder."""

    def __init__(
        self,
        folder: Path,
        spec: CampaignSpec,
        space: LatentSpace,
        oracle: Oracle,
        start: Sequence[StartMolecule],
        extensions: Sequence[int] = (),
        series: CoreSeries | None = None,
    ) -> None:
        """Prepares the loop; the ledger of the folder will be replayed.

        Args:
            folder: Existing folder of this campaign.
            spec: The specification.
            space: The latent space.
            oracle: The oracle.
            start: Starting molecules, of which at most `spec.start_limit` are used, those with the best known values
                first. A molecule with known values (see `Oracle.is_known`) is told to the search without a call or a
                line of the ledger; a molecule that violates a constraint costs no call either.
            extensions: Further budgets, one after the other, after that of `spec`.
            series: A series whose core all proposals keep.

        Raises:
            RunError: The ledger is damaged.
            SpecError: A measure has the name of another column of the ledger.
        """
        self.spec, self.space, self.oracle = spec, space, oracle
        limit = spec.start_limit or max(1, spec.budget // 2)
        self.start = limit_start(start, limit, oracle.objectives, spec.seed)
        self.feasibility = Feasibility(oracle, is_neutralised=spec.is_neutralised)
        self._labels = {one.molecule.smiles: one.labels for one in self.start}
        self.n_objectives = len(oracle.objectives) if spec.pareto else 1
        names = list(oracle.restore({name: [0.0] for name in oracle.measure_names}).desirabilities)
        has_failures = spec.on_failure != "stop" or oracle.is_tolerant
        self._ledger = Ledger(folder / ledger.NAME, oracle.measure_names, names, has_failures=has_failures)
        self._recorded = ledger.read_evaluations(self._ledger.path) if self._ledger.path.exists() else []
        self._journal = Journal(folder / study.NAME, self.n_objectives)
        points = space.encode([one.molecule.smiles for one in self.start])
        self._start_points = np.nan_to_num(points.astype(np.float64))
        request = SamplerConfig(
            name=spec.sampler,
            n_objectives=self.n_objectives,
            batch_size=spec.batch_size,
            budget=spec.budget,
            seed=spec.seed,
            start=points[np.isfinite(points).all(axis=1)].astype(np.float64),
            violations=self.feasibility.violations if oracle.constraints else None,
            series=series,
        )
        self._study = LatentStudy(space, request)
        self._front = Front(self.n_objectives)
        self._budgets = (spec.budget, *extensions)
        self._budget = spec.budget
        self._evaluations: list[Evaluation] = []
        self._met: dict[str, Outcome] = {}
        self._totals: list[float] = []
        self._counts = {"proposed": 0, "invalid": 0, "duplicate": 0, "filtered": 0, "known": 0}
        self._n_given, self._n_given_scored = 0, 0
        self._began = time.monotonic()

    @property
    def evaluations(self) -> list[Evaluation]:
        """The evaluations so far, in order."""
        return list(self._evaluations)

    def run(self, on_status: Callable[[CampaignStatus], object], is_stop_requested: Callable[[], bool]) -> None:
        """Runs until the budgets are spent, one after the other, or no new molecules are found.

        A batch ends at the end of a budget, so that the evaluations under a smaller budget are the first ones under a
        larger budget.

        Raises:
            InterruptedRunError: A stop was requested; all evaluations are in the ledger.
            NothingValidError: No molecule could be scored, or none satisfies the constraints on built-in measures;
                evaluations, such as those of starting molecules, are in the ledger.
            RunError: The replay does not reproduce the ledger.
            ScorerError: A scorer failed; earlier evaluations are in the ledger.
        """
        self._ledger.begin(self._recorded)
        self._began = time.monotonic()
        try:
            self._search(on_status, is_stop_requested)
        except InterruptedRunError:
            what = f"stopped after {len(self._evaluations)} calls; all of them are saved"
            raise InterruptedRunError(what, remedy="Continue it with --resume.") from None
        self._require_found()

    def _require_found(self) -> None:
        """Raises a NothingValidError if nothing was found."""
        remedy = "Loosen the constraints, or start from molecules that satisfy them (--start)."
        if self.feasibility.is_hopeless:
            raise NothingValidError(f"no molecule satisfies all constraints: {self.feasibility}", remedy=remedy)
        if not self._evaluations:
            proposals = f"{self._counts['proposed']} proposals, {self._counts['invalid']} of them invalid"
            raise NothingValidError(f"none of {proposals}, could be scored: {self.feasibility}", remedy=remedy)

    def _search(self, on_status: Callable[[CampaignStatus], object], is_stop_requested: Callable[[], bool]) -> None:
        if self.start:
            self._settle(self._begin_at_start(), on_status)
            self._n_given, self._n_given_scored = self._counts["proposed"], len(self._evaluations)
        for budget in self._budgets:
            self._budget = budget
            self._spend(on_status, is_stop_requested)

    def _spend(self, on_status: Callable[[CampaignStatus], object], is_stop_requested: Callable[[], bool]) -> None:
        idle = 0
        ahead: list[_Proposal] = []
        while len(self._evaluations) < self._budget and idle < MAX_IDLE_BATCHES:
            if self.feasibility.is_hopeless:
                break
            if is_stop_requested():
                raise InterruptedRunError("stopped between two batches")
            n_before = len(self._evaluations)
            ahead = self._settle(ahead or self._propose(), on_status)
            if self._counts["filtered"] >= PROBE_AFTER and not self.feasibility.is_met:
                self.feasibility.probe(list(self._met), self.spec.seed, is_stop_requested)
            idle = 0 if len(self._evaluations) > n_before else idle + 1

    def status(self) -> CampaignStatus:
        """The progress so far."""
        top = self._totals[-10:]
        return CampaignStatus(
            n_scored=len(self._evaluations),
            best=top[-1] if top else math.nan,
            top_10=sum(top) / len(top) if top else math.nan,
            n_proposed=self._counts["proposed"],
            n_invalid=self._counts["invalid"],
            n_duplicate=self._counts["duplicate"],
            n_filtered=self._counts["filtered"],
            n_known=self._counts["known"],
            n_failed=sum(bool(evaluation.failure) for evaluation in self._evaluations),
            hypervolume=self._front.hypervolume if self.spec.pareto else math.nan,
            seconds=time.monotonic() - self._began,
        )

    def _begin_at_start(self) -> list[_Proposal]:
        trials = self._study.ask_at(self._start_points)
        return [_Proposal(t, one.molecule.smiles) for t, one in zip(trials, self.start, strict=True)]

    def _propose(self, n_scoring: int = 0) -> list[_Proposal]:
        """The next batch, while `n_scoring` molecules are being scored."""
        proposals = self._study.ask(self._n_proposals(n_scoring))
        return [_Proposal(trial, self._form(smiles)) for trial, smiles in proposals]

    def _form(self, smiles: str) -> str:
        """The form in which a molecule is proposed."""
        return neutralise(parse(smiles, AS_IT_IS)).smiles if smiles and self.spec.is_neutralised else smiles

    def _n_proposals(self, n_scoring: int) -> int:
        """Number of proposals expected to give one batch of molecules to score, from the rates so far."""
        batch = self.spec.batch_size
        n_proposed = self._counts["proposed"] - self._n_given
        n_scored = len(self._evaluations) + n_scoring - self._n_given_scored
        per_call = (n_proposed + batch) / (n_scored + batch)
        return min(max(batch, MAX_PROPOSALS), math.ceil(batch * per_call))

    def _settle(self, proposals: list[_Proposal], on_status: Callable[[CampaignStatus], object]) -> list[_Proposal]:
        """Scores new feasible molecules, adds them to the ledger, and tells every trial its score.

        Returns the next batch if it was proposed while scorers were at work; else none.
        """
        self._counts["proposed"] += len(proposals)
        new = self._sort_out(proposals)
        kept, missed = self._filter(new)
        self._recall([proposal for proposal in kept if self._is_known(proposal)])
        kept = [proposal for proposal in kept if not self._is_known(proposal)][: self._budget - len(self._evaluations)]
        ahead = self._score(kept) if kept else []
        for proposal, violation in missed:
            self._refuse(proposal, violation)
        finished: list[tuple[FrozenTrial, Outcome]] = []
        for proposal in proposals:
            outcome = proposal.outcome or Outcome()
            trial = self._study.tell(proposal.trial, outcome)
            if proposal.is_scored and outcome.values:
                finished.append((trial, outcome))
        self._journal.append(finished)
        on_status(self.status())
        return ahead

    def _sort_out(self, proposals: list[_Proposal]) -> list[_Proposal]:
        """Answers invalid and repeated proposals; returns the first proposal of each new molecule."""
        new: dict[str, _Proposal] = {}
        for proposal in proposals:
            if not proposal.smiles:
                self._counts["invalid"] += 1
                proposal.outcome = Outcome()
            elif proposal.smiles in self._met or proposal.smiles in new:
                self._counts["duplicate"] += 1
                proposal.outcome = self._met.get(proposal.smiles, Outcome(proposal.smiles))
            else:
                new[proposal.smiles] = proposal
        return list(new.values())

    def _filter(self, new: list[_Proposal]) -> tuple[list[_Proposal], list[tuple[_Proposal, float]]]:
        """Proposals that satisfy every constraint on built-in measures, and the others with their violations."""
        unknown = [proposal for proposal in new if proposal.violation is None]
        if unknown:
            violations = self.feasibility.violations([parse(proposal.smiles) for proposal in unknown])
            for proposal, violation in zip(unknown, violations.tolist(), strict=True):
                proposal.violation = violation
        pairs = [(proposal, proposal.violation or 0.0) for proposal in new]
        return [one for one, violation in pairs if violation <= 0], [pair for pair in pairs if not pair[1] <= 0]

    def _refuse(self, proposal: _Proposal, violation: float) -> None:
        """Answers a proposal that violates a constraint: with the worst total so far minus its violation."""
        self._counts["filtered"] += 1
        worst = self._totals[0] if self._totals else 0.0
        values = (0.0,) * self.n_objectives if self.spec.pareto else (worst - violation,)
        self._answer(proposal, Outcome(proposal.smiles, values if math.isfinite(violation) else (), violation))

    def _is_known(self, proposal: _Proposal) -> bool:
        return self.oracle.is_known(self._labels.get(proposal.smiles, {}))

    def _recall(self, known: Sequence[_Proposal]) -> None:
        """Answers molecules whose values are known, without a call."""
        if not known:
            return
        score = self.oracle.recall([parse(one.smiles) for one in known], [self._labels[one.smiles] for one in known])
        for row, proposal in enumerate(known):
            values = [float(score.total[row])]
            if self.spec.pareto:
                values = self.oracle.objective_matrix(score)[row].tolist()
            self._counts["known"] += 1
            self._answer(proposal, Outcome(proposal.smiles, tuple(values), float(score.violation[row])))

    def _answer(self, proposal: _Proposal, outcome: Outcome) -> None:
        """Sets the outcome of a proposal, and keeps it for repetitions."""
        self._met[proposal.smiles] = proposal.outcome = outcome

    def _score(self, kept: list[_Proposal]) -> list[_Proposal]:
        """Scores molecules, by the recorded ledger as far as it goes, and appends new evaluations to it.

        Returns the next batch if it was proposed in the meantime; else none.
        """
        first = len(self._evaluations)
        recorded = self._recorded[first : first + len(kept)]
        for old, proposal in zip(recorded, kept, strict=False):
            remedy = f"Start a new campaign with --start {self._ledger.path}."
            ledger.require_reproduced(self._ledger.path, old.index + 1, old.smiles, proposal.smiles, remedy)
        fresh = kept[len(recorded) :]
        molecules = [parse(proposal.smiles) for proposal in fresh]
        is_ahead = self.spec.overlap and first > 0 and first + len(kept) < self._budget
        score_fresh = self.oracle.begin(molecules) if fresh and is_ahead else partial(self.oracle.score, molecules)
        ahead = self._propose(len(kept)) if is_ahead else []
        self._send_ahead(ahead, kept)
        scores = []
        if recorded:
            columns = {name: [e.values[name] for e in recorded] for name in self.oracle.measure_names}
            restored = self.oracle.restore(columns)
            scores.append(replace(restored, failures=tuple(e.failure for e in recorded)))
        if fresh:
            scores.append(score_fresh())
        rows = [(score, i) for score in scores for i in range(len(score.total))]
        evaluations = [self._evaluate(p, *row) for p, row in zip(kept, rows, strict=True)]
        if fresh:
            self._ledger.append(evaluations[len(recorded) :])
        return ahead

    def _send_ahead(self, proposals: Sequence[_Proposal], scoring: Sequence[_Proposal]) -> None:
        """Sends the next batch to scorers while they work on molecules that are `scoring`."""
        n_scored = len(self._evaluations) + len(scoring)
        if n_scored < len(self._recorded):
            return
        met = self._met.keys() | {proposal.smiles for proposal in scoring}
        new: dict[str, _Proposal] = {}
        for proposal in proposals:
            if proposal.smiles and proposal.smiles not in met and not self._is_known(proposal):
                new.setdefault(proposal.smiles, proposal)
        kept, _ = self._filter(list(new.values()))
        self.oracle.send_ahead([parse(proposal.smiles) for proposal in kept][: self._budget - n_scored])

    def _evaluate(self, proposal: _Proposal, score: Score, row: int) -> Evaluation:
        """The ledger line of a molecule; its outcome is set, and if feasible it is added to the front."""
        total, violation = float(score.total[row]), float(score.violation[row])
        values: tuple[float, ...] = (total,)
        if self.spec.pareto:
            point = self.oracle.objective_matrix(score)[row]
            values = tuple(map(float, point))
            if violation <= 0:
                self._front.add(point)
        evaluation = Evaluation(
            index=len(self._evaluations) + 1,
            smiles=proposal.smiles,
            values={name: float(column[row]) for name, column in score.values.items()},
            desirabilities={name: float(column[row]) for name, column in score.desirabilities.items()},
            total=total,
            violation=violation,
            hypervolume=self._front.hypervolume if self.spec.pareto else math.nan,
            parent=self._study.parent(proposal.trial),
            failure=score.failures[row],
        )
        self._evaluations.append(evaluation)
        if evaluation.is_feasible:
            insort(self._totals, total)
        self._answer(proposal, self._worth(evaluation, values))
        proposal.is_scored = True
        return evaluation

    def _worth(self, evaluation: Evaluation, values: tuple[float, ...]) -> Outcome:
        """The outcome that the search is told: the score; for a failed evaluation no score, or the worst so far."""
        raw = {name: value for name, value in evaluation.values.items() if math.isfinite(value)}
        if math.isfinite(evaluation.total + evaluation.violation):
            return Outcome(evaluation.smiles, values, evaluation.violation, raw)
        if self.spec.on_failure == "penalise" and self._totals:
            worst = (0.0,) * self.n_objectives if self.spec.pareto else (self._totals[0],)
            return Outcome(evaluation.smiles, worst, raw=raw)
        return Outcome(evaluation.smiles, (), evaluation.violation, raw)
