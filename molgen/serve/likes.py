"""What the users of a workbench like and dislike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from molgen.chem.molecule import parse
from molgen.errors import SpecError
from molgen.explore.liked import COLUMN, read_likes, write_likes
from molgen.explore.preference import MAX_LABELS
from molgen.serve.workspace import Workspace

_NAMED = ("maximize", "minimize", "target", "range", "constraint")
"""Options of a campaign that name measures."""
_PLAIN = re.compile(rf"{COLUMN}(?=\s|$)")


class Likes:
    """The likes and dislikes of a workspace, in its file `likes.csv`."""

    def __init__(self, workspace: Workspace) -> None:
        """Reads the file, if there is one.

        Raises:
            FileError: It is no file of likes.
        """
        self._workspace, self._lock = workspace, Lock()
        self._path = workspace.folder / "likes.csv"
        self._likes = read_likes(self._path) if self._path.exists() else {}

    def all(self) -> Mapping[str, bool]:
        """Whether each molecule is liked, by canonical SMILES."""
        return dict(self._likes)

    def set(self, smiles: str, is_liked: bool | None) -> None:
        """Likes or dislikes a molecule, or neither.

        Raises:
            MoleculeError: The text is no molecule.
            SpecError: There are too many labels.
        """
        molecule = parse(smiles)
        with self._lock:
            likes = {text: label for text, label in self._likes.items() if text != molecule.smiles}
            likes |= {} if is_liked is None else {molecule.smiles: is_liked}
            if len(likes) > MAX_LABELS:
                raise SpecError(COLUMN, f"at most {MAX_LABELS} molecules can be liked or disliked")
            write_likes(self._path, likes)
            self._likes = likes

    def name_file(self, campaign: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a campaign, with `liked` as `liked:FILE` of a copy that later likes do not change.

        Raises:
            SpecError: A measure is `liked`, and nothing is liked.
        """
        named = {key: value for key, value in options.items() if key in _NAMED and isinstance(value, list)}
        if not any(_PLAIN.match(str(text)) for texts in named.values() for text in texts):
            return dict(options)
        if True not in self._likes.values():
            raise SpecError(COLUMN, "nothing is liked", remedy="Like some molecules first.")
        with self._lock:
            path = self._workspace.free_path(self._workspace.likes, campaign, ".csv")
            write_likes(path, self._likes)
        return {**options, **{key: _with_file(texts, f"{COLUMN}:{path}") for key, texts in named.items()}}


def _with_file(texts: Sequence[str], name: str) -> list[str]:
    return [_PLAIN.sub(lambda _: name, text, count=1) if _PLAIN.match(text) else text for text in texts]
