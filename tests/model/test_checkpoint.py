"""A checkpoint comes back as it was, and whatever else is offered ends in one clear error."""

import json
import os
import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import parse
from molgen.errors import CheckpointError
from molgen.hashes import decode_hashes, encode_hashes
from molgen.model.applicability import ApplicabilityDomain
from molgen.model.checkpoint import MolecularModel, familiarity_path, load, write_familiarity
from molgen.model.gaussian_process import GaussianProcess, GaussianProcessConfig
from molgen.model.language_model import SmilesLanguageModel, SmilesLanguageModelConfig
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary

VOCABULARY = Vocabulary(("[=O]", "[C]", "[N]"))


def checkpoint(properties: tuple[str, ...] = ("pKi", "logD")) -> MolecularModel:
    torch.manual_seed(0)
    predictor = Predictor(PredictorConfig(properties, latent_size=4, hidden_size=3)) if properties else None
    return MolecularModel(
        vocabulary=VOCABULARY,
        vae=Vae(VaeConfig(len(VOCABULARY), latent_size=4, encoder_size=3, decoder_size=5)),
        max_tokens=9,
        prior_mean=torch.randn(4),
        prior_factor=torch.eye(4),
        predictor=predictor,
        known=np.array([1, 5, 2**32 - 1], dtype=np.uint32),
        card={"licence": "CC0", "metrics": {"exact": 0.5}, "note": "ä"},
        applicability=ApplicabilityDomain.of(np.random.default_rng(0).gamma(2.0, size=(25, 5))),
        familiarity=Reference.of([parse("CCO").mol, parse("c1ccccc1").mol]),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    checkpoint().save(path)
    return path


def is_refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert caught.value.path.parent == path.parent
    assert "\n" not in caught.value.message
    return str(caught.value)


@pytest.mark.parametrize("properties", [(), ("pKi",), ("pKi", "logD")])
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, properties: tuple[str, ...]) -> None:
    path = tmp_path / "model.safetensors"
    saved = checkpoint(properties)
    saved.save(path)
    loaded = load(path)
    assert loaded.vocabulary == saved.vocabulary
    assert loaded.properties == properties
    assert (loaded.max_tokens, loaded.card, loaded.digest) == (9, saved.card, saved.digest)
    assert loaded.known.tolist() == saved.known.tolist()
    assert loaded.vae.config == saved.vae.config
    for name, module in saved.modules.items():
        for key, value in module.state_dict().items():
            written = value.half().float() if name == "vae" else value
            assert torch.equal(loaded.modules[name].state_dict()[key], written)
    assert loaded.applicability == saved.applicability
    assert loaded.familiarity is not None
    assert saved.familiarity is not None
    assert loaded.familiarity.digest == saved.familiarity.digest
    assert torch.equal(loaded.prior_mean, saved.prior_mean)
    assert torch.equal(loaded.prior_factor, saved.prior_factor)
    assert not loaded.vae.training


def test_a_checkpoint_from_before_there_was_an_applicability_domain_is_one_without(path: Path) -> None:
    rewrite(path, lambda description: description.pop("applicability"))
    assert load(path).applicability is None


def test_a_checkpoint_from_before_there_was_familiarity_is_one_without(path: Path) -> None:
    rewrite(path, lambda description: description.pop("familiarity"))
    familiarity_path(path).unlink()
    assert load(path).familiarity is None


def test_a_familiarity_that_is_missing_or_another_one_is_refused(path: Path) -> None:
    Reference.of([parse("CCN").mol]).save(familiarity_path(path))
    assert "SHA-256" in is_refused(path)
    familiarity_path(path).unlink()
    assert "model.familiarity.safetensors: No such file" in is_refused(path)


def test_familiarity_can_be_written_anew_and_changes_nothing_else(path: Path) -> None:
    before, weights = json.loads(path.with_suffix(".json").read_text("utf-8")), path.read_bytes()
    known = Reference.of([parse("CCN").mol])
    write_familiarity(known, path.with_name("shared.safetensors"), [path])
    after = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert path.read_bytes() == weights
    assert after == before | {"familiarity": {"file": "shared.safetensors", "sha256": known.digest}}
    loaded = load(path).familiarity
    assert loaded is not None
    assert loaded.digest == known.digest


def test_a_familiarity_file_lies_beside_its_checkpoints(path: Path, tmp_path: Path) -> None:
    known = Reference.of([parse("CCN").mol])
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(CheckpointError, match="does not lie in the folder"):
        write_familiarity(known, tmp_path / "elsewhere" / "shared.safetensors", [path])
    known.save(path.parent.parent / "shared.safetensors")
    entry = {"file": "../shared.safetensors", "sha256": known.digest}
    rewrite(path, lambda description: description.update(familiarity=entry))
    assert "no file beside it" in is_refused(path)


