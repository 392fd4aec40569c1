"""The cache of prepared molecules: what was read once is not read again, and is never wrong."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molgen.paths import cache_folder
from molgen.train.data.cache import DATA, INPUTS, make_key
from molgen.train.run import TrainingRun
from molgen.train.spec import TrainingSpec

SMILES = [f"{'C' * a}{b}{'C' * c}" for a in range(1, 8) for b in ("N", "O", "S") for c in range(1, 4)]


@pytest.fixture
def molecules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOLGEN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.smi"
    path.write_text("\n".join([*SMILES, "nonsense"]) + "\n")
    return path


def rows_read(folder: Path, data: Path, **options: object) -> int:
    """Prepares a run, and counts the rows that it read for that."""
    count = 0

    def on_row() -> None:
        nonlocal count
        count += 1

    with TrainingRun.start(folder, TrainingSpec.of({"data": [data], "epochs": 1.0, **options})) as experiment:
        experiment.prepare(on_row)
    return count


def test_the_second_run_reads_nothing_and_gets_the_same(tmp_path: Path, molecules: Path) -> None:
    assert rows_read(tmp_path / "one", molecules) == len(SMILES) + 1
    assert rows_read(tmp_path / "two", molecules, seed=3, batch_size=8, workers=2) == 0
    with TrainingRun.resume(tmp_path / "one") as one, TrainingRun.resume(tmp_path / "two") as two:
        one.prepare()
        two.prepare()
    assert one.vocabulary == two.vocabulary
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in _arrays(one, two))
    assert one.run.manifest()["inputs"] == two.run.manifest()["inputs"]


def test_a_preparation_killed_at_any_moment_is_gone_on_with(
    tmp_path: Path, molecules: Path, kill_after: Callable[[int], AbstractContextManager[Any]]
) -> None:
    outcomes, numbers = set(), set()
    for is_warm, moments in ((False, range(3, 51, 6)), (True, range(22))):
        for n in moments:
            folder = tmp_path / f"{n} {is_warm}"
            if not is_warm:
                shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            with kill_after(n) as kill:
                rows_read(folder, molecules)
            if not (folder / "spec.toml").exists():
                rows_read(folder, molecules)
            with TrainingRun.resume(folder) as experiment:
                experiment.prepare()
            (entry,) = experiment.run.manifest()["inputs"]
            assert entry["rows_kept"] == len(experiment.data)
            outcomes.add((is_warm, kill.happened))
            numbers.add(len(experiment.data))
    assert outcomes == {(False, True), (False, False), (True, True), (True, False)}
    assert len(numbers) == 1


def _arrays(one: TrainingRun, two: TrainingRun) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(value, vars(two.data)[name]) for name, value in vars(one.data).items()]


@pytest.mark.parametrize(
    "options", [{"max_tokens": 9}, {"stereo": "drop"}, {"split": "scaffold"}, {"rejects": "r.csv"}]
)
def test_other_options_read_anew(
    tmp_path: Path, molecules: Path, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows_read(tmp_path / "one", molecules)
    assert rows_read(tmp_path / "two", molecules, **options) == len(SMILES) + 1


def test_a_changed_file_is_read_anew(tmp_path: Path, molecules: Path) -> None:
    rows_read(tmp_path / "one", molecules)
    molecules.write_text(molecules.read_text() + "CCCCCCCl\n")
    assert rows_read(tmp_path / "two", molecules) == len(SMILES) + 2


@pytest.mark.parametrize("name", [DATA, INPUTS])
def test_a_damaged_entry_is_as_good_as_none(tmp_path: Path, molecules: Path, name: str) -> None:
    rows_read(tmp_path / "one", molecules)
    (entry,) = cache_folder().iterdir()
    (entry / name).unlink()
    (entry / name).write_bytes(b"junk")
    assert rows_read(tmp_path / "two", molecules) == len(SMILES) + 1
    assert rows_read(tmp_path / "three", molecules) == 0


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, molecules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOLGEN_CACHE", str(tmp_path / "file"))
    assert rows_read(tmp_path / "one", molecules) == len(SMILES) + 1


def test_what_is_like_a_molecule_to_leave_out_is_left_out(tmp_path: Path, molecules: Path) -> None:
    targets = tmp_path / "targets.smi"
    targets.write_text("CCCCCCCOC\n")
    rows_read(tmp_path / "one", molecules, leave_out=targets, leave_out_similarity=0.6)
    with TrainingRun.resume(tmp_path / "one") as experiment:
        (entry,) = experiment.run.manifest()["inputs"]
    assert entry["rows_rejected"]["similar to a molecule to leave out"] >= 2
    assert entry["rows_kept"] + sum(entry["rows_rejected"].values()) == len(SMILES) + 1


def test_keys_tell_facts_apart() -> None:
    assert make_key({"a": 1, "b": 2}) == make_key({"b": 2, "a": 1}) != make_key({"a": 1, "b": 3})
