import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from molgen.latent.nearest import nearest_molecules
from molgen.latent.space import LatentSpace
from molgen.latent.vectors import Vectors, read_vectors, write_vectors

RunMolgen = Callable[..., Result]

SMILES = ["CCO", "c1ccccc1O", "CC(=O)[O-]", "C[C@H](N)C(=O)O", "CCCCCC"]


@pytest.fixture
def checkpoint(tmp_path: Path, save_tiny: Callable[..., None]) -> Path:
    """A small untrained model of all tokens of SMILES."""
    path = tmp_path / "tiny.safetensors"
    save_tiny(path, SMILES)
    return path


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    path = tmp_path / "molecules.smi"
    path.write_text("\n".join([*SMILES[:2], "C(", "[Xe]", *SMILES[2:], "OCC"]) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_row_i_of_the_output_belongs_to_row_i_of_the_input(
    run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path, molecules: Path, suffix: str
) -> None:
    output, rejects = tmp_path / f"z{suffix}", tmp_path / "rejects.csv"
    result = run_molgen("encode", molecules, "-o", output, "--checkpoint", checkpoint, "--rejects", rejects)
    assert result.exit_code == 0, result.stderr
    vectors = read_vectors(output)
    assert vectors.smiles == ("CCO", "Oc1ccccc1", "", "[Xe]", *SMILES[2:], "CCO")
    assert np.isnan(vectors.z).all(axis=1).tolist() == [False, False, True, True, False, False, False, False]
    np.testing.assert_allclose(vectors.z[0], vectors.z[-1], atol=1e-5)  # the same molecule, written otherwise
    wanted = LatentSpace.load(checkpoint).encode(["c1ccccc1O"])
    np.testing.assert_allclose(vectors.z[1:2], wanted, atol=1e-5)
    assert rejects.read_text().splitlines() == [
        "line,text,reason",
        "3,C(,not a SMILES",
        "4,[Xe],unknown token [Xe]",
    ]
    assert "6 of 8 rows; left out: 1 x not a SMILES, 1 x unknown token [Xe]" in result.stderr


def test_standardisation_is_what_the_options_say(run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path) -> None:
    salts = tmp_path / "salts.smi"
    salts.write_text("CC(=O)[O-].CCO\n")
    seen = {}
    for name, options in {"default": (), "neutral": ("--charge", "neutralise")}.items():
        output = tmp_path / f"{name}.npz"
        assert run_molgen("encode", salts, "-o", output, "--checkpoint", checkpoint, *options).exit_code == 0
        seen[name] = read_vectors(output).smiles
    assert seen == {"default": ("CC(=O)[O-]",), "neutral": ("CC(=O)O",)}


@pytest.mark.parametrize("suffix", [".smi", ".csv"])
def test_decoding_keeps_the_order_too(
    run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path, molecules: Path, suffix: str
) -> None:
    run_molgen("encode", molecules, "-o", tmp_path / "z.npz", "--checkpoint", checkpoint)
    output = tmp_path / f"back{suffix}"
    result = run_molgen("decode", tmp_path / "z.npz", "-o", output, "--checkpoint", checkpoint)
    assert result.exit_code == 0, result.stderr
    wanted = [text or "" for text in LatentSpace.load(checkpoint).decode(read_vectors(tmp_path / "z.npz").z)]
    assert wanted[2] == wanted[3] == ""
    rows = output.read_text().split("\n")
    if suffix == ".csv":
        assert rows == ["row,smiles", *(f"{i},{text}" for i, text in enumerate(wanted, 1)), ""]
    else:
        assert rows == [*wanted, ""]


def test_nearest_molecules_are_those_of_the_library(run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path) -> None:
    points = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    write_vectors(tmp_path / "z.csv", Vectors(points, ("", "", "")))
    arguments = ("decode", tmp_path / "z.csv", "-o", tmp_path / "back.smi", "--checkpoint", checkpoint, "--nearest")
    assert run_molgen(*arguments, "--seed", 5).exit_code == 0
    found = nearest_molecules(LatentSpace.load(checkpoint), points, 5)
    assert (tmp_path / "back.smi").read_text().split("\n") == [*(text or "" for text in found), ""]
    both = run_molgen(*arguments, "--temperature", 1, "--force")
    assert (both.exit_code, "temperature" in both.stderr) == (2, True)


def test_where_nothing_comes_out_the_exit_code_is_3(run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path) -> None:
    write_vectors(tmp_path / "z.csv", Vectors(np.full((2, 6), np.nan, np.float32), ("", "")))
    result = run_molgen("decode", tmp_path / "z.csv", "-o", tmp_path / "back.smi", "--checkpoint", checkpoint)
    assert result.exit_code == 3
    assert (tmp_path / "back.smi").read_text() == "\n\n"


def test_samples_are_the_seed_s(run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path) -> None:
    def sample(*options: object) -> str:
        result = run_molgen("sample", "-n", 50, "--checkpoint", checkpoint, "--temperature", 1, *options)
        assert result.exit_code == 0, result.stderr
        assert "50 points: " in result.stderr
        return str(result.stdout)

    first = sample("--seed", 1)
    assert first == sample("--seed", 1) != sample("--seed", 2)
    report = json.loads(sample("--seed", 1, "--json"))
    assert report.pop("smiles") == first.splitlines()
    assert json.loads(sample("--seed", 1, "--json", "-o", tmp_path / "s.smi")) == report
    assert (tmp_path / "s.smi").read_text() == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("encode", "{molecules}", "-o", "{folder}/z.pkl"), "must end in one of .npz, .csv, .parquet"),
        (("encode", "{molecules}", "-o", "{folder}/absent/z.npz"), "its folder does not exist"),
        (("encode", "{folder}/absent.smi", "-o", "{folder}/z.npz"), "absent.smi"),
        (("encode", "{bad}", "-o", "{folder}/z.npz"), "none of 2 rows can be used"),
        (("encode", "{molecules}", "-o", "{molecules}"), "is read by this command"),
        (("encode", "{molecules}", "-o", "{folder}/there.csv"), "exists already"),
        (("decode", "{other}", "-o", "{folder}/b.smi"), "belongs to the checkpoint abab"),
        (("decode", "{narrow}", "-o", "{folder}/b.smi"), "has 2 dimensions, the checkpoint 6"),
        (("decode", "{molecules}", "-o", "{folder}/b.smi"), "must end in one of"),
        (("decode", "{folder}/there.csv", "-o", "{folder}/b.smi"), "does not hold latent vectors"),
        (("decode", "{narrow}", "-o", "{folder}/b.sdf"), "must end in .smi or .csv"),
        (("sample", "-n", "3", "-o", "{folder}/there.csv"), "exists already"),
        (("sample", "-n", "0"), "-n"),
        (("sample", "-n", "3", "--device", "abacus"), "device: must be"),
        (("sample", "-n", "3", "--executor", "local"), "executor: 'local' is no executor"),
        (("sample", "-n", "3", "--executor", "local:2", "--where", "qed > 0.5"), "executor: cannot be used"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path, molecules: Path, arguments: tuple[str, ...], words: str
) -> None:
    files = {"molecules": molecules, "folder": tmp_path}
    files |= {name: tmp_path / f"{name}.npz" for name in ("other", "narrow")} | {"bad": tmp_path / "bad.smi"}
    write_vectors(files["other"], Vectors(np.zeros((1, 6), np.float32), ("C",), "ab" * 32))
    write_vectors(files["narrow"], Vectors(np.zeros((1, 2), np.float32), ("C",)))
    files["bad"].write_text("C(\nN(\n")
    (tmp_path / "there.csv").write_text("mine\n")
    filled = [argument.format(**files) for argument in arguments]
    result = run_molgen(*filled, "--checkpoint", checkpoint)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert (tmp_path / "there.csv").read_text() == "mine\n"


def test_force_replaces(run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path, molecules: Path) -> None:
    (tmp_path / "z.npz").write_text("mine")
    arguments = ("encode", molecules, "-o", tmp_path / "z.npz", "--checkpoint", checkpoint)
    assert run_molgen(*arguments).exit_code == 2
    assert run_molgen(*arguments, "--force").exit_code == 0
    assert len(read_vectors(tmp_path / "z.npz")) == 8
