import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.chem.molecule import fingerprint, parse, tanimoto

RunMolgen = Callable[..., Result]

LIKED = ["CC(=O)Nc1ccc(O)cc1", "CCC(=O)Nc1ccc(O)cc1", "COc1ccc(NC(C)=O)cc1"]
DISLIKED = ["CCCCCCCC", "CCCCCCCCO"]
LIBRARY = [*LIKED, *DISLIKED, "CC(=O)Nc1ccc(F)cc1", "Fc1ccc(NC(C)=O)cc1", "CCCCCCC", "CCCCCCCCN", "O=C1CCCN1"]


@pytest.fixture
def like(tmp_path: Path) -> Path:
    path = tmp_path / "like.smi"
    path.write_text("\n".join([*LIKED, "[Xe]", LIKED[0]]) + "\n")
    return path


@pytest.fixture
def dislike(tmp_path: Path) -> Path:
    path = tmp_path / "dislike.smi"
    path.write_text("\n".join(DISLIKED) + "\n")
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library.smi"
    path.write_text("\n".join(LIBRARY) + "\n")
    return path


def test_a_library_is_ranked_by_preference(run_molgen: RunMolgen, like: Path, dislike: Path, library: Path) -> None:
    arguments = ("explore", "recommend", "--like", like, "--dislike", dislike, "--library", library, "--json")
    result = run_molgen(*arguments)
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["n_liked"], told["n_disliked"]) == (3, 2)
    molecules = told["molecules"]
    assert [each["smiles"] for each in molecules][:2] == ["CC(=O)Nc1ccc(F)cc1", "O=C1CCCN1"]  # the given are left out
    assert {each["smiles"] for each in molecules[2:]} == {"CCCCCCC", "CCCCCCCCN"}
    assert molecules[0]["preference"] > 0 > molecules[-1]["preference"]
    assert molecules[0]["nearest liked"] in LIKED
    bits = [fingerprint(parse(text).mol) for text in (molecules[0]["smiles"], molecules[0]["nearest liked"])]
    assert molecules[0]["tanimoto"] == pytest.approx(tanimoto(*bits))
    assert "4 of 5 rows; left out: 1 x unknown token [Xe]" in result.stderr
    index = library.with_suffix(".safetensors")
    assert run_molgen("index", library, "-o", index).exit_code == 0
    again = json.loads(run_molgen(*arguments[:7], index, "--json").stdout)
    assert [each["smiles"] for each in again["molecules"]] == [each["smiles"] for each in molecules]
    first = json.loads(run_molgen(*arguments, "-n", 1).stdout)["molecules"]
    assert first == molecules[:1]


def test_without_a_library_new_molecules_are_made(run_molgen: RunMolgen, like: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.smi"
    result = run_molgen("explore", "recommend", "--like", like, "-n", 4, "--seed", 1, "-o", output)
    assert result.exit_code == 0, result.stderr
    made = output.read_text().split()
    assert len(set(made)) == 4
    assert not set(made) & set(LIKED)
    assert all(parse(text).smiles == text for text in made)
    assert "New, from" in result.stdout


def test_a_profile_without_likes_is_refused(
    run_molgen: RunMolgen, dislike: Path, library: Path, tmp_path: Path
) -> None:
    (tmp_path / "none.smi").write_text("[Xe]\n")
    result = run_molgen("explore", "recommend", "--like", tmp_path / "none.smi", "--library", library)
    assert result.exit_code == 2
    assert "no liked molecule is given" in result.stderr
    assert "Like at least one molecule" in result.stderr


def test_a_library_of_nothing_new_gives_nothing(run_molgen: RunMolgen, like: Path, tmp_path: Path) -> None:
    (tmp_path / "known.smi").write_text(f"{LIKED[0]}\n")
    result = run_molgen("explore", "recommend", "--like", like, "--library", tmp_path / "known.smi")
    assert result.exit_code == 3
    assert "only the given molecules were found" in result.stderr
