"""What a latent space is worth: what comes back, and what comes out of the prior.

Notation: N molecules, D latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molgen.chem.molecule import Policy
from molgen.latent.space import LatentSpace
from molgen.model.dataset import TokenSet
from molgen.model.reading import hash_key
from molgen.model.validation import reconstruct

AS_IT_IS = Policy(fragment="keep")
"""Canonical SMILES are standardised already."""


@dataclass(frozen=True)
class Reconstruction:
    """How well molecules come back from their points, decoded greedily.

    Attributes:
        n: Readable molecules, N.
        encodable: Share of N that the model can encode; the rest has unknown tokens or is too long.
        exact: Share of N whose canonical SMILES, stereo included, comes back. What cannot be encoded did not.
        nll: Nats a molecule, teacher-forced, decoded from the posterior mean; of the encodable ones.
        kl: Nats a molecule that the posterior is away from N(0, I); of the encodable ones.
        active_units: Latent dimensions whose posterior mean varies by more than 0.01 (Burda et al. 2016,
            arXiv:1509.00519, section 5.2).
        latent_size: D.
    """

    n: int
    encodable: float
    exact: float
    nll: float
    kl: float
    active_units: int
    latent_size: int


@dataclass(frozen=True)
class Samples:
    """What comes out of the prior.

    Source: Polykovskiy et al. 2020, MOSES (doi:10.3389/fphar.2020.565644), section 3.3.

    Attributes:
        n: Points decoded.
        validity: Share of n that are molecules.
        uniqueness: Share of different ones among the valid.
        novelty: Share that was not in the training data among the different ones.
    """

    n: int
    validity: float
    uniqueness: float
    novelty: float


def reconstruction_of(space: LatentSpace, smiles: Sequence[str]) -> Reconstruction:
    """How well the molecules `smiles` (N canonical SMILES, at least one) come back."""
    z = space.encode(smiles, AS_IT_IS)
    rows = np.flatnonzero(np.isfinite(z).all(axis=1)).tolist()
    encoded = [smiles[row] for row in rows]
    decoded = space.decode(z[rows])
    nll, kl, active_units = _likelihood(space, encoded)
    return Reconstruction(
        n=len(smiles),
        encodable=len(encoded) / len(smiles),
        exact=sum(a == b for a, b in zip(encoded, decoded, strict=True)) / len(smiles),
        nll=nll,
        kl=kl,
        active_units=active_units,
        latent_size=space.size,
    )


def samples_of(space: LatentSpace, n: int, seed: int) -> Samples:
    """What `n` points of the prior, at least one, decode to."""
    return quality_of(space, space.sample(n, seed))


def quality_of(space: LatentSpace, decoded: Sequence[str | None]) -> Samples:
    """The quality of what points (N, at least one) of the prior were decoded to."""
    valid = [text for text in decoded if text is not None]
    unique = sorted(set(valid))
    return Samples(
        n=len(decoded),
        validity=len(valid) / len(decoded),
        uniqueness=len(unique) / max(1, len(valid)),
        novelty=float((~space.knows(unique)).mean()) if unique else 0.0,
    )


def _likelihood(space: LatentSpace, smiles: Sequence[str]) -> tuple[float, float, int]:
    """Mean negative log likelihood, mean KL divergence and active units; variances need two molecules."""
    if len(smiles) < 2:
        return math.nan, math.nan, 0
    sequences = [space.model.vocabulary.tokenise(text) for text in smiles]
    data = TokenSet(
        tokens=np.concatenate(sequences),
        offsets=np.cumsum([0, *map(len, sequences)], dtype=np.int64),
        labels=np.empty((len(smiles), 0), dtype=np.float32),
        keys=np.array([hash_key(text) for text in smiles], dtype=np.uint64),
        is_validation=np.ones(len(smiles), dtype=np.bool_),
    )
    measured = reconstruct(space.model.vae, data, np.arange(len(smiles)))
    return measured.nll, measured.kl, measured.active_units
