"""Reconstruction: molecules encoded and decoded again, in total and by length.

Notation: N molecules, D latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from molgen.arrays import Floats
from molgen.chem.molecule import AS_IT_IS
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace
from molgen.tokens.selfies_vocabulary import split, to_selfies
from molgen.tokens.tokenisation import hash_key
from molgen.train.data.dataset import TokenSet
from molgen.train.validation import measure_reconstruction

LENGTHS = (0, 20, 30, 40, 50, 60, 80)
"""Numbers of SELFIES symbols above which the bands of the report begin."""


@dataclass(frozen=True)
class Band:
    """Molecules of similar length.

    Attributes:
        above: Lower bound of the number of SELFIES symbols, exclusive.
        up_to: Upper bound, inclusive; None for the last band.
        n: Number of molecules.
        exact: Share reconstructed exactly.
        token_accuracy: Mean share of correct SELFIES symbols.
    """

    above: int
    up_to: int | None
    n: int
    exact: float
    token_accuracy: float


@dataclass(frozen=True)
class Reconstruction:
    """Reconstruction by greedy decoding.

    Attributes:
        n: Number of molecules, N.
        encodable: Share of N that the model can encode; the others have unknown tokens or are too long.
        exact: Share of N whose canonical SMILES, stereo included, is reconstructed; molecules that cannot be encoded
            count as failures.
        exact_unrefined: The same from posterior means, without refinement.
        n_new: Number of molecules outside the training data.
        exact_new: Share of these reconstructed exactly; NaN if there are none.
        token_accuracy: Mean share of SELFIES symbols that are correct at their position, relative to the longer of the
            two strings.
        nll: Negative log likelihood in nats per encodable molecule, teacher-forced, at the posterior mean.
        kl: Divergence of the posterior from the prior N(0, diag(s^2)) in nats per encodable molecule, s the scales of
            the dimensions.
        active_units: Number of latent units whose posterior mean has a variance, over the encodable molecules, above
            0.01 of the variance of the prior (Burda et al. 2016, arXiv:1509.00519, section 5.2, for a variance of 1).
        latent_size: D.
        by_length: The bands of similar length that are not empty.
    """

    n: int
    encodable: float
    exact: float
    exact_unrefined: float
    n_new: int
    exact_new: float
    token_accuracy: float
    nll: float
    kl: float
    active_units: int
    latent_size: int
    by_length: tuple[Band, ...]


def evaluate_reconstruction(space: LatentSpace, smiles: Sequence[str], z: Floats) -> Reconstruction:
    """Reconstruction of N molecules (canonical SMILES, at least one) from their points `z` (N, D)."""
    decoded = space.decode(z)
    unrefined = space.decode(space.encode(smiles, AS_IT_IS, is_refined=False))
    is_encodable = np.isfinite(z).all(axis=1)
    is_exact = np.array([a == b for a, b in zip(smiles, decoded, strict=True)])
    accuracy = np.array([token_accuracy(a, b) for a, b in zip(smiles, decoded, strict=True)])
    is_new = ~space.knows(smiles)
    nll, kl, active_units = _likelihood(space, [smiles[row] for row in np.flatnonzero(is_encodable).tolist()])
    return Reconstruction(
        n=len(smiles),
        encodable=float(is_encodable.mean()),
        exact=float(is_exact.mean()),
        exact_unrefined=float(np.mean([a == b for a, b in zip(smiles, unrefined, strict=True)])),
        n_new=int(is_new.sum()),
        exact_new=float(is_exact[is_new].mean()) if is_new.any() else math.nan,
        token_accuracy=float(accuracy.mean()),
        nll=nll,
        kl=kl,
        active_units=active_units,
        latent_size=space.size,
        by_length=_bands(np.array([len(_symbols(text)) for text in smiles]), is_exact, accuracy),
    )


def token_accuracy(wanted: str, found: str | None) -> float:
    """Share, in [0, 1], of positions with equal symbols in the SELFIES of two SMILES, relative to the longer one."""
    if wanted == found:
        return 1.0
    a, b = _symbols(wanted), _symbols(found)
    return sum(x == y for x, y in zip(a, b, strict=False)) / max(len(a), len(b), 1)


def make_token_set(space: LatentSpace, smiles: Sequence[str]) -> TokenSet:
    """Molecules that the model can encode (N canonical SMILES, at least one), without labels and fingerprints."""
    sequences = [space.model.vocabulary.tokenise(text) for text in smiles]
    return TokenSet(
        tokens=np.concatenate(sequences),
        offsets=np.cumsum([0, *map(len, sequences)], dtype=np.int64),
        labels=np.empty((len(smiles), 0), dtype=np.float32),
        keys=np.array([hash_key(text) for text in smiles], dtype=np.uint64),
        fingerprints=np.empty((len(smiles), 0), dtype=np.uint8),
        is_validation=np.zeros(len(smiles), dtype=np.bool_),
    )


def _symbols(smiles: str | None) -> list[str]:
    """SELFIES symbols of a molecule; empty if SELFIES cannot express it."""
    try:
        return split(to_selfies(smiles or ""))
    except MoleculeError:
        return []


def _bands(lengths: NDArray[np.int64], is_exact: NDArray[np.bool_], accuracy: NDArray[np.float64]) -> tuple[Band, ...]:
    bands = []
    for above, up_to in zip(LENGTHS, (*LENGTHS[1:], None), strict=True):
        rows = (lengths > above) & (lengths <= (up_to or math.inf))
        if rows.any():
            shares = (float(is_exact[rows].mean()), float(accuracy[rows].mean()))
            bands.append(Band(above, up_to, int(rows.sum()), *shares))
    return tuple(bands)


def _likelihood(space: LatentSpace, smiles: Sequence[str]) -> tuple[float, float, int]:
    """Mean negative log likelihood, mean KL divergence and active units; NaN, NaN and 0 for less than two molecules."""
    if len(smiles) < 2:
        return math.nan, math.nan, 0
    data = make_token_set(space, smiles)
    measured = measure_reconstruction(space.model.vae, data, np.arange(len(smiles)))
    return measured.nll, measured.kl, measured.active_units
