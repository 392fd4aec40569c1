import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
from typer import BadParameter, Exit, Typer
from typer.testing import CliRunner, Result

import molgen
from molgen import errors
from molgen.device import use_threads

SCRIPT = Path(sys.executable).parent / "molgen"
HEAVY = {"torch", "rdkit", "optuna", "numpy", "scipy", "selfies"}

Fail = Callable[..., Result]


@pytest.fixture
def show() -> ModuleType:
    (script,) = entry_points(group="console_scripts", name="molgen")
    return import_module(script.module.replace("main", "console.show"))


@pytest.fixture
def fail(app: Typer) -> Fail:
    """Runs a command `fail` that raises the given error, in a frame like that of the real app."""

    def run(error: BaseException, *options: str) -> Result:
        probe = Typer(cls=app.info.cls, rich_markup_mode=None, pretty_exceptions_enable=False)
        assert app.registered_callback is not None
        assert app.registered_callback.callback is not None
        probe.callback()(app.registered_callback.callback)

        @probe.command("fail")
        def command() -> None:
            raise error

        return CliRunner().invoke(probe, [*options, "fail"])

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SpecError("budget", "must be positive"), 2),
        (errors.FileError("a.csv", "has no SMILES column", line=1, remedy="Name it."), 2),
        (errors.CheckpointError("a.safetensors", "is damaged"), 2),
        (errors.RunError("run", "exists already"), 2),
        (errors.MoleculeError("C(", "not a molecule"), 2),
        (errors.ScorerError("f", "hung"), 1),
        (errors.NothingValidError("no valid molecule came out"), 3),
        (errors.InterruptedRunError("stopped; the run is saved"), 130),
    ],
)
def test_each_error_has_its_exit_code_and_its_words(fail: Fail, error: errors.MolgenError, code: int) -> None:
    result = fail(error)
    assert result.exit_code == code
    assert result.stderr == f"molgen: error: {error}\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOSPC, "--resume"), (errno.EROFS, "read-only"), (errno.EACCES, "may read and write")],
)
def test_a_disk_that_refuses_is_named_with_a_remedy(fail: Fail, number: int, hint: str) -> None:
    result = fail(OSError(number, os.strerror(number), "run/evaluations.csv"))
    assert result.exit_code == 1
    assert f"molgen: error: run/evaluations.csv: {os.strerror(number)}\n" in result.stderr
    assert hint in result.stderr


def test_a_bug_is_one_line_and_its_traceback_comes_on_request(fail: Fail) -> None:
    bug = ZeroDivisionError("two\nlines")
    quiet, loud = fail(bug), fail(bug, "--debug")
    assert quiet.exit_code == loud.exit_code == 1
    assert quiet.stderr.startswith("molgen: error: internal error: ZeroDivisionError: two lines\n")
    assert "Traceback" not in quiet.stderr
    assert "--debug" in quiet.stderr
    assert "Traceback" in loud.stderr
    assert loud.stderr.endswith(quiet.stderr)


@pytest.mark.parametrize(("error", "code"), [(Exit(7), 7), (BadParameter("no"), 2), (KeyboardInterrupt(), 130)])
def test_what_typer_ends_itself_stays_as_it_is(fail: Fail, error: BaseException, code: int) -> None:
    result = fail(error)
    assert result.exit_code == code
    assert "molgen: error" not in result.stderr


def test_help_of_the_console_script_loads_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from importlib.metadata import entry_points;"
        "(script,) = entry_points(group='console_scripts', name='molgen'); app = script.load()\n"
        "try: app(['--help'])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage:")
    assert not HEAVY & {name.split(".")[0] for name in done.stderr.split()}


