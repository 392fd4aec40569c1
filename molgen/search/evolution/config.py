"""The settings of the latent search."""

from __future__ import annotations

from dataclasses import dataclass, field

from molgen.chem.count_fingerprints import FeatureKind
from molgen.search.evolution.operators import LATENT


@dataclass(frozen=True)
class SurrogateConfig:
    """Features and prior of a Gaussian process.

    Attributes:
        features: Kinds of features; the kernel is the mean of their similarities.
        width: Prior standard deviation of the scores, relative to the range of scores so far, with the prior mean at
            the lowest; None for the deviation and mean of maximum marginal likelihood.
        max_boldness: Maximum coefficient of the upper confidence bound; the coefficient is drawn for each proposal.
    """

    features: tuple[FeatureKind, ...]
    width: float | None
    max_boldness: float


STRUCTURE: tuple[FeatureKind, ...] = ("circular",)
COMPOSITION: tuple[FeatureKind, ...] = ("composition",)
STRUCTURE_AND_COMPOSITION: tuple[FeatureKind, ...] = ("circular", "composition")


def default_surrogates() -> tuple[SurrogateConfig, ...]:
    """The default processes, of which one is drawn for each batch."""
    return (
        SurrogateConfig(STRUCTURE, width=3.0, max_boldness=1.0),
        SurrogateConfig(STRUCTURE_AND_COMPOSITION, width=3.0, max_boldness=1.0),
        SurrogateConfig(STRUCTURE_AND_COMPOSITION, width=None, max_boldness=2.0),
        SurrogateConfig(COMPOSITION, width=None, max_boldness=2.0),
    )


def default_operators() -> dict[str, float]:
    """Operators with their weights."""
    return {
        LATENT: 0.03,
        "mutate": 0.3,
        "cross": 0.32,
        "graft": 0.15,
        "cross with prior": 0.1,
        "swap rings with prior": 0.1,
    }


@dataclass(frozen=True)
class LatentSearchConfig:
    """Settings of the latent search.

    Attributes:
        n_initial: Prior samples proposed before evolution starts. 0 with given molecules: their neighbourhoods are
            then searched from the start, even while all scores are equal.
        n_parents: Number of parents.
        n_elites: Number of the best parents, which the space learns from; an operator succeeds if its
            offspring becomes one of them.
        offspring_per_proposal: Number of feasible offspring per proposal.
        n_early: Number of told molecules below which a batch is chosen from more offspring.
        early_offspring: Minimum number of offspring of an early batch.
        n_rounds: Generations bred between two batches of proposals.
        n_surrogate: Maximum number of molecules that a process is fitted to.
        surrogates: Processes that predict scores; one per batch, drawn with a probability that grows with its past
            success. Without any, offspring are proposed at random.
        operators: Operators with their weights.
        restart_operators: The same for populations that start from the molecules that were not bred; empty for a single
            population, however long it stagnates.
        learn_every: Minimum number of molecules told between two trainings of the space on the best; if a tenth of all
            is more, that. 0 for no training.
    """

    n_initial: int = 15
    n_parents: int = 400
    n_elites: int = 60
    offspring_per_proposal: int = 10
    n_early: int = 1000
    early_offspring: int = 500
    n_rounds: int = 4
    n_surrogate: int = 1500
    surrogates: tuple[SurrogateConfig, ...] = field(default_factory=default_surrogates)
    operators: dict[str, float] = field(default_factory=default_operators)
    restart_operators: dict[str, float] = field(default_factory=lambda: {LATENT: 1.0})
    learn_every: int = 100
