"""Workers give what this process gives, byte for byte, from the checkpoint that it has, which each loads once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import Result

from molgen.chem.formats import Rejection, Row
from molgen.chem.table import Tally
from molgen.device import use_threads
from molgen.errors import CheckpointError, FileError
from molgen.explore.library import build_index
from molgen.latent import remote
from molgen.latent.remote import SpaceWorkers, map_chunks, open_workers
from molgen.latent.space import LatentSpace
from molgen.model.language_model import SmilesLanguageModel, SmilesLanguageModelConfig
from molgen.project.forecast import forecast

RunMolgen = Callable[..., Result]
SMILES = ["CCO", "C(", "c1ccccc1O", "[Xe]", "CC(=O)Nc1ccc(O)cc1", "CCCCCC", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "OCC", "CN"]
THREADS = """
from concurrent.futures import ThreadPoolExecutor

def make_executor():
    return ThreadPoolExecutor(3)
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    use_threads(1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, save_tiny: Callable[..., None]) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_tiny(path, [text for text in SMILES if text not in ("C(", "[Xe]")], properties=("pKi", "other"))
    return path


@pytest.fixture
def workers(tmp_path: Path, checkpoint: Path) -> Iterator[SpaceWorkers]:
    """Threads as workers."""
    (tmp_path / "pool.py").write_text(THREADS)
    with open_workers(f"{tmp_path / 'pool.py'}:make_executor", checkpoint, None) as found:
        assert found is not None
        yield found


def rows() -> list[Row | Rejection]:
    return [Row(line, text, f"m{line}", ()) for line, text in enumerate(SMILES * 4, 1)]


def indexed(path: Path, space: LatentSpace, workers: SpaceWorkers | None) -> tuple[bytes, Tally, list[int]]:
    tally, done = Tally(), list[int]()
    build_index(space, rows(), path, tally, workers=workers, on_done=done.append)
    return path.read_bytes(), tally, done


