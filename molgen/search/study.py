"""Optuna in a campaign: the samplers, the study in memory, and the journal of finished trials.

The study is in memory, where asking takes milliseconds; finished trials are appended to a journal file for
optuna-dashboard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from molgen.arrays import Doubles
from molgen.latent.space import GAUSSIAN, LatentSpace
from molgen.sample.series import CoreSeries
from molgen.search.evolution.config import LatentSearchConfig
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.evolution.operators import LATENT
from molgen.search.evolution.pool import Violations
from molgen.search.sampler import SMILES, VIOLATION, LatentBox, LatentSampler

NAME = "journal"
"""Name of the journal file in the folder of a campaign."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the message of Optuna about a new study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@dataclass(frozen=True)
class SamplerConfig:
    """Options of a sampler.

    Attributes:
        name: One of `spec.SAMPLERS`.
        n_objectives: M.
        batch_size: Proposals per batch.
        budget: Molecules to score.
        seed: Random seed.
        start: (K, D) points of given molecules, possibly none.
        violations: Maps molecules to their violation of the constraints on built-in measures; only `latent`, `perturb`
            and `random` use it.
        series: A series whose core all proposals keep; only `latent`, `perturb` and `random` use it.
    """

    name: str
    n_objectives: int
    batch_size: int
    budget: int
    seed: int
    start: Doubles
    violations: Violations | None = None
    series: CoreSeries | None = None


def latent_box(space: LatentSpace, request: SamplerConfig) -> LatentBox:
    """The search box of the latent space, around the mean of the prior.

    CMA-ES starts at the centre with steps of a third of the half-width (Optuna's default), so its box is smaller, and
    centred on the first given molecule if there is one.
    """
    centre, deviation = space.model.prior_mean.double().numpy(), space.prior_deviation.astype(np.float64)
    if request.name != "cmaes":
        return LatentBox(centre, deviation)
    has_start = len(request.start) > 0
    return LatentBox(request.start[0] if has_start else centre, deviation, half_width=1.0 if has_start else 2.0)


def make_sampler(space: LatentSpace, box: LatentBox, request: SamplerConfig) -> BaseSampler:
    """The sampler of that name over `box`.

    `latent`, `perturb` and `random` are molgen's latent search in different settings (see `search_config`); the others
    are samplers of Optuna.
    """
    seed = request.seed
    if request.name == "cmaes":
        return CmaEsSampler(
            popsize=max(5, request.batch_size),
            seed=seed,
            warn_independent_sampling=False,
        )
    if request.name == "tpe":
        return TPESampler(multivariate=True, constant_liar=True, n_startup_trials=0, seed=seed)
    if request.name == "gp":
        return GPSampler(n_startup_trials=0, deterministic_objective=True, seed=seed)
    if request.name == "nsga2":
        return NSGAIISampler(population_size=max(2, request.batch_size), seed=seed)
    config = search_config(request.name, request.budget, has_start=len(request.start) > 0)
    search = LatentSearch(space, seed=seed, config=config, violations=request.violations, series=request.series)
    return LatentSampler(search, space, box, seed)


def search_config(name: str, budget: int, *, has_start: bool = False) -> LatentSearchConfig:
    """The settings of the latent search for a sampler name.

    `latent` is the whole search; `random` only samples the prior; `perturb` moves the points of the best molecules at
    random, without a surrogate.
    """
    if name == "random":
        return LatentSearchConfig(n_initial=max(budget, 1), restart_operators={})
    n_initial = 0 if has_start else max(10, min(LatentSearchConfig.n_initial, budget // 10))
    if name == "perturb":
        return LatentSearchConfig(
            n_initial=n_initial,
            n_rounds=1,
            offspring_per_proposal=2,
            n_early=0,
            operators={LATENT: 1.0},
            restart_operators={},
            surrogates=(),
            learn_every=0,
        )
    return LatentSearchConfig(n_initial=n_initial)


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Attributes:
        smiles: The molecule, or "".
        values: M values to be maximised; empty for a failed trial.
        violation: Violation of the constraints.
        raw: Raw values by measure, for the journal.
    """

    smiles: str = ""
    values: tuple[float, ...] = ()
    violation: float = 0.0
    raw: Mapping[str, float] = field(default_factory=dict)


class LatentStudy:
    """Ask for molecules of the latent space and tell their scores."""

    def __init__(self, space: LatentSpace, request: SamplerConfig) -> None:
        """Makes an empty study.

        Without given molecules, `tpe`, `gp` and `nsga2` first propose points of the Gaussian prior.
        """
        self._space = space
        self._box = latent_box(space, request)
        self._takes_constraints = request.name != "cmaes"
        self._sampler = make_sampler(space, self._box, request)
        with _quiet():
            self._study = optuna.create_study(sampler=self._sampler, directions=["maximize"] * request.n_objectives)
        if request.name in ("tpe", "gp", "nsga2") and not len(request.start):
            n = max(10, min(50, request.budget // 5))
            self._enqueue(space.sample_points(n, request.seed, prior=GAUSSIAN))

    def ask(self, n: int) -> list[tuple[Trial, str]]:
        """A generation of `n` trials, each with its molecule, or ""."""
        if isinstance(self._sampler, LatentSampler):
            self._sampler.generation_size = n
            trials = [self._study.ask(self._box.distributions) for _ in range(n)]
            return [(trial, self._sampler.smiles(trial.number)) for trial in trials]
        trials = [self._study.ask(self._box.distributions) for _ in range(n)]
        texts = self._space.decode(np.array([self._box.point(trial.params) for trial in trials]))
        return [(trial, text or "") for trial, text in zip(trials, texts, strict=True)]

    def ask_at(self, points: Doubles) -> list[Trial]:
        """Trials at given points (n, D), clipped to the box."""
        self._enqueue(points)
        return [self._study.ask(self._box.distributions) for _ in points]

    def tell(self, trial: Trial, outcome: Outcome) -> FrozenTrial:
        """Ends a trial."""
        trial.set_user_attr(SMILES, outcome.smiles)
        trial.set_user_attr(VIOLATION, outcome.violation)
        if not outcome.values:
            return self._study.tell(trial, state=TrialState.FAIL)
        if self._takes_constraints:
            trial.set_constraint("violation", outcome.violation)
        return self._study.tell(trial, list(outcome.values))

    def parent(self, trial: Trial) -> str:
        """The parent of the molecule of a trial, if the sampler knows it; else ""."""
        return self._sampler.parent(trial.number) if isinstance(self._sampler, LatentSampler) else ""

    def _enqueue(self, points: NDArray[np.floating]) -> None:
        for point in points:
            self._study.enqueue_trial(self._box.parameters(point))


class Journal:
    """The file of finished trials, readable by optuna-dashboard."""

    def __init__(self, path: Path, n_objectives: int) -> None:
        """Makes a new journal at `path`; an existing one is replaced, since it is derived from the ledger."""
        for old in (path, path.with_name(path.name + ".lock")):
            old.unlink(missing_ok=True)
        with _quiet():
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path))),
                study_name="campaign",
                directions=["maximize"] * n_objectives,
            )

    def append(self, trials: Sequence[tuple[FrozenTrial, Outcome]]) -> None:
        """Adds finished trials."""
        for trial, outcome in trials:
            self._study.add_trial(
                create_trial(
                    values=list(outcome.values),
                    params=trial.params,
                    distributions=trial.distributions,
                    user_attrs={SMILES: outcome.smiles, **outcome.raw},
                    constraints={"violation": outcome.violation},
                )
            )
