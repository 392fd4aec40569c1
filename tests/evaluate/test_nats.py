"""Excess nats are what a code spends beyond the surprise of the molecules."""

from dataclasses import replace

import pytest

from molgen.evaluate.nats import measure_nats
from molgen.latent.space import LatentSpace

MOLECULES = ["CCOC(=O)c1ccccc1", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "CC(=O)Nc1ccc(O)cc1", "c1ccncc1"]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_the_parts_add_up(space: LatentSpace) -> None:
    nats = measure_nats(space, [*MOLECULES, "[Xe]"], seed=1)
    assert nats
    assert nats.n == len(MOLECULES)
    whole = nats.autoencoder if nats.region is None else nats.region
    assert nats.excess == pytest.approx(whole - nats.language)
    assert 0.0 < nats.divergence < whole
    assert 0.0 < nats.language < nats.autoencoder  # an upper bound of what a perfect code would spend
    assert measure_nats(space, [*MOLECULES, "[Xe]"], seed=1) == nats


def test_without_a_language_model_or_a_molecule_there_is_nothing_to_compare(space: LatentSpace) -> None:
    assert measure_nats(space, ["[Xe]"], seed=0) is None
    silent = LatentSpace(replace(space.model, priors={}))
    assert measure_nats(silent, MOLECULES, seed=0) is None
