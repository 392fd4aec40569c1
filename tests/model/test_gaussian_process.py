"""Gaussian processes on points: they are what the textbook says, know how sure they are, and survive a checkpoint."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from molgen.errors import CheckpointError
from molgen.metrics import measure_fit
from molgen.model.checkpoint import MolecularModel, load
from molgen.model.gaussian_process import (
    LONGEST,
    MAX_POINTS,
    N_LANDMARKS,
    GaussianProcess,
    GaussianProcessConfig,
    matern_kernel,
    sum_kernel,
)
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.fit import gaussian_process as process_fit
from molgen.train.fit.gaussian_process import fit_gaussian_process

SCALE = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.2, 0.2])


def draw(n: int, seed: int, noise: float = 0.2) -> tuple[Tensor, Tensor]:
    """Points (n, 6) with two properties: one smooth with noise, one known for every third point only."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 6)) * SCALE.numpy()
    a = 5.0 + 2.0 * np.sin(z[:, 0]) + z[:, 1] + noise * rng.standard_normal(n)
    b = np.where(np.arange(n) % 3, np.nan, 100.0 * z[:, 2])
    return torch.from_numpy(z).float(), torch.from_numpy(np.stack([a, b], axis=1)).float()


def process_of(n: int = 60) -> GaussianProcess:
    return fit_gaussian_process(("a", "b"), *draw(n, 0), SCALE, seed=0)


