"""Requests: what comes out meets them, is new each time, and is told with its share."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import Result

from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.latent.trust import measure_trust
from molgen.sample.conditional import LIKE, SampleRequest, sample_conditionally

RunMolgen = Callable[..., Result]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_what_is_found_meets_the_request(space: LatentSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.sample.conditional.N_PILOT", 500)
    request = SampleRequest(["2 < logp < 3", "3 <= rings < 5", "tpsa > 60"], space)
    found = sample_conditionally(space, request, 60, seed=1, prior="gaussian")
    assert len(found.smiles) == len(set(found.smiles)) == 60
    assert request.is_met(request.values([parse(text) for text in found.smiles])).all()
    assert found.share > found.plain_share > 0
    assert sample_conditionally(space, request, 60, seed=1, prior="gaussian") == found


@pytest.mark.parametrize(
    ("name", "text"), [("like", "CC(C)NCC(O)COc1cccc2ccccc12"), ("scaffold", "c1ccc(-c2ccncc2)cc1")]
)
def test_molecules_like_one_and_with_a_scaffold_are_found_though_the_prior_has_none(
    space: LatentSpace, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.sample.conditional.N_PILOT", 200)
    asked = {name: text}
    request = SampleRequest([], space, like=asked.get("like"), scaffold=asked.get("scaffold"))
    found = sample_conditionally(space, request, 5, seed=1, prior="gaussian")
    molecules = [parse(smiles) for smiles in found.smiles]
    assert len({m.smiles for m in molecules} - {parse(text).smiles}) == 5
    query = parse(text).mol
    if name == "scaffold":
        assert all(m.mol.HasSubstructMatch(query) for m in molecules)
    else:
        near = [tanimoto(fingerprint(m.mol), fingerprint(query)) for m in molecules]
        assert min(near) >= LIKE
    assert found.share > found.plain_share == 0.0
    assert sample_conditionally(space, request, 5, seed=1, prior="gaussian") == found


def test_how_alike_is_asked_by_a_constraint(space: LatentSpace) -> None:
    request = SampleRequest(["similarity:CCO >= 0.7"], space, like="CCO")
    assert [str(c) for c in request.constraints] == ["similarity:CCO >= 0.7"]
    assert [str(c) for c in SampleRequest([], space, like="OCC").constraints] == ["similarity:CCO >= 0.4"]
    for other in ("similarity:CCO < 0.9", "similarity:CCN >= 0.2"):
        assert [str(c) for c in SampleRequest([other], space, like="CCO").constraints] == [
            "similarity:CCO >= 0.4",
            other,
        ]
    either_side = SampleRequest(["0.3 <= similarity:CCO < 0.9"], space, like="CCO")
    assert [str(c) for c in either_side.constraints] == ["similarity:CCO >= 0.3", "similarity:CCO < 0.9"]


def test_what_is_common_is_found_in_the_first_draw(space: LatentSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.sample.conditional.N_PILOT", 200)
    found = sample_conditionally(space, SampleRequest(["heavy_atoms > 5"], space), 3, seed=1, prior="gaussian")
    assert (len(found.smiles), found.n_decoded, found.share) == (3, 0, found.plain_share)


def test_the_impossible_ends_with_what_there_is(space: LatentSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.sample.conditional.N_PILOT", 200)
    monkeypatch.setattr("molgen.sample.conditional.MIN_DECODED", 300)
    found = sample_conditionally(space, SampleRequest(["mw > 5000"], space), 5, seed=0, prior="gaussian")
    assert (found.smiles, found.share) == ([], 0.0)
    assert found.n_decoded >= 300


def test_probabilities_are_those_of_intervals(space: LatentSpace) -> None:
    request = SampleRequest(["2 < logp < 3", "qed > 0.5"], space)
    mean, std = np.array([[2.5, 0.5], [9.0, 0.9]]), np.array([[0.5, 0.1], [0.1, 0.1]])
    wanted = (norm.cdf(1) - norm.cdf(-1)) * 0.5
    assert request.probability(mean, std) == pytest.approx([wanted, 1e-12])


REQUEST = ("--prior", "gaussian", "--where", "logp > 5")


def test_the_command_tells_the_share(run_molgen: RunMolgen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.sample.conditional.N_PILOT", 500)
    out = tmp_path / "found.smi"
    result = run_molgen("sample", "-n", 40, "--allow-unfamiliar", "--allow-unstable", *REQUEST, "-o", out, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["n"] == 40
    assert report["share"] > report["plain_share"]
    assert all(DESCRIPTORS["logp"].function(parse(text).mol) > 5 for text in out.read_text().split())
    assert "40 distinct molecules meet the request" in result.stderr


@pytest.mark.parametrize("option", [("--prior", "nonesuch"), ("--where", "logp >"), ("--where", "lgp > 4")])
def test_bad_requests_end_with_2(run_molgen: RunMolgen, option: tuple[str, str]) -> None:
    result = run_molgen("sample", "-n", 5, *option)
    assert (result.exit_code, "Traceback" in result.stderr) == (2, False)


@pytest.mark.parametrize("texts", [[], ["qed"], ["qed > 0.9", "qed < 0.1"], ["beauty > 3"]])
def test_a_request_that_cannot_be_is_refused(space: LatentSpace, texts: list[str]) -> None:
    with pytest.raises(SpecError):
        SampleRequest(texts, space)


def test_molecules_are_found_that_the_model_trusts(space: LatentSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.sample.conditional.N_PILOT", 200)
    request = SampleRequest(["trust >= 0.4"], space)
    found = sample_conditionally(space, request, 5, seed=1, prior="gaussian")
    assert len(found.smiles) == 5
    assert measure_trust(space, found.smiles).values.min() >= 0.4
