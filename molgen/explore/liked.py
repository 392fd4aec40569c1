"""A file of molecules that a user likes or dislikes, or compares, and the preference that follows from it.

A file of likes is a table with the columns `smiles` and `liked`: 1 for a liked molecule, 0 for a disliked one. If a
molecule has several lines, the last counts. For a file of comparisons see `explore.comparisons`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse
from molgen.chem.table import Rejection, read_molecules
from molgen.errors import FileError
from molgen.explore.comparisons import Comparison, holds_comparisons, read_comparisons
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
    """The preference learned from a file of likes or of comparisons; molecules that cannot be encoded are left out.

    Raises:
        FileError: The file cannot be used.
        SpecError: No molecule is liked, none is compared with another, or there are too many.
    """
    is_compared = holds_comparisons(path)
    preference = _compare(space, read_comparisons(path)) if is_compared else _label(space, read_likes(path))

    def values(smiles: Sequence[str]) -> Doubles:
        bits = [fingerprint(parse(text, AS_IT_IS).mol) for text in smiles]
        z = space.encode(smiles, AS_IT_IS, is_refined=False)
        return np.round(preference.of_molecules(z, bits), DECIMALS)

    return values


def _label(space: LatentSpace, likes: Mapping[str, bool]) -> Preference:
    liked, disliked = (
        _encode(space, [smiles for smiles in likes if likes[smiles] is wanted])[1] for wanted in (True, False)
    )
    return Preference.of(space, liked, disliked)


def _compare(space: LatentSpace, comparisons: Sequence[Comparison]) -> Preference:
    rows, compared = _encode(space, list(dict.fromkeys(smiles for pair in comparisons for smiles in pair)))
    pairs = [(rows[better], rows[worse]) for better, worse in comparisons if better in rows and worse in rows]
    return Preference.of_comparisons(space, compared, np.array(pairs, dtype=np.int64).reshape(-1, 2))


def _encode(space: LatentSpace, smiles: Sequence[str]) -> tuple[dict[str, int], Labelled]:
    """The molecules that can be encoded, and the row of each by SMILES."""
    z = space.encode(smiles, AS_IT_IS, is_refined=False)
    places = np.flatnonzero(np.isfinite(z).all(axis=1))
    kept = [smiles[place] for place in places.tolist()]
    labelled = Labelled.of([parse(text, AS_IT_IS) for text in kept], z[places])
    return {text: row for row, text in enumerate(kept)}, labelled
