"""Trust: how far a molecule lies inside the applicability domain of a model.

Results for a molecule are reliable if it resembles the training molecules. Trust is a conformal p-value: the share of
held-out molecules that are at least as atypical to the autoencoder. For molecules like the training molecules it is
uniform in [0, 1]: one in twenty has a trust below 0.05. `model.applicability` defines how atypical a molecule is.

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
"""Digits of trust and its parts; further digits depend on the batch and on the choice of held-out molecules."""


@dataclass(frozen=True)
class Trust:
    """Trust in molecules, and its parts.

    Attributes:
        values: (N,) in [0, 1]; 0 for a molecule that cannot be encoded.
        parts: (N, 3) in [0, 1], the p-value of each of `PARTS` alone; NaN for a molecule that cannot be encoded.
        nats: (N,), the negative evidence lower bound in nats, which still ranks molecules of equal trust;
            infinite for a molecule that cannot be encoded.
        reasons: N texts, why a molecule cannot be encoded; empty if it can.
    """

    values: Doubles
    parts: Doubles
    nats: Doubles
    reasons: tuple[str, ...]

    def order(self) -> NDArray[np.int64]:
        """Rows (N,), the most atypical first."""
        return np.lexsort((-self.nats, self.values))


def require_applicability(space: LatentSpace) -> ApplicabilityDomain:
    """The applicability domain of the checkpoint of `space`.

    Raises:
        SpecError: The checkpoint has none; the message says how to calibrate it.
    """
    if space.model.applicability is None:
        raise SpecError(
            "checkpoint",
            "has no applicability domain, which trust needs",
            remedy="Calibrate it on molecules it was not trained on: `molgen train DATA --init CHECKPOINT --epochs 0`.",
        )
    return space.model.applicability


def measure_trust(
    space: LatentSpace,
    smiles: Sequence[str],
    policy: Policy = DEFAULT_POLICY,
    on_done: Callable[[int], object] = lambda n_done: None,
) -> Trust:
    """Trust in molecules; each value is independent of the other molecules.

    Args:
        space: The space of a checkpoint with an applicability domain.
        smiles: N texts.
        policy: Standardisation.
        on_done: Called with the number of molecules done.

    Raises:
        SpecError: The checkpoint has no applicability domain.
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
    """A function from N SMILES to trust (N,), for measures; None if the checkpoint has no applicability domain."""
    if space.model.applicability is None:
        return None
    return lambda smiles: measure_trust(space, smiles).values


def _tokens(space: LatentSpace, text: str, policy: Policy) -> NDArray[np.uint16]:
    ids = space.model.vocabulary.tokenise(parse(text, policy).smiles)
    if len(ids) > space.model.max_tokens:
        raise MoleculeError(text, f"longer than {space.model.max_tokens} tokens")
    return ids
