"""Activity cliffs: similar compounds with very different values.

Source: Stumpfe & Bajorath, J. Med. Chem. 2012, 55, 2932: ECFP4 Tanimoto similarity of 0.55 or more, and potencies that
differ by a factor of 100 or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto_to_many

MIN_SIMILARITY = 0.55
MIN_STEPS = 2.0


@dataclass(frozen=True)
class Cliff:
    """A pair of compounds.

    Attributes:
        property: The property.
        one: Id of the first compound.
        other: Id of the other.
        similarity: Tanimoto similarity of their ECFP4.
        difference: Difference of their values in steps: decades of a concentration, standard deviations of other
            properties.
    """

    property: str
    one: str
    other: str
    similarity: float
    difference: float


def activity_cliffs(name: str, ids: Sequence[str], smiles: Sequence[str], steps: Sequence[float]) -> list[Cliff]:
    """The cliffs among N compounds, steepest first.

    Args:
        name: Name of the property.
        ids: N ids.
        smiles: N canonical SMILES.
        steps: N values, in steps (see `Cliff.difference`).
    """
    bits = [fingerprint(parse(text, AS_IT_IS).mol) for text in smiles]
    values = np.asarray(steps, dtype=np.float64)
    cliffs = []
    for i in range(1, len(bits)):
        similarity = tanimoto_to_many(bits[i], bits[:i])
        difference = np.abs(values[:i] - values[i])
        for j in np.flatnonzero((similarity >= MIN_SIMILARITY) & (difference >= MIN_STEPS)).tolist():
            cliffs.append(Cliff(name, ids[j], ids[i], float(similarity[j]), float(difference[j])))
    return sorted(cliffs, key=lambda cliff: (-cliff.difference, -cliff.similarity, cliff.one, cliff.other))
