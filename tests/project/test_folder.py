import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.errors import RunError
from molgen.project.folder import CHAIN, ProjectFolder, ProjectSpec

SPEC = ProjectSpec("pKi", "maximize", "", "0" * 64, 3)


def begun(path: Path) -> ProjectFolder:
    folder = ProjectFolder.create(path / "p", SPEC)
    (folder.path / "measurements.csv").write_text("id,smiles\na,CCO\n")
    folder.append("new", {"compounds": 1}, [folder.path / "measurements.csv"])
    (folder.path / "proposals" / "001.csv").write_text("forecast\n")
    folder.append("propose", {"round": 1}, [folder.path / "proposals" / "001.csv"])
    return folder


def test_a_project_is_opened_as_it_was_left(tmp_path: Path) -> None:
    folder = ProjectFolder.open(begun(tmp_path).path)
    assert folder.spec == SPEC
    assert [entry["step"] for entry in folder.entries()] == ["new", "propose"]
    assert (folder.number_of("propose"), folder.number_of("tell")) == (1, 0)


def test_the_same_steps_give_the_same_bytes(tmp_path: Path) -> None:
    chains = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        chains.append((begun(tmp_path / name).path / CHAIN).read_bytes())
    assert chains[0] == chains[1]


def test_a_changed_forecast_is_found(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (folder.path / "proposals" / "001.csv").write_text("better forecast\n")
    with pytest.raises(RunError, match=r"001\.csv: was changed after it was written"):
        ProjectFolder.open(folder.path)


def test_a_line_changed_or_taken_out_of_the_chain_is_found(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    first, second = (folder.path / CHAIN).read_text().splitlines()
    for lines in ([second], [first.replace('"compounds": 1', '"compounds": 2'), second]):
        (folder.path / CHAIN).write_text("\n".join(lines) + "\n")
        with pytest.raises(RunError, match="does not follow"):
            ProjectFolder.open(folder.path)


@given(st.text(max_size=200))
def test_any_text_for_a_chain_is_refused_or_empty(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = ProjectFolder.create(tmp_path_factory.mktemp("p") / "p", SPEC)
    (folder.path / CHAIN).write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(RunError):
        assert ProjectFolder.open(folder.path).entries() == []


def test_a_chain_names_no_file_outside_the_project(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    line = '{"step": "new", "details": {}, "files": {"../secret": "0"}, "previous": "' + "0" * 64 + '"}\n'
    (folder.path / CHAIN).write_text(line)
    with pytest.raises(RunError, match="no step of a project"):
        ProjectFolder.open(folder.path)


def test_a_project_is_never_begun_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="is no project"):
        ProjectFolder.create(tmp_path, SPEC)
    folder = begun(tmp_path)
    with pytest.raises(RunError, match="holds a project already"):
        ProjectFolder.create(folder.path, SPEC)
