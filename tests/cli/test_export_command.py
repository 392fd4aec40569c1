"""`molgen export`, from a campaign's folder to a file, through the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from rdkit import Chem
from typer.testing import Result

from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.run import RunFolder, file_digest
from molgen.search.ledger import NAME, Evaluation, Ledger
from molgen.tokens.selfies_vocabulary import Vocabulary, split, to_selfies
from molgen.train.loop import make_model

RunMolgen = Callable[..., Result]

SMILES = [
    parse(text).smiles
    for text in (
        "CCO",
        "CC(=O)Oc1ccccc1C(=O)O",
        "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
        "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
        "O=C1CSC(=S)N1",
        "CNC(C)=O",
        "Clc1ccccc1",
        "C1CCNCC1",
    )
]


def save_checkpoint(path: Path) -> Path:
    """An untrained model that knows the tokens of `SMILES`."""
    tokens = {token for text in SMILES for token in split(to_selfies(text))}
    vocabulary = Vocabulary(tuple(sorted(tokens)))
    sizes = VaeConfig(len(vocabulary), latent_size=4, encoder_size=8, decoder_size=8)
    model = make_model(vocabulary, Vae(sizes), 64, Predictor(PredictorConfig(("pKi",), 4, hidden_size=4)))
    model.save(path)
    return path


def score(index: int, smiles: str, violation: float = 0.0) -> Evaluation:
    qed = DESCRIPTORS["qed"].function(parse(smiles).mol)
    parent = SMILES[0] if index > 1 else ""
    return Evaluation(index, smiles, {"qed": qed}, {"qed": qed}, qed, violation, math.nan, parent)


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """A finished campaign's folder, its checkpoint beside it, the last molecule not feasible."""
    checkpoint = save_checkpoint(tmp_path / "model.safetensors")
    facts = {"checkpoint": {"path": str(checkpoint), "sha256": file_digest(checkpoint)}}
    with RunFolder.begin(tmp_path / "run", {"maximize": ["qed"]}, (NAME,), facts=facts):
        ledger = Ledger(tmp_path / "run" / NAME, ["qed"], ["qed"])
        ledger.begin(score(i, text, float(i == len(SMILES))) for i, text in enumerate(SMILES, 1))
    return tmp_path / "run"


@pytest.mark.parametrize("option", [[], ["--diverse"], ["--2d"]])
def test_a_campaign_becomes_an_sdf(campaign: Path, tmp_path: Path, run_molgen: RunMolgen, option: list[str]) -> None:
    result = run_molgen("export", campaign, "-o", tmp_path / "c.sdf", "--top", 4, *option)
    assert result.exit_code == 0, result.stderr
    mols = list(Chem.SDMolSupplier(str(tmp_path / "c.sdf")))
    assert len({Chem.MolToSmiles(mol) for mol in mols}) == 4
    for rank, mol in enumerate(mols, 1):
        values = {name: mol.GetProp(name) for name in mol.GetPropNames()}
        assert all(values.values())
        assert Chem.MolToSmiles(mol) == values["smiles"]
        assert SMILES[int(values["id"].removeprefix("MG-")) - 1] == values["smiles"]
        assert (values["rank"], values["is_novel"]) == (str(rank), "true")
        assert values["coordinates"] == ("2D" if option == ["--2d"] else "3D")
        assert math.isfinite(float(values["predicted_pKi_mean"]))
        assert float(values["predicted_pKi_std"]) > 0
    assert f"{tmp_path / 'c.sdf'}: 4 candidates" in result.stdout
    assert mols[0].GetProp("smiles") in result.stdout
    assert "left out 1: a constraint is not met" in result.stderr


@pytest.mark.parametrize("suffix", [".csv", ".smi"])
def test_tables_are_written_by_suffix(campaign: Path, tmp_path: Path, run_molgen: RunMolgen, suffix: str) -> None:
    path = tmp_path / f"c{suffix}"
    assert run_molgen("export", campaign, "-o", path).exit_code == 0
    lines = path.read_text().splitlines()
    assert len(lines) == len(SMILES) - 1 + (suffix == ".csv")


def test_the_same_command_makes_the_same_bytes(campaign: Path, tmp_path: Path, run_molgen: RunMolgen) -> None:
    for name in ("a.sdf", "b.sdf"):
        assert run_molgen("export", campaign, "-o", tmp_path / name, "--seed", 7).exit_code == 0
    assert (tmp_path / "a.sdf").read_bytes() == (tmp_path / "b.sdf").read_bytes()


