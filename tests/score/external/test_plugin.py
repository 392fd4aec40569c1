"""Users' scorers: what works, and that whatever else they do ends in one clear error, in time."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.chem.molecule import parse
from molgen.errors import ScorerError, SpecError
from molgen.score.external.plugin import (
    find_installed_scorers,
    health_check,
    parse_command_scorer,
    parse_python_scorer,
    parse_scorers,
)
from molgen.score.external.scorer import CommandScorer, InstalledScorer, PythonScorer, Scorer

MOLECULES = [parse(smiles) for smiles in ("CCO", "c1ccccc1", "CC(=O)O")]
LENGTHS = [float(len(molecule.smiles)) for molecule in MOLECULES]

PYTHON_LENGTHS = "def score(smiles):\n    return [len(s) for s in smiles]\n"
COMMAND_LENGTHS = "import sys\nfor line in sys.stdin:\n    print(len(line.strip()))\n"


def python_scorer(folder: Path, source: str, time_limit_s: float = 30) -> PythonScorer:
    path = folder / "mine.py"
    path.write_text(dedent(source))
    return parse_python_scorer(f"{path}:score", time_limit_s)


def command_scorer(folder: Path, source: str, time_limit_s: float = 30) -> CommandScorer:
    path = folder / "mine.py"
    path.write_text(dedent(source))
    return parse_command_scorer(f"mine={shlex.join([sys.executable, str(path)])}", time_limit_s)


@pytest.mark.parametrize(("make", "source"), [(python_scorer, PYTHON_LENGTHS), (command_scorer, COMMAND_LENGTHS)])
class TestEveryKind:
    """What holds for a function and a program alike."""

    def test_numbers_come_back_in_order(self, tmp_path: Path, make: Callable[[Path, str], Scorer], source: str) -> None:
        with make(tmp_path, source) as scorer:
            assert scorer(MOLECULES).tolist() == LENGTHS
            assert scorer(MOLECULES[::-1]).tolist() == LENGTHS[::-1]
            assert not scorer.is_cheap

    def test_no_molecules_need_no_call(self, tmp_path: Path, make: Callable[[Path, str], Scorer], source: str) -> None:
        with make(tmp_path, "raise SystemExit(1)  # instead of " + source) as scorer:
            assert scorer([]).shape == (0,)

    def test_a_batch_larger_than_any_pipe_buffer_passes(
        self, tmp_path: Path, make: Callable[[Path, str], Scorer], source: str
    ) -> None:
        molecules = [parse("C" * 900)] * 2000
        with make(tmp_path, source) as scorer:
            assert scorer(molecules).tolist() == [900.0] * 2000

    def test_a_good_scorer_is_healthy(self, tmp_path: Path, make: Callable[[Path, str], Scorer], source: str) -> None:
        with make(tmp_path, source) as scorer:
            assert health_check(scorer) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('my own words')", ["raised KeyError: 'my own words'", "mine.py"]),
        ("import sys; sys.exit(3)", ["raised SystemExit: 3"]),
        ("raise KeyboardInterrupt", ["raised KeyboardInterrupt"]),
        ("raise MemoryError", ["raised MemoryError"]),
        ("import os; os.abort()", ["signal SIGABRT"]),
        ("import os; os._exit(0)", ["exit code 0"]),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", ["signal SIGKILL"]),
        ("return [1.0]", ["1 values for 3 molecules"]),
        ("return [1.0] * 10**6", ["1000000 values for 3 molecules"]),
        ("return [1.0, float('nan'), 2.0]", ["nan for c1ccccc1"]),
        ("return [1.0, float('-inf'), 2.0]", ["-inf for c1ccccc1"]),
        ("return [1.0, 2.0, None]", ["None for CC(=O)O"]),
        ("return ['high', 2.0, 3.0]", ["'high' for CCO"]),
        ("return ['1', 2.0, 3.0]", ["'1' for CCO"]),
        ("return [True, 2.0, 3.0]", ["True for CCO"]),
        ("return [[1.0], [2.0], [3.0]]", ["[1.0] for CCO"]),
        ("return ['x' * 10**6, 2.0, 3.0]", ["'xxx"]),
        ("return [10**400, 2.0, 3.0]", ["OverflowError"]),
        ("return None", ["NoneType, not a list"]),
        ("return 'abc'", ["str, not a list"]),
        ("return {s: 1.0 for s in smiles}", ["dict, not a list"]),
        ("import sys; sys.stderr.write('x' * 10**7); return None", ["NoneType", "xxx"]),
    ],
)
def test_a_function_that_answers_anything_else_is_quoted(tmp_path: Path, body: str, words: list[str]) -> None:
    with (
        python_scorer(tmp_path, f"def score(smiles):\n    {body}\n") as scorer,
        pytest.raises(ScorerError) as caught,
    ):
        scorer(MOLECULES)
    assert caught.value.scorer == "score"
    assert caught.value.remedy
    assert len(str(caught.value)) < 10_000
    for word in words:
        assert word in caught.value.message


def test_an_exception_is_shown_from_the_scorer_to_where_it_was_raised_without_molgen(tmp_path: Path) -> None:
    source = """
        def fall(n):
            return fall(n - 1) if n else 1 / 0
        def score(smiles):
            return fall(20)
        """
    with python_scorer(tmp_path, source) as scorer, pytest.raises(ScorerError, match="ZeroDivisionError") as caught:
        scorer(MOLECULES)
    lines = [line.split(", ")[1:] for line in caught.value.message.splitlines() if line.startswith("  File")]
    assert lines == [["line 5", "in score"], ["line 3", "in fall"], ["line 3", "in fall"]]
    assert "Traceback" not in caught.value.message


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("def score(smiles:", "SyntaxError"),
        ("def other(smiles): pass", "no function 'score'"),
        ("score = 1", "no function 'score'"),
        ("raise SystemExit(4)", "raised SystemExit: 4"),
        ("", "no function 'score'"),
        ("\0", "raised SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_explained(tmp_path: Path, source: str, word: str) -> None:
    with python_scorer(tmp_path, source) as scorer, pytest.raises(ScorerError, match=word):
        scorer(MOLECULES)


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef score(smiles):\n    time.sleep(60)",
        "import time\ntime.sleep(60)",
        "import time, signal\nsignal.signal(15, signal.SIG_IGN)\ndef score(smiles):\n    time.sleep(60)",
        "import subprocess\ndef score(smiles):\n    subprocess.run(['sleep', '60'])",
        "def score(smiles):\n    while True: print('noise')",
    ],
)
def test_a_function_that_hangs_is_ended_at_the_time_limit(tmp_path: Path, source: str) -> None:
    scorer = python_scorer(tmp_path, source, time_limit_s=1)
    with scorer, pytest.raises(ScorerError, match="within 1 s"):
        scorer(MOLECULES)


def test_a_failed_worker_is_not_restarted(tmp_path: Path) -> None:
    with python_scorer(tmp_path, "def score(smiles):\n    return [1 / (len(s) - 3) for s in smiles]") as scorer:
        with pytest.raises(ScorerError, match="ZeroDivisionError"):
            scorer(MOLECULES)
        with pytest.raises(ScorerError, match="failed before"):
            scorer(MOLECULES[1:])


def test_prints_to_stdout_do_not_disturb(tmp_path: Path) -> None:
    source = """
        import os, subprocess, sys
        print("loading", flush=True)
        def score(smiles):
            print('{"values": [0, 0, 0]}')
            os.write(1, b"raw\\n")
            sys.__stdout__.write("buffered\\n")
            subprocess.run(["echo", "from a child"])
            assert sys.stdin.read() == ""
            return [len(s) for s in smiles]
    """
    with python_scorer(tmp_path, source) as scorer:
        assert scorer(MOLECULES).tolist() == LENGTHS
        assert scorer(MOLECULES).tolist() == LENGTHS


def test_arrays_tuples_and_their_scalars_are_lists_of_numbers(tmp_path: Path) -> None:
    source = """
        import numpy as np
        kinds = iter([lambda x: np.array(x, dtype=np.float32), tuple, lambda x: [np.int64(i) for i in x]])
        def score(smiles):
            return next(kinds)([len(s) for s in smiles])
    """
    with python_scorer(tmp_path, source) as scorer:
        for _ in range(3):
            assert scorer(MOLECULES).tolist() == LENGTHS


def test_a_file_may_import_its_neighbours_but_sees_nothing_of_this_package(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("WEIGHT = 2.0\n")
    source = """
        import sys
        from neighbour import WEIGHT
        def score(smiles):
            return [WEIGHT * ("molgen" not in sys.modules) for s in smiles]
    """
    with python_scorer(tmp_path, source) as scorer:
        assert scorer(MOLECULES).tolist() == [2.0] * 3


def test_state_lives_from_call_to_call_in_one_process(tmp_path: Path) -> None:
    source = "import os\ndef score(smiles):\n    return [os.getpid() for s in smiles]"
    with python_scorer(tmp_path, source) as scorer:
        first, second = scorer(MOLECULES)[0], scorer(MOLECULES)[0]
    assert first == second
    assert not is_alive(int(first))


def test_a_closed_scorer_refuses_calls(tmp_path: Path) -> None:
    scorer = python_scorer(tmp_path, PYTHON_LENGTHS)
    scorer(MOLECULES)
    scorer.close()
    scorer.close()
    with pytest.raises(ScorerError, match="closed"):
        scorer(MOLECULES)


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_leaves_no_answer_behind_for_the_next_call(tmp_path: Path) -> None:
    source = "import time\ndef score(smiles):\n    time.sleep(60)"
    with python_scorer(tmp_path, source) as scorer:
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            scorer(MOLECULES)
        with pytest.raises(ScorerError, match="failed before"):
            scorer(MOLECULES)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ValueError('my own words')", ["exit code 1", "ValueError: my own words"]),
        ("print(1); print(2); print(3); raise SystemExit(3)", ["exit code 3"]),
        ("print(1)", ["1 values for 3 molecules"]),
        ("for _ in range(5): print(1)", ["5 values for 3 molecules"]),
        ("", ["0 values for 3 molecules"]),
        ("print('1\\nnan\\n3')", ["nan for c1ccccc1"]),
        ("print('1\\n2\\n1e999')", ["inf for CC(=O)O"]),
        ("print('1\\n\\n3')", ["'' for c1ccccc1"]),
        ("print('score'); print(1); print(2)", ["'score' for CCO"]),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\n2\\n3\\n')", ["for CCO"]),
        ("while True: print('1' * 1000)", ["more than 4096 bytes"]),
    ],
)
def test_a_program_that_prints_anything_else_is_quoted(tmp_path: Path, source: str, words: list[str]) -> None:
    with command_scorer(tmp_path, source) as scorer, pytest.raises(ScorerError) as caught:
        scorer(MOLECULES)
    assert caught.value.scorer == "mine"
    assert len(str(caught.value)) < 10_000
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "import time; time.sleep(60)",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "import sys\nwhile True: print('noise', file=sys.stderr)",
    ],
)
def test_a_program_that_hangs_is_ended_at_the_time_limit(tmp_path: Path, source: str) -> None:
    with (
        command_scorer(tmp_path, source, time_limit_s=1) as scorer,
        pytest.raises(ScorerError, match="within 1 s"),
    ):
        scorer([parse("C" * 900)] * 2000)


def test_a_program_need_not_read_its_input(tmp_path: Path) -> None:
    with command_scorer(tmp_path, "for i in range(2000): print(i)") as scorer:
        assert scorer([parse("C" * 900)] * 2000).tolist() == list(range(2000))


def test_names_come_from_the_function_the_program_or_the_text(tmp_path: Path) -> None:
    path = tmp_path / "with=sign and blank.py"
    path.write_text(PYTHON_LENGTHS)
    assert parse_python_scorer(f"{path}:score").name == "score"
    assert parse_python_scorer(f"dock-2={path}:score").name == "dock-2"
    assert parse_command_scorer(shlex.quote(sys.executable)).name == Path(sys.executable).stem
    assert parse_command_scorer(f"mine={sys.executable} -c 'print(1)'").name == "mine"
    by_name = parse_scorers([f"{path}:score"], [f"mine={sys.executable}"], 5)
    assert {name: scorer.time_limit_s for name, scorer in by_name.items()} == {"score": 5, "mine": 5}


@pytest.mark.parametrize(
    ("parse_text", "text"),
    [
        (parse_python_scorer, ""),
        (parse_python_scorer, "mine.py"),
        (parse_python_scorer, ":score"),
        (parse_python_scorer, "no/such/file.py:score"),
        (parse_python_scorer, f"{__file__}:not a name"),
        (parse_python_scorer, f"{__file__}:"),
        (parse_command_scorer, ""),
        (parse_command_scorer, "   "),
        (parse_command_scorer, "no-such-program-anywhere"),
        (parse_command_scorer, "mine=no-such-program-anywhere -x"),
        (parse_command_scorer, "prog 'unclosed"),
        (parse_command_scorer, __file__),
    ],
)
def test_a_text_that_names_no_scorer_is_refused_with_a_remedy(parse_text: Callable[[str], Scorer], text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_text(text)
    assert caught.value.remedy


@given(st.text())
def test_no_text_causes_anything_but_a_spec_error(text: str) -> None:
    for parse_text in (parse_python_scorer, parse_command_scorer):
        with pytest.raises(SpecError):
            parse_text(f"no-such-program-anywhere{text}")


@pytest.mark.parametrize("time_limit_s", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_must_be_one(time_limit_s: float) -> None:
    with pytest.raises(SpecError, match="time_limit_s"):
        parse_python_scorer(f"{__file__}:score", time_limit_s)


def test_two_scorers_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match="one name"):
        parse_scorers([f"{__file__}:score"], [f"score={sys.executable}"])


@pytest.mark.parametrize(
    "values",
    [
        "list(range(len(smiles)))",
        "[next(count) for s in smiles]",
        "[len(s) / len(smiles[0]) for s in smiles]",
    ],
)
def test_values_that_depend_on_the_order_are_unhealthy(tmp_path: Path, values: str) -> None:
    source = f"import itertools\ncount = itertools.count()\ndef score(smiles):\n    return {values}"
    with python_scorer(tmp_path, source) as scorer, pytest.raises(ScorerError, match="reverse order"):
        health_check(scorer)


def test_one_value_for_all_is_worth_a_warning(tmp_path: Path) -> None:
    with python_scorer(tmp_path, "def score(smiles):\n    return [7 for s in smiles]") as scorer:
        assert health_check(scorer) == "scorer score: aspirin, caffeine and ibuprofen all score 7"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an installed package that offers the lengths of SMILES as the measure `length`."""
    (tmp_path / "lengths").mkdir()
    (tmp_path / "lengths" / "__init__.py").write_text(PYTHON_LENGTHS)
    info = tmp_path / "lengths-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lengths\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[molgen.scorers]\nlength = lengths:score\nwhole = lengths\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "lengths"


def test_a_package_adds_a_measure_by_name(package: str) -> None:
    found = find_installed_scorers(["qed", "length", "length"])
    assert list(found) == ["length"]
    with found["length"] as scorer:
        assert scorer(MOLECULES).tolist() == LENGTHS
        assert isinstance(scorer, InstalledScorer)
        assert scorer.version == "lengths 1.2"
    assert package not in sys.modules  # it runs in the worker alone


def test_an_entry_point_that_names_no_function_is_refused(package: str) -> None:
    with pytest.raises(SpecError, match=f"'{package}' names no function"):
        find_installed_scorers(["whole"])
