"""A campaign killed without warning, again and again, ends with the ledger of one that was never touched."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molgen.search import ledger
from molgen.search.ledger import read_evaluations

KILLS = 10
FLAGS = ("--maximize", "qed", "--minimize", "sa", "--budget", "150", "--seed", "7", "--threads", "1")


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("molgen")
    return subprocess.Popen([program, "campaign", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def n_scored(folder: Path) -> int:
    path = folder / ledger.NAME
    return len(read_evaluations(path)) if path.exists() else 0


@pytest.mark.slow
def test_ten_kills_leave_no_trace(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(*FLAGS, "--out", whole).wait() == 0
    rng = random.Random(0)
    process = start(*FLAGS, "--out", cut)
    for goal in sorted(rng.sample(range(10, 140), KILLS)):
        while n_scored(cut) < goal and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        process.kill()
        process.wait()
        assert process.returncode == -9
        process = start("--resume", cut)
    assert process.wait() == 0
    assert (cut / ledger.NAME).read_bytes() == (whole / ledger.NAME).read_bytes()


LENGTH = """
import os, time
def score(smiles):
    open("begun", "w").close()
    if os.path.exists("wait"):
        time.sleep(600)
    return [float(len(text)) for text in smiles]
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_in_a_long_call_is_an_exit_code_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(LENGTH)
    flags = ("--scorer", "mine.py:score", "--maximize", "score", "--budget", "40", "--threads", "1")
    process = start(*flags, "--out", "cut")
    while not n_scored(Path("cut")):
        time.sleep(0.02)
    Path("wait").touch()
    Path("begun").unlink()
    while not Path("begun").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait() == 130
    Path("wait").unlink()
    assert start("--resume", "cut").wait() == 0
    assert start(*flags, "--out", "whole").wait() == 0
    assert Path("cut", ledger.NAME).read_bytes() == Path("whole", ledger.NAME).read_bytes()
