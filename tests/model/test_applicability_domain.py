"""The scale of strangeness against ranks, an even distribution, the model's own loss, and hostile JSON."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from molgen.arrays import Doubles
from molgen.chem.molecule import parse
from molgen.latent.space import LatentSpace
from molgen.model import checkpoint
from molgen.model.applicability import (
    MAX_DISTANCE,
    MIN_MOLECULES,
    N_FEATURES,
    PARTS,
    ApplicabilityDomain,
    measure_features,
)
from molgen.paths import find_shipped
from molgen.tokens.selfies_vocabulary import pad
from molgen.train.data.dataset import TokenSet
from molgen.train.fit.applicability import calibrate_trust

SMILES = ["CCO", "CC(=O)Oc1ccccc1C(=O)O", "c1ccc2ccccc2c1", "C[C@H](N)C(=O)O", "CN1CCC[C@H]1c1cccnc1", "CCCCCCCCCC"]


def drawn(n: int, seed: int) -> Doubles:
    """Features that look like those of molecules: positive, and most round trips exact."""
    rng = np.random.default_rng(seed)
    features = rng.gamma(2.0, size=(n, N_FEATURES))
    features[rng.random(n) < 0.8, 4] = 0.0
    return features


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


@pytest.mark.parametrize("n", [MIN_MOLECULES, 100, 3000])
def test_a_p_value_is_the_share_of_molecules_that_score_as_high(n: int) -> None:
    features = drawn(n, 0)
    p = ApplicabilityDomain.of(features).p_values(features)
    for column, scores in ((0, features[:, 0]), (2, features[:, 4])):
        ranks = (scores[None, :] >= scores[:, None]).mean(axis=1)
        assert np.abs(p[:, column] - ranks).max() < 0.01
    assert (p[features[:, 4] == 0.0, 2] == 1.0).all()


def test_trust_is_uniform_on_molecules_like_those_of_the_scale() -> None:
    scale = ApplicabilityDomain.of(drawn(3000, 1))
    trust = scale.trust(scale.p_values(drawn(3000, 2)))
    assert kstest(trust, "uniform").statistic < 0.04
    assert trust.min() > 0
    assert trust.max() <= 1


def test_stranger_is_trusted_less_and_the_strangest_as_little_as_can_be_told() -> None:
    scale = ApplicabilityDomain.of(drawn(500, 3))
    for column in (0, 1, 3, 4):
        features = np.tile(np.median(drawn(500, 3), axis=0), (50, 1))
        features[:, column] = np.linspace(0, 100, 50)
        trust = scale.trust(scale.p_values(features))
        assert (np.diff(trust) <= 0).all()
        assert trust[-1] < trust[0]
    beyond = scale.p_values(np.full((1, N_FEATURES), 1e6))
    assert beyond.tolist() == [[1 / 500] * 3]
    assert scale.trust(beyond).tolist() == [1 / 500]


def test_too_few_molecules_make_no_scale() -> None:
    with pytest.raises(ValueError, match="needs 20 molecules, but got 19"):
        ApplicabilityDomain.of(drawn(19, 0))


def test_a_scale_survives_json() -> None:
    scale = ApplicabilityDomain.of(drawn(200, 4))
    assert ApplicabilityDomain.from_json(json.loads(json.dumps(scale.as_json()))) == scale
    assert ApplicabilityDomain.from_json(None) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)


@settings(max_examples=300)
@given(data=st.data())
def test_other_json_is_refused_or_a_scale(data: st.DataObject) -> None:
    value = ApplicabilityDomain.of(drawn(25, 0)).as_json()
    key = data.draw(st.sampled_from(sorted(value)))
    if data.draw(st.booleans()) and isinstance(value[key], tuple):
        row = list(value[key])
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(JSON)
        value[key] = row
    else:
        value[key] = data.draw(JSON)
    try:
        scale = ApplicabilityDomain.from_json(value)
    except (ValueError, TypeError, KeyError):
        return
    assert scale is not None
    assert np.isfinite(scale.trust(scale.p_values(drawn(10, 1)))).all()


def test_features_are_those_of_the_models_own_loss(space: LatentSpace) -> None:
    model = space.model
    sequences = [model.vocabulary.tokenise(parse(text).smiles) for text in SMILES]
    features = measure_features(model.vae, model.vocabulary, sequences, model.max_tokens)
    tokens, lengths = map(torch.from_numpy, pad(sequences))
    noise, kept = torch.zeros(len(tokens), space.size), torch.zeros_like(tokens, dtype=torch.bool)
    with torch.no_grad():
        nll, kl, mean = model.vae(tokens, lengths, noise, kept)
    n_tokens = lengths.numpy() + 1
    assert features[:, 0] == pytest.approx(nll.numpy() / n_tokens, rel=1e-3, abs=1e-6)
    assert features[:, 1] == pytest.approx(kl.numpy(), rel=1e-4)
    assert features[:, 2].tolist() == n_tokens.tolist()
    assert features[:, 3] == pytest.approx((mean[:, : model.vae.config.coarse_size] ** 2).sum(dim=1).numpy(), rel=1e-4)
    alone = [measure_features(model.vae, model.vocabulary, [ids], model.max_tokens)[0] for ids in sequences]
    assert features == pytest.approx(np.stack(alone), rel=1e-3, abs=1e-5)


def test_consistency_is_the_distance_to_what_comes_back(space: LatentSpace) -> None:
    model = space.model
    with (find_shipped("data") / "natural_products.smi").open() as handle:
        texts = [parse(line).smiles for line in handle][:40]
    sequences = [model.vocabulary.tokenise(text) for text in texts]
    distance = measure_features(model.vae, model.vocabulary, sequences, model.max_tokens)[:, 4]
    z = space.encode(texts, is_refined=False)
    decoded = space.decode(z)
    again = space.encode([text or "" for text in decoded], is_refined=False)
    n = model.vae.config.coarse_size
    expected = np.sqrt(np.square((again - z)[:, :n]).mean(axis=1))
    is_same = np.array([a == b for a, b in zip(texts, decoded, strict=True)])
    assert (distance[is_same] == 0).all()
    assert (~is_same).any()
    expected = np.where(np.isfinite(expected), expected, MAX_DISTANCE)
    assert np.median(np.abs(distance - expected)) < 1e-4  # a tie of two tokens may fall another way in another batch
    assert (np.abs(distance - expected) < 1e-3).mean() > 0.9


def test_a_scale_is_of_molecules_that_the_model_does_not_know(space: LatentSpace) -> None:
    model = replace(space.model, applicability=None)
    sequences = [model.vocabulary.tokenise("C" * n + "O") for n in range(1, 61)]
    keys = np.arange(60, dtype=np.uint64) << np.uint64(32)
    data = TokenSet(
        tokens=np.concatenate(sequences),
        offsets=np.cumsum([0, *map(len, sequences)], dtype=np.int64),
        labels=np.empty((60, 0), dtype=np.float32),
        keys=keys,
        fingerprints=np.empty((60, 0), dtype=np.uint8),
        is_validation=np.zeros(60, dtype=bool),
    )
    knowing = replace(model, known=np.arange(30, dtype=np.uint32))
    fitted = calibrate_trust(knowing, data, np.arange(60), seed=0)
    assert fitted.applicability is not None
    assert fitted.applicability.n == 30
    assert calibrate_trust(knowing, data, np.arange(40), seed=0).applicability is None


@pytest.mark.parametrize("name", ["default", "zinc"])
def test_shipped_checkpoints_know_what_is_usual(name: str) -> None:
    scale = checkpoint.load(find_shipped("checkpoints") / f"{name}.safetensors").applicability
    assert scale is not None
    assert scale.n > 1000
    assert len(scale.scores) == len(PARTS)


def test_a_scale_survives_the_checkpoint(tmp_path: Path, space: LatentSpace) -> None:
    space.model.save(tmp_path / "model.safetensors")
    assert checkpoint.load(tmp_path / "model.safetensors").applicability == space.model.applicability