def test_saving_what_was_loaded_changes_nothing(path: Path, tmp_path: Path) -> None:
    load(path).save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_numbers_too_large_for_half_precision_are_kept(tmp_path: Path) -> None:
    large = checkpoint()
    large.vae.decoder.logits.bias.data[0] = 1e6
    large.save(tmp_path / "large.safetensors")
    assert load(tmp_path / "large.safetensors").vae.decoder.logits.bias[0] == 1e6


@given(st.lists(st.integers(0, 2**32 - 1), unique=True).map(sorted))
def test_hashes_survive_as_gaps(hashes: list[int]) -> None:
    words = encode_hashes(np.array(hashes, dtype=np.uint32))
    assert decode_hashes(words).tolist() == hashes
    assert len(words) <= len(hashes) + 2**16 + 1


def test_many_hashes_take_two_bytes_each() -> None:
    hashes = np.unique(np.random.default_rng(0).integers(0, 2**32, 1_000_000, dtype=np.uint32))
    assert len(encode_hashes(hashes)) <= 1.001 * len(hashes)


def test_a_loaded_checkpoint_can_be_trained_and_saved_again(path: Path, tmp_path: Path) -> None:
    loaded = load(path)
    assert all(p.requires_grad and not p.is_meta for m in loaded.modules.values() for p in m.parameters())
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert json.loads((tmp_path / "again.json").read_text("utf-8")) == json.loads(
        path.with_suffix(".json").read_text("utf-8")
    )


def test_loading_draws_no_random_numbers(path: Path) -> None:
    before = torch.get_rng_state()
    load(path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_missing_file_is_named(path: Path, suffix: str) -> None:
    path.with_suffix(suffix).unlink()
    assert f"model{suffix}: No such file" in is_refused(path)


def test_a_pickle_is_never_read(path: Path) -> None:
    torch.save({"weights": torch.ones(2)}, path.with_suffix(".pt"))
    assert "pickled models are never read" in is_refused(path.with_suffix(".pt"))
    path.write_bytes(pickle.dumps({"sha256": "x"}))
    assert "SHA-256 differs" in is_refused(path)
    path.with_suffix(".json").write_bytes(pickle.dumps({"format": "molgen-checkpoint-1"}))
    assert "not JSON" in is_refused(path)


def test_every_region_of_the_weights_is_guarded(path: Path) -> None:
    content = path.read_bytes()
    for place in [*range(0, len(content), 97), len(content) - 1]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        assert "SHA-256 differs" in is_refused(path)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999))
def test_truncated_weights_are_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.safetensors"
    checkpoint().save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "SHA-256 differs" in is_refused(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_garbage_in_place_of_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.safetensors"
    if not path.exists():
        checkpoint().save(path)
    path.with_suffix(".json").write_bytes(content)
    is_refused(path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b" " * (1 << 23), b'{"a": 1' + b"0" * 5000 + b"}"])
