"""A file of molecules that a user likes or dislikes, and the preference that follows from it.

The file is a table with the columns `smiles` and `liked`: 1 for a liked molecule, 0 for a disliked one. If a
molecule has several lines, the last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse
from molgen.chem.table import Rejection, read_molecules
from molgen.errors import FileError
from molgen.explore.preference import Labelled, Preference
from molgen.latent.space import LatentSpace
from molgen.paths import write_text

COLUMN = "liked"
DECIMALS = 4
"""Decimal places of a preference; further ones depend on the molecules that are encoded together."""

Liking = Callable[[Sequence[str]], Doubles]
"""From N SMILES to preferences (N,); NaN for a molecule that cannot be encoded."""


def read_likes(path: Path) -> dict[str, bool]:
    """Whether each molecule of a file, by canonical SMILES, is liked; rows that hold no molecule are left out.

    Raises:
        FileError: The file cannot be used, or a label is neither 1 nor 0.
    """
    likes: dict[str, bool] = {}
    for record in read_molecules(path, properties=(COLUMN,)):
        if isinstance(record, Rejection):
            continue
        if record.values[0] not in (0.0, 1.0):
            message = f"line {record.line}: {COLUMN} must be 1 or 0, but is {record.values[0]:g}"
            raise FileError(path, message, remedy="Write 1 for a liked molecule, 0 for a disliked one.")
        likes[record.molecule.smiles] = record.values[0] == 1.0
    return likes


def write_likes(path: Path, likes: Mapping[str, bool]) -> None:
    """Writes a file of likes and dislikes atomically.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    write_text(path, "".join([f"smiles,{COLUMN}\n", *(f"{smiles},{int(liked)}\n" for smiles, liked in likes.items())]))


def read_liking(space: LatentSpace, path: Path) -> Liking:
    """The preference learned from the molecules of a file; those that cannot be encoded are left out.

    Raises:
        FileError: The file cannot be used.
        SpecError: No molecule is liked, or there are too many labels.
    """
    likes = read_likes(path)
    liked, disliked = (
        _labelled(space, [smiles for smiles in likes if likes[smiles] is wanted]) for wanted in (True, False)
    )
    preference = Preference.of(space, liked, disliked)

    def values(smiles: Sequence[str]) -> Doubles:
        bits = [fingerprint(parse(text, AS_IT_IS).mol) for text in smiles]
        z = space.encode(smiles, AS_IT_IS, is_refined=False)
        return np.round(preference.of_molecules(z, bits), DECIMALS)

    return values


def _labelled(space: LatentSpace, smiles: Sequence[str]) -> Labelled:
    z = space.encode(smiles, AS_IT_IS, is_refined=False)
    rows = np.flatnonzero(np.isfinite(z).all(axis=1))
    return Labelled.of([parse(smiles[row], AS_IT_IS) for row in rows.tolist()], z[rows])
