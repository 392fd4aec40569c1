"""`molgen explore outliers`: the strangest first, what is no molecule by its line, and clear refusals."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.latent.space import LatentSpace
from molgen.latent.trust import measure_trust
from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]

BETA_CAROTENE = "CC(C=CC=C(C)C=CC1=C(C)CCCC1(C)C)=CC=CC=C(C)C=CC=C(C)C=CC1=C(C)CCCC1(C)C"
LINES = ["O=C(NCc1ccccc1)c1ccc2c(c1)OCO2", "C(C", BETA_CAROTENE, "", "OB(O)c1ccccc1", "CCOC(=O)c1ccc(N)cc1"]


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    path = tmp_path / "molecules.smi"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_the_strangest_comes_first_with_all_that_is_known_of_it(run_molgen: RunMolgen, molecules: Path) -> None:
    result = run_molgen("explore", "outliers", molecules, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    rows = report["molecules"]
    assert (report["n"], report["unencodable"], len(rows)) == (4, 1, 4)
    assert [row["line"] for row in rows[:2]] == ["5", "3"]
    assert (rows[0]["trust"], rows[0]["density"], rows[0]["reason"]) == (0.0, None, "unknown token [B]")
    values = [row["trust"] for row in rows]
    assert values == sorted(values)
    assert report["below_0.05"] == sum(value < 0.05 for value in values)
    smiles = [row["smiles"] for row in rows]
    assert values == pytest.approx(measure_trust(LatentSpace.load(), smiles).values.tolist(), abs=1e-3)


def test_rows_that_are_no_molecules_are_told_by_line(run_molgen: RunMolgen, tmp_path: Path, molecules: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    result = run_molgen("explore", "outliers", molecules, "--rejects", rejects)
    assert result.exit_code == 0, result.stderr
    assert f"{molecules}, line 2: 'C(C': " in result.stderr
    assert "4 of 5 rows" in result.stderr
    with rejects.open() as handle:
        assert [row["line"] for row in csv.DictReader(handle)] == ["2"]
    assert "have a trust below 0.05" in result.stdout


def test_a_file_is_written_with_as_many_as_are_asked_for(
    run_molgen: RunMolgen, tmp_path: Path, molecules: Path
) -> None:
    output = tmp_path / "strange.csv"
    result = run_molgen("explore", "outliers", molecules, "--top", 2, "-o", output)
    assert result.exit_code == 0, result.stderr
    with output.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["smiles"] for row in rows] == ["OB(O)c1ccccc1", BETA_CAROTENE]
    assert list(rows[0]) == ["smiles", "trust", "likelihood", "density", "consistency", "line", "reason"]
    assert float(rows[1]["trust"]) < 0.01
    again = run_molgen("explore", "outliers", molecules, "-o", output)
    assert again.exit_code == 2
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [("", ["is empty", "Give a file with at least one molecule"]), ("C(C\n", ["none of 1 rows", "--rejects FILE"])],
)
def test_a_file_without_molecules_is_refused(
    run_molgen: RunMolgen, tmp_path: Path, content: str, words: list[str]
) -> None:
    path = tmp_path / "none.smi"
    path.write_text(content)
    result = run_molgen("explore", "outliers", path)
    assert result.exit_code == 2
    assert all(word in result.stderr for word in words), result.stderr


def test_a_checkpoint_that_does_not_know_what_is_usual_is_refused_with_the_way_to_tell_it(
    run_molgen: RunMolgen, tmp_path: Path, molecules: Path
) -> None:
    old = tmp_path / "old.safetensors"
    shutil.copy(find_shipped("checkpoints") / "default.safetensors", old)
    description = json.loads((find_shipped("checkpoints") / "default.json").read_text())
    description |= {"typicality": None, "applicability": None, "familiarity": None}
    old.with_suffix(".json").write_text(json.dumps(description))
    result = run_molgen("explore", "outliers", molecules, "--checkpoint", old)
    assert result.exit_code == 2
    assert "has no applicability domain" in result.stderr
    assert "molgen train DATA --init CHECKPOINT --epochs 0" in result.stderr
    sampled = run_molgen("sample", "-n", 1, "--where", "trust > 0.1", "--checkpoint", old)
    assert sampled.exit_code == 2
    assert "--epochs 0" in sampled.stderr
