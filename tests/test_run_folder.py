"""Run folders: what may be replaced, what a failed start leaves, and that a kill at any moment loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from molgen.errors import InterruptedRunError, RunError, SpecError
from molgen.lock import LOCK, hold
from molgen.paths import replace_file
from molgen.run import LOG, MANIFEST, SPEC, RunFolder
from molgen.search import launch

FILES = ("ledger.csv", "export.*")
KillAfter = Callable[[int], AbstractContextManager[Any]]


def content(folder: Path) -> dict[str, bytes]:
    """All files below `folder` but its lock."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != LOCK
    }


def begin_whole(folder: Path, text: str, *, is_forced: bool = False) -> None:
    with RunFolder.begin(folder, {"text": text}, FILES, is_forced=is_forced) as run:
        (folder / "ledger.csv").write_text(text)
        run.log(text)
        run.keep()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    begin_whole(folder, "old")
    (folder / "export.sdf").write_text("old")
    return folder


def test_a_run_has_its_specification_and_what_it_ran_on(old: Path) -> None:
    run = RunFolder.open(old)
    assert run.spec() == {"text": "old"}
    assert {"versions", "command", "start", "spec_sha256"} <= run.manifest().keys()
    run.require_same()
    (old / SPEC).write_text('text = "other"\n')
    with pytest.raises(RunError, match="spec_sha256 changed"):
        run.require_same()


def test_force_replaces_a_run(old: Path) -> None:
    begin_whole(old, "new", is_forced=True)
    assert {name: content(old)[name] for name in (SPEC, "ledger.csv")} == {
        SPEC: b'text = "new"\n',
        "ledger.csv": b"new",
    }
    assert content(old).keys() == {SPEC, MANIFEST, LOG, "ledger.csv"}


def test_a_run_is_not_replaced_without_force(old: Path) -> None:
    before = content(old)
    with pytest.raises(RunError, match="--force"):
        begin_whole(old, "new")
    assert content(old) == before


def users_folder(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    (folder / "thesis.tex").write_text("x")


def users_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")


def users_subfolder(folder: Path) -> None:
    (folder / "export.d").mkdir()


def users_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"name": "a page", "start": "/index.html"}')


def no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def broken_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def no_specification(folder: Path) -> None:
    (folder / SPEC).unlink()


@pytest.mark.parametrize(
    "change",
    [
        users_folder,
        users_file,
        users_subfolder,
        users_manifest,
        no_manifest,
        broken_manifest,
        no_specification,
    ],
)
@pytest.mark.parametrize("is_forced", [True, False])
def test_what_molgen_did_not_make_alone_is_never_replaced(
    old: Path, change: Callable[[Path], None], is_forced: bool
) -> None:
    change(old)
    before = content(old)
    with pytest.raises(RunError, match=r"other files than a run|not a molgen run|holds a run already"):
        begin_whole(old, "new", is_forced=is_forced)
    assert content(old) == before


def test_a_run_of_another_kind_is_not_replaced(old: Path) -> None:
    with (
        pytest.raises(RunError, match=r"other files than a run: 'export.sdf', 'ledger.csv'"),
        RunFolder.begin(old, {}, ("weights",), is_forced=True),
    ):
        pass


def test_a_run_that_holds_an_input_of_the_new_one_is_not_replaced(old: Path) -> None:
    with (
        pytest.raises(RunError, match=r"holds an input of the new run: ledger\.csv"),
        RunFolder.begin(old, {}, FILES, inputs=[old / ".." / "run" / "ledger.csv"], is_forced=True),
    ):
        pass


@pytest.mark.parametrize("error", [SpecError("maximize", "is unknown"), ValueError(), MemoryError(), OSError()])
def test_a_start_that_fails_leaves_no_folder(tmp_path: Path, error: Exception) -> None:
    folder = tmp_path / "a" / "run"
    with pytest.raises(type(error)):
        fail(folder, error)
    assert not folder.exists()


def test_a_start_that_fails_leaves_an_empty_folder_empty(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bad"):
        fail(tmp_path, ValueError("bad"))
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_after_its_start_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="late"):
        fail(tmp_path / "run", ValueError("late"), is_begun=True)
    assert (tmp_path / "run" / "ledger.csv").read_text() == "new"


