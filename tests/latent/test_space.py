"""The latent space: molecules learnt by heart come back, whatever the batch, and no input is a crash."""

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from molgen.chem.molecule import Policy, parse
from molgen.chem.table import Tally
from molgen.errors import CheckpointError, SpecError
from molgen.latent.space import LatentSpace
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.train.data.dataset import Source, prepare
from molgen.train.loop import Training, TrainingConfig, make_model

MOLECULES = [
    "CCO",
    "C",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CC(=O)Nc1ccc(O)cc1",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "C[N+](C)(C)CC(=O)[O-]",
    "C[C@H](N)C(=O)O",
    "C/C=C/C(=O)O",
    "O=C(O)c1ccncc1",
    "CN1CCC[C@H]1c1cccnc1",
]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> LatentSpace:
    """Ten molecules and their number of characters, learnt by heart."""
    folder = tmp_path_factory.mktemp("space")
    path = folder / "a.csv"
    path.write_text("smiles,size\n" + "".join(f"{s},{len(s)}\n" for s in MOLECULES), encoding="utf-8")
    vocabulary, data = prepare(Source((path,), properties=("size",)), {path: Tally()}, min_count=1)
    data.is_validation[:] = False
    torch.manual_seed(0)
    vae = Vae(VaeConfig(len(vocabulary), latent_size=16, encoder_size=32, decoder_size=64))
    model = make_model(vocabulary, vae, 60, Predictor(PredictorConfig(("size",), 16, hidden_size=32)))
    config = TrainingConfig(
        epochs=220,
        batch_size=10,
        learning_rate=2e-2,
        kl_weight=0.01,
        geometry_weight=0.0,
        token_dropout=0.0,
        validate_every=1000,
    )
    Training(folder, config, data, model).run(lambda _status: None, lambda: False)
    return LatentSpace.load(folder / "last.safetensors")


def canonical(smiles: list[str]) -> list[str]:
    return [parse(s).smiles for s in smiles]


def random_points(space: LatentSpace, n: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 2, (n, space.size)).astype(np.float32)


def test_what_was_learnt_by_heart_comes_back(space: LatentSpace) -> None:
    assert space.decode(space.encode(MOLECULES)) == canonical(MOLECULES)


def test_a_molecule_has_one_point_however_it_is_written(space: LatentSpace) -> None:
    z = space.encode(["OCC", " CCO ", "C(O)C.[Na+].[Cl-]"])
    assert np.array_equal(z[0], z[1])
    assert np.allclose(z, z[0], atol=1e-5)


@given(st.lists(st.integers(0, len(MOLECULES) - 1), min_size=1, max_size=12))
@settings(max_examples=30)
def test_an_encoding_does_not_depend_on_the_company(space: LatentSpace, rows: list[int]) -> None:
    alone = np.concatenate([space.encode([smiles]) for smiles in MOLECULES])
    together = space.encode([MOLECULES[i] for i in rows])
    np.testing.assert_allclose(together, alone[rows], atol=1e-5, rtol=0)


def test_more_molecules_than_a_batch_keep_their_order(space: LatentSpace) -> None:
    order = np.random.default_rng(1).integers(0, len(MOLECULES), 600)
    z = space.encode([MOLECULES[i] for i in order])
    np.testing.assert_allclose(z, space.encode(MOLECULES)[order], atol=1e-5, rtol=0)
    assert space.decode(z) == [canonical(MOLECULES)[i] for i in order]


def test_failures_stay_in_their_row_and_are_explained(space: LatentSpace) -> None:
    texts = ["CCO", "nonsense", "", "CCBr", "C" * 61, "CCO"]
    encoding = space.explain(texts)
    assert encoding.z.shape == (6, space.size)
    assert encoding.z.dtype == np.float32
    assert np.isnan(encoding.z).all(axis=1).tolist() == [False, True, True, True, True, False]
    assert encoding.reasons == (
        *("", "not a SMILES", "empty", "unknown token [Br]"),
        *("longer than 60 tokens", ""),
    )
    assert np.array_equal(space.encode(texts), encoding.z, equal_nan=True)


