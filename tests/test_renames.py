"""Old names: they mean what the new ones mean, and tell them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.latent.space import LatentSpace
from molgen.renames import COMMANDS, PRIORS, RenamedWarning, current_name
from molgen.train.spec import TrainingSpec

RunMolgen = Callable[..., Result]


def test_a_current_name_is_taken_as_it_is() -> None:
    assert [current_name(name, PRIORS) for name in ("flow", "gan", "gaussian", "")] == ["flow", "gan", "gaussian", ""]


@pytest.mark.filterwarnings("default::FutureWarning")
@pytest.mark.parametrize(("old", "new"), COMMANDS.items())
def test_a_command_is_found_under_its_old_name(run_molgen: RunMolgen, tmp_path: Path, old: str, new: str) -> None:
    under_old, under_new = (run_molgen("explore", name, tmp_path / "missing.csv") for name in (old, new))
    warning = f"molgen: warning: {old!r} is now called {new!r}; the next release accepts the new name only\n"
    assert under_old.stderr == warning + under_new.stderr
    assert under_old.exit_code == under_new.exit_code == 2
    assert f"  {old} " not in run_molgen("explore", "--help").stdout


@pytest.mark.filterwarnings("default::FutureWarning")
def test_an_option_is_found_under_its_old_name(run_molgen: RunMolgen, tmp_path: Path) -> None:
    words = ("explore", "neighbours", "CCO", "--library", tmp_path / "missing.smi")
    old = run_molgen(*words, "-k", 3, f"--output={tmp_path / 'near.csv'}")
    new = run_molgen(*words, "-n", 3, f"--out={tmp_path / 'near.csv'}")
    warned = [("-k", "-n"), ("--output", "--out")]
    notes = [
        f"molgen: warning: {a!r} is now called {b!r}; the next release accepts the new name only\n" for a, b in warned
    ]
    assert old.stderr == "".join(notes) + new.stderr
    assert old.exit_code == new.exit_code == 2


def test_a_prior_is_trained_and_sampled_under_its_old_name() -> None:
    with pytest.warns(RenamedWarning, match="'diffusion' is now called 'flow'"):
        spec = TrainingSpec.of({"data": ["a.smi"], "epochs": 1, "prior": ["diffusion"]})
    assert spec.prior == ("flow",)
    space = LatentSpace.load()  # its file was written under the old name
    assert space.prior_names == ("gaussian", "flow", "language")
    with pytest.warns(RenamedWarning):
        old = space.sample_points(3, seed=1, prior="diffusion")
    assert old.tolist() == space.sample_points(3, seed=1, prior="flow").tolist()
