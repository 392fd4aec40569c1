import csv
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import Result

from molgen.lock import LOCK
from molgen.model import checkpoint
from molgen.paths import find_shipped
from molgen.train.run import FILES
from molgen.train.spec import TrainingSpec

RunMolgen = Callable[..., Result]

SCRIPT = Path(sys.executable).parent / "molgen"
TINY = ("--latent-size", 8, "--encoder-size", 16, "--decoder-size", 16, "--batch-size", 32, "--threads", 1)


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    """Shipped molecules with their length as `size`, and one row that is none."""
    with (find_shipped("data") / "moses_sample.csv").open() as handle:
        smiles = [row["SMILES"] for _, row in zip(range(100), csv.DictReader(handle), strict=False)]
    path = tmp_path / "molecules.csv"
    path.write_text("\n".join(["smiles,size", *(f"{text},{len(text)}" for text in smiles), "C(,1"]) + "\n")
    return path


def test_from_a_file_to_a_model_and_a_report(run_molgen: RunMolgen, tmp_path: Path, molecules: Path) -> None:
    out, rejects = tmp_path / "run", tmp_path / "rejects.csv"
    result = run_molgen(
        "train", molecules, "--property", "size", "--epochs", 2, "--out", out, "--rejects", rejects, "--json", *TINY
    )
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report == json.loads((out / "report.json").read_text())
    assert [fit["name"] for fit in report["predictor"]] == ["size"]
    assert report["sha256"] == checkpoint.load(out / "model.safetensors").digest
    assert "of 101 rows; left out: " in result.stderr
    assert "102,C(,not a SMILES" in rejects.read_text()
    assert "active units" in result.stderr  # one line a validation where no terminal is


def test_too_few_molecules_to_keep_some_out_are_told(run_molgen: RunMolgen, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("smiles,y\n" + "".join(f"{'C' * n}O,{n}\n" for n in range(1, 7)))
    result = run_molgen("train", few, "--property", "y", "--epochs", 2, "--out", tmp_path / "run", *TINY)
    assert result.exit_code == 0, result.stderr
    assert "6 training molecules, too few to hold some out" in result.stdout
    assert "fitted predictor" not in result.stdout  # nothing was measured


def test_the_baseline_stands_beside_the_predictor(run_molgen: RunMolgen, tmp_path: Path, molecules: Path) -> None:
    arguments = ("--property", "size", "--split", "scaffold", "--baseline", "--epochs", 1)
    result = run_molgen("train", molecules, *arguments, "--out", tmp_path / "run", *TINY)
    assert result.exit_code == 0, result.stderr
    assert "Predictions, scaffold split" in result.stdout
    assert "fitted predictor" in result.stdout
    assert "Morgan + random forest" in result.stdout


def test_a_finished_run_resumes_to_the_same_report(run_molgen: RunMolgen, tmp_path: Path, molecules: Path) -> None:
    first = run_molgen("train", molecules, "--epochs", 1, "--out", tmp_path / "run", "--json", *TINY)
    again = run_molgen("train", "--resume", "--out", tmp_path / "run", "--json")
    same = run_molgen("train", molecules, "--epochs", 1, "--resume", "--out", tmp_path / "run", "--json", *TINY)
    assert (first.exit_code, again.exit_code, same.exit_code) == (0, 0, 0), again.stderr
    assert json.loads(first.stdout) == json.loads(again.stdout) == json.loads(same.stdout)


def test_what_a_flag_leaves_open_is_what_the_specification_does(app: Typer) -> None:
    (command,) = [c.callback for c in app.registered_commands if c.callback and c.callback.__name__ == "train"]
    flags = inspect.signature(command).parameters
    spec = TrainingSpec()
    names = TrainingSpec.__dataclass_fields__.keys() - {"licence"}  # unknown where it is not given
    assert names <= flags.keys()
    assert {n: flags[n].default or None for n in names} == {n: getattr(spec, n) or None for n in names}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--epochs", 1), "data: name at least one file"),
        (("absent.csv", "--epochs", 1), "absent.csv: is not a file"),
        (("{molecules}",), "epochs: the length of training is missing"),
        (("{molecules}", "--epochs", "nan"), "epochs: must be from"),
        (("{molecules}", "--epochs", 1, "--learning-rate", "inf"), "learning_rate: must be from"),
        (("{molecules}", "--epochs", 1, "--property", "sice"), "no file has a column 'sice'"),
        (("{molecules}", "--epochs", 1, "--property", "smiles"), "none of 101 rows can be used"),
        (("{molecules}", "--epochs", 1, "--smiles-column", "nope"), "nope"),
        (("{molecules}", "--epochs", 1, "--init", "{molecules}"), "is not a .safetensors file"),
        (("{molecules}", "--epochs", 1, "--init", "absent.safetensors"), "absent.json"),
        (("{junk}", "--epochs", 1), "not UTF-8 text"),
        (("{empty}", "--epochs", 1), "is empty"),
        (("--resume",), "is not a molgen run"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    run_molgen: RunMolgen, tmp_path: Path, molecules: Path, arguments: tuple[object, ...], words: str
) -> None:
    (tmp_path / "junk.csv").write_bytes(bytes(range(256)))
    (tmp_path / "empty.csv").touch()
    files = {"molecules": molecules, "junk": tmp_path / "junk.csv", "empty": tmp_path / "empty.csv"}
    filled = [str(argument).format(**files) for argument in arguments]
    result = run_molgen("train", *filled, "--out", tmp_path / "run", *(() if "--resume" in filled else TINY))
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert "internal error" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_forced_training_that_fails_at_its_start_leaves_the_earlier_one(
    run_molgen: RunMolgen, tmp_path: Path, molecules: Path
) -> None:
    out = tmp_path / "run"
    assert run_molgen("train", molecules, "--epochs", 1, *TINY, "--out", out).exit_code == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert before.keys() <= {"spec.toml", "manifest.json", "log.txt", LOCK, *FILES}
    for wrong in (("--property", "sice"), ("--init", out / "model.safetensors"), ("--smiles-column", "nope")):
        result = run_molgen("train", molecules, "--epochs", 1, *wrong, "--out", out, "--force")
        assert result.exit_code == 2
        assert before == {file.name: file.read_bytes() for file in out.iterdir()} | {LOCK: before[LOCK]}


def test_a_run_is_replaced_only_by_force_and_a_folder_that_is_none_never(
    run_molgen: RunMolgen, tmp_path: Path, molecules: Path
) -> None:
    arguments = ("train", molecules, "--epochs", 1, *TINY, "--out", tmp_path / "run")
    assert run_molgen(*arguments).exit_code == 0
    refused = run_molgen(*arguments)
    assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
    assert run_molgen(*arguments, "--force").exit_code == 0
    assert run_molgen(*arguments[:-1], tmp_path, "--force").exit_code == 2
    assert molecules.exists()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_stops(tmp_path: Path, molecules: Path, number: signal.Signals) -> None:
    out = tmp_path / "run"
    arguments = [
        SCRIPT,
        "train",
        molecules,
        "--epochs",
        1e5,
        "--validate-every",
        10,
        "--patience",
        10**6,
        "--out",
        out,
        *TINY,
    ]
    child = subprocess.Popen(list(map(str, arguments)), stderr=subprocess.PIPE, text=True)
    while not (out / "metrics.csv").exists():
        assert child.poll() is None, child.stderr
        time.sleep(0.05)
    os.kill(child.pid, number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert "the state is saved" in errors
    assert (out / "state.safetensors").exists()
