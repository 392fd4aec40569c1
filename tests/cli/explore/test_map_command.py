"""`molgen explore map` on the checkpoint that molgen ships."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

RunMolgen = Callable[..., Result]

SMILES = [
    "CCO", "CCCO", "CCCCO", "Oc1ccccc1", "Cc1ccccc1O", "CC(=O)O", "CCC(=O)O", "CCN", "CCCN", "c1ccncc1", "CCOC(C)=O",
    "CC(=O)Nc1ccc(O)cc1",
]  # fmt: skip


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    path = tmp_path / "molecules.csv"
    rows = [f"{text},mol {i},{i if i else ''}" for i, text in enumerate(SMILES)]
    path.write_text("\n".join(["smiles,name,pIC50", *rows, "C(,bad,1", "[U],unknown,1"]) + "\n")
    return path


def explore(run_molgen: RunMolgen, *arguments: object) -> Result:
    return run_molgen("explore", "map", *arguments)


def test_a_page_with_columns_and_descriptors(run_molgen: RunMolgen, molecules: Path, tmp_path: Path) -> None:
    page, rejects = tmp_path / "map.html", tmp_path / "rejects.csv"
    arguments = (molecules, "-o", page, "--color", "pIC50", "--color", "logp", "--rejects", rejects)
    result = explore(run_molgen, *arguments)
    assert result.exit_code == 0, result.stderr
    assert "12 molecules, PCA of 96 latent dimensions" in result.stdout
    assert "trustworthiness@5" in result.stdout
    assert "12 of 14 rows" in result.stderr
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    lines = rejects.read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["14", "C("], ["15", "[U]"]]
    again = explore(run_molgen, *arguments)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)


def test_the_table_follows_the_file_and_the_seed(run_molgen: RunMolgen, molecules: Path, tmp_path: Path) -> None:
    def table(name: str, *arguments: object) -> list[dict[str, str]]:
        result = explore(run_molgen, molecules, "-o", tmp_path / name, "--color", "pIC50", "--json", *arguments)
        assert result.exit_code == 0, result.stderr
        report = json.loads(result.stdout)
        with (tmp_path / name).open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert (report["n"], report["method"], report["n_judged"]) == (len(rows), "pca", len(rows))
        assert report["trustworthiness"]["30"] is None
        assert 0.0 < sum(report["explained_variance"]) < 1.0
        return rows

    everything = table("all.csv")
    assert [row["smiles"] for row in everything] == SMILES
    assert [row["name"] for row in everything] == [f"mol {i}" for i in range(12)]
    assert [row["pIC50"] for row in everything] == ["", *map(str, range(1, 12))]
    assert table("some.csv", "--limit", 9, "--seed", 2) == table("again.csv", "--limit", 9, "--seed", 2)


def test_a_figure(run_molgen: RunMolgen, molecules: Path, tmp_path: Path) -> None:
    result = explore(run_molgen, molecules, "-o", tmp_path / "map.svg", "--color", "qed")
    assert result.exit_code == 0, result.stderr
    assert "<svg" in (tmp_path / "map.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "map.pdf"), "must end in one of .html"),
        (("-o", "map.html", "--method", "som"), "must be one of pca, tsne, umap"),
        (("-o", "map.html", "--color", "nope"), "has no column 'nope', nor is it a descriptor: qed, logp"),
        (("-o", "map.html", "--color", "name"), "property name is not a number"),
        (("-o", "map.html", "--smiles-column", "nope"), "no column 'nope'"),
        (("-o", "map.html", "--method", "tsne"), "pip install 'molgen-workbench[map]'"),
        (("-o", "map.png"), "pip install 'molgen-workbench[map]'"),
    ],
)
def test_bad_input_is_told_before_the_work_and_ends_with_2(
    run_molgen: RunMolgen,
    molecules: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for module in ("openTSNE", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    result = explore(run_molgen, molecules, *arguments)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("map.*"))


def test_several_files_are_one_map_and_each_is_a_colour(run_molgen: RunMolgen, molecules: Path, tmp_path: Path) -> None:
    (tmp_path / "more.smi").write_text("CCO first\nCCN second\n")
    result = explore(run_molgen, molecules, tmp_path / "more.smi", "-o", tmp_path / "map.csv", "--color", "pIC50")
    assert result.exit_code == 0, result.stderr
    with (tmp_path / "map.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["file"] for row in rows] == ["1"] * 12 + ["2"] * 2
    assert [row["pIC50"] for row in rows][-3:] == ["11", "", ""]
    assert [row["name"] for row in rows][-2:] == ["first", "second"]


def test_two_molecules_are_no_map(run_molgen: RunMolgen, tmp_path: Path) -> None:
    (tmp_path / "two.smi").write_text("CCO\nCCN\n[U]\n")
    result = explore(run_molgen, tmp_path / "two.smi", "-o", tmp_path / "map.html")
    assert result.exit_code == 2
    assert "only 2 molecules can be encoded, and a map needs 3" in result.stderr
