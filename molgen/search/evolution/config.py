"""How the latent search behaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from molgen.chem.count_fingerprints import FeatureKind
from molgen.search.evolution.operators import LATENT


@dataclass(frozen=True)
class SurrogateConfig:
    """What a Gaussian process compares, and how far it expects scores to go.

    Attributes:
        features: Kinds of features, the similarities of which the kernel is the mean of.
        width: Standard deviation of the scores far from all molecules, over the range of those so far, with a mean at
            the lowest; None for the likeliest deviation and mean.
        confidence: Deviations that are added to the mean at most; how many is drawn anew for each proposal.
    """

    features: tuple[FeatureKind, ...]
    width: float | None
    confidence: float


STRUCTURE: tuple[FeatureKind, ...] = ("circular",)
STRUCTURE_AND_COMPOSITION: tuple[FeatureKind, ...] = ("circular", "composition")


def default_surrogates() -> tuple[SurrogateConfig, ...]:
    """The processes that take turns."""
    return (
        SurrogateConfig(STRUCTURE, width=3.0, confidence=1.0),
        SurrogateConfig(STRUCTURE_AND_COMPOSITION, width=3.0, confidence=1.0),
        SurrogateConfig(STRUCTURE_AND_COMPOSITION, width=None, confidence=2.0),
    )


def default_operators() -> dict[str, float]:
    """How children are made, with the weight of each."""
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
    """How the latent search behaves.

    Attributes:
        n_initial: Molecules of the prior that are proposed before evolution begins. 0 where molecules are given: then
            their surroundings are searched from the first, even while all score the same.
        n_parents: Molecules that have children, the better the more.
        n_elites: The best of them, which the space learns from; a way of breeding did well whose child is among them.
        offspring_per_proposal: Children over proposals, of those that keep the constraints.
        n_early: Molecules told before which a batch is chosen from more children.
        early_offspring: Children of an early batch, at least.
        n_rounds: Generations bred between two batches of proposals.
        n_surrogate: Molecules that a process is fitted to, at most.
        surrogates: Processes that judge children, one for each batch, more often those that did well; none to propose
            children at random.
        operators: How offspring are made, with the weight of each.
        restart_operators: The same for the populations that are restarted from molecules of the prior when nothing gets
            better any more; empty for no restarts.
        learn_every: Molecules told between two times that the space learns from the best of them, or a tenth of all,
            if that is more; 0 for never.
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
