"""The folder of a workbench: what a name that it accepts leads to can be found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from molgen.errors import SpecError
from molgen.serve.workspace import LONGEST_NEW_NAME, Workspace, require_plain_name

NAME = "n" * LONGEST_NEW_NAME


def test_what_is_made_of_the_longest_name_can_be_found(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert require_plain_name("name", NAME, LONGEST_NEW_NAME) == NAME
    for _ in range(2):
        with workspace.new_export(NAME, ".sdf") as export:
            assert require_plain_name("file", export.name) == export.name
        workspace.free_path(workspace.maps, NAME, ".html").touch()
    (workspace.directions / f"{NAME}.json").touch()
    assert workspace.map_names() == [NAME, f"{NAME}-2"]
    assert workspace.direction_names() == [f"{NAME}.json"]


@pytest.mark.parametrize("name", [f"{NAME}n", "", ".x", "-x", "ä", "../x", "x/y", "x\n"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="Begin with a letter, a digit or _; use up to 80 of"):
        Workspace(tmp_path).upload(name, b"CCO\n")
    assert not Workspace(tmp_path).file_names()
