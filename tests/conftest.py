"""What several test files share: the command line, loaded as users start it."""

import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

RunMolgen = Callable[..., Result]

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: two busy threads on a busy machine wait for each other


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
