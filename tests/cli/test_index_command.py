from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.explore.index import Index
from molgen.latent.space import LatentSpace

RunMolgen = Callable[..., Result]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    smi, table = tmp_path / "a.smi", tmp_path / "b.csv"
    smi.write_text("CCO ethanol\nC(\n[Xe]\nc1ccccc1 benzene\n")
    table.write_text("id,smiles\nx,CC(=O)[O-].[Na+]\n")
    return [smi, table]


def test_files_become_one_index(run_molgen: RunMolgen, tmp_path: Path, files: list[Path]) -> None:
    output, rejects = tmp_path / "i.safetensors", tmp_path / "rejects.csv"
    result = run_molgen("index", *files, "-o", output, "--rejects", rejects)
    assert result.exit_code == 0, result.stderr
    index = Index.open(output)
    assert [index.smiles[row] for row in range(len(index))] == ["CCO", "c1ccccc1", "CC(=O)[O-].[Na+]"]
    assert index.names is not None
    assert [index.names[row] for row in range(len(index))] == ["ethanol", "benzene", "x"]
    assert index.checkpoint_sha256 == LatentSpace.load().model.digest
    assert "3 of 5 rows; left out: 1 x not a SMILES, 1 x unknown token [Xe]" in result.stderr
    assert rejects.read_text().splitlines()[1:] == ["2,C(,not a SMILES", "3,[Xe],unknown token [Xe]"]


def test_nothing_is_replaced_unasked(run_molgen: RunMolgen, tmp_path: Path, files: list[Path]) -> None:
    output = tmp_path / "i.safetensors"
    output.write_text("mine")
    result = run_molgen("index", *files, "-o", output)
    assert (result.exit_code, output.read_text()) == (2, "mine")
    assert "--force" in result.stderr
    assert run_molgen("index", *files, "-o", output, "--force").exit_code == 0
    assert len(Index.open(output)) == 3


def test_an_index_ends_in_safetensors(run_molgen: RunMolgen, tmp_path: Path, files: list[Path]) -> None:
    result = run_molgen("index", *files, "-o", tmp_path / "i.npz")
    assert result.exit_code == 2
    assert "must end in .safetensors" in result.stderr


def test_a_library_of_nothing_is_an_error(run_molgen: RunMolgen, tmp_path: Path) -> None:
    (tmp_path / "bad.smi").write_text("C(\n")
    result = run_molgen("index", tmp_path / "bad.smi", "-o", tmp_path / "i.safetensors")
    assert result.exit_code == 2
    assert "none of 1 rows can be used" in result.stderr
    assert not (tmp_path / "i.safetensors").exists()
