import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from molgen.chem.sampling import draw_items

RunMolgen = Callable[..., Result]

SMILES = ["CCO", "c1ccccc1O", "CC(=O)O", "CCCCCC", "CCN", "CCCN"]


@pytest.fixture
def checkpoint(tmp_path: Path, save_tiny: Callable[..., None]) -> Path:
    """A small untrained model of all tokens of SMILES that claims to predict `y` and `other`."""
    path = tmp_path / "tiny.safetensors"
    save_tiny(path, SMILES, properties=("y", "other"))
    return path


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    path = tmp_path / "molecules.csv"
    rows = [f"{text},{i}" for i, text in enumerate([*SMILES, "C(", "CCBr"])]
    path.write_text("\n".join(["smiles,y", *rows]) + "\n")
    return path


def test_one_report_of_everything(run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path, molecules: Path) -> None:
    arguments = ("evaluate", molecules, "--checkpoint", checkpoint, "--samples", 20)
    result = run_molgen(*arguments, "--json", "--rejects", tmp_path / "rejects.csv")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["reconstruction"]["n"], report["reconstruction"]["encodable"]) == (7, 6 / 7)
    assert report["samples"]["n"] == 20
    assert [(fit["name"], fit["n"]) for fit in report["predictor"]] == [("y", 6)]  # `other` is not in the file
    assert "8,C(,not a SMILES" in (tmp_path / "rejects.csv").read_text()
    assert report["geometry"]["n"] == 6
    assert (report["neighbourhood"]["n"], report["nearest"]) == (6, None)
    figure = tmp_path / "report.svg"
    tables = run_molgen(*arguments, "--figure", figure)
    assert "Tanimoto distance" in figure.read_text()
    again = run_molgen(*arguments, "--figure", figure)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert "7 molecules, 85.71% of them encodable" in tables.stdout
    assert "fitted predictor" in tables.stdout


def test_nearest_molecules_are_reported_beside_what_is_decoded_greedily(
    run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path
) -> None:
    (tmp_path / "one.smi").write_text("CCCCCC\n")
    result = run_molgen("evaluate", tmp_path / "one.smi", "--checkpoint", checkpoint, "--samples", 5, "--nearest")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.replace("\n", " ").count("distance of a decoded molecule to its point") == 2


def test_a_limit_draws_rows_by_the_seed(run_molgen: RunMolgen, checkpoint: Path, molecules: Path) -> None:
    def report(seed: int) -> str:
        options = ("--samples", 5, "--limit", 4, "--seed", seed, "--json")
        return str(run_molgen("evaluate", molecules, "--checkpoint", checkpoint, *options).stdout)

    first = report(1)
    assert report(1) == first
    assert report(2) != first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--property", "pKi"), "does not predict 'pKi'; it predicts y, other"),
        (("--property", "other"), "other"),
        (("--smiles-column", "nope"), "nope"),
        (("--samples", "0"), "--samples"),
        (("--prior", "flow"), "--epochs 0 --prior flow"),
        (("--figure", "report.docx"), "must end in one of .svg, .png, .pdf"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    run_molgen: RunMolgen, checkpoint: Path, molecules: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = run_molgen("evaluate", molecules, "--checkpoint", checkpoint, *arguments)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_checkpoint_is_refused(run_molgen: RunMolgen, checkpoint: Path, molecules: Path) -> None:
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(bytes(content))
    result = run_molgen("evaluate", molecules, "--checkpoint", checkpoint)
    assert (result.exit_code, "SHA-256" in result.stderr) == (2, True)


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 5))
def test_what_is_drawn_is_a_subset_in_order(n: int, limit: int, seed: int) -> None:
    chosen = draw_items(range(n), limit, seed)
    assert chosen == sorted(set(chosen) & set(range(n)))
    assert len(chosen) == min(n, limit)
    assert chosen == draw_items(range(n), limit, seed)
    assert draw_items(range(n), None, seed) == list(range(n))


def test_each_item_is_drawn_equally_often() -> None:
    counts = [0] * 10
    for seed in range(2000):
        for item in draw_items(range(10), 3, seed):
            counts[item] += 1
    assert all(abs(count - 600) < 100 for count in counts)  # 5 standard deviations
