"""Molecules of a series: every one keeps the core, whoever makes it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.chem.core import Core
from molgen.chem.molecule import parse
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.sample.conditional import SampleRequest
from molgen.sample.series import keep_constraints, read_series, sample_series
from molgen.search.ledger import read_evaluations

RunMolgen = Callable[..., Result]
CORE = "O=C(N[*:1])c1ccc([*:2])cc1"
MEMBER = "CCNC(=O)c1ccc(Cl)cc1"


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_samples_keep_the_core_and_meet_the_request(space: LatentSpace) -> None:
    series = read_series(CORE, ["2"], [parse(MEMBER)], space)
    assert series is not None
    request = SampleRequest([str(series.constraint), "sa <= 3"], space)
    found = sample_series(space, series, request, 30, seed=1, prior="gaussian")
    assert len(set(found.smiles)) == 30
    assert all(series.core.is_kept(parse(smiles).mol) for smiles in found.smiles)
    assert request.is_met(request.values([parse(smiles) for smiles in found.smiles])).all()
    assert sample_series(space, series, request, 30, seed=1, prior="gaussian") == found


@pytest.mark.parametrize(
    ("core", "vary", "told"),
    [
        (None, ["1"], "names open positions, but there is no core"),
        (CORE, ["3"], "no open position 3"),
        (CORE, ["one"], "not the number of an open position"),
        (CORE, ["1"], "no given molecule keeps the core"),
        ("c1[c,n]cccc1[*:1]", [], "is a pattern, and no given molecule"),
        ("[Po]c1ccc([*:1])cc1", [], "cannot encode"),
    ],
)
def test_cores_without_a_molecule_say_what_is_missing(
    space: LatentSpace, core: str | None, vary: list[str], told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        read_series(core, vary, [parse("CCO")], space)


def test_what_must_be_kept_anywhere_is_a_constraint() -> None:
    assert [str(one) for one in keep_constraints(["c1ccncc1"])] == ["smarts:c1ccncc1 >= 1.0"]
    with pytest.raises(SpecError, match="neither SMILES nor SMARTS"):
        keep_constraints(["c1cc"])


@pytest.mark.usefixtures("few_prior_samples")
def test_all_that_a_campaign_scores_keeps_the_core(run_molgen: RunMolgen, tmp_path: Path) -> None:
    ask = ("campaign", "--maximize", "qed", "--core", CORE, "--vary", "1", "--keep", "C(=O)N", "--budget", "20")
    result = run_molgen(*ask, "--start", MEMBER, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    core = Core.read(CORE).closed_but([1], parse(MEMBER).mol)
    evaluations = read_evaluations(tmp_path / "run" / "evaluations.csv")
    assert len(evaluations) == 20
    assert all(core.is_kept(parse(one.smiles).mol) for one in evaluations)


def test_the_command_samples_a_series(run_molgen: RunMolgen) -> None:
    result = run_molgen("sample", "-n", 5, "--core", "c1ccc([*:1])nc1", "--where", "mw < 300", "--json")
    assert result.exit_code == 0, result.stderr
    core = Core.read("c1ccc([*:1])nc1")
    assert all(core.is_kept(parse(text).mol) for text in json.loads(result.stdout)["smiles"])
