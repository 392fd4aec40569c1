"""A campaign killed without warning, again and again, ends with the ledger of one that was never touched."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molgen.search import ledger
from molgen.search.ledger import read_evaluations

KILLS = 10
FLAGS = ("--maximize", "qed", "--minimize", "sa", "--budget", "1500", "--seed", "7", "--threads", "1")


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
    for goal in sorted(rng.sample(range(100, 1500), KILLS)):
        while n_scored(cut) < goal and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        process.kill()
        process.wait()
        assert process.returncode == -9
        process = start("--resume", cut)
    assert process.wait() == 0
    assert (cut / ledger.NAME).read_bytes() == (whole / ledger.NAME).read_bytes()