def test_version_is_that_of_the_installed_package(tmp_path: Path) -> None:
    done = subprocess.run([SCRIPT, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"molgen {molgen.__version__}\n"
    assert done.stderr == ""


def test_help_and_usage_errors_of_the_script(tmp_path: Path) -> None:
    codes = {
        arguments: subprocess.run([SCRIPT, *arguments], cwd=tmp_path, capture_output=True).returncode
        for arguments in [("--help",), (), ("no-such-command",), ("--no-such-option",)]
    }
    assert codes == {("--help",): 0, (): 2, ("no-such-command",): 2, ("--no-such-option",): 2}


def test_a_reader_that_left_is_no_error_to_tell() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([SCRIPT, "--version"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_standard_output_on_a_full_disk_is_told_without_a_traceback(option: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([SCRIPT, option], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"molgen: error: {os.strerror(errno.ENOSPC)}\n")
    assert "Traceback" not in done.stderr


def test_data_goes_to_standard_output_and_notes_do_not(show: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    show.as_json({"smiles": ["CCO"], "µ": 0.5})
    show.note("read 1 row")
    with show.progress(10, "Scoring") as advance:
        advance(5, "best 0.9")
    seen = capsys.readouterr()
    assert json.loads(seen.out) == {"smiles": ["CCO"], "µ": 0.5}
    assert seen.err == "read 1 row\n"  # the bar is silent where nobody looks


def test_json_never_holds_what_json_does_not_have(show: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    show.as_json({"total": float("nan"), "parts": [1.0, (float("inf"),)], "n": 2})
    assert json.loads(capsys.readouterr().out) == {"total": None, "parts": [1.0, [None]], "n": 2}


def test_a_table_shows_its_cells_as_they_are(show: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    smiles = "C[C@H](N)C(=O)O.[Na+].[red]" + "C" * 60
    show.table("Best", ["rank", "SMILES"], [["1", smiles]])
    seen = capsys.readouterr()
    assert smiles in seen.out
    assert seen.err == ""


ESCAPE = "\x1b]0;owned\x07\x9b2J\u202e"


def test_no_text_of_a_file_moves_the_cursor(fail: Fail) -> None:
    result = fail(errors.FileError("a.csv", f"no column 'y'; saw: {ESCAPE}", remedy=ESCAPE))
    assert result.exit_code == 2
    assert "saw: \\u001b]0;owned\\u0007\\u009b2J\\u202e\n" in result.stderr
    assert result.stderr.replace("\n", "").isprintable()


def test_tables_and_results_are_printed_without_escape_codes(
    show: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    show.table(f"title {ESCAPE}", ["a", ESCAPE], [["1", f"x\n{ESCAPE}"]])
    show.data(ESCAPE)
    show.as_json({"name": ESCAPE, "surrogate": "\udcff"})
    captured = capsys.readouterr()
    assert captured.out.replace("\n", "").isprintable()
    assert json.loads(captured.out[captured.out.index("{") :]) == {"name": ESCAPE, "surrogate": "\udcff"}


@pytest.mark.parametrize("n", [10**6, 1025, 0, -1])
def test_threads_beyond_reason_are_refused(run_molgen: Callable[..., Result], n: int) -> None:
    result = run_molgen("sample", "-n", 1, "--threads", n)
    assert result.exit_code == 2
    assert "threads" in result.stderr
    with pytest.raises(errors.SpecError, match="threads"):
        use_threads(n)


def test_a_file_name_that_is_no_utf8_is_a_name_like_others(tmp_path: Path, run_molgen: Callable[..., Result]) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.smi")
    path.write_text("CCO\n")
    result = run_molgen("encode", path, "-o", tmp_path / os.fsdecode(b"z\xe9.csv"))
    assert (result.exit_code, result.stderr.count("caf\\udce9.smi: 1 of 1 rows")) == (0, 1)
    path.write_text("C(\n")
    result = run_molgen("encode", path, "-o", tmp_path / "y.csv")
    assert (result.exit_code, result.stderr.count("none of 1 rows")) == (2, 1)
    result = run_molgen("campaign", "--maximize", "qed", "--start", path, "--out", tmp_path / "run")
    assert (result.exit_code, result.stderr.count("is not valid UTF-8")) == (2, 1)
