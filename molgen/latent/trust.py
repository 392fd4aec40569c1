"""Trust: how far a molecule is among those that a model knows how to handle.

What a model says of a molecule is worth something where the molecule is like those it has learned from. Trust is the
share of molecules kept out of the training that look at least as strange to the autoencoder; of molecules like those,
it is uniform in [0, 1], and one in twenty has a trust below 0.05. How strangeness is told is in `model.applicability`.

Notation: N molecules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.arrays import Doubles
from molgen.chem.molecule import DEFAULT_POLICY, Policy, parse
from molgen.errors import MoleculeError, SpecError
from molgen.latent.space import LatentSpace
from molgen.model.applicability import PARTS, ApplicabilityDomain, measure_features

__all__ = ["PARTS", "Trust", "make_trust_function", "measure_trust", "require_applicability"]

DECIMALS = 4
"""Of trust and its parts; further ones depend on the batch, and on which molecules were kept out."""


@dataclass(frozen=True)
class Trust:
    """How usual molecules are, and in which respect.

    Attributes:
        values: (N,) in [0, 1]; 0 where a molecule cannot be encoded.
        parts: (N, 3) in [0, 1], the same for each of `PARTS` alone; NaN where a molecule cannot be encoded.
        nats: (N,) that the model needs for the molecule, its point included: the larger, the stranger, also where trust
            is as low as it can be told. Infinite where a molecule cannot be encoded.
        reasons: N texts, why a molecule cannot be encoded; empty where it can.
    """

    values: Doubles
    parts: Doubles
    nats: Doubles
    reasons: tuple[str, ...]

    def order(self) -> NDArray[np.int64]:
        """Rows (N,), the strangest first."""
        return np.lexsort((-self.nats, self.values))


def require_applicability(space: LatentSpace) -> ApplicabilityDomain:
    """What is usual to the checkpoint of `space`.

    Raises:
        SpecError: The checkpoint was not told; the message tells how to do that.
    """
    if space.model.applicability is None:
        raise SpecError(
            "checkpoint",
            "does not know which molecules are usual, which trust is told by",
            remedy="Measure it on molecules it was not trained on: `molgen train DATA --init CHECKPOINT --epochs 0`.",
        )
    return space.model.applicability


def measure_trust(
    space: LatentSpace,
    smiles: Sequence[str],
    policy: Policy = DEFAULT_POLICY,
    on_done: Callable[[int], object] = lambda n_done: None,
) -> Trust:
    """Trust in molecules; it does not depend on the company they come in.

    Args:
        space: Whose checkpoint knows what is usual.
        smiles: N texts.
        policy: Standardisation.
        on_done: Called with the number of molecules done.

    Raises:
        SpecError: The checkpoint does not know what is usual.
    """
    applicability = require_applicability(space)
    values, nats = np.zeros(len(smiles)), np.full(len(smiles), np.inf)
    parts = np.full((len(smiles), len(PARTS)), np.nan)
    sequences, reasons = [], [""] * len(smiles)
    for i, text in enumerate(smiles):
        try:
            sequences.append(_tokens(space, text, policy))
        except MoleculeError as error:
            reasons[i] = error.reason
    rows = np.flatnonzero([not reason for reason in reasons])
    if len(rows):
        model = space.model
        features = measure_features(model.vae, model.vocabulary, sequences, model.max_tokens, on_done)
        p_values = applicability.p_values(features)
        values[rows] = np.round(applicability.trust(p_values), DECIMALS)
        parts[rows] = np.round(p_values, DECIMALS)
        nats[rows] = features[:, 0] * np.array([len(ids) + 1 for ids in sequences]) + features[:, 1]
    return Trust(values, parts, nats, tuple(reasons))


def make_trust_function(space: LatentSpace) -> Callable[[Sequence[str]], Doubles] | None:
    """From N SMILES to trust (N,), for measures; None where the checkpoint of `space` does not know what is usual."""
    if space.model.applicability is None:
        return None
    return lambda smiles: measure_trust(space, smiles).values


def _tokens(space: LatentSpace, text: str, policy: Policy) -> NDArray[np.uint16]:
    ids = space.model.vocabulary.tokenise(parse(text, policy).smiles)
    if len(ids) > space.model.max_tokens:
        raise MoleculeError(text, f"longer than {space.model.max_tokens} tokens")
    return ids
