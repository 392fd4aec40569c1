"""A run that takes the place of an earlier one in the same folder, and gives it back if it fails at its start.

Each step ends with one renaming, so that after a kill the folder's names tell where it stopped:

| in the folder | means |
| --- | --- |
| `.molgen-moving` | the earlier run is being moved out or back; all files belong to it |
| `.molgen-replaced` | the earlier run is in there, whole; other files belong to the new one |
| `.molgen-discarded` | the new run stands; the earlier one is being removed |
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

MOVING, REPLACED, DISCARDED = ".molgen-moving", ".molgen-replaced", ".molgen-discarded"
FOLDERS = (MOVING, REPLACED, DISCARDED)


def set_aside(folder: Path, files: Iterable[Path]) -> None:
    """Moves the `files` of `folder`, an earlier run, out of the way: all of them or, where that fails, none."""
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
    """Folders in which an earlier run is."""
    return [folder / name for name in (MOVING, REPLACED) if (folder / name).is_dir()]


def has_earlier(folder: Path) -> bool:
    """Whether an earlier run waits to be put back or discarded."""
    return bool(find_earlier(folder))


def put_back(folder: Path) -> None:
    """Puts the earlier run back, after the files of the new one were removed."""
    (folder / REPLACED).rename(folder / MOVING)
    _finish_moving(folder)


def discard(folder: Path) -> None:
    """Removes the earlier run, if there is one."""
    if (folder / REPLACED).is_dir():
        (folder / REPLACED).rename(folder / DISCARDED)
        shutil.rmtree(folder / DISCARDED)


def recover(folder: Path) -> None:
    """Completes what a killed process left half done, other than a new run's start."""
    if (folder / DISCARDED).is_dir():
        shutil.rmtree(folder / DISCARDED)
    if (folder / MOVING).is_dir():
        _finish_moving(folder)


def _finish_moving(folder: Path) -> None:
    moving = folder / MOVING
    for file in moving.iterdir():
        file.rename(folder / file.name)
    moving.rmdir()
