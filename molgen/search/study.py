"""Optuna's side of a campaign: the samplers, the study in memory, and the journal of finished trials.

The study lives in memory, where asking costs milliseconds; finished trials are appended to a journal file that
Optuna's dashboard opens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from molgen.latent.space import LatentSpace
from molgen.search.sampler import (
    IS_NEW,
    SMILES,
    VIOLATION,
    LatentBox,
    LatentSampler,
    LatentSearch,
    LatentSearchConfig,
)

NAME = "journal"
Array = NDArray[np.float64]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Optuna from announcing a new study on standard error."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@dataclass(frozen=True)
class SamplerRequest:
    """What a sampler is made from.

    Attributes:
        name: One of `spec.SAMPLERS`.
        n_objectives: M.
        batch_size: Proposals between two rounds of telling.
        budget: Molecules to be scored.
        seed: Source of randomness.
        start: (K, D) points of given molecules, perhaps none.
    """

    name: str
    n_objectives: int
    batch_size: int
    budget: int
    seed: int
    start: Array


def latent_box(space: LatentSpace, request: SamplerRequest) -> LatentBox:
    """Where points of the space are looked for: around the prior's mean.

    CMA-ES begins in the middle, with steps of a third of the reach (Optuna's rule), so its box is smaller, and lies
    around the first given molecule where there is one.
    """
    centre, deviation = space.model.prior_mean.double().numpy(), space.prior_deviation.astype(np.float64)
    if request.name != "cmaes":
        return LatentBox(centre, deviation)
    has_start = len(request.start) > 0
    return LatentBox(request.start[0] if has_start else centre, deviation, reach=1.0 if has_start else 2.0)


def make_sampler(space: LatentSpace, box: LatentBox, request: SamplerRequest) -> BaseSampler:
    """The sampler of that name over `box`.

    `latent` is molgen's own, `random` draws from the prior, the others are Optuna's.
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
    search = LatentSearch(box, space.sample_points, space.encode, seed=seed, config=_latent_config(request))
    return LatentSampler(search, seed)


def _latent_config(request: SamplerRequest) -> LatentSearchConfig:
    if request.name == "random":
        return LatentSearchConfig(n_initial=2**62, batch_size=request.batch_size)
    has_start = len(request.start) > 0
    return LatentSearchConfig(
        n_initial=0 if has_start else max(20, min(200, request.budget // 10)),
        n_elites=max(10, min(50, request.budget // 10)),
        batch_size=request.batch_size,
        prior_share=0.0 if has_start else 0.03,
    )


@dataclass(frozen=True)
class Told:
    """What a trial is told.

    Attributes:
        smiles: What its point decoded to, "" for nothing.
        values: (M,) to be maximised; empty for a trial that failed.
        violation: Of the constraints.
        is_new: Whether the molecule was met for the first time.
        notes: What the journal shows beside it.
    """

    smiles: str = ""
    values: tuple[float, ...] = ()
    violation: float = 0.0
    is_new: bool = False
    notes: Mapping[str, float] | None = None


class LatentStudy:
    """Ask for points of the latent space and tell what they were worth."""

    def __init__(self, space: LatentSpace, request: SamplerRequest) -> None:
        """A study that has seen nothing. With Optuna's samplers it begins with points of the prior."""
        self._box = latent_box(space, request)
        self._takes_constraints = request.name != "cmaes"
        self._sampler = make_sampler(space, self._box, request)
        with _quiet():
            self._study = optuna.create_study(sampler=self._sampler, directions=["maximize"] * request.n_objectives)
        if request.name in ("tpe", "gp", "nsga2") and not len(request.start):
            self._enqueue(space.sample_points(max(10, min(50, request.budget // 5)), request.seed))

    def ask(self, n: int) -> tuple[list[Trial], Array]:
        """`n` trials, one generation of them, and their points (n, D)."""
        if isinstance(self._sampler, LatentSampler):
            self._sampler.generation_size = n
        trials = [self._study.ask(self._box.distributions) for _ in range(n)]
        return trials, np.array([self._box.point(trial.params) for trial in trials])

    def ask_at(self, points: Array) -> list[Trial]:
        """Trials at given points (n, D), brought into the box."""
        self._enqueue(points)
        return self.ask(len(points))[0]

    def tell(self, trial: Trial, told: Told) -> FrozenTrial:
        """Ends a trial."""
        trial.set_user_attr(SMILES, told.smiles)
        trial.set_user_attr(VIOLATION, told.violation)
        trial.set_user_attr(IS_NEW, told.is_new)
        if not told.values:
            return self._study.tell(trial, state=TrialState.FAIL)
        if self._takes_constraints:
            trial.set_constraint("violation", told.violation)
        return self._study.tell(trial, list(told.values))

    def parent(self, trial: Trial) -> str:
        """The molecule a trial was made from, where the sampler says so; else ""."""
        return self._sampler.parent(trial.number) if isinstance(self._sampler, LatentSampler) else ""

    def _enqueue(self, points: NDArray[np.floating]) -> None:
        for point in points:
            self._study.enqueue_trial(self._box.parameters(point))


class Journal:
    """The file of finished trials, readable by Optuna's dashboard."""

    def __init__(self, path: Path, n_objectives: int) -> None:
        """A new journal at `path`; what was there is derived from the ledger, and is made again."""
        for old in (path, path.with_name(path.name + ".lock")):
            old.unlink(missing_ok=True)
        with _quiet():
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path))),
                study_name="campaign",
                directions=["maximize"] * n_objectives,
            )

    def append(self, trials: Sequence[tuple[FrozenTrial, Told]]) -> None:
        """Adds finished trials."""
        for trial, told in trials:
            self._study.add_trial(
                create_trial(
                    values=list(told.values),
                    params=trial.params,
                    distributions=trial.distributions,
                    user_attrs={SMILES: told.smiles, **(told.notes or {})},
                    constraints={"violation": told.violation},
                )
            )
