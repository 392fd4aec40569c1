"""Scorers' processes: nothing that a scorer starts outlives its use, a stop ends any call, and no ending is a hang."""

from __future__ import annotations

import math
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent, indent

import pytest

from molgen.chem.molecule import parse
from molgen.errors import InterruptedRunError, ScorerError
from molgen.interrupt import stop_requested
from molgen.score.external.plugin import parse_command_scorer, parse_python_scorer
from molgen.score.external.scorer import Scorer

MOLECULES = [parse(smiles) for smiles in ("CCO", "c1ccccc1", "CC(=O)O")]

START_CHILDREN = """
import os, subprocess, sys
def start_children():
    # one in this session, one in its own, one whose parent is gone; they leave the scorer's pipes open
    sleep = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)"]
    pids = [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
    code = f"import subprocess; print(subprocess.Popen({sleep!r}, start_new_session=True, stdout=2).pid)"
    pids.append(int(subprocess.check_output([sys.executable, "-c", code])))
    with open(PIDS, "w") as file:
        file.write(" ".join(map(str, [os.getpid(), *pids])) + chr(10))
"""


def scorer_of(kind: str, folder: Path, body: str, time_limit_s: float = 60) -> Scorer:
    """A function or a program that runs the lines `body`, which may call `start_children`, and answers 1, 2, 3."""
    head = f"PIDS = {str(folder / 'pids')!r}\n{START_CHILDREN}"
    path = folder / "mine.py"
    if kind == "function":
        path.write_text(f"{head}\ndef score(smiles):\n{indent(body, '    ')}\n    return [1, 2, 3]\n")
        return parse_python_scorer(f"{path}:score", time_limit_s)
    path.write_text(f"{head}\nsys.stdin.read()\n{body}\nprint(1, 2, 3, sep=chr(10))\n")
    return parse_command_scorer(f"mine={shlex.join([sys.executable, str(path)])}", time_limit_s)


def pids_in(folder: Path) -> list[int]:
    """The processes that `start_children` has written down, once it has."""
    path = folder / "pids"
    while not (path.exists() and path.read_text().endswith("\n")):
        time.sleep(0.05)
    return [int(pid) for pid in path.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before or while its file was read
        return False


both = pytest.mark.parametrize("kind", ["function", "program"])
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes of other sessions are found on Linux alone")


@needs_proc
@both
def test_children_end_with_a_good_run(tmp_path: Path, kind: str) -> None:
    with scorer_of(kind, tmp_path, "start_children()") as scorer:
        assert scorer(MOLECULES).tolist() == [1, 2, 3]
    assert not [pid for pid in pids_in(tmp_path) if is_alive(pid)]


@needs_proc
@both
def test_children_end_with_a_scorer_that_raises(tmp_path: Path, kind: str) -> None:
    with (
        scorer_of(kind, tmp_path, "start_children()\nraise KeyError('mine')") as scorer,
        pytest.raises(ScorerError, match="mine"),
    ):
        scorer(MOLECULES)
    assert not [pid for pid in pids_in(tmp_path) if is_alive(pid)]


@needs_proc
@both
def test_children_end_when_the_caller_is_killed(tmp_path: Path, kind: str) -> None:
    scorer_of(kind, tmp_path, "start_children()\nimport time\ntime.sleep(300)")
    text = f"{tmp_path / 'mine.py'}:score"
    make = f"parse_python_scorer({text!r})"
    if kind == "program":
        make = f"parse_command_scorer({shlex.join([sys.executable, str(tmp_path / 'mine.py')])!r})"
    code = f"""
        from molgen.chem.molecule import parse
        from molgen.score.external.plugin import parse_command_scorer, parse_python_scorer
        {make}([parse("CCO")])
    """
    with subprocess.Popen([sys.executable, "-c", dedent(code)]) as process:
        pids = pids_in(tmp_path)
        process.kill()
    deadline = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if is_alive(pid)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "body",
    [
        "import time\ntime.sleep(20)",
        "sum(range(5 * 10**8))",
        "import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(20)",
    ],
    ids=["asleep", "busy in C", "deaf"],
)
@both
def test_a_stop_ends_any_call(tmp_path: Path, kind: str, body: str, number: signal.Signals) -> None:
    body = f"open({str(tmp_path / 'begun')!r}, 'w')\n{body}"

    def signal_when_begun() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=signal_when_begun, daemon=True).start()
    with (
        scorer_of(kind, tmp_path, body) as scorer,
        stop_requested(),
        pytest.raises(InterruptedRunError),
    ):
        scorer(MOLECULES)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
        ("raise MemoryError", "raised MemoryError"),
        ("os.kill(os.getpid(), 9)", "ended by the signal SIGKILL"),
        ("os.kill(os.getpid(), 11)", "ended by the signal SIGSEGV"),
    ],
)
def test_a_third_batch_that_ends_the_function_is_explained_at_once(tmp_path: Path, end: str, words: str) -> None:
    source = f"""
        import os, threading
        threading.Thread(target=threading.Event().wait).start()  # keeps the process from ending by itself
        calls = []
        def score(smiles):
            calls.append(smiles)
            if len(calls) == 3:
                {end}
            return [1.0] * len(smiles)
    """
    path = tmp_path / "mine.py"
    path.write_text(dedent(source))
    with parse_python_scorer(f"{path}:score", 30) as scorer:
        scorer(MOLECULES)
        scorer(MOLECULES)
        with pytest.raises(ScorerError, match=words):
            scorer(MOLECULES)


