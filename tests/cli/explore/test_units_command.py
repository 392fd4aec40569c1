import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """A few of the shipped molecules."""
    lines = (find_shipped("data") / "moses_sample.csv").read_text().splitlines()
    (tmp_path / "some.csv").write_text("\n".join(lines[:121]) + "\n")
    return tmp_path / "some.csv"


def test_units_are_told_and_traversed(run_molgen: RunMolgen, tmp_path: Path) -> None:
    picture = tmp_path / "units.svg"
    arguments = ("explore", "units", "--limit", 100, "--top", 2)
    result = run_molgen(*arguments, "--json", "-o", picture)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["n"], len(report["units"])) == (100, 96)
    assert len(report["traversals"]) == 10
    assert set(report["rotated"]) == {"disentanglement", "completeness", "informativeness"}
    assert "<svg" in picture.read_text()
    again = run_molgen(*arguments, "-o", picture)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)


def test_the_molecule_to_change_can_be_named(run_molgen: RunMolgen, some: Path) -> None:
    result = run_molgen("explore", "units", some, "--limit", 60, "--start", "CCOc1ccccc1")
    assert result.exit_code == 0, result.stderr
    assert "turned at random" in result.stdout


def test_bad_input_is_told_and_ends_with_2(run_molgen: RunMolgen, tmp_path: Path, some: Path) -> None:
    few = tmp_path / "few.smi"
    few.write_text("CCO\n")
    for arguments, words in (((few,), "50 or more"), ((some, "--start", "C("), "C(")):
        result = run_molgen("explore", "units", *arguments)
        assert result.exit_code == 2, result.stderr
        assert words in result.stderr
