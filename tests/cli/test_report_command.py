"""`molgen report` on the three kinds of folders that it knows."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import molgen
from molgen.model.vae import Vae, VaeConfig
from molgen.project.curated_file import write_compounds
from molgen.project.curation import Compound
from molgen.project.folder import MEASUREMENTS, ProjectFolder, ProjectSpec
from molgen.project.replicates import Label
from molgen.run import RunFolder, file_digest
from molgen.search import ledger
from molgen.search.ledger import Evaluation, Ledger
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train import log
from molgen.train.loop import make_model

RunMolgen = Callable[..., Result]


def make_campaign(path: Path) -> Path:
    checkpoint = path.with_suffix(".safetensors")
    make_model(Vocabulary(("[C]", "[O]")), Vae(VaeConfig(5, latent_size=4, encoder_size=8, decoder_size=8)), 9).save(
        checkpoint
    )
    facts = {"checkpoint": {"path": str(checkpoint), "sha256": file_digest(checkpoint)}}
    with RunFolder.begin(path, {"maximize": ["qed"]}, (ledger.NAME,), facts=facts):
        lines = [Evaluation(i, "C" * i, {"qed": i / 9}, {"qed": i / 9}, i / 9, 0.0, math.nan, "") for i in range(1, 9)]
        Ledger(path / ledger.NAME, ["qed"], ["qed"]).begin(lines)
    return path


def make_training(path: Path) -> Path:
    with RunFolder.begin(path, {"data": ["a.csv"], "epochs": 2.0}, (log.NAME, "report.json")):
        rows = [(1, 0.5, 3.0, 3.5, "nan"), (2, 1.0, 2.0, 2.5, 0.25)]
        header = "step,epoch,seconds,train_loss,validation_loss,validation_exact\n"
        lines = [f"{step},{epoch},{30 * step},{train},{held},{exact}\n" for step, epoch, train, held, exact in rows]
        (path / log.NAME).write_text(header + "".join(lines))
        fit = {"name": "pKi", "n": 5, "r2": 0.42, "rmse": None}
        result = {"training_molecules": 1234, "validation_molecules": 56, "split": "random", "predictor": [fit]}
        result |= {"reconstruction": {"exact": 0.25}, "measured_on": "molecules kept out"}
        (path / "report.json").write_text(json.dumps(result))
    return path


def make_project(path: Path) -> Path:
    folder = ProjectFolder.create(path, ProjectSpec("pKi", "maximize", "", "0" * 64, 0))
    compounds = [Compound(f"c{n}", "C" * n, (n,), {"pKi": Label(5.0 + n)}) for n in range(1, 4)]
    write_compounds(path / MEASUREMENTS, compounds, ["pKi"])
    folder.append("new", {"compounds": 3}, [path / "project.toml", path / MEASUREMENTS])
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_campaign, ["Campaign", "best total", "MG-000008", "CCCCCCCC", "Properties of the candidates"]),
        (make_training, ["Training", "1,234", "25.0%", "R2 of pKi", "0.42", "validation"]),
        (make_project, ["Project: maximize pKi", "compounds measured", "CCC", "SHA-256"]),
    ],
)
def test_a_page_tells_of_what_lies_in_the_folder(
    tmp_path: Path, run_molgen: RunMolgen, make: Callable[[Path], Path], words: list[str]
) -> None:
    folder = make(tmp_path / "work")
    before = {entry: entry.read_bytes() for entry in folder.rglob("*") if entry.is_file()}
    result = run_molgen("report", folder, "-o", tmp_path / "report.html")
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "report.html").read_text()
    assert all(word in page for word in ["work", "Provenance", *words])
    assert {entry: entry.read_bytes() for entry in folder.rglob("*") if entry.is_file()} == before
    size = float(result.stdout.split()[-2])
    assert size == pytest.approx(len(page) / 1e6, abs=0.005)


def test_what_is_wrong_is_told(tmp_path: Path, run_molgen: RunMolgen) -> None:
    folder = make_campaign(tmp_path / "work")
    assert "must end in .html" in run_molgen("report", folder, "-o", tmp_path / "report.pdf").stderr
    assert "is not a molgen run" in run_molgen("report", tmp_path, "-o", tmp_path / "report.html").stderr
    (tmp_path / "work.safetensors").unlink()
    result = run_molgen("report", folder, "-o", tmp_path / "report.html")
    assert result.exit_code == 2
    assert "--checkpoint" in result.stderr
    assert not (tmp_path / "report.html").exists()


def test_python_gives_the_candidates_that_the_page_shows(tmp_path: Path) -> None:
    listing = molgen.candidates(make_campaign(tmp_path / "work"), top=3)
    assert isinstance(listing, molgen.Listing)
    assert listing.smiles == tuple("C" * n for n in (8, 7, 6))
    assert listing.columns["qed"] == pytest.approx((8 / 9, 7 / 9, 6 / 9))
    assert listing.columns["id"] == ("MG-000008", "MG-000007", "MG-000006")
