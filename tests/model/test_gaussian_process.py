"""Gaussian processes on points, as older checkpoints hold them: what the textbook says, and back from a file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from molgen.errors import CheckpointError
from molgen.model.checkpoint import MolecularModel, load
from molgen.model.gaussian_process import (
    LONGEST,
    MAX_POINTS,
    N_LANDMARKS,
    GaussianProcess,
    GaussianProcessConfig,
    matern_kernel,
    mean_kernel,
)
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary

SCALE = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.2, 0.2])


def draw(n: int, seed: int, noise: float = 0.2) -> tuple[Tensor, Tensor]:
    """Points (n, 6) with two properties: one smooth with noise, one known for every third point only."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 6)) * SCALE.numpy()
    a = 5.0 + 2.0 * np.sin(z[:, 0]) + z[:, 1] + noise * rng.standard_normal(n)
    b = np.where(np.arange(n) % 3, np.nan, 100.0 * z[:, 2])
    return torch.from_numpy(z).float(), torch.from_numpy(np.stack([a, b], axis=1)).float()


def process_of(n: int = 60, *, n_known: int = 2) -> GaussianProcess:
    """The process of the first properties of `draw`, its kernel as it was fitted to shared length scales."""
    z, y = draw(n, 0)
    process = GaussianProcess(GaussianProcessConfig(("a", "b"), 6, n))
    process.points.copy_(z)
    process.lengths[:] = torch.tensor([[2.0] * 4 + [0.7] * 2, [2.0] * 4 + [LONGEST] * 2])
    process.noise.copy_(torch.tensor([0.05, 0.2]))
    process.scale.copy_(torch.tensor([2.0, 100.0]))
    process.location.copy_(torch.nanmean(y, dim=0))
    for p in range(n_known):
        rows = (~y[:, p].isnan()).nonzero()[:, 0]
        x, labels = process.points[rows].double(), y[rows, p].double()
        covariance = mean_kernel(x, x, process.lengths[p].double()) + process.noise[p] * torch.eye(len(x))
        process.weights[rows, p] = torch.linalg.solve(covariance, labels - process.location[p]).float()
    return process.eval()


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
    for p in range(2):
        known = ~y[:, p].isnan()
        x, labels, lengths = points[known], y[known, p], process.lengths[p].double()
        covariance = mean_kernel(x, x, lengths) + float(process.noise[p]) * torch.eye(len(x))
        near = mean_kernel(z.double(), x, lengths)
        solved = torch.linalg.solve(covariance, near.t())
        location = float(process.location[p])
        expected = location + solved.t() @ (labels - location)
        variance = 1 + process.noise[p] - (near * solved.t()).sum(dim=1)
        torch.testing.assert_close(mean[:, p].double(), expected, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(std[:, p].double(), process.scale[p] * variance.sqrt(), atol=1e-3, rtol=1e-3)


def test_far_from_all_points_it_says_what_it_knew_before() -> None:
    process = process_of()
    mean, std = process.predict(torch.full((1, 6), 1e4))
    torch.testing.assert_close(mean[0], process.location)
    torch.testing.assert_close(std[0], process.scale * (1 + process.noise).sqrt())
    _, near = process.predict(process.points[:20].float())
    assert (near[:, 0] < std[0, 0]).all()


def test_the_spread_that_knows_a_part_is_not_below_the_one_that_knows_all() -> None:
    n = N_LANDMARKS + 200
    process = process_of(n)
    part = GaussianProcess(GaussianProcessConfig(("a", "b"), 6, N_LANDMARKS - 100))
    for name in ("lengths", "location", "scale", "noise"):
        getattr(part, name).copy_(getattr(process, name))
    part.points.copy_(process.points[: N_LANDMARKS - 100])
    part.weights.copy_(process.weights[: N_LANDMARKS - 100])
    query, _ = draw(50, 1)
    assert (part.predict(query)[1] >= process.predict(query)[1] - 1e-4).all()


def test_a_property_without_labels_is_predicted_as_its_prior_mean() -> None:
    process = process_of(30, n_known=1)
    mean, std = process.predict(draw(7, 1)[0])
    assert (mean[:, 1] == process.location[1]).all()
    torch.testing.assert_close(std[:, 1], (process.scale[1] * (1 + process.noise[1]).sqrt()).expand(7))


def test_a_point_that_is_no_point_spoils_no_other() -> None:
    process = process_of()
    z, _ = draw(5, 1)
    mean, std = process.predict(z)
    z[2] = torch.nan
    with_gap = process.predict(z)
    kept = [0, 1, 3, 4]
    torch.testing.assert_close(with_gap[0][kept], mean[kept])
    torch.testing.assert_close(with_gap[1][kept], std[kept])


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
