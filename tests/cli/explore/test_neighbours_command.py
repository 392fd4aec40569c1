import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import Result

from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]

QUERY = "CC(=O)Nc1ccc(O)cc1"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Molecules that ship, and the query twice."""
    path = tmp_path / "library.smi"
    smiles = (find_shipped("data") / "moses_sample.csv").read_text().split()[1:200]
    path.write_text("\n".join([*smiles, f"{QUERY} paracetamol", "Oc1ccc(NC(C)=O)cc1 again"]) + "\n")
    return path


@pytest.fixture
def index(run_molgen: RunMolgen, library: Path) -> Path:
    output = library.with_suffix(".safetensors")
    assert run_molgen("index", library, "-o", output).exit_code == 0
    return output


def test_an_index_and_its_molecules_give_the_same(run_molgen: RunMolgen, library: Path, index: Path) -> None:
    told = {}
    for source in (library, index):
        result = run_molgen("explore", "neighbours", QUERY, "--library", source, "-n", 6, "--json")
        assert result.exit_code == 0, result.stderr
        told[source.suffix] = json.loads(result.stdout)
    assert told[".smi"] == told[".safetensors"]
    molecules = told[".smi"]["molecules"]
    assert (told[".smi"]["query"], told[".smi"]["n_library"], len(molecules)) == (QUERY, 201, 6)
    first, *others = molecules
    assert (first["smiles"], first["name"], first["tanimoto"]) == (QUERY, "paracetamol", 1.0)
    assert first["distance"] < 0.01
    assert QUERY not in {each["smiles"] for each in others}
    assert [each["distance"] for each in molecules] == sorted(each["distance"] for each in molecules)
    for each in others:
        own = fingerprint(parse(each["smiles"]).mol)
        assert each["tanimoto"] == pytest.approx(tanimoto(own, fingerprint(parse(QUERY).mol)))
        assert {"qed", "logp", "mw"} <= set(each)


def test_neighbours_keep_all_bounds(run_molgen: RunMolgen, index: Path, tmp_path: Path) -> None:
    arguments = ("explore", "neighbours", QUERY, "--library", index, "-n", 100, "--json")
    plain = json.loads(run_molgen(*arguments).stdout)["molecules"]
    result = run_molgen(*arguments, "--where", "1 < logp < 3", "--where", "tpsa < 60", "-o", tmp_path / "near.csv")
    assert result.exit_code == 0, result.stderr
    kept = json.loads(result.stdout)["molecules"]
    assert all(1 < each["logp"] < 3 and each["tpsa"] < 60 for each in kept)
    assert 0 < len(kept) < 100
    wanted = [each["smiles"] for each in plain if 1 < each["logp"] < 3]
    assert [each["smiles"] for each in kept if each["smiles"] in wanted] == [
        text for text in wanted if text in {each["smiles"] for each in kept}
    ]
    assert (tmp_path / "near.csv").read_text().count("\n") == len(kept) + 1
    none = run_molgen(*arguments, "--where", "mw > 5000")
    assert none.exit_code == 3
    assert "none of the 201 nearest" in none.stderr


def test_an_index_of_another_checkpoint_is_refused(run_molgen: RunMolgen, index: Path, tmp_path: Path) -> None:
    told = {"format": "molgen-index-1", "checkpoint_sha256": "0123456789abcdef"}
    save_file(load_file(index), tmp_path / "other.safetensors", told)
    result = run_molgen("explore", "neighbours", QUERY, "--library", tmp_path / "other.safetensors")
    assert result.exit_code == 2
    assert "was made with the checkpoint 0123456789ab" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((QUERY,), "nothing to search is given"),
        (("C(",), "not a SMILES"),
        (("[Xe]",), "cannot be encoded"),
        ((QUERY, "--where", "beauty > 1"), "beauty"),
    ],
)
def test_wrong_usage_is_told(run_molgen: RunMolgen, library: Path, arguments: tuple[str, ...], reason: str) -> None:
    source = () if "nothing" in reason else ("--library", library)
    result = run_molgen("explore", "neighbours", *arguments, *source)
    assert result.exit_code == 2, result.stderr
    assert reason in result.stderr
