"""What several test files share: the command line, loaded as users start it."""

import os
from collections.abc import Callable
from importlib.metadata import entry_points

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

RunMolgen = Callable[..., Result]

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: two busy threads on a busy machine wait for each other


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
