"""The folder of a workbench: uploaded files, runs, exports, maps, likes, projects and directions."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from molgen.chem.table import Tally, read_molecules
from molgen.errors import FileError, SpecError
from molgen.paths import replace_file

MAX_UPLOAD_BYTES = 200_000_000
_FOLDERS = ("files", "runs", "exports", "maps", "likes", "projects", "directions")
LONGEST_NEW_NAME, LONGEST_NAME = 80, 100
"""Characters of a name that a user gives, and of one that molgen makes longer (`NAME-2.sdf`)."""
_NAME = re.compile(r"\w[\w .+-]*", re.ASCII)


@dataclass(frozen=True)
class Upload:
    """An uploaded file of molecules.

    Attributes:
        name: Of the file.
        n_kept: Rows that hold a molecule.
        rejected: Number of other rows, by reason.
    """

    name: str
    n_kept: int
    rejected: dict[str, int]


class Workspace:
    """The folder of a workbench.

    Attributes:
        folder: Its path.
        files, runs, exports, maps, likes, projects, directions: Its folders.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folders that are missing."""
        self.folder, self._lock = folder, Lock()
        paths = [folder / name for name in _FOLDERS]
        self.files, self.runs, self.exports, self.maps, self.likes, self.projects, self.directions = paths
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)

    def upload(self, name: str, content: bytes) -> Upload:
        """Keeps a file of molecules.

        Raises:
            SpecError: The name is no plain file name or that of another file, the file is larger than
                `MAX_UPLOAD_BYTES`, it cannot be read as a file of molecules, or it holds none.
        """
        path = self.files / require_plain_name("file", name, LONGEST_NEW_NAME)
        if len(content) > MAX_UPLOAD_BYTES:
            raise SpecError("file", f"{name} is larger than {MAX_UPLOAD_BYTES / 1e6:.0f} MB")
        with TemporaryDirectory(dir=self.folder) as folder:
            draft = Path(folder) / name
            with replace_file(draft) as temporary:
                temporary.write_bytes(content)
            tally = Tally()
            try:
                for _ in tally.sift(read_molecules(draft)):
                    pass
                tally.require_kept(draft)
            except FileError as error:
                raise SpecError("file", error.message.replace(f"{folder}/", ""), remedy=error.remedy) from None
            self._keep(draft, path, content)
        return Upload(name, tally.kept, dict(tally.rejected))

    def _keep(self, draft: Path, path: Path, content: bytes) -> None:
        """Moves a checked file to its place, where nothing or the same may lie."""
        try:
            os.link(draft, path)
        except FileExistsError:
            if path.read_bytes() != content:
                raise SpecError("file", f"there is another {path.name}", remedy="Rename the file.") from None

    @contextmanager
    def new_export(self, stem: str, suffix: str) -> Iterator[Path]:
        """A path for a new export: `STEM.sdf`, or `STEM-2.sdf` and so on if there is one; gone if the block fails."""
        with self._lock:
            path = self.free_path(self.exports, stem, suffix)
            with replace_file(path):
                pass  # an empty file, so that the name is taken
        try:
            yield path
        except BaseException:
            path.unlink()
            raise

    def free_path(self, folder: Path, stem: str, suffix: str, taken: Container[str] = ()) -> Path:
        """A path in a folder where nothing lies: `STEM`, or `STEM-2` and so on, none of those `taken`."""
        stems = chain([stem], (f"{stem}-{number}" for number in count(2)))
        return next(path for each in stems if each not in taken and not (path := folder / f"{each}{suffix}").exists())

    def file(self, name: str) -> Path:
        """The path of an uploaded file.

        Raises:
            SpecError: There is none of that name.
        """
        path = self.files / require_plain_name("file", name)
        if not path.is_file():
            raise SpecError("file", f"there is no {name}", remedy="Upload it first.")
        return path

    def file_names(self) -> Sequence[str]:
        """The names of the uploaded files, sorted."""
        return _plain((path.name for path in self.files.iterdir() if path.is_file()), LONGEST_NEW_NAME)

    def direction_names(self) -> Sequence[str]:
        """The names of the directions, sorted."""
        return _plain(path.name for path in self.directions.glob("*.json"))

    def run_names(self) -> Sequence[str]:
        """The names of the runs, sorted."""
        return _folder_names(self.runs)

    def project_names(self) -> Sequence[str]:
        """The names of the projects, sorted."""
        return _folder_names(self.projects)

    def map_names(self) -> Sequence[str]:
        """The names of the maps, sorted."""
        return _plain(path.stem for path in self.maps.glob("*.html"))


def _folder_names(folder: Path) -> Sequence[str]:
    return _plain((path.name for path in folder.iterdir() if path.is_dir()), LONGEST_NEW_NAME)


def _plain(names: Iterable[str], longest: int = LONGEST_NAME) -> Sequence[str]:
    return sorted(name for name in names if _is_plain(name, longest))


def require_plain_name(key: str, name: str, longest: int = LONGEST_NAME) -> str:
    """A name that can stand for a file in a folder, of at most `longest` characters.

    Raises:
        SpecError: It is none.
    """
    if not _is_plain(name, longest):
        allowed = f"up to {longest} of A-Z, a-z, 0-9, blanks and _ . + -"
        raise SpecError(key, f"{name!r} is no name", remedy=f"Begin with a letter, a digit or _; use {allowed}.")
    return name


def _is_plain(name: str, longest: int) -> bool:
    return len(name) <= longest and _NAME.fullmatch(name) is not None
