"""`molgen explore path`: what it prints and writes, and what it refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

RunMolgen = Callable[..., Result]

A, B = "CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(C(C)C(=O)O)cc1"
SMALL = ("--steps", 8, "--draws", 6)


def test_a_path_is_told_as_json_and_drawn(run_molgen: RunMolgen, tmp_path: Path) -> None:
    picture = tmp_path / "path.svg"
    result = run_molgen("explore", "path", A, B, *SMALL, "--kind", "spherical", "--json", "-o", picture)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    rows = report["molecules"]
    assert (rows[0]["smiles"], rows[-1]["smiles"]) == (A, B)
    assert (report["kind"], report["between"]) == ("spherical", len(rows) - 2)
    assert report["worst_confidence"] == pytest.approx(min(row["confidence"] for row in rows[1:-1]))
    assert {"t", "to A", "to B", "qed", "logp", "sa", "mw"} <= set(rows[0])
    assert "<svg" in picture.read_text()


def test_every_molecule_on_the_way_holds_the_scaffold(run_molgen: RunMolgen, tmp_path: Path) -> None:
    table = tmp_path / "path.csv"
    result = run_molgen("explore", "path", A, B, *SMALL, "--scaffold", "c1ccccc1", "-o", table)
    assert result.exit_code == 0, result.stderr
    assert "molecules between A and B" in result.stdout
    with table.open() as handle:
        smiles = [row["smiles"] for row in csv.DictReader(handle)]
    assert len(smiles) > 2
    assert all("c1" in text for text in smiles)


def test_a_scaffold_that_nothing_holds_is_told(run_molgen: RunMolgen) -> None:
    result = run_molgen("explore", "path", A, B, "--steps", 2, "--draws", 2, "--scaffold", "C1CC2CCC1C2")
    assert result.exit_code == 3
    assert "contains the scaffold" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((A, A), "both ends are"),
        ((A,), "Missing argument 'B'"),
        ((A, "nonsense"), "not a SMILES"),
        ((A, "[Xe]"), "cannot be encoded"),
        ((A, B, "--scaffold", "c1ccc"), "not a SMILES"),
        ((A, B, "-o", "path.pdf"), "must end in"),
    ],
)
def test_what_cannot_be_is_refused(run_molgen: RunMolgen, arguments: tuple[str, ...], message: str) -> None:
    result = run_molgen("explore", "path", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