def test_json_tells_what_was_written_and_what_was_not(campaign: Path, tmp_path: Path, run_molgen: RunMolgen) -> None:
    result = run_molgen("export", campaign, "-o", tmp_path / "c.csv", "--json")
    assert json.loads(result.stdout) == {
        "file": str(tmp_path / "c.csv"),
        "candidates": len(SMILES) - 1,
        "left_out": {"a constraint is not met, or an objective has no value": 1},
        "without_3d": 0,
        "measure_fields": {
            "qed": "qed",
            "desirability_qed": "desirability qed",
            "predicted_pKi_mean": "predicted pKi mean",
            "predicted_pKi_std": "predicted pKi std",
        },
        "poses": {},
    }


def test_an_existing_file_is_only_replaced_by_force(campaign: Path, tmp_path: Path, run_molgen: RunMolgen) -> None:
    path = tmp_path / "c.smi"
    path.write_text("precious")
    refused = run_molgen("export", campaign, "-o", path)
    assert (refused.exit_code, path.read_text()) == (2, "precious")
    assert "--force" in refused.stderr
    assert run_molgen("export", campaign, "-o", path, "--force").exit_code == 0
    assert path.read_text() != "precious"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c.xyz", ".sdf, .csv, .smi, .svg or .png"),
        ("missing/c.sdf", "folder does not exist"),
        ("folder.sdf", "is a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_at_once(
    campaign: Path, tmp_path: Path, run_molgen: RunMolgen, name: str, message: str
) -> None:
    (tmp_path / "folder.sdf").mkdir()
    result = run_molgen("export", campaign, "-o", tmp_path / name, "--force")
    assert result.exit_code == 2
    assert message in result.stderr


def test_what_is_no_campaign_is_refused(tmp_path: Path, run_molgen: RunMolgen) -> None:
    result = run_molgen("export", tmp_path, "-o", tmp_path / "c.sdf")
    assert result.exit_code == 2
    assert "not a molgen run" in result.stderr


def test_a_training_folder_has_no_ledger_and_is_refused(tmp_path: Path, run_molgen: RunMolgen) -> None:
    with RunFolder.begin(tmp_path / "run", {}, ()):
        pass
    result = run_molgen("export", tmp_path / "run", "-o", tmp_path / "c.sdf")
    assert result.exit_code == 2
    assert NAME in result.stderr


def test_a_campaign_without_a_feasible_molecule_has_an_exit_code_of_its_own(
    campaign: Path, tmp_path: Path, run_molgen: RunMolgen
) -> None:
    Ledger(campaign / NAME, ["qed"], ["qed"]).begin([score(1, "CCO", violation=1.0)])
    result = run_molgen("export", campaign, "-o", tmp_path / "c.sdf")
    assert result.exit_code == 3
    assert not (tmp_path / "c.sdf").exists()


def test_a_checkpoint_that_moved_can_be_named(campaign: Path, tmp_path: Path, run_molgen: RunMolgen) -> None:
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"model{suffix}").rename(tmp_path / f"moved{suffix}")
    lost = run_molgen("export", campaign, "-o", tmp_path / "c.csv")
    assert lost.exit_code == 2
    assert "--checkpoint" in lost.stderr
    found = run_molgen("export", campaign, "-o", tmp_path / "c.csv", "--checkpoint", tmp_path / "moved.safetensors")
    assert found.exit_code == 0


def test_another_checkpoint_is_refused(campaign: Path, tmp_path: Path, run_molgen: RunMolgen) -> None:
    other = save_checkpoint(tmp_path / "other.safetensors")
    result = run_molgen("export", campaign, "-o", tmp_path / "c.csv", "--checkpoint", other)
    assert result.exit_code == 2
    assert "not the checkpoint that the campaign used" in result.stderr


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"checkpoint": 7}', '{"checkpoint": {"path": 1}}'])
def test_a_manifest_that_names_no_checkpoint_is_refused(
    campaign: Path, tmp_path: Path, run_molgen: RunMolgen, manifest: str
) -> None:
    (campaign / "manifest.json").write_text(manifest)
    result = run_molgen("export", campaign, "-o", tmp_path / "c.csv")
    assert result.exit_code == 2
    assert "manifest.json" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--poses"], "no docking score"), (["--poses", "--2d"], "without --2d"), (["--check-poses"], "Add --poses")],
)
def test_poses_need_a_docking_score_and_three_dimensions(
    campaign: Path, run_molgen: RunMolgen, tmp_path: Path, options: list[str], message: str
) -> None:
    result = run_molgen("export", str(campaign), "-o", str(tmp_path / "c.sdf"), *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "c.sdf").exists()