@pytest.mark.parametrize("error", [InterruptedRunError("stopped"), KeyboardInterrupt()])
def test_a_start_that_is_interrupted_can_be_resumed(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fail(tmp_path / "run", error)
    with RunFolder.resume(tmp_path / "run", FILES) as run:
        assert run.spec() == {"text": "new"}


@pytest.mark.parametrize("error", [SpecError("maximize", "is unknown"), InterruptedRunError("stopped"), OSError()])
def test_a_forced_start_that_does_not_get_far_leaves_the_earlier_run(old: Path, error: Exception) -> None:
    before = content(old)
    with pytest.raises(type(error)) as caught:
        fail(old, error, is_forced=True)
    assert content(old) == before
    if not isinstance(error, OSError):
        assert "The earlier run" in str(caught.value)


def fail(folder: Path, error: BaseException, *, is_begun: bool = False, is_forced: bool = False) -> None:
    with RunFolder.begin(folder, {"text": "new"}, FILES, is_forced=is_forced) as run:
        (folder / "ledger.csv").write_text("new")
        if is_begun:
            run.keep()
        raise error


def test_a_kill_at_any_moment_of_a_forced_start_loses_neither_run(tmp_path: Path, kill_after: KillAfter) -> None:
    outcomes = set()
    for n in range(60):
        folder = tmp_path / str(n)
        begin_whole(folder, "old")
        (folder / "export.sdf").write_text("old")
        before = content(folder)
        with kill_after(n) as kill:
            begin_whole(folder, "new", is_forced=True)
        with RunFolder.resume(folder, FILES) as run:
            text = run.spec()["text"]
            if text == "old":
                assert content(folder) == before
            else:
                run.keep()
                assert content(folder).keys() <= {SPEC, MANIFEST, LOG, "ledger.csv"}
        outcomes.add((kill.happened, text))
    assert outcomes == {(True, "old"), (True, "new"), (False, "new")}


def test_a_start_killed_at_any_moment_can_be_begun_again_or_resumed(tmp_path: Path, kill_after: KillAfter) -> None:
    outcomes = set()
    for n in range(20):
        folder = tmp_path / str(n)
        with kill_after(n) as kill:
            begin_whole(folder, "one")
        is_there = (folder / SPEC).exists()
        if is_there:
            with RunFolder.resume(folder, FILES) as run:
                assert run.spec() == {"text": "one"}
        else:
            begin_whole(folder, "one")
        assert content(folder).keys() >= {SPEC, MANIFEST}
        outcomes.add((kill.happened, is_there))
    assert outcomes == {(True, False), (True, True), (False, True)}


HOLD = """
import sys
from pathlib import Path
from molgen.lock import hold

with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_works_there_until_that_one_is_killed(old: Path) -> None:
    before = content(old)
    child = subprocess.Popen([sys.executable, "-c", HOLD, old], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    words = rf"in use by process {child.pid} on host '{os.uname().nodename}' since 20"
    with pytest.raises(RunError, match=words), RunFolder.resume(old, FILES):
        pass
    with pytest.raises(RunError, match=words):
        begin_whole(old, "new", is_forced=True)
    assert content(old) == before
    child.kill()
    child.communicate()
    with RunFolder.resume(old, FILES) as run:
        assert run.spec() == {"text": "old"}


def test_a_lock_holds_within_a_process_too(tmp_path: Path) -> None:
    with hold(tmp_path), hold(tmp_path, "another"), pytest.raises(RunError, match="in use"), hold(tmp_path):
        pass
    with hold(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()


@pytest.mark.parametrize("text", ["", "[]", '{"process": "\\u001b[31m"}', '{"since": 3}', "\x1b[31m"])
def test_a_lock_with_anything_in_it_is_described_in_plain_text(tmp_path: Path, text: str) -> None:
    with hold(tmp_path):
        (tmp_path / LOCK).write_text(text)
        with pytest.raises(RunError, match="in use by another process"), hold(tmp_path):
            pass


def test_files_half_written_are_cleared_away_except_exports(old: Path) -> None:
    with replace_file(old / "x") as temporary:
        ending = temporary.name.removeprefix(".x")
        temporary.touch()
    (old / "x").unlink()
    names = (f".ledger.csv{ending}", f".manifest.json{ending}", f".export.sdf{ending}", ".spec.toml.swp")
    for name in names:
        (old / name).touch()
    with RunFolder.resume(old, FILES, exports=("export.*",)):
        pass
    assert [name for name in names if (old / name).exists()] == list(names[2:])


def test_an_export_can_be_written_while_its_campaign_is_resumed(old: Path) -> None:
    with replace_file(old / "candidates.sdf") as temporary:
        temporary.touch()
        with RunFolder.resume(old, launch.FILES, exports=launch.EXPORTS):
            pass
    assert (old / "candidates.sdf").exists()


def test_what_is_no_run_is_not_touched_by_resuming_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(RunError, match="not a molgen run"), RunFolder.resume(tmp_path, FILES):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
