"""`molgen explore analogy`: what it prints and writes, and what it refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.chem.molecule import parse

RunMolgen = Callable[..., Result]

A, B, C = "Cc1ccc(CCO)cc1", "Fc1ccc(CCO)cc1", "Cc1ccc(NC(=O)CC)cc1"
TAILS = ("CCO", "CCN", "COC", "C(=O)NC", "C(=O)N1CCCC1", "CN1CCOCC1", "OCC(N)=O")


def test_three_molecules_give_a_fourth(run_molgen: RunMolgen, tmp_path: Path) -> None:
    output = tmp_path / "answers.csv"
    result = run_molgen("explore", "analogy", A, B, C, "--top", 4, "--decodes", 200, "--json", "-o", output)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    rows = report["molecules"]
    assert (report["molecule"], report["pairs"], report["decodes"]) == (parse(C).smiles, 1, 200)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    scores = [row["agreement"] * row["similarity"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    with output.open() as handle:
        assert [row["smiles"] for row in csv.DictReader(handle)] == [row["smiles"] for row in rows]


def test_a_change_is_learned_from_a_file_of_pairs(run_molgen: RunMolgen, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    lines = [f"Cc1ccc({tail})cc1,Fc1ccc({tail})cc1" for tail in TAILS]
    pairs.write_text("\n".join(["smiles_a,smiles_b", *lines]) + "\n")
    result = run_molgen("explore", "analogy", C, "--pairs", pairs)
    assert result.exit_code == 0, result.stderr
    assert "The change of 7 pairs" in " ".join(result.stdout.split())
    assert parse("Fc1ccc(NC(=O)CC)cc1").smiles in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((A, B), "needs three molecules"),
        ((A, A, C), "nothing changes"),
        ((A, "nonsense", C), "not a SMILES"),
        ((A, B, "[Xe]"), "cannot be encoded"),
        ((A, B, C, "--pairs", "pairs.csv"), "needs one molecule"),
        ((C, "--pairs", "missing.csv"), "missing.csv"),
    ],
)
def test_what_cannot_be_is_refused(run_molgen: RunMolgen, arguments: tuple[str, ...], message: str) -> None:
    result = run_molgen("explore", "analogy", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
