"""Commands killed without warning, a hundred times in all, end as if nobody had touched them.

The processes are forked from one that has imported everything, so that the kills hit the work and not the imports.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from molgen.paths import find_shipped
from molgen.search import ledger

pytestmark = pytest.mark.slow

CAMPAIGN_KILLS, TRAINING_KILLS, EXPORT_KILLS = 40, 40, 20
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["molgen.search.launch", "molgen.train.run", "molgen.output.sdf", "molgen.output.picture"]
)

COMMAND = """
import sys
from importlib.metadata import entry_points

sys.stdout = sys.stderr = open({log!r}, "a")
(script,) = entry_points(group="console_scripts", name="molgen")
script.load()({arguments!r})
"""
TRAINING = """
from pathlib import Path
from molgen.train.run import TrainingRun
from molgen.train.spec import TrainingSpec

folder = Path({folder!r})
spec = TrainingSpec.of({options!r})
opened = TrainingRun.resume(folder) if (folder / "spec.toml").exists() else TrainingRun.start(folder, spec)
with opened as experiment:
    experiment.prepare()
    experiment.train(save_every_s={save_every_s})
"""


def begin(code: str) -> BaseProcess:
    process = CONTEXT.Process(target=exec, args=(code, {}))
    process.start()
    return process


def molgen(log: Path, *arguments: object) -> BaseProcess:
    return begin(COMMAND.format(log=str(log), arguments=[str(argument) for argument in arguments]))


def finish(process: BaseProcess) -> float:
    """Seconds until the process ended, with success."""
    began = time.monotonic()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def kill_at_random(make: Sequence[Callable[[], BaseProcess]], rng: random.Random, seconds: float) -> bool:
    """Begins processes, and kills them within `seconds`, at moments of their own; whether the first was hit."""
    processes = [one() for one in make]
    moments = [time.monotonic() + rng.random() * seconds for _ in processes]
    for moment, process in sorted(zip(moments, processes, strict=True), key=lambda pair: pair[0]):
        time.sleep(max(0.0, moment - time.monotonic()))
        process.kill()
    for process in processes:
        process.join()
    return processes[0].exitcode == -9


def lines(folder: Path) -> bytes:
    """The whole lines of a campaign's ledger."""
    path = folder / ledger.NAME
    text = path.read_bytes() if path.exists() else b""
    return text[: text.rfind(b"\n") + 1]


def is_finished(folder: Path) -> bool:
    path = folder / "manifest.json"
    return path.exists() and "end" in json.loads(path.read_text())


def test_a_campaign(tmp_path: Path, tiny_checkpoint: Path) -> None:
    whole, cut, log = tmp_path / "whole", tmp_path / "cut", tmp_path / "log.txt"
    objectives = ("--maximize", "qed", "--minimize", "sa")
    flags = (*objectives, "--budget", 60, "--batch", 5, "--seed", 7, "--threads", 1, "--checkpoint", tiny_checkpoint)
    seconds = finish(molgen(log, "campaign", *flags, "--out", whole))
    assert len(lines(whole).splitlines()) == 61
    rng = random.Random(0)
    n_kills, before = 0, b""
    while n_kills < CAMPAIGN_KILLS:
        first = ("--resume", cut) if (cut / "spec.toml").exists() else (*flags, "--out", cut)
        second = ("--resume", cut)
        make = [partial(molgen, log, "campaign", *a) for a in (first, second)[: rng.choice((1, 2))]]
        n_kills += kill_at_random(make, rng, seconds)
        after = lines(cut)
        assert after.startswith(before)
        assert lines(whole).startswith(after)
        before = after
        if is_finished(cut):
            assert after == lines(whole)
            shutil.rmtree(cut)
            before = b""
    last = ("--resume", cut) if (cut / "spec.toml").exists() else (*flags, "--out", cut)
    finish(molgen(log, "campaign", *last))
    assert (cut / ledger.NAME).read_bytes() == (whole / ledger.NAME).read_bytes()
    assert "is in use by process" in log.read_text()


def test_a_training(tmp_path: Path, training_options: dict[str, object]) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"

    def train(folder: Path) -> BaseProcess:
        return begin(TRAINING.format(folder=str(folder), options=training_options, save_every_s=0.2))

    seconds = finish(train(whole))
    rng = random.Random(1)
    n_kills = 0
    while n_kills < TRAINING_KILLS:
        n_kills += kill_at_random([partial(train, cut)] * rng.choice((1, 2)), rng, seconds)
        if is_finished(cut):
            require_same_models(whole, cut)
            shutil.rmtree(cut)
    finish(train(cut))
    require_same_models(whole, cut)


@pytest.fixture
def training_options(tmp_path: Path) -> dict[str, object]:
    """A small model, to be trained in some seconds."""
    data = tmp_path / "molecules.csv"
    with (find_shipped("data") / "moses_sample.csv").open() as handle:
        rows = [row["SMILES"] for _, row in zip(range(200), csv.DictReader(handle), strict=False)]
    data.write_text("\n".join(["smiles,size", *(f"{text},{len(text)}" for text in rows)]) + "\n")
    sizes = {"latent_size": 8, "encoder_size": 16, "decoder_size": 16, "batch_size": 32}
    return {"data": [str(data)], "property": ["size"], "epochs": 10.0, "threads": 1, "device": "cpu", **sizes}


def require_same_models(whole: Path, cut: Path) -> None:
    for name in ("model.safetensors", "last.safetensors"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes()


def test_an_export(tmp_path: Path, tiny_checkpoint: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log.txt"
    flags = ("--maximize", "qed", "--budget", 60, "--seed", 7, "--threads", 1, "--checkpoint", tiny_checkpoint)
    finish(molgen(log, "campaign", *flags, "--out", run))
    target = run / "candidates.sdf"
    arguments = ("export", run, "-o", target, "--top", 20, "--force")
    seconds = finish(molgen(log, *arguments))
    expected, scored = target.read_bytes(), lines(run)
    rng = random.Random(2)
    n_kills = 0
    while n_kills < EXPORT_KILLS:
        if rng.random() < 0.5:
            target.unlink(missing_ok=True)
        make = [partial(molgen, log, *arguments), partial(molgen, log, "campaign", "--resume", run)]
        n_kills += kill_at_random(make[: rng.choice((1, 2))], rng, seconds)
        assert not target.exists() or target.read_bytes() == expected
        assert lines(run) == scored
    finish(molgen(log, *arguments))
    assert target.read_bytes() == expected