def test_nothing_in_nothing_out(space: LatentSpace) -> None:
    assert space.encode([]).shape == (0, space.size)
    assert space.decode(np.zeros((0, space.size))) == []
    assert space.sample(0) == []
    assert space.knows([]).shape == (0,)
    assert space.predict(np.zeros((0, space.size)))[0].shape == (0, 1)


def test_one_text_is_not_a_list_of_texts(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="list of SMILES"):
        space.encode("CCO")


def test_decoding_does_not_depend_on_the_company(space: LatentSpace) -> None:
    z = random_points(space, 20)
    assert space.decode(z) == [text for row in z for text in space.decode(row[None])]


def test_what_is_decoded_is_canonical(space: LatentSpace) -> None:
    texts = [text for text in space.decode(random_points(space, 100)) if text is not None]
    assert texts
    assert texts == canonical(texts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_points_that_are_not_finite_decode_to_nothing(space: LatentSpace, value: float) -> None:
    z = space.encode(MOLECULES).astype(np.float64)
    z[3, 2] = value
    texts = space.decode(z)
    assert texts[3] is None
    assert texts[:3] + texts[4:] == canonical(MOLECULES[:3] + MOLECULES[4:])
    mean, std = space.predict(z)
    assert np.isnan(mean[:, 0]).tolist() == np.isnan(std[:, 0]).tolist() == [i == 3 for i in range(10)]


@pytest.mark.parametrize("temperature", [0.0, 1e-30, 1.0, 1e30])
@pytest.mark.parametrize("scale", [1e3, 1e30, 3e38])
def test_points_far_outside_are_no_crash(space: LatentSpace, scale: float, temperature: float) -> None:
    z = np.full((3, space.size), scale)
    assert len(space.decode(z, temperature=temperature)) == 3


@pytest.mark.parametrize("z", [[1.0, 2.0], [[1.0, 2.0]], 5.0, [["a"]], [[1.0], [1.0, 2.0]], None])
def test_what_are_no_points_is_refused(space: LatentSpace, z: object) -> None:
    with pytest.raises(SpecError, match="z"):
        space.decode(z)  # type: ignore[arg-type]


@pytest.mark.parametrize("temperature", [-1.0, np.nan, np.inf])
def test_what_is_no_temperature_is_refused(space: LatentSpace, temperature: float) -> None:
    with pytest.raises(SpecError, match="temperature"):
        space.decode(space.encode(["CCO"]), temperature=temperature)


def test_draws_follow_the_seed(space: LatentSpace) -> None:
    assert space.sample(20, seed=3) == space.sample(20, seed=3)
    assert space.sample(20, seed=3) != space.sample(20, seed=4)
    z = random_points(space, 20)
    assert space.decode(z, temperature=1.0, seed=3) == space.decode(z, temperature=1.0, seed=3)
    assert space.decode(z, temperature=1.0, seed=3) != space.decode(z, temperature=1.0, seed=4)


@given(st.integers(1, 12), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_draws_of_a_row_do_not_depend_on_the_other_rows(space: LatentSpace, size: int, random: Random) -> None:
    z = random_points(space, 24)
    z[5] = np.nan
    temperature = np.resize([1.0, 0.0, 3.0], len(z))
    together = space.decode(z, temperature=temperature, seed=3)
    starts = list(range(0, len(z), size))
    random.shuffle(starts)
    for start in starts:
        part = slice(start, start + size)
        assert space.decode(z[part], temperature=temperature[part], seed=3, first_row=start) == together[part]


def test_rows_of_the_same_point_draw_differently(space: LatentSpace) -> None:
    z = np.repeat(random_points(space, 1), 300, axis=0)
    texts = space.decode(z, temperature=2.0)
    assert len(set(texts)) > 20
    assert space.decode(z[:200], temperature=2.0) == texts[:200]


def test_molecules_sampled_directly_are_those_that_the_points_decode_to(space: LatentSpace) -> None:
    shipped = LatentSpace.load()
    directly, decoded = shipped.sample_directly(60, seed=4), shipped.sample(60, seed=4)
    assert sum(a == b for a, b in zip(directly, decoded, strict=True)) >= 59
    assert space.sample_directly(20, seed=4) == space.sample(20, seed=4)  # it has no language model
    with pytest.raises(SpecError, match="seed"):
        space.sample_directly(5, seed=-1)


def test_samples_of_the_prior_have_its_moments(space: LatentSpace) -> None:
    z = space.sample_points(100_000, seed=1)
    factor = space.model.prior_factor.numpy()
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.mean(axis=0), space.model.prior_mean.numpy(), atol=0.05)
    np.testing.assert_allclose(np.cov(z.T), factor @ factor.T, atol=0.06)
    np.testing.assert_allclose(z.std(axis=0), space.prior_deviation, rtol=0.02)


def test_properties_are_predicted_in_their_unit(space: LatentSpace) -> None:
    assert space.property_names == ("size",)
    mean, std = space.predict(space.encode(MOLECULES))
    assert mean.shape == std.shape == (10, 1)
    assert np.corrcoef(mean[:, 0], [len(s) for s in MOLECULES])[0, 1] > 0.95
    assert (std > 0).all()


def test_a_space_without_properties_says_how_to_get_some(space: LatentSpace) -> None:
    vae = Vae(VaeConfig(space.model.vae.config.n_tokens, 4, 4, 4))
    bare = LatentSpace(make_model(space.model.vocabulary, vae, 20))
    assert bare.property_names == ()
    with pytest.raises(SpecError, match="--property"):
        bare.predict(np.zeros((1, 4)))


def test_training_molecules_are_known(space: LatentSpace) -> None:
    assert space.knows(canonical(MOLECULES)).all()
    assert space.knows(["CCN", canonical(MOLECULES)[2], "CCC"]).tolist() == [False, True, False]
    untrained = LatentSpace(make_model(space.model.vocabulary, space.model.vae, 20))
    assert not untrained.knows(["CCO"]).any()


def test_a_space_that_is_dropped_leaves_nothing_behind(space: LatentSpace, tmp_path: Path) -> None:
    space.model.save(tmp_path / "a.safetensors")
    gc.disable()
    try:
        loaded = LatentSpace.load(tmp_path / "a.safetensors")
        loaded.decode(loaded.encode([*MOLECULES, "CCCCCCOCCCCCC"]), temperature=1.0)
        left = weakref.ref(loaded), weakref.ref(loaded.model.vae.decoder.logits.weight)
        del loaded
        assert [reference() for reference in left] == [None, None]
    finally:
        gc.enable()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.json"):
        LatentSpace.load(tmp_path / "none.safetensors")


def test_a_column_of_a_table_keeps_its_rows(space: LatentSpace) -> None:
    column = ["CCO", None, float("nan"), np.float32("nan"), "C("]
    encoding = space.explain(column, is_refined=False)  # type: ignore[arg-type] # as a table holds them
    assert encoding.reasons == ("", "missing", "missing", "missing", "not a SMILES")
    assert np.isfinite(encoding.z).all(axis=1).tolist() == [True, False, False, False, False]
    same = space.explain((text for text in column), is_refined=False)  # type: ignore[misc] # a generator is a list too
    np.testing.assert_array_equal(same.z, encoding.z)
    arrays = space.encode(np.array(column, dtype=object), is_refined=False)
    np.testing.assert_array_equal(arrays, encoding.z)
    assert space.knows(column).tolist() == [True, False, False, False, False]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "smiles", ["CCO", b"CCO", 3, None, {"CCO": 1}, {"CCO"}, [b"CCO"], ["CCO", 3], [["CCO"]], [True], np.zeros((2, 2))]
)
def test_what_is_no_list_of_texts_is_one_clear_error(space: LatentSpace, smiles: Any) -> None:
    for verb in (space.encode, space.explain, space.knows):
        with pytest.raises(SpecError, match=r"^smiles: "):
            verb(smiles)


