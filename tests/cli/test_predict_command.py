import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem
from scipy.stats import norm
from typer.testing import Result

import molgen
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]

QUERIES = ["c1ccccc1CCN1CCN(c2ccccc2)CC1", "OCC", "CCN(CC)CCNC(=O)c1ccc(N)cc1"]


@pytest.fixture(scope="module")
def assay() -> list[tuple[str, float]]:
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        rows = list(csv.DictReader(handle))[:60]
    return [(row["smiles"], float(row["y"])) for row in rows]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with an untrained predictor of two properties."""
    space = LatentSpace.load()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        predictor = Predictor(PredictorConfig(("pKi", "other"), space.size))
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    replace(space.model, predictor=predictor.eval()).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "ideas.csv"
    path.write_text("id,smiles\n" + "".join(f"q{i},{text}\n" for i, text in enumerate(QUERIES)) + "bad,C(\n")
    return path


@pytest.fixture
def known(tmp_path: Path, assay: list[tuple[str, float]]) -> Path:
    path = tmp_path / "known.csv"
    rows = [f"k{i},{smiles},{'>' if i == 0 else ''}{value},{i}\n" for i, (smiles, value) in enumerate(assay)]
    path.write_text("id,smiles,pKi,other\n" + "".join(rows))
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_row_i_of_the_output_is_row_i_of_the_input(
    run_molgen: RunMolgen, tmp_path: Path, data: Path, known: Path, checkpoint: Path
) -> None:
    output = tmp_path / "out.csv"
    result = run_molgen("predict", data, "--checkpoint", checkpoint, "--known", known, "-o", output)
    assert result.exit_code == 0, result.stderr
    rows = read_csv(output)
    assert [row["name"] for row in rows] == ["q0", "q1", "q2", "bad"]
    assert [row["smiles"] for row in rows[:3]] == [parse(text).smiles for text in QUERIES]
    assert rows[3]["reason"] == "not a SMILES"
    assert rows[3]["pKi_mean"] == rows[3]["nearest"] == ""
    mean, std = LatentSpace.load(checkpoint).predict_molecules(QUERIES)
    for i, row in enumerate(rows[:3]):
        for p, name in enumerate(("pKi", "other")):
            low, high = mean[i, p] - 1.6449 * std[i, p], mean[i, p] + 1.6449 * std[i, p]
            told = [float(row[f"{name}_{part}"]) for part in ("mean", "std", "lower", "upper")]
            assert told == pytest.approx([mean[i, p], std[i, p], low, high], rel=1e-3, abs=1e-3)
        assert 0.0 <= float(row["applicability"]) <= 1.0


def test_the_nearest_known_compound_is_that_of_brute_force(
    run_molgen: RunMolgen, tmp_path: Path, data: Path, known: Path, checkpoint: Path, assay: list[tuple[str, float]]
) -> None:
    output = tmp_path / "out.csv"
    assert run_molgen("predict", data, "--checkpoint", checkpoint, "--known", known, "-o", output).exit_code == 0
    bits = [fingerprint(parse(smiles).mol) for smiles, _ in assay]
    for row in read_csv(output)[:3]:
        similarities = [tanimoto(fingerprint(parse(row["smiles"], AS_IT_IS).mol), each) for each in bits]
        best = int(np.argmax(similarities))
        assert row["nearest"] == f"k{best}"
        assert float(row["nearest_similarity"]) == pytest.approx(similarities[best], abs=1e-5)
        assert row["nearest_pKi"].lstrip(">") == f"{assay[best][1]:.6g}"
        assert row["nearest_other"] == str(best)


def test_a_wider_interval_holds_more(run_molgen: RunMolgen, data: Path, checkpoint: Path, tmp_path: Path) -> None:
    widths = []
    for interval in (0.5, 0.99):
        output = tmp_path / f"{interval}.csv"
        options = ("--checkpoint", checkpoint, "--interval", interval, "--json")
        told = json.loads(run_molgen("predict", data, *options, "-o", output).stdout)
        widths.append(told["pKi_upper"][0] - told["pKi_lower"][0])
    assert widths[1] / widths[0] == pytest.approx(norm.ppf(0.995) / norm.ppf(0.75))


def test_an_sdf_holds_the_same(run_molgen: RunMolgen, tmp_path: Path, data: Path, checkpoint: Path) -> None:
    output = tmp_path / "out.sdf"
    assert run_molgen("predict", data, "--checkpoint", checkpoint, "-o", output).exit_code == 0
    mols = list(Chem.SDMolSupplier(str(output)))
    assert [Chem.MolToSmiles(mol) for mol in mols] == [parse(text).smiles for text in QUERIES]
    assert float(mols[0].GetProp("pKi_std")) > 0


def test_the_same_in_python_with_columns_in_and_out(checkpoint: Path) -> None:
    columns = molgen.predict({"smiles": [*QUERIES, "C("], "batch": [1, 2, 3, 4]}, checkpoint)
    assert repr(columns) == repr(molgen.predict([*QUERIES, "C("], str(checkpoint)))
    assert {len(values) for values in columns.values()} == {4}
    assert columns["reason"] == ["", "", "", "not a SMILES"]
    with pytest.raises(SpecError, match="no column 'structure'"):
        molgen.predict({"smiles": QUERIES}, checkpoint, smiles_column="structure")
    series = pytest.importorskip("pandas").Series([*QUERIES, "C("])
    assert repr(molgen.predict(series, checkpoint)) == repr(columns)


def test_a_checkpoint_that_predicts_nothing_says_how_to_fit_one(
    run_molgen: RunMolgen, tmp_path: Path, data: Path
) -> None:
    result = run_molgen("predict", data, "-o", tmp_path / "out.csv")
    assert result.exit_code == 2
    assert "predicts no property" in result.stderr
    assert "molgen fit" in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_file_without_molecules_ends_with_code_3(run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "bad.smi").write_text("C(\nXYZ\n")
    result = run_molgen("predict", tmp_path / "bad.smi", "--checkpoint", checkpoint, "-o", tmp_path / "out.csv")
    assert result.exit_code == 3
    assert "not a SMILES" in result.stderr
