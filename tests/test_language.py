"""A language prior: it says what it has read as often as it read it, and its points decode to what it says."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from molgen.errors import CheckpointError
from molgen.latent.space import LatentSpace
from molgen.model import checkpoint
from molgen.model.checkpoint import Checkpoint
from molgen.model.dataset import TokenSet
from molgen.model.language import Language, LanguageConfig
from molgen.model.prior_fit import fitted_language
from molgen.model.tokens import EOS, N_SPECIAL, Vocabulary
from molgen.model.training import new_model
from molgen.model.vae import Vae, VaeConfig

TOKENS = ("[C]", "[N]", "[O]")
CONFIG = LanguageConfig(len(TOKENS) + N_SPECIAL, hidden_size=24)
CARBON, NITROGEN, OXYGEN = range(N_SPECIAL, N_SPECIAL + 3)
CORPUS = 6 * [(CARBON, CARBON, OXYGEN)] + 3 * [(NITROGEN,)] + [(CARBON, NITROGEN, CARBON, NITROGEN)]


def token_set(sequences: Sequence[tuple[int, ...]]) -> TokenSet:
    lengths = [len(sequence) for sequence in sequences]
    return TokenSet(
        tokens=np.concatenate([np.array(sequence, dtype=np.uint16) for sequence in sequences]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        labels=np.zeros((len(sequences), 0), dtype=np.float32),
        keys=np.arange(len(sequences), dtype=np.uint64),
        fingerprints=np.zeros((len(sequences), 0), dtype=np.uint8),
        is_validation=np.zeros(len(sequences), dtype=bool),
    )


def said(language: Language, n: int, seed: int) -> list[tuple[int, ...]]:
    rows = language.sample(n, 9, torch.Generator().manual_seed(seed)).tolist()
    return [tuple(token for token in row if token >= N_SPECIAL) for row in rows]


@pytest.fixture(scope="module")
def fluent() -> Language:
    return fitted_language(CONFIG, token_set(CORPUS), seed=0, n_steps=1500)


def test_it_says_what_it_has_read_as_often_as_it_read_it(fluent: Language) -> None:
    counts = Counter(said(fluent, 3000, seed=1))
    for sequence, n in Counter(CORPUS).items():
        assert counts[sequence] / 3000 == pytest.approx(n / len(CORPUS), abs=0.05)


def test_its_loss_is_the_probability_of_saying_so(fluent: Language) -> None:
    tokens, lengths = torch.tensor([[CARBON, CARBON, OXYGEN], [NITROGEN, 0, 0]]), torch.tensor([3, 1])
    chance = torch.exp(-fluent.loss(tokens, lengths))
    assert chance.tolist() == pytest.approx([0.6, 0.3], abs=0.05)


def test_labels_do_not_change_how_often_a_molecule_is_read() -> None:
    data = token_set(CORPUS)
    labels = np.full((len(CORPUS), 1), np.nan, dtype=np.float32)
    labels[:2] = 1.0
    plain, labelled = (
        fitted_language(CONFIG, each, seed=0, n_steps=5).state_dict() for each in (data, replace(data, labels=labels))
    )
    assert all(torch.equal(plain[name], labelled[name]) for name in plain)


def test_the_seeds_decide(fluent: Language) -> None:
    again, other = (fitted_language(CONFIG, token_set(CORPUS), seed=seed, n_steps=1500) for seed in (0, 1))
    assert said(fluent, 50, seed=2) == said(again, 50, seed=2)
    assert not torch.equal(again.logits.weight, other.logits.weight)
    assert said(fluent, 50, seed=2) != said(fluent, 50, seed=3)


def model(language: Language) -> Checkpoint:
    torch.manual_seed(0)
    start = new_model(Vocabulary(TOKENS), Vae(VaeConfig(CONFIG.n_tokens, 4, encoder_size=4, decoder_size=6)), 12)
    start.priors = {"language": language}
    return start


def test_points_are_those_of_molecules_and_survive_on_disk(tmp_path: Path, fluent: Language) -> None:
    start = model(fluent)
    start.save(tmp_path / "a.safetensors")
    space = LatentSpace.load(tmp_path / "a.safetensors")
    points = space.sample_points(600, 5, prior="language")
    assert points.shape == (600, 4)
    assert np.isfinite(points).all()
    assert len(np.unique(points.round(5), axis=0)) <= 20  # there are three molecules, and slips of the tongue
    before = LatentSpace(start).sample_points(600, 5, prior="language")
    assert np.median(np.abs(points - before)) < 0.01  # half precision on disk
    assert space.sample_points(0, prior="language").shape == (0, 4)


def test_nothing_said_is_said_again() -> None:
    silent = Language(CONFIG)
    with torch.no_grad():
        silent.logits.bias[EOS] = 4.0
    points = LatentSpace(model(silent.eval())).sample_points(100, 0, prior="language")
    assert len(points) == 100


@pytest.mark.parametrize(("name", "value"), [("n_tokens", 7), ("hidden_size", 4096), ("hidden_size", 0), ("x", 1)])
def test_a_checkpoint_whose_sizes_lie_is_refused(tmp_path: Path, fluent: Language, name: str, value: int) -> None:
    model(fluent).save(tmp_path / "a.safetensors")
    description = json.loads((tmp_path / "a.json").read_text())
    description["priors"]["language"][name] = value
    (tmp_path / "a.json").write_text(json.dumps(description))
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "a.safetensors")
