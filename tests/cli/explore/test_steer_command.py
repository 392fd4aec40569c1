import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.explore.direction import fit_descriptor_direction, write_direction
from molgen.latent.space import LatentSpace

RunMolgen = Callable[..., Result]

START = "CC(C)NC(=O)c1cccc(NC(=O)C2CCCO2)c1"


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory, few_scouts: None) -> Path:
    path = tmp_path_factory.mktemp("directions") / "size.json"
    write_direction(path, fit_descriptor_direction(LatentSpace.load(), "heavy_atoms", n=300))
    return path


def test_a_walk_is_a_list_and_a_picture(run_molgen: RunMolgen, tmp_path: Path, size: Path) -> None:
    picture = tmp_path / "walk.svg"
    arguments = ("explore", "steer", START, "--along", size, "--steps", 2)
    result = run_molgen(*arguments, "--json", "-o", picture)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    walk = report["molecules"]
    assert [report["start"], report["concept"]] == [START, "heavy_atoms"]
    assert 2 <= len(walk) <= 5
    assert [(each["t"], each["tanimoto"]) for each in walk if each["smiles"] == START] == [(0.0, 1.0)]
    assert walk[0]["heavy_atoms"] < walk[-1]["heavy_atoms"]
    assert "<svg" in picture.read_text()
    assert run_molgen(*arguments, "--json").stdout == result.stdout
    table = run_molgen(*arguments, "--reach", 1)
    assert "heavy_atoms along its direction" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("not-a-smiles", "--along", "logp"), "not a SMILES"),
        ((START, "--along", "colour"), "Descriptors: qed"),
        ((START, "--along", "missing.json"), "missing.json"),
        ((START, "--along", "logp", "-o", "walk.docx"), "must end in"),
        ((START,), "--along"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(run_molgen: RunMolgen, arguments: tuple[str, ...], words: str) -> None:
    result = run_molgen("explore", "steer", *arguments)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_reach_must_be_above_0(run_molgen: RunMolgen, size: Path) -> None:
    result = run_molgen("explore", "steer", START, "--along", size, "--reach", -1)
    assert (result.exit_code, "reach: must be above 0" in result.stderr) == (2, True)
