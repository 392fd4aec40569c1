import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.chem.sampling import draw_shipped_molecules

RunMolgen = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("few_scouts")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "assay.csv"
    rows = [f"{m.smiles},{m.mol.GetRingInfo().NumRings()},3" for m in draw_shipped_molecules(150)]
    path.write_text("\n".join(["smiles,rings,same", *rows, "C(,2,3"]) + "\n")
    return path


def test_a_direction_is_written_and_steered_by(run_molgen: RunMolgen, tmp_path: Path, table: Path) -> None:
    path = tmp_path / "rings.json"
    result = run_molgen("explore", "direction", table, "--property", "rings", "-o", path, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["name"], report["n"]) == ("rings", 150)
    assert report["strength"] > 0.2
    assert "150 of 151 rows" in result.stderr
    again = run_molgen("explore", "direction", table, "--property", "rings", "-o", path)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    steered = run_molgen("explore", "steer", "CCOc1ccccc1", "--along", path, "--steps", 1, "--draws", 2, "--json")
    assert steered.exit_code == 0, steered.stderr
    assert 1 <= len(json.loads(steered.stdout)["molecules"]) <= 3


def test_a_descriptor_is_a_concept(run_molgen: RunMolgen, tmp_path: Path, table: Path) -> None:
    path = tmp_path / "logp.json"
    result = run_molgen("explore", "direction", table, "--descriptor", "logp", "-o", path)
    assert result.exit_code == 0, result.stderr
    assert "The direction of logp" in result.stdout
    assert json.loads(path.read_text())["name"] == "logp"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--property COLUMN or --descriptor NAME"),
        (("--property", "rings", "--descriptor", "logp"), "--property COLUMN or --descriptor NAME"),
        (("--property", "nope"), "nope"),
        (("--descriptor", "nope"), "Descriptors: qed"),
        (("--property", "same"), "is 3 for all molecules"),
        (("--property", "rings", "-o", "x.txt"), "must end in .json"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    run_molgen: RunMolgen, tmp_path: Path, table: Path, arguments: tuple[str, ...], words: str
) -> None:
    output = () if "-o" in arguments else ("-o", tmp_path / "x.json")
    result = run_molgen("explore", "direction", table, *arguments, *output)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
