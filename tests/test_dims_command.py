import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

RunMolgen = Callable[..., Result]


def test_units_are_told_and_traversed(run_molgen: RunMolgen, tmp_path: Path) -> None:
    picture = tmp_path / "units.svg"
    arguments = ("explore", "dims", "--limit", 100, "--top", 2)
    result = run_molgen(*arguments, "--json", "-o", picture)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["n"], len(report["units"])) == (100, 96)
    assert len(report["traversals"]) == 10
    assert set(report["rotated"]) == {"disentanglement", "completeness", "informativeness"}
    assert "<svg" in picture.read_text()
    again = run_molgen(*arguments, "-o", picture)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)


def test_the_molecule_to_change_can_be_named(run_molgen: RunMolgen) -> None:
    result = run_molgen("explore", "dims", "--limit", 60, "--start", "CCOc1ccccc1")
    assert result.exit_code == 0, result.stderr
    assert "turned at random" in result.stdout


def test_bad_input_is_told_and_ends_with_2(run_molgen: RunMolgen, tmp_path: Path) -> None:
    few = tmp_path / "few.smi"
    few.write_text("CCO\n")
    for arguments, words in (((few,), "50 or more"), (("--limit", 60, "--start", "C("), "C(")):
        result = run_molgen("explore", "dims", *arguments)
        assert result.exit_code == 2, result.stderr
        assert words in result.stderr
