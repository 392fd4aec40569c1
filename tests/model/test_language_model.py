"""A language prior: it says what it has read as often as it read it, and its points are those of molecules."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from molgen.errors import CheckpointError, SpecError
from molgen.latent.space import LatentSpace
from molgen.model import checkpoint
from molgen.model.checkpoint import MolecularModel
from molgen.model.language_model import MAX_LENGTH, SmilesLanguageModel, SmilesLanguageModelConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import N_SPECIAL, Vocabulary
from molgen.tokens.smiles_vocabulary import SmilesVocabulary
from molgen.train.data.batches import collate
from molgen.train.data.dataset import TokenSet
from molgen.train.fit.language_model import _token_set, draw_training_smiles, fit_language_model
from molgen.train.loop import make_model

CORPUS = 6 * ["CCO"] + 3 * ["N"] + ["CNCN"]
TOKENS = ("[C]", "[N]", "[O]")


@pytest.fixture(scope="module")
def fluent() -> SmilesLanguageModel:
    return fit_language_model(CORPUS, seed=0, hidden_size=24, n_steps=600)


def said(language: SmilesLanguageModel, n: int, seed: int) -> list[str]:
    return language.sample(n, torch.Generator().manual_seed(seed))


def test_it_says_what_it_has_read_as_often_as_it_read_it(fluent: SmilesLanguageModel) -> None:
    counts = Counter(said(fluent, 3000, seed=1))
    for smiles, n in Counter(CORPUS).items():
        assert counts[smiles] / 3000 == pytest.approx(n / len(CORPUS), abs=0.05)


def test_its_loss_is_the_probability_of_saying_so(fluent: SmilesLanguageModel) -> None:
    batch = collate(_token_set(fluent.tokens, ["CCO", "N"]), np.arange(2))
    chance = torch.exp(-fluent.loss(batch.tokens, batch.lengths))
    assert chance.tolist() == pytest.approx([0.6, 0.3], abs=0.05)


def test_molecules_with_too_many_tokens_are_left_out_and_one_must_be_left() -> None:
    vocabulary = SmilesVocabulary(("(", "C"))
    longest, longer = "C" * (MAX_LENGTH - 1), "C" * MAX_LENGTH
    assert len(_token_set(vocabulary, [longest, longer, "CN"])) == 1
    with pytest.raises(ValueError, match="fewer than 120 tokens"):
        _token_set(vocabulary, [longer, "CN"])


def test_the_seeds_decide(fluent: SmilesLanguageModel) -> None:
    one, same, other = (fit_language_model(CORPUS, seed=seed, hidden_size=24, n_steps=20) for seed in (0, 0, 1))
    assert said(one, 50, seed=2) == said(same, 50, seed=2)
    assert not torch.equal(one.logits.weight, other.logits.weight)
    assert said(fluent, 50, seed=2) != said(fluent, 50, seed=3)


def model(language: SmilesLanguageModel) -> MolecularModel:
    torch.manual_seed(0)
    start = make_model(Vocabulary(TOKENS), Vae(VaeConfig(len(TOKENS) + N_SPECIAL, 4, 4, 6)), 12)
    start.priors = {"language": language}
    return start


def test_texts_are_those_of_training_molecules() -> None:
    vocabulary = Vocabulary(TOKENS)
    ids = [vocabulary.tokenise(smiles) for smiles in CORPUS]
    data = TokenSet(
        tokens=np.concatenate(ids),
        offsets=np.cumsum([0, *map(len, ids)]),
        labels=np.ones((len(ids), 1), dtype=np.float32),
        keys=np.arange(len(ids), dtype=np.uint64),
        fingerprints=np.zeros((len(ids), 0), dtype=np.uint8),
        is_validation=np.arange(len(ids)) == 0,
    )
    assert Counter(draw_training_smiles(vocabulary, data, seed=0)) == Counter(CORPUS[1:])


def test_points_are_those_of_molecules_and_survive_on_disk(tmp_path: Path, fluent: SmilesLanguageModel) -> None:
    start = model(fluent)
    start.save(tmp_path / "a.safetensors")
    space = LatentSpace.load(tmp_path / "a.safetensors")
    points = space.sample_points(600, 5, prior="language")
    assert points.shape == (600, 4)
    assert len(np.unique(points.round(5), axis=0)) <= 20  # there are three molecules, and slips of the tongue
    expected = space.encode(["CCO", "N", "CNCN"])
    distance = np.abs(points[:, None] - expected).max(axis=2).min(axis=1)
    assert np.mean(distance < 1e-5) > 0.9
    assert np.array_equal(points[:40], space.sample_points(40, 5, prior="language"))
    assert space.sample_points(0, prior="language").shape == (0, 4)
    assert space.default_prior == "language"
    assert np.array_equal(space.sample_points(40, 5), points[:40])
    assert space.sample(40, 5) == space.decode(points[:40])


def test_chunks_are_drawn_apart_and_do_not_depend_on_how_many_follow(
    fluent: SmilesLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = LatentSpace(model(fluent))
    first = space.sample_directly(20, 5)
    monkeypatch.setattr("molgen.latent.space.CHUNK", 20)
    points, texts = space.sample_points(70, 5), space.sample_directly(70, 5)
    np.testing.assert_allclose(space.sample_points(50, 5), points[:50], atol=1e-5)
    np.testing.assert_allclose(space.encode(texts), points, atol=1e-5)
    assert texts[:20] == first
    assert len({tuple(texts[start : start + 20]) for start in (0, 20, 40)}) == 3


def test_one_that_says_no_molecule_is_refused() -> None:
    language = SmilesLanguageModel(SmilesLanguageModelConfig(("(", "C"), hidden_size=4))
    with torch.no_grad():
        language.logits.bias[N_SPECIAL] = 50.0
    with pytest.raises(SpecError, match=r"gives a valid molecule in 0 of 256 samples"):
        LatentSpace(model(language.eval())).sample_points(3, prior="language")


@pytest.mark.parametrize(
    ("name", "value"),
    [("tokens", ["C"]), ("tokens", "C"), ("tokens", [1]), ("hidden_size", 4096), ("hidden_size", 0), ("x", 1)],
)
def test_a_checkpoint_that_lies_is_refused(
    tmp_path: Path, fluent: SmilesLanguageModel, name: str, value: object
) -> None:
    model(fluent).save(tmp_path / "a.safetensors")
    description = json.loads((tmp_path / "a.json").read_text())
    description["priors"]["language"][name] = value
    (tmp_path / "a.json").write_text(json.dumps(description))
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "a.safetensors")
