"""Replacement of a run by a new one in the same folder; the earlier run is restored if the new one fails at its start.

Each step is completed by one rename, so that after a kill the names in the folder show where the process stopped:

| in the folder | means |
| --- | --- |
| `.molgen-moving` | the earlier run is being moved out or restored; all files belong to it |
| `.molgen-replaced` | holds the complete earlier run; other files belong to the new one |
| `.molgen-discarded` | the new run is kept; the earlier one is being removed |
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

MOVING, REPLACED, DISCARDED = ".molgen-moving", ".molgen-replaced", ".molgen-discarded"
FOLDERS = (MOVING, REPLACED, DISCARDED)


def set_aside(folder: Path, files: Iterable[Path]) -> None:
    """Moves all `files` of `folder`, an earlier run, out of the way, or none of them if that fails."""
    moving = folder / MOVING
    moving.mkdir()
    try:
        for file in files:
            file.rename(moving / file.name)
        moving.rename(folder / REPLACED)
    except BaseException:
        recover(folder)
        raise


def find_earlier(folder: Path) -> list[Path]:
    """Folders that hold an earlier run."""
    return [folder / name for name in (MOVING, REPLACED) if (folder / name).is_dir()]


def has_earlier(folder: Path) -> bool:
    """Whether an earlier run is waiting to be restored or discarded."""
    return bool(find_earlier(folder))


def put_back(folder: Path) -> None:
    """Restores the earlier run, after the files of the new one were removed."""
    (folder / REPLACED).rename(folder / MOVING)
    _finish_moving(folder)


def discard(folder: Path) -> None:
    """Removes the earlier run, if there is one."""
    if (folder / REPLACED).is_dir():
        (folder / REPLACED).rename(folder / DISCARDED)
        shutil.rmtree(folder / DISCARDED)


def recover(folder: Path) -> None:
    """Completes an unfinished step of a killed process, except the start of a new run."""
    if (folder / DISCARDED).is_dir():
        shutil.rmtree(folder / DISCARDED)
    if (folder / MOVING).is_dir():
        _finish_moving(folder)


def _finish_moving(folder: Path) -> None:
    moving = folder / MOVING
    for file in moving.iterdir():
        file.rename(folder / file.name)
    moving.rmdir()