@pytest.mark.parametrize("number", [6, 9, 11, 15])
def test_a_program_that_dies_of_a_signal_is_explained(tmp_path: Path, number: int) -> None:
    name = signal.Signals(number).name
    with (
        scorer_of("program", tmp_path, f"os.kill(os.getpid(), {number})") as scorer,
        pytest.raises(ScorerError, match=f"was ended by the signal {name}"),
    ):
        scorer(MOLECULES)


def test_a_program_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    path = tmp_path / "no_interpreter"
    path.write_text("#!/no/such/program\n")
    path.chmod(0o755)
    with (
        parse_command_scorer(str(path)) as scorer,
        pytest.raises(ScorerError, match="no_interpreter cannot be run: No such file"),
    ):
        scorer(MOLECULES)


BAD = "c1ccccc1"
FAIL: dict[str, tuple[str, str]] = {
    "None": ("return [None if s == BAD else len(s) for s in smiles]", "gave None"),
    "NaN": ("return [float('nan') if s == BAD else len(s) for s in smiles]", "gave nan"),
    "exception": ("return [1 / (s != BAD) * len(s) for s in smiles]", "raised ZeroDivisionError: division by zero"),
    "death": ("return [os.kill(os.getpid(), 11) if s == BAD else len(s) for s in smiles]", "SIGSEGV"),
    "length": ("return [len(s) for s in smiles if s != BAD]", "returned 0 values for 1 molecules"),
}


@pytest.mark.parametrize("way", FAIL)
def test_a_tolerant_function_gives_every_other_value_and_says_what_failed(tmp_path: Path, way: str) -> None:
    body, reason = FAIL[way]
    path = tmp_path / "mine.py"
    path.write_text(f"import os, time\nBAD = {BAD!r}\ndef score(smiles):\n    {body}\n")
    with parse_python_scorer(f"{path}:score", 30, is_tolerant=True) as scorer:
        for molecules in (MOLECULES, MOLECULES[::-1], MOLECULES[:1]):
            values = dict(zip([molecule.smiles for molecule in molecules], scorer(molecules).tolist(), strict=True))
            failed = {text for text, value in values.items() if value != value}
            assert failed == set(scorer.failures) == {BAD} & set(values)
            assert all(reason in text and text.isascii() for text in scorer.failures.values())
            assert all(value == len(text) for text, value in values.items() if text not in failed)


def test_a_tolerant_function_that_hangs_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"import time\ndef score(smiles):\n    time.sleep(60 * (smiles == [{BAD!r}]))\n    return [3.0]\n")
    with parse_python_scorer(f"{path}:score", 5, is_tolerant=True) as scorer:
        assert math.isnan(scorer([parse(BAD)])[0])
        assert scorer.failures == {BAD: "did not answer within 5 s"}
        assert scorer([parse("CCO")]).tolist() == [3.0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("print('None' if s == BAD else len(s))", "gave 'None'"),
        ("print(1 / (s != BAD) * len(s))", "ended with exit code 1 (ZeroDivisionError: division by zero)"),
        ("os.kill(os.getpid(), 9) if s == BAD else print(len(s))", "was ended by the signal SIGKILL"),
    ],
)
def test_a_tolerant_program_gives_every_other_value_and_says_what_failed(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"import os, sys\nBAD = {BAD!r}\nfor s in sys.stdin.read().split():\n    {line}\n")
    command = f"mine={shlex.join([sys.executable, str(path)])}"
    with parse_command_scorer(command, 30, is_tolerant=True) as scorer:
        values = scorer(MOLECULES)
    assert values[[0, 2]].tolist() == [3.0, 7.0]
    assert scorer.failures == {BAD: reason}


def test_a_tolerant_scorer_that_never_answers_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def score(smiles):\n    return [None] * len(smiles)\n")
    molecules = [parse("C" * n) for n in range(1, 50)]
    with parse_python_scorer(f"{path}:score", 30, is_tolerant=True) as scorer:
        assert scorer(molecules).shape == (49,)
        with pytest.raises(ScorerError, match="failed for 50 molecules in a row; for the last it gave None"):
            scorer(molecules[:1])


@pytest.mark.parametrize("source", ["raise ImportError('gone')", "score = 1"])
def test_a_tolerant_scorer_must_load(tmp_path: Path, source: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    with parse_python_scorer(f"{path}:score", 30, is_tolerant=True) as scorer, pytest.raises(ScorerError):
        scorer(MOLECULES)
