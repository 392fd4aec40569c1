"""Known compounds: the starting molecules of a campaign, and the one most similar to a candidate.

Notation: K known compounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from molgen.chem.molecule import Molecule, fingerprint, tanimoto_to_many
from molgen.errors import MoleculeError
from molgen.output.change import describe_change
from molgen.search.start import StartMolecule


@dataclass(frozen=True, slots=True)
class NearestKnown:
    """The known compound most similar to a molecule.

    Attributes:
        known: The compound, with its name and known values.
        similarity: Tanimoto similarity of ECFP4, in [0, 1].
        change: Change from it to the molecule; see `describe_change`.
        is_same: Whether both are the same compound, by InChIKey.
    """

    known: StartMolecule
    similarity: float
    change: str
    is_same: bool


class KnownCompounds:
    """A set of known compounds."""

    def __init__(self, start: Sequence[StartMolecule]) -> None:
        """K compounds, possibly none. All get the same labels, NaN where a compound has no value."""
        names = dict.fromkeys(name for one in start for name in one.labels)
        self._start = [replace(one, labels={name: one.labels.get(name, math.nan) for name in names}) for one in start]
        self._fingerprints = [fingerprint(one.molecule.mol) for one in start]

    def holds(self, molecule: Molecule) -> bool:
        """Whether `molecule` is one of the compounds, by InChIKey."""
        return bool(self._start) and self._find(molecule)[2]

    def nearest(self, molecule: Molecule) -> NearestKnown | None:
        """The compound most similar to `molecule`; of equally similar ones the same compound, or else the first.

        None if there are no compounds.
        """
        if not self._start:
            return None
        known, similarity, is_same = self._find(molecule)
        change = "" if is_same else describe_change(known.molecule.mol, molecule.mol)
        return NearestKnown(known, similarity, change, is_same)

    def _find(self, molecule: Molecule) -> tuple[StartMolecule, float, bool]:
        """The compound, the similarity to it, and whether it is the same."""
        similarities = tanimoto_to_many(fingerprint(molecule.mol), self._fingerprints)
        best = float(similarities.max())
        equals = [one for one, value in zip(self._start, similarities.tolist(), strict=True) if value == best]
        same = [one for one in equals if best == 1.0 and _is_same(one.molecule, molecule)]
        return (same or equals)[0], best, bool(same)


def _is_same(one: Molecule, other: Molecule) -> bool:
    try:
        return one.smiles == other.smiles or one.inchikey == other.inchikey
    except MoleculeError:
        return False