def test_an_index_does_not_depend_on_workers(
    tmp_path: Path, checkpoint: Path, workers: SpaceWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.explore.library.CHUNK", 5)
    space = LatentSpace.load(checkpoint)
    alone = indexed(tmp_path / "alone.safetensors", space, None)
    assert indexed(tmp_path / "shared.safetensors", space, workers) == alone
    assert alone[1].rejected.total() == 8
    assert alone[2] == [5, 10, 15, 20, 25, 30, 35, 36]


def test_forecasts_do_not_depend_on_workers(
    checkpoint: Path, workers: SpaceWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.project.forecast.CHUNK", 4)
    space = LatentSpace.load(checkpoint)
    alone, shared = list[int](), list[int]()
    expected = forecast(space, SMILES, on_done=alone.append)
    assert repr(forecast(space, SMILES, on_done=shared.append, workers=workers).columns()) == repr(expected.columns())
    assert shared == alone == [4, 8, 9]


def test_processes_give_the_bytes_of_a_run_without_them(
    run_molgen: RunMolgen, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.explore.library.CHUNK", 5)
    monkeypatch.setattr("molgen.project.forecast.CHUNK", 4)
    data = tmp_path / "a.smi"
    data.write_text("\n".join(SMILES))
    outputs = []
    for name, options in (("alone", ("--threads", 1)), ("shared", ("--executor", "local:2"))):
        index, forecasts = tmp_path / f"{name}.safetensors", tmp_path / f"{name}.csv"
        rejects = tmp_path / f"{name}_rejects.csv"
        flags = ("--checkpoint", checkpoint, "--device", "cpu", *options)
        result = run_molgen("index", data, "-o", index, "--rejects", rejects, *flags)
        assert result.exit_code == 0, result.stderr
        result = run_molgen("predict", data, "-o", forecasts, *flags)
        assert result.exit_code == 0, result.stderr
        outputs.append([path.read_bytes() for path in (index, rejects, forecasts)])
    assert outputs[0] == outputs[1]


@pytest.fixture(scope="module")
def fluent_checkpoint(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """The checkpoint with an untrained language prior, all of whose texts are molecules."""
    path = tmp_path_factory.mktemp("fluent") / "fluent.safetensors"
    model = LatentSpace.load(checkpoint).model
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        model.priors = {"language": SmilesLanguageModel(SmilesLanguageModelConfig(("C", "N", "O"), hidden_size=4))}
    model.save(path)
    return path


@pytest.fixture
def sample(
    run_molgen: RunMolgen, fluent_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """Samples in chunks of 10: what the command writes to both streams."""
    monkeypatch.setattr("molgen.latent.space.CHUNK", 10)

    def call(*arguments: object, n: int = 35) -> tuple[str, str]:
        flags = ("--checkpoint", fluent_checkpoint, "--device", "cpu", "--seed", 4, "--temperature", 1)
        result = run_molgen("sample", "-n", n, *flags, "--allow-unfamiliar", "--allow-unstable", *arguments)
        assert result.exit_code == 0, result.stderr
        return result.stdout, result.stderr

    return call


def test_samples_do_not_depend_on_processes(sample: Callable[..., tuple[str, str]]) -> None:
    alone = sample("--threads", 1)
    assert len(set(alone[0].split())) > 10
    assert sample("--executor", "local:2") == alone
    assert alone[0].startswith(sample("--executor", "local:1", n=25)[0])


@pytest.mark.parametrize("prior", ["gaussian", "language"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_samples_do_not_depend_on_threads_of_a_pool(
    sample: Callable[..., tuple[str, str]], tmp_path: Path, prior: str, temperature: float
) -> None:
    (tmp_path / "pool.py").write_text(THREADS)
    options = ("--prior", prior, "--temperature", temperature)
    alone = sample(*options, "--threads", 1)
    assert sample(*options, "--executor", f"{tmp_path / 'pool.py'}:make_executor") == alone


def test_samples_do_not_depend_on_workers_of_dask(sample: Callable[..., tuple[str, str]]) -> None:
    distributed = pytest.importorskip("distributed")
    alone = sample("--threads", 1)
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options, host="127.0.0.1", protocol="tcp://") as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        assert sample("--executor", f"dask://{address}") == alone


def count_loaded(space: LatentSpace, chunk: int) -> tuple[int, int]:
    return id(space), chunk


def test_a_worker_loads_a_checkpoint_once(checkpoint: Path, workers: SpaceWorkers) -> None:
    space = LatentSpace.load(checkpoint)
    remote._load.cache_clear()
    results = list(map_chunks(space, count_loaded, range(20), workers))
    assert [chunk for _, chunk in results] == list(range(20))
    assert len({number for number, _ in results}) == 1


def test_a_worker_with_another_checkpoint_is_an_error_that_leaves_no_file(
    tmp_path: Path, tiny_checkpoint: Path, workers: SpaceWorkers
) -> None:
    space = LatentSpace.load(tiny_checkpoint)
    with pytest.raises(CheckpointError, match="on a worker"):
        indexed(tmp_path / "i.safetensors", space, workers)
    assert not (tmp_path / "i.safetensors").exists()


def test_a_file_that_is_damaged_at_a_later_line_ends_the_run(
    tmp_path: Path, checkpoint: Path, workers: SpaceWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.explore.library.CHUNK", 2)

    def damaged() -> Iterator[Row | Rejection]:
        yield from rows()
        raise FileError("a.smi", "is damaged", line=99)

    with pytest.raises(FileError, match="line 99"):
        build_index(LatentSpace.load(checkpoint), damaged(), tmp_path / "i.safetensors", Tally(), workers=workers)
    assert not (tmp_path / "i.safetensors").exists()


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_ctrl_c_ends_the_command_and_its_processes(tmp_path: Path, checkpoint: Path) -> None:
    data, output = tmp_path / "a.smi", tmp_path / "i.safetensors"
    data.write_text("CCO\n" * 1_000_000)
    program = Path(sys.executable).parent / "molgen"
    arguments = [program, "index", data, "-o", output, "--executor", "local:1", "--checkpoint", checkpoint]
    command = subprocess.Popen(list(map(str, arguments)), stderr=subprocess.PIPE, start_new_session=True)
    while not (processes := spawned_by(command.pid)):
        assert command.poll() is None
        time.sleep(0.05)
    os.killpg(command.pid, signal.SIGINT)
    command.communicate(timeout=60)
    assert command.returncode == 130
    deadline = time.monotonic() + 60
    while any(map(has_memory, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == [data]


def spawned_by(pid: int) -> list[int]:
    """Workers of a process."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for file in files for child in file.read_text().split()]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def has_memory(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return "VmRSS" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
