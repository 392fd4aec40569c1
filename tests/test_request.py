"""Requests: what comes out meets them, is new each time, and is told with its share."""

import numpy as np
import pytest
from scipy.stats import norm

from molgen.chem.molecule import parse
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.search.request import Request, answer


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_what_is_found_meets_the_request(space: LatentSpace) -> None:
    request = Request(["2 < logp < 3", "rings >= 2"], space)
    found = answer(space, request, 40, seed=1, prior="gaussian")
    assert len(found.smiles) == len(set(found.smiles)) == 40
    assert request.is_met(request.values([parse(text) for text in found.smiles])).all()
    assert found.share > found.plain_share > 0
    assert answer(space, request, 40, seed=1, prior="gaussian") == found


def test_the_impossible_ends_with_what_there_is(space: LatentSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.search.request.MIN_DECODED", 300)
    found = answer(space, Request(["mw > 5000"], space), 5, seed=0, prior="gaussian")
    assert (found.smiles, found.share) == ([], 0.0)
    assert found.n_decoded >= 300


def test_probabilities_are_those_of_intervals(space: LatentSpace) -> None:
    request = Request(["2 < logp < 3", "qed > 0.5"], space)
    mean, spread = np.array([[2.5, 0.5], [9.0, 0.9]]), np.array([[0.5, 0.1], [0.1, 0.1]])
    wanted = (norm.cdf(1) - norm.cdf(-1)) * 0.5
    assert request.probability(mean, spread) == pytest.approx([wanted, 1e-12])


@pytest.mark.parametrize("texts", [[], ["qed"], ["qed > 0.9", "qed < 0.1"], ["beauty > 3"]])
def test_a_request_that_cannot_be_is_refused(space: LatentSpace, texts: list[str]) -> None:
    with pytest.raises(SpecError):
        Request(texts, space)
