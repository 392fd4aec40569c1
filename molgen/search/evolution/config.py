"""How the latent search behaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from molgen.search.evolution.operators import LATENT


def default_operators() -> dict[str, float]:
    """How children are made, with the weight of each."""
    return {LATENT: 0.2, "mutate": 0.15, "cross": 0.35, "graft": 0.15, "cross with prior": 0.15}


@dataclass(frozen=True)
class LatentSearchConfig:
    """How the latent search behaves.

    Attributes:
        n_initial: Molecules of the prior that are proposed before evolution begins. 0 where molecules are given: then
            their surroundings are searched from the first, even while all score the same.
        n_parents: Molecules that have children, the better the more.
        n_elites: The best of them, which the space learns from; a way of breeding did well whose child is among them.
        offspring_per_proposal: Children over proposals, of those that keep the constraints.
        n_rounds: Generations bred between two batches of proposals.
        confidence: Deviations that are added to the mean at most; how many is drawn anew for each proposal.
        n_surrogate: Molecules that the process is fitted to, at most.
        operators: How offspring are made, with the weight of each.
        restart_operators: The same for the populations that are restarted from molecules of the prior when nothing gets
            better any more; empty for no restarts.
        learn_every: Molecules told between two times that the space learns from the best of them, or a tenth of all,
            if that is more; 0 for never.
        prior_share: Share of the proposals that are molecules of the prior, the most promising of many.
        has_surrogate: Whether the process judges the pool; else proposals are drawn from it at random.
    """

    n_initial: int = 100
    n_parents: int = 400
    n_elites: int = 60
    offspring_per_proposal: int = 10
    n_rounds: int = 2
    confidence: float = 2.0
    n_surrogate: int = 1500
    operators: dict[str, float] = field(default_factory=default_operators)
    restart_operators: dict[str, float] = field(default_factory=lambda: {LATENT: 1.0})
    learn_every: int = 100
    prior_share: float = 0.05
    has_surrogate: bool = True