def test_the_kernel_is_1_at_no_distance_and_the_formula_elsewhere() -> None:
    z = torch.randn(5, 3, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([1.0, 2.0, 0.5], dtype=torch.double)
    r = 3**0.5 * torch.cdist(z / lengths, z / lengths, compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(matern_kernel(z, z, lengths), (1 + r) * torch.exp(-r), atol=1e-5, rtol=0.0)


def test_mean_and_spread_are_those_of_the_joint_normal_distribution() -> None:
    """The conditional mean and variance of a label, by the inverse of the joint covariance of all labels."""
    process = process_of()
    z, _ = draw(4, 1)
    mean, std = process.predict(z)
    points, y = process.points.double(), draw(60, 0)[1].double()
    order = [int((draw(60, 0)[0].half() == row).all(dim=1).nonzero()) for row in process.points]
    for p in range(2):
        known = ~y[order, p].isnan()
        x, labels, lengths = points[known], y[order, p][known], process.lengths[p].double()
        covariance = sum_kernel(x, x, lengths) + float(process.noise[p]) * torch.eye(len(x))
        near = sum_kernel(z.double(), x, lengths)
        solved = torch.linalg.solve(covariance, near.t())
        location = float(process.location[p])
        expected = location + solved.t() @ (labels - location)
        variance = 1 + process.noise[p] - (near * solved.t()).sum(dim=1)
        torch.testing.assert_close(mean[:, p].double(), expected, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(std[:, p].double(), process.scale[p] * variance.sqrt(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_it_learns_and_knows_how_wrong_it_is(noise: float) -> None:
    process = fit_gaussian_process(("a", "b"), *draw(600, 0, noise), SCALE, seed=0)
    z, y = draw(1000, 1, noise)
    mean, std = (part.double().numpy() for part in process.predict(z))
    known = ~np.isnan(y.numpy())
    a, b = (
        measure_fit(name, y[known[:, p], p].double().numpy(), mean[known[:, p], p], std[known[:, p], p])
        for p, name in enumerate("ab")
    )
    assert a.r2 > 1.0 - noise**2 / float(y[:, 0].var()) - 0.1
    assert b.r2 > 0.95
    assert 0.85 < a.coverage < 0.97


def test_a_missing_label_leaves_the_other_property_alone() -> None:
    z, y = draw(80, 0)
    whole, single = (
        fit_gaussian_process(("a", "b"), z, y, SCALE, 0),
        fit_gaussian_process(("a",), z, y[:, :1], SCALE, 0),
    )
    query, _ = draw(9, 1)
    for both, one in zip(whole.predict(query), single.predict(query), strict=True):
        torch.testing.assert_close(both[:, :1], one)


def test_far_from_all_points_it_says_what_it_knew_before() -> None:
    process = process_of()
    mean, std = process.predict(torch.full((1, 6), 1e4))
    torch.testing.assert_close(mean[0], process.location)
    torch.testing.assert_close(std[0], process.scale * (1 + process.noise).sqrt())
    _, near = process.predict(process.points[:20].float())
    assert (near[:, 0] < std[0, 0]).all()


def test_labels_in_another_unit_give_predictions_in_that_unit() -> None:
    z, y = draw(80, 0)
    query, _ = draw(9, 1)
    mean, std = fit_gaussian_process(("a", "b"), z, y, SCALE, 0).predict(query)
    other = fit_gaussian_process(("a", "b"), z, 1000.0 * y - 7.0, SCALE, 0).predict(query)
    torch.testing.assert_close(other[0], 1000.0 * mean - 7.0, rtol=1e-3, atol=1.0)
    torch.testing.assert_close(other[1], 1000.0 * std, rtol=1e-3, atol=1.0)


def test_dimensions_of_one_prior_scale_share_a_length_and_one_kernel_sees_the_coarse_alone() -> None:
    for of_all, of_coarse in process_of().lengths:
        assert len(set(of_all[:4].tolist())) == len(set(of_all[4:].tolist())) == 1
        assert torch.equal(of_coarse[:4], of_all[:4])
        assert (of_coarse[4:] == LONGEST).all()


def test_with_one_prior_scale_both_kernels_are_the_same() -> None:
    of_all, of_coarse = fit_gaussian_process(("a",), draw(40, 0)[0], draw(40, 0)[1][:, :1], torch.ones(6), 0).lengths[0]
    assert torch.equal(of_all, of_coarse)


def test_the_spread_that_knows_a_part_is_not_below_the_one_that_knows_all() -> None:
    n = N_LANDMARKS + 200
    process = fit_gaussian_process(("a",), draw(n, 0)[0], draw(n, 0)[1][:, :1], SCALE, 0)
    part = GaussianProcess(GaussianProcessConfig(("a",), 6, N_LANDMARKS - 100))
    for name in ("lengths", "location", "scale", "noise"):
        getattr(part, name).copy_(getattr(process, name))
    part.points.copy_(process.points[: N_LANDMARKS - 100])
    part.weights.copy_(process.weights[: N_LANDMARKS - 100])
    query, _ = draw(50, 1)
    assert (part.predict(query)[1] >= process.predict(query)[1] - 1e-4).all()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("is_constant", [False, True])
def test_a_handful_of_molecules_gives_finite_numbers(n: int, is_constant: bool) -> None:
    z, y = draw(n, 0)
    process = fit_gaussian_process(("a", "b"), z, torch.ones_like(y) if is_constant else y, SCALE, seed=0)
    process.require_sound()
    mean, std = process.predict(draw(7, 1)[0])
    assert mean.isfinite().all()
    assert std.isfinite().all()


def test_equal_points_with_different_labels_are_no_error() -> None:
    z, y = draw(30, 0)
    process = fit_gaussian_process(("a",), z[:1].expand(30, 6), y[:, :1], SCALE, seed=0)
    torch.testing.assert_close(process.predict(z[:1])[0][0, 0], y[:, 0].mean(), atol=0.05, rtol=0.0)


def test_a_property_without_labels_is_predicted_as_nothing_in_particular() -> None:
    z, y = draw(30, 0)
    y[:, 1] = torch.nan
    mean, std = fit_gaussian_process(("a", "b"), z, y, SCALE, seed=0).predict(z)
    assert not mean[:, 1].any()
    assert std.isfinite().all()


def test_it_is_a_function_of_its_arguments() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = process_of().state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    again = process_of().state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(
        first["points"], fit_gaussian_process(("a", "b"), *draw(60, 0), SCALE, 1).state_dict()["points"]
    )


def test_a_point_that_is_no_point_spoils_no_other() -> None:
    process = process_of()
    z, _ = draw(5, 1)
    mean, std = process.predict(z)
    z[2] = torch.nan
    with_gap = process.predict(z)
    kept = [0, 1, 3, 4]
    torch.testing.assert_close(with_gap[0][kept], mean[kept])
    torch.testing.assert_close(with_gap[1][kept], std[kept])


def test_what_is_left_out_is_left_out_with_its_like() -> None:
    """Twins with a label of their own each: left out one by one, every molecule would find its twin."""
    rng = np.random.default_rng(0)
    one = rng.standard_normal((200, 6))
    z = torch.from_numpy(np.concatenate([one, one + 1e-3]))
    label = rng.standard_normal(200)
    y = torch.from_numpy(np.concatenate([label, label]))
    sum_kernel = torch.from_numpy(rng.permutation(400))
    lengths, noise = torch.full((2, 6), 0.5, dtype=torch.double), torch.tensor(0.01, dtype=torch.double)
    assert process_fit._scale(z[sum_kernel], y[sum_kernel], lengths, noise) > 0.7


def checkpoint() -> MolecularModel:
    torch.manual_seed(0)
    vocabulary = Vocabulary(("[C]", "[N]"))
    sizes = VaeConfig(len(vocabulary), latent_size=6, encoder_size=3, decoder_size=5)
    return MolecularModel(vocabulary, Vae(sizes), 9, torch.zeros(6), torch.eye(6), process_of())


def test_a_checkpoint_brings_it_back_as_it_was(tmp_path: Path) -> None:
    saved = checkpoint()
    saved.save(tmp_path / "a.safetensors")
    loaded = load(tmp_path / "a.safetensors")
    assert loaded.properties == ("a", "b")
    assert isinstance(loaded.predictor, GaussianProcess)
    query, _ = draw(9, 1)
    assert isinstance(saved.predictor, GaussianProcess)
    for before, after in zip(saved.predictor.predict(query), loaded.predictor.predict(query), strict=True):
        assert torch.equal(before, after)
    loaded.save(tmp_path / "b.safetensors")
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "a.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lengths", torch.zeros(2, 2, 6)),
        ("lengths", torch.full((2, 2, 6), 1e30)),
        ("noise", torch.full((2,), -1.0)),
        ("noise", torch.zeros(2)),
        ("scale", torch.full((2,), -1.0)),
        ("scale", torch.ones(3)),
        ("points", torch.zeros(60, 6)),
        ("points", torch.full((60, 6), torch.inf, dtype=torch.half)),
        ("weights", torch.full((60, 2), torch.nan)),
        ("weights", torch.zeros(59, 2)),
        ("unknown", torch.zeros(2)),
    ],
)
def test_numbers_that_are_no_process_are_refused(tmp_path: Path, name: str, value: Tensor) -> None:
    path = tmp_path / "a.safetensors"
    damaged = checkpoint()
    assert damaged.predictor is not None
    damaged.predictor.register_buffer(name, value)
    damaged.save(path)
    with pytest.raises(CheckpointError, match="does not hold a molgen model"):
        load(path)


def test_sizes_that_do_not_fit_the_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    damaged = checkpoint()
    assert isinstance(damaged.predictor, GaussianProcess)
    for change in ({"n_points": 61}, {"latent_size": 7}, {"properties": ("a",)}):
        damaged.predictor.config = replace(process_of().config, **change)
        damaged.save(path)
        with pytest.raises(CheckpointError, match="does not hold a molgen model"):
            load(path)


@pytest.mark.parametrize(
    "wrong",
    [{"properties": ()}, {"properties": ("a", "a")}, {"latent_size": 0}, {"n_points": MAX_POINTS + 1}],
)
def test_impossible_configurations_are_refused(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"properties": ("a",), "latent_size": 4, "n_points": 3} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GaussianProcessConfig(**fields)  # type: ignore[arg-type]
