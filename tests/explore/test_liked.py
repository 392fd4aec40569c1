"""Files of likes and dislikes: what is written comes back, and a campaign follows them while they do not change."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from molgen.errors import FileError, SpecError
from molgen.explore.liked import read_likes, read_liking, write_likes
from molgen.latent.space import LatentSpace

LIKES = {"CC(=O)Nc1ccc(O)cc1": True, "CCCCCCCC": False, "COc1ccc(NC(C)=O)cc1": True}


@pytest.fixture(scope="module")
def space(tiny_checkpoint: Path) -> LatentSpace:
    return LatentSpace.load(tiny_checkpoint)


def test_what_is_written_comes_back_and_the_last_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "likes.csv"
    write_likes(path, LIKES)
    assert read_likes(path) == LIKES
    with path.open("a") as handle:
        handle.write("C(,1\nOc1ccc(NC(C)=O)cc1,0\n")
    assert read_likes(path) == {**LIKES, "CC(=O)Nc1ccc(O)cc1": False}


@pytest.mark.parametrize("label", ["2", "", "0.5"])
def test_another_label_is_refused_with_its_line(tmp_path: Path, label: str) -> None:
    path = tmp_path / "likes.csv"
    path.write_text(f"smiles,liked\nCCO,1\nCCN,{label}\n")
    with pytest.raises(FileError, match="line 3: liked must be 1 or 0"):
        read_likes(path)


def test_the_liked_are_preferred_and_what_cannot_be_encoded_has_no_value(space: LatentSpace, tmp_path: Path) -> None:
    path = tmp_path / "likes.csv"
    write_likes(path, {**LIKES, "[U]": True})
    values = read_liking(space, path)([*LIKES, "[U]"])
    assert values[0] > 0.5 < values[2]
    assert values[1] < -0.5
    assert np.isnan(values[3])
    write_likes(path, {"CCO": False})
    with pytest.raises(SpecError, match="no liked molecule"):
        read_liking(space, path)


def test_a_campaign_follows_likes_and_resumes_with_the_same_only(
    run_molgen: Callable[..., Result], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    likes, out = tmp_path / "likes.csv", tmp_path / "run"
    write_likes(likes, LIKES)
    arguments = ["--maximize", f"liked:{likes}", "--maximize", "qed", "--start", "CC(=O)Nc1ccc(O)cc1", "--budget", 4]
    result = run_molgen("campaign", *arguments, "--checkpoint", tiny_checkpoint, "--out", out)
    assert result.exit_code == 0, result.stderr
    header, *rows = (out / "evaluations.csv").read_text().splitlines()
    assert f"liked:{likes}" in header
    assert len(rows) == 4
    write_likes(likes, {**LIKES, "CCO": True})
    again = run_molgen("campaign", "--resume", out, "--budget", 6)
    assert again.exit_code != 0
    assert "likes" in again.stderr
