"""The command `molgen campaign` and its folder: what --force, --resume, --budget and a repaired scorer do to it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from molgen.lock import LOCK, hold
from molgen.search.launch import FILES
from molgen.search.ledger import NAME, read_evaluations

RunMolgen = Callable[..., Result]
FLAGS = ("--maximize", "qed", "--seed", 1, "--threads", 1, "--device", "cpu")


def content(folder: Path) -> dict[str, bytes]:
    """The files in `folder`, but its lock."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.name != LOCK}


@pytest.fixture(autouse=True, scope="module")
def checkpoint(tiny_checkpoint: Path, few_prior_samples: None) -> Iterator[None]:
    """A small model in place of the default checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOLGEN_CHECKPOINT", str(tiny_checkpoint))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, app: Typer, checkpoint: None) -> Path:
    """A finished campaign, not to be changed."""
    out = tmp_path_factory.mktemp("finished") / "run"
    arguments = ["campaign", *FLAGS, "--budget", 15, "--batch", 10, "--out", out]
    assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0
    return out


@pytest.fixture
def old(tmp_path: Path, finished: Path) -> Path:
    """A finished campaign."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_force_replaces_a_campaign_with_its_candidates(old: Path, run_molgen: RunMolgen) -> None:
    assert run_molgen("export", old, "-o", old / "candidates.smi").exit_code == 0
    before = content(old)
    result = run_molgen("campaign", *FLAGS, "--budget", 12, "--out", old, "--force")
    assert result.exit_code == 0, result.stderr
    assert len(read_evaluations(old / NAME)) == 12
    assert content(old).keys() == before.keys() - {"candidates.smi"}


def test_a_folder_with_anything_else_in_it_is_not_replaced(
    old: Path, run_molgen: RunMolgen, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old / "notes.txt").write_text("mine")
    (old.parent / "thesis.tex").write_text("mine")
    before = content(old)
    for out in (old, old.parent):
        monkeypatch.chdir(out)
        result = run_molgen("campaign", *FLAGS, "--budget", 12, "--out", ".", "--force")
        assert result.exit_code == 2
        assert "Name another folder" in result.stderr
    assert content(old) == before
    assert (old.parent / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--maximize", "qedd"), 2),
        (("--constraint", "heavy_atoms <= 0"), 3),
        (("--scorer", "bad={scorer}:score", "--maximize", "bad", "--scale", "bad = 0..100"), 1),
        (("--pareto",), 2),
        (("--start", "{old}/evaluations.csv"), 2),
    ],
)
def test_a_forced_campaign_that_fails_at_its_start_leaves_the_earlier_one(
    old: Path, run_molgen: RunMolgen, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int
) -> None:
    monkeypatch.setattr("molgen.search.campaign.MAX_IDLE_BATCHES", 2)
    scorer = old.parent / "scorer.py"
    scorer.write_text(
        "def score(smiles):\n    if len(smiles) > 3:\n        raise ValueError\n    return [len(s) for s in smiles]\n"
    )
    before = content(old)
    filled = [option.format(scorer=scorer, old=old) for option in options]
    result = run_molgen("campaign", *FLAGS, *filled, "--budget", 12, "--out", old, "--force")
    assert result.exit_code == code, result.stderr
    assert content(old) == before


def test_what_a_campaign_leaves_is_its_own(old: Path) -> None:
    assert content(old).keys() <= {"spec.toml", "manifest.json", "log.txt", *FILES}


def test_a_finished_campaign_is_extended_and_says_so(old: Path, tmp_path: Path, run_molgen: RunMolgen) -> None:
    before = (old / NAME).read_bytes()
    result = run_molgen("campaign", "--resume", old, "--budget", 33)
    assert result.exit_code == 0, result.stderr
    longer = (old / NAME).read_bytes()
    assert longer.startswith(before)
    assert len(read_evaluations(old / NAME)) == 33
    assert run_molgen("campaign", "--resume", old, "--budget", 33).exit_code == 0
    assert run_molgen("campaign", "--resume", old).exit_code == 0
    assert (old / NAME).read_bytes() == longer
    manifest = json.loads((old / "manifest.json").read_text())
    assert [entry["budget"] for entry in manifest["extensions"]] == [33]
    assert manifest["counts"]["scored"] == 33
    smaller = run_molgen("campaign", "--resume", old, "--budget", 20)
    assert smaller.exit_code == 2
    assert "must be above 33" in smaller.stderr
    assert (old / NAME).read_bytes() == longer


@pytest.mark.parametrize("extensions", [3, [3], [{"budget": 15}], [{"budget": 10**9}], [{"budget": "x"}]])
def test_a_damaged_history_of_budgets_is_refused(old: Path, run_molgen: RunMolgen, extensions: object) -> None:
    manifest = json.loads((old / "manifest.json").read_text())
    (old / "manifest.json").write_text(json.dumps(manifest | {"extensions": extensions}))
    result = run_molgen("campaign", "--resume", old)
    assert result.exit_code == 2
    assert "is damaged: extensions" in result.stderr


def test_a_repaired_scorer_is_accepted_only_when_that_is_said(tmp_path: Path, run_molgen: RunMolgen) -> None:
    out, scorer = tmp_path / "run", tmp_path / "scorer.py"
    body = "    return [float(len(s)) for s in smiles]\n"
    count = "n = 0\n\ndef score(smiles):\n    global n\n    n += 1\n    if n > 4:\n        raise ValueError('tired')\n"
    scorer.write_text(count + body)
    flags = ("--maximize", "score", "--scorer", f"{scorer}:score", "--budget", 40, "--batch", 10, "--threads", 1)
    failed = run_molgen("campaign", *flags, "--out", out)
    assert failed.exit_code == 1
    assert "--accept-changed-scorer" in failed.stderr
    before = (out / NAME).read_bytes()
    assert len(read_evaluations(out / NAME)) > 0
    scorer.write_text("def score(smiles):\n" + body)
    refused = run_molgen("campaign", "--resume", out)
    assert refused.exit_code == 2
    assert f"--resume {out} --accept-changed-scorer" in refused.stderr
    resumed = run_molgen("campaign", "--resume", out, "--accept-changed-scorer")
    assert resumed.exit_code == 0, resumed.stderr
    assert (out / NAME).read_bytes().startswith(before)
    assert len(read_evaluations(out / NAME)) == 40
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["accepted_scorers"]) == 1
    assert manifest["accepted_scorers"][0]["before"] != manifest["scorers"]
    assert run_molgen("campaign", "--resume", out).exit_code == 0


def test_a_campaign_that_another_process_runs_is_not_resumed(old: Path, run_molgen: RunMolgen) -> None:
    before = content(old)
    with hold(old):
        result = run_molgen("campaign", "--resume", old)
    assert result.exit_code == 2
    assert f"is in use by process {os.getpid()} on host" in result.stderr
    assert content(old) == before


def test_what_is_no_executor_is_refused(run_molgen: RunMolgen, tmp_path: Path) -> None:
    result = run_molgen("campaign", "--maximize", "qed", "--out", tmp_path / "run", "--executor", "dask:host")
    assert result.exit_code == 2
    assert "local:N" in result.stderr
    assert not (tmp_path / "run").exists()
