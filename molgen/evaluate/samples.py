"""The quality of samples of a prior: the distribution metrics of MOSES.

Source: Polykovskiy et al. 2020, MOSES (doi:10.3389/fphar.2020.565644), section 3.3, unless a metric names another.

Notation: n points of the prior, N molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molgen.chem.molecule import fingerprint, parse, tanimoto_to_many
from molgen.extras import require_package
from molgen.latent.space import LatentSpace

N_DIVERSITY = 2000
"""Maximum number of distinct molecules for internal diversity."""
UNIQUE_OF = 10_000


@dataclass(frozen=True)
class Samples:
    """The quality of samples.

    Attributes:
        n: Number of points decoded.
        validity: Share of n that are molecules.
        uniqueness: Share of distinct molecules among the valid samples.
        unique_at_10k: Share of distinct molecules among the first 10,000 valid samples; None for fewer.
        novelty: Share of the distinct molecules outside the training data.
        internal_diversity: 1 - mean Tanimoto similarity (ECFP4) of all pairs of the first 2,000 distinct molecules,
            pairs of a molecule with itself included (IntDiv1).
        fcd: Frechet ChemNet distance to the reference molecules (Preuer et al. 2018, doi:10.1021/acs.jcim.8b00234);
            None if not requested, or for fewer than two valid samples or reference molecules.
    """

    n: int
    validity: float
    uniqueness: float
    unique_at_10k: float | None
    novelty: float
    internal_diversity: float
    fcd: float | None = None


def measure_samples(
    space: LatentSpace, decoded: Sequence[str | None], reference: Sequence[str] | None = None
) -> Samples:
    """The quality of n decoded points, at least one, of a prior.

    Args:
        space: The latent space, whose training data define novelty.
        decoded: Canonical SMILES, None if invalid.
        reference: Molecules for the Frechet ChemNet distance; None to leave it out.

    Raises:
        SpecError: The library for the distance is not installed.
    """
    valid = [text for text in decoded if text is not None]
    unique = list(dict.fromkeys(valid))
    return Samples(
        n=len(decoded),
        validity=len(valid) / len(decoded),
        uniqueness=len(unique) / max(1, len(valid)),
        unique_at_10k=len(set(valid[:UNIQUE_OF])) / UNIQUE_OF if len(valid) >= UNIQUE_OF else None,
        novelty=float((~space.knows(unique)).mean()) if unique else 0.0,
        internal_diversity=internal_diversity(unique[:N_DIVERSITY]),
        fcd=frechet_chemnet_distance(valid, reference) if reference and min(len(valid), len(reference)) > 1 else None,
    )


def internal_diversity(smiles: Sequence[str]) -> float:
    """1 - mean Tanimoto similarity (ECFP4) of all ordered pairs of N molecules; NaN if N is 0."""
    fingerprints = [fingerprint(parse(text).mol) for text in smiles]
    means = [tanimoto_to_many(one, fingerprints).mean() for one in fingerprints]
    return 1.0 - float(np.mean(means)) if means else float("nan")


def require_fcd() -> None:
    """Checks that the library of the Frechet ChemNet distance is installed.

    Raises:
        SpecError: It is not installed.
    """
    require_package("fcd", package="the package fcd", extra="metrics", key="fcd")


def frechet_chemnet_distance(a: Sequence[str], b: Sequence[str]) -> float:
    """The distance between two sets of at least two molecules each; the smaller the sets, the larger its bias.

    Raises:
        SpecError: The library is not installed.
    """
    require_fcd()
    import fcd

    return float(fcd.get_fcd(list(a), list(b)))
