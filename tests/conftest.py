"""What several test files share: the command line, loaded as users start it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from molgen import paths

RunMolgen = Callable[..., Result]

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: two busy threads on a busy machine wait for each other
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored, here and in what tests start


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own, never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MOLGEN_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def app() -> Typer:
    """The app behind the console script `molgen`."""
    (script,) = entry_points(group="console_scripts", name="molgen")
    loaded = script.load()
    assert isinstance(loaded, Typer)
    return loaded


@pytest.fixture
def run_molgen(app: Typer) -> RunMolgen:
    """Runs the command line in this process: `run_molgen("sample", "-n", 3).exit_code`."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@dataclass
class Kill:
    """Stands for a kill of the process after so many changes of files.

    Attributes:
        left: Changes that may still happen.
        happened: Whether it came to the kill.
    """

    left: int
    happened: bool = False


class Killed(BaseException):
    """Ends what a kill would end."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[Kill]]:
    """Ends a block after so many changes of files: `with kill_after(3) as kill: ...`.

    Every further change fails too, so that the block cannot mend anything while it ends.
    """
    kill = Kill(10**9)

    def limit(module: object, name: str) -> None:
        original = getattr(module, name)

        def change(*arguments: object, **options: object) -> object:
            kill.left -= 1
            if kill.left < 0:
                raise Killed
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, change)

    for name in ("rename", "replace", "unlink", "mkdir", "rmdir"):
        limit(Path, name)
    limit(shutil, "rmtree")
    limit(os, "link")
    limit(paths, "token_hex")

    @contextmanager
    def block(n: int) -> Iterator[Kill]:
        kill.left, kill.happened = n, False
        try:
            yield kill
        except Killed:
            kill.happened = True
        finally:
            kill.left = 10**9

    return block