@pytest.mark.parametrize(
    ("key", "call"),
    [
        ("n", lambda space: space.sample(-1)),
        ("n", lambda space: space.sample(1.5)),
        ("n", lambda space: space.sample("3")),
        ("seed", lambda space: space.sample(1, seed=-1)),
        ("seed", lambda space: space.sample(1, seed=2**70)),
        ("seed", lambda space: space.sample_points(1, seed=None)),
        ("seed", lambda space: space.decode(np.zeros((1, 16)), seed="x")),
        ("seed", lambda space: space.decode(np.zeros((1, 16)), seed=2**64)),
        ("prior", lambda space: space.sample(1, prior="x")),
        ("temperature", lambda space: space.decode(np.zeros((1, 16)), temperature="x")),
        ("temperature", lambda space: space.decode(np.zeros((3, 16)), temperature=[1.0, 2.0])),
        ("z", lambda space: space.decode(torch.zeros((1, 16), requires_grad=True))),
        ("z", lambda space: space.decode(None)),
        ("z", lambda space: space.predict("CCO")),
        ("policy", lambda space: space.encode(["C"], "largest")),
        ("fragment", lambda space: space.encode(["C"], Policy(fragment="some"))),  # type: ignore[arg-type]
        ("device", lambda space: LatentSpace.load(device="x")),
        ("device", lambda space: LatentSpace.load(device=None)),  # type: ignore[arg-type]
        ("path", lambda space: LatentSpace.load(3)),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_named(space: LatentSpace, key: str, call: Callable[[Any], object]) -> None:
    with pytest.raises(SpecError) as caught:
        call(space)
    assert caught.value.key == key


def test_nothing_asked_for_is_nothing(space: LatentSpace) -> None:
    assert space.sample(0) == []
    assert space.sample_points(0).shape == (0, 16)


def test_points_of_a_prior_do_not_depend_on_how_many_follow(
    space: LatentSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = space.sample_points(7, seed=4)
    monkeypatch.setattr("molgen.latent.space.CHUNK", 7)
    points = space.sample_points(50, seed=4)
    assert len(np.unique(points, axis=0)) == 50
    for n in (7, 30):
        np.testing.assert_allclose(space.sample_points(n, seed=4), points[:n], rtol=1e-5)
    assert np.array_equal(first, points[:7])


def test_chunks_of_samples_are_parts_of_one_decoding(space: LatentSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.latent.space.CHUNK", 7)
    chunks = list(space.point_chunks(30, seed=4))
    points = space.sample_points(30, seed=4)
    for temperature in (0.0, 2.0):
        texts = [text for chunk in chunks for text in space.sample_chunk(chunk, temperature)]
        assert texts == space.decode(points, temperature=temperature, seed=4)
    assert space.sample_chunk(chunks[3]) == space.sample(30, seed=4)[21:28]
    with pytest.raises(SpecError, match="temperature"):
        space.sample_chunk(chunks[0], -1.0)


def test_ten_million_points_have_generators_of_their_own_and_take_little_memory(space: LatentSpace) -> None:
    tracemalloc.start()
    n_points = sum(len(chunk.rows) for chunk in space.point_chunks(10_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_points == 10_000_000
    assert peak < 1_000_000
    seeds = [chunk.own_seed % 2**32 for seed in range(4) for chunk in space.point_chunks(10_000_000, seed)]
    assert len(set(seeds)) == len(seeds) == 4 * 4883