def test_json_bombs_are_refused(path: Path, content: bytes) -> None:
    path.with_suffix(".json").write_bytes(content)
    is_refused(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    description = json.loads(path.with_suffix(".json").read_text("utf-8"))
    change(description)
    path.with_suffix(".json").write_text(json.dumps(description), encoding="utf-8")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_value_anywhere_is_refused_or_used(tmp_path: Path, data: st.DataObject) -> None:
    """Under the right SHA-256, one entry of the description, at any depth, is replaced or removed."""
    path = tmp_path / "model.safetensors"
    checkpoint().save(path)

    def damage(description: Any) -> None:
        key = data.draw(st.sampled_from(sorted(set(description) - {"sha256", "card", "versions"} or description)))
        if isinstance(description[key], dict) and description[key] and data.draw(st.booleans()):
            damage(description[key])
        elif data.draw(st.booleans()):
            del description[key]
        else:
            description[key] = data.draw(JSON)

    rewrite(path, damage)
    try:
        loaded = load(path)
    except CheckpointError:
        return
    assert isinstance(loaded, MolecularModel)
    assert len(loaded.vocabulary) == loaded.vae.config.n_tokens


HUGE = {"latent_size": 4096, "encoder_size": 4096, "decoder_size": 4096}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["vae"].update(HUGE),
        lambda d: d["vae"].update(latent_size=10**9),
        lambda d: d["vae"].update(n_tokens=7),
        lambda d: d["vae"].update(unknown=1),
        lambda d: d["vocabulary"].append("[O]"),
        lambda d: d["vocabulary"].reverse(),
        lambda d: d.update(vocabulary=["[=O]", "[C]", "[CH9]"]),
        lambda d: d.update(vocabulary="abc"),
        lambda d: d.update(constraints={"C": 4}),
        lambda d: d["constraints"].update(C=10**9),
        lambda d: d.update(max_tokens=10**9),
        lambda d: d.update(card="text"),
        lambda d: d.update(applicability=[]),
        lambda d: d["applicability"].update(n=10**400, more=1),
        lambda d: d["applicability"].update(levels=[1.0] * 10_000),
        lambda d: d["applicability"].update(spread=[0.0, 1.0, 1.0]),
        lambda d: d["applicability"].update(centre=[10**400, 0.0, 0.0]),
        lambda d: d["applicability"]["combined"].reverse(),
        lambda d: d["applicability"]["scores"].pop(),
        lambda d: d["applicability"]["scores"][0].pop(),
        lambda d: d.update(predictor={}),
        lambda d: d["predictor"].update(properties="ab"),
        lambda d: d["predictor"].update(latent_size=5),
        lambda d: d["predictor"].update(n_members=10**9),
    ],
)
def test_a_description_that_does_not_fit_the_weights_is_refused(
    path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(path, change)
    assert "does not hold a molgen model" in is_refused(path)


def replace_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    weights = safetensors.torch.save(tensors)
    path.write_bytes(weights)
    rewrite(path, lambda description: description.update(sha256=sha256(weights).hexdigest()))


BIAS = "vae.decoder.logits.bias"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.clear(),
        lambda t: t.pop(BIAS),
        lambda t: t.pop("known"),
        lambda t: t.update({BIAS: torch.full((6,), torch.nan)}),
        lambda t: t.update({BIAS: torch.zeros(7)}),
        lambda t: t.update({BIAS: torch.zeros(6, dtype=torch.float64)}),
        lambda t: t.update({BIAS: torch.zeros(6, dtype=torch.bfloat16)}),
        lambda t: t.update({"vae.unknown": torch.zeros(6)}),
        lambda t: t.update({"prior.mean": torch.zeros(3)}),
        lambda t: t.update({"prior.factor": torch.zeros(4)}),
        lambda t: t.update({"prior.factor": torch.zeros_like(t["prior.factor"])}),
        lambda t: t.update({"prior.factor": torch.ones_like(t["prior.factor"])}),
        lambda t: t.update({"known": torch.zeros(3)}),
        lambda t: t.update({"known": torch.tensor([1, 2], dtype=torch.int32)}),
        lambda t: t.update({"known": torch.tensor([1, 0], dtype=torch.int16)}),
        lambda t: t.update({"known": torch.tensor([-1] * 65539 + [1], dtype=torch.int16)}),
        lambda t: t.update({"predictor.scale": torch.zeros(3)}),
    ],
)
def test_weights_that_do_not_fit_are_refused(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    replace_tensors(path, change)
    assert "does not hold a molgen model" in is_refused(path)


@pytest.mark.parametrize(
    ("change", "tensor", "shape"),
    [
        (lambda d: d["vae"].update(decoder_size=4096), "vae.decoder.logits.weight", (6, 4096)),
        (lambda d: d["vae"].update(encoder_size=4096), "vae.encoder.posterior.weight", (8, 4 * 4096)),
        (lambda d: d["vae"].update(n_tokens=4096), "vae.decoder.logits.weight", (4096, 5)),
        (lambda d: d["priors"]["language"].update(hidden_size=4096), "language.logits.weight", (4, 4096)),
        (lambda d: d["predictor"].update(properties=[*map(str, range(1000))]), "predictor.weights", (1, 1000)),
    ],
)
def test_a_size_is_compared_with_all_large_tensors_before_the_model_is_built(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], tensor: str, shape: tuple[int, int]
) -> None:
    """A narrow tensor of the shape that a large size requires does not let that size allocate memory."""
    path = tmp_path / "model.safetensors"
    model = checkpoint(())
    model.predictor = GaussianProcess(GaussianProcessConfig(("pKi",), latent_size=4, n_points=1))
    model.priors = {"language": SmilesLanguageModel(SmilesLanguageModelConfig(("C",), hidden_size=3))}
    model.save(path)
    load(path)
    replace_tensors(path, lambda tensors: tensors.update({tensor: torch.zeros(shape)}))
    rewrite(path, change)
    assert "must be of shape" in is_refused(path)


def test_junk_under_its_own_digest_is_refused(path: Path) -> None:
    path.write_bytes(b"junk")
    rewrite(path, lambda description: description.update(sha256=sha256(b"junk").hexdigest()))
    assert "does not hold a molgen model" in is_refused(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_devices_pipes_and_huge_files_are_no_checkpoint(path: Path, suffix: str) -> None:
    part = path.with_suffix(suffix)
    part.unlink()
    part.symlink_to("/dev/zero")
    assert "is not a regular file" in is_refused(path)
    part.unlink()
    os.mkfifo(part)
    assert "is not a regular file" in is_refused(path)
    part.unlink()
    part.touch()
    os.truncate(part, 200 * 10**9)
    assert "is larger than" in is_refused(path)
