"""A project of two rounds on an assay whose answers are known, its proposals from a catalogue."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rdkit.Chem.rdMolDescriptors import CalcExactMolWt
from typer import Typer
from typer.testing import CliRunner, Result

from molgen.chem.core import Core
from molgen.chem.molecule import parse
from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]


@pytest.fixture(scope="module")
def assay() -> list[tuple[str, float]]:
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        return [(parse(row["smiles"]).smiles, 9.0 + float(row["y"])) for row in list(csv.DictReader(handle))[:40]]


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def begun(app: Typer, tmp_path_factory: pytest.TempPathFactory, assay: list[tuple[str, float]]) -> Path:
    """A folder with a project `p`, not to be changed, and its catalogue."""
    folder = tmp_path_factory.mktemp("begun")
    data = write(folder / "data.csv", "id,smiles,pKi", [f"d{i},{s},{y}" for i, (s, y) in enumerate(assay[:20])])
    stock = write(folder / "stock.csv", "smiles", [smiles for smiles, _ in assay])
    for command in (
        ("project", "new", data, "--out", folder / "p"),
        ("propose", "--project", folder / "p", "-n", 5, "--library", stock),
    ):
        result = CliRunner().invoke(app, list(map(str, command)))
        assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def project(tmp_path: Path, begun: Path) -> Path:
    """Begun with half of the assay, five of the other half proposed."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    return tmp_path / "p"


def test_rounds(run_molgen: RunMolgen, tmp_path: Path, project: Path, assay: list[tuple[str, float]]) -> None:
    values = dict(assay)
    proposed = read(project / "proposals" / "001.csv")
    stock = {smiles for smiles, _ in assay[20:]}
    assert len({row["smiles"] for row in proposed} & stock) == 5  # of the catalogue, and nothing that is measured
    assert all(float(row["pKi_lower"]) < float(row["pKi_mean"]) < float(row["pKi_upper"]) for row in proposed)

    assert all(" expected, " in row["explanation"] for row in proposed)
    assert '"exploration": "bold"' in (project / "chain.jsonl").read_text()  # the default for a catalogue

    told = [f"{row['id']},{row['smiles']},{values[row['smiles']]}" for row in proposed[:3]]
    told[0] = f"{proposed[0]['id']},{proposed[0]['smiles']},>4"
    results = write(tmp_path / "results.csv", "id,smiles,pKi", [*told, "extra,CCO,3.0", "bad,C(,5"])
    result = run_molgen("tell", results, "--project", project)
    assert result.exit_code == 0, result.stderr
    assert "never proposed, but accepted: extra" in result.stderr
    assert "not a SMILES" in result.stderr
    compared = read(project / "results" / "001.comparison.csv")
    assert [row["proposal"] for row in compared] == ["R1-01", "R1-02", "R1-03", ""]
    assert compared[0]["result"] == ">4"
    assert compared[0]["is_covered"] == compared[3]["is_covered"] == ""
    error = float(compared[1]["result"]) - float(proposed[1]["pKi_mean"])
    assert float(compared[1]["error"]) == pytest.approx(error, abs=1e-4)

    name, smiles = proposed[1]["id"], proposed[1]["smiles"]
    retold = write(tmp_path / "again.csv", "id,smiles,pKi", ["extra,CCO,9.0", f"{name},{smiles},{values[smiles]}"])
    result = run_molgen("tell", retold, "--project", project)
    assert "extra was measured before: 3, and now 9; both count" in result.stderr
    assert "R1-02 was measured before" not in result.stderr

    status = json.loads(run_molgen("project", "status", "--project", project, "--json").stdout)
    assert (status["compounds"], status["pending"]) == (24, ["R1-04", "R1-05"])
    assert (status["rounds"][0]["proposed"], status["rounds"][0]["measured"]) == (5, 3)

    excluded = write(tmp_path / "no.smi", "", [smiles for smiles, _ in assay[20:30]])
    ask = ("propose", "--project", project, "-n", 50, "--library", tmp_path / "stock.csv", "--exclude", excluded)
    assert run_molgen(*ask, "--explore", "bold").exit_code == 0
    again = {row["smiles"] for row in read(project / "proposals" / "002.csv")}
    assert again == stock - {row["smiles"] for row in proposed} - {smiles for smiles, _ in assay[20:30]}


def test_a_project_stopped_between_files_and_chain_goes_on_to_the_same_bytes(
    run_molgen: RunMolgen, tmp_path: Path, project: Path
) -> None:
    whole = {path.relative_to(project): path.read_bytes() for path in project.rglob("*") if path.is_file()}
    killed = tmp_path / "killed"
    shutil.copytree(project, killed)
    chain = (killed / "chain.jsonl").read_text().splitlines()
    (killed / "chain.jsonl").write_text(chain[0] + "\n")
    (killed / "proposals" / "001.csv").write_text("half of a fi")
    ask = ("propose", "--project", killed, "-n", 5, "--library", tmp_path / "stock.csv")
    assert run_molgen(*ask).exit_code == 0
    assert whole == {path.relative_to(killed): path.read_bytes() for path in killed.rglob("*") if path.is_file()}


def test_results_of_another_property_are_refused(run_molgen: RunMolgen, tmp_path: Path, project: Path) -> None:
    results = write(tmp_path / "r.csv", "smiles,IC50 (nM)", ["CCO,5"])
    result = run_molgen("tell", results, "--project", project, "--property", "IC50 (nM)", "--to-p")
    assert result.exit_code == 2
    assert "the results are of pIC50" in result.stderr
    assert not list((project / "results").iterdir())


def test_a_folder_that_is_no_project_says_how_to_begin(run_molgen: RunMolgen, tmp_path: Path) -> None:
    result = run_molgen("propose", "--project", tmp_path)
    assert result.exit_code == 2
    assert "molgen project new" in result.stderr


def test_stated_constraints_hold_for_a_catalogue_too(run_molgen: RunMolgen, tmp_path: Path, project: Path) -> None:
    ask = ("propose", "--project", project, "-n", 50, "--library", tmp_path / "stock.csv", "--constraint", "mw <= 350")
    result = run_molgen(*ask)
    assert result.exit_code == 0, result.stderr
    weights = [CalcExactMolWt(parse(row["smiles"]).mol) for row in read(project / "proposals" / "002.csv")]
    stock = [CalcExactMolWt(parse(row["smiles"]).mol) for row in read(tmp_path / "stock.csv")]
    assert weights
    assert max(weights) < 350 < max(stock)  # exact masses are below average ones


def test_picks_of_a_catalogue_keep_a_core(run_molgen: RunMolgen, tmp_path: Path, project: Path) -> None:
    ask = ("propose", "--project", project, "-n", 5, "--library", tmp_path / "stock.csv")
    result = run_molgen(*ask, "--core", "c1ccc(cc1)N1CCN(CC1)[*:1]")
    assert result.exit_code == 0, result.stderr
    core = Core.read("c1ccc(cc1)N1CCN(CC1)[*:1]")
    proposed = read(project / "proposals" / "002.csv")
    assert proposed
    assert all(core.is_kept(parse(row["smiles"]).mol) for row in proposed)
    result = run_molgen(*ask, "--core", "c1ccc(cc1)[*:1]", "--vary", "2")
    assert result.exit_code == 2
    assert "no open position 2" in result.stderr
