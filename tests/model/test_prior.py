"""Learned priors: they learn what a Gaussian cannot, the same for the same seed, and survive on disk."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from molgen.errors import CheckpointError, SpecError
from molgen.latent.space import GAUSSIAN, LatentSpace
from molgen.model import checkpoint
from molgen.model.checkpoint import MolecularModel
from molgen.model.prior import POINT_PRIORS, PriorConfig, PriorKind
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.fit.prior import fit_point_prior, whiten
from molgen.train.loop import make_model

SMALL = PriorConfig(2, hidden_size=64, n_blocks=2)


def ring(n: int) -> torch.Tensor:
    """Points (n, 2) of mean 0 and covariance 1 with nothing in the middle."""
    angle = torch.rand(n, generator=torch.Generator().manual_seed(0)) * 2 * torch.pi
    return 2**0.5 * torch.stack([angle.cos(), angle.sin()], dim=1)


def noise(n: int) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(1))


def model(size: int = 2) -> MolecularModel:
    torch.manual_seed(0)
    tokens = ("[C]", "[N]", "[O]")
    return make_model(Vocabulary(tokens), Vae(VaeConfig(len(tokens) + 3, size, encoder_size=4, decoder_size=6)), 12)


def test_a_flow_learns_a_shape_that_no_gaussian_has() -> None:
    prior = fit_point_prior("flow", ring(4000), seed=0, config=SMALL, n_steps=400)
    radius = prior.sample(noise(2000)).norm(dim=1)
    assert (radius < 0.7).float().mean() < 0.05  # of a standard Gaussian 0.22
    assert radius.mean() == pytest.approx(2**0.5, abs=0.15)


def test_a_gan_moves_noise_toward_the_data() -> None:
    far = 3.0 + 0.1 * noise(2000)
    prior = fit_point_prior("gan", far, seed=0, config=SMALL, n_steps=150)
    assert (prior.sample(noise(500)) - far.mean(dim=0)).norm(dim=1).mean() < 3.0  # of noise 4.4


@pytest.mark.parametrize("kind", POINT_PRIORS)
def test_the_seed_decides_and_draws_do_not_depend_on_the_batch(kind: PriorKind) -> None:
    one, same, other = (fit_point_prior(kind, ring(600), seed=seed, config=SMALL, n_steps=3) for seed in (1, 1, 2))
    points = noise(40)
    assert torch.equal(one.sample(points), same.sample(points))
    assert not torch.equal(one.sample(points), other.sample(points))
    assert torch.allclose(one.sample(points)[:7], one.sample(points[:7]), atol=1e-5)


def test_whitened_points_have_mean_nought_and_covariance_one() -> None:
    factor = torch.tensor([[2.0, 0.0], [1.0, 0.5]])
    mean = torch.tensor([3.0, -1.0])
    normal = noise(50)
    assert torch.allclose(whiten(mean + normal @ factor.t(), mean, factor), normal, atol=1e-5)


def test_what_is_learned_is_sampled_by_name_and_survives_on_disk(tmp_path: Path) -> None:
    start = model()
    start.priors = {kind: fit_point_prior(kind, ring(600), seed=0, config=SMALL, n_steps=3) for kind in POINT_PRIORS}
    start.save(tmp_path / "a.safetensors")
    space = LatentSpace.load(tmp_path / "a.safetensors")
    assert space.prior_names == (GAUSSIAN, *POINT_PRIORS)
    drawn = {name: space.sample_points(300, 5, prior=name) for name in space.prior_names}
    for kind in POINT_PRIORS:
        before = LatentSpace(start).sample_points(300, 5, prior=kind)
        assert np.abs(drawn[kind] - before).max() < 0.01  # half precision on disk
        assert np.abs(drawn[kind] - drawn[GAUSSIAN]).max() > 0.1
    assert space.sample_points(0, prior="gan").shape == (0, 2)


def test_a_prior_that_is_not_there_is_named_with_the_remedy() -> None:
    with pytest.raises(SpecError, match=r"no 'gan'; it has gaussian[\s\S]*--prior gan"):
        LatentSpace(model()).sample_points(3, prior="gan")


@pytest.mark.parametrize("sizes", [{"latent_size": 0}, {"latent_size": 2, "n_blocks": 65}, {"latent_size": 2.0}])
def test_sizes_out_of_range_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be a whole number"):
        PriorConfig(**sizes)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("flow", "n_blocks"), 3),
        (("flow", "hidden_size"), 4096),
        (("flow", "latent_size"), 3),
        ((), {"x": {}}),
    ],
)
def test_a_checkpoint_whose_sizes_lie_is_refused(tmp_path: Path, path: tuple[str, ...], value: object) -> None:
    start = model()
    start.priors = {"flow": fit_point_prior("flow", ring(600), seed=0, config=SMALL, n_steps=1)}
    start.save(tmp_path / "a.safetensors")
    description = json.loads((tmp_path / "a.json").read_text())
    if path:
        description["priors"][path[0]][path[1]] = value
    else:
        description["priors"] = value
    (tmp_path / "a.json").write_text(json.dumps(description))
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "a.safetensors")
