"""The ensemble: it learns, its standard deviation is that of the mixture, and a missing label is no label."""

import pytest
import torch
from torch import Tensor

from molgen.model.predictor import Predictor, PredictorConfig

NAN = float("nan")


def predictor(p: int = 2, *, members: int = 3) -> Predictor:
    torch.manual_seed(0)
    names = tuple("abcdef"[:p])
    model = Predictor(PredictorConfig(names, latent_size=4, hidden_size=16, n_members=members))
    with torch.no_grad():
        model.output.mul_(20)  # members must differ
    return model


def points(n: int, seed: int = 1) -> Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))


def test_mean_and_spread_are_the_moments_of_the_mixture() -> None:
    model = predictor()
    model.standardise(torch.tensor([[3.0, 10.0], [5.0, -20.0], [8.0, 0.0]]))
    z = points(3)
    means, log_variances = model(z)
    generator = torch.Generator().manual_seed(2)
    member = torch.randint(3, (200_000,), generator=generator)
    draws = means[member] + torch.exp(0.5 * log_variances[member]) * torch.randn(200_000, 3, 2, generator=generator)
    draws = draws * model.scale + model.location
    mean, std = model.predict(z)
    torch.testing.assert_close(mean, draws.mean(dim=0), atol=0.2, rtol=0.01)
    torch.testing.assert_close(std, draws.std(dim=0), atol=0.0, rtol=0.02)


def test_one_member_is_a_gaussian() -> None:
    model = predictor(members=1)
    means, log_variances = model(points(5))
    mean, std = model.predict(points(5))
    torch.testing.assert_close(mean, means[0])
    torch.testing.assert_close(std, torch.exp(0.5 * log_variances[0]), atol=1e-3, rtol=1e-3)


def test_labels_are_standardised_without_the_missing_ones() -> None:
    model = predictor(3)
    model.standardise(torch.tensor([[1.0, NAN, 5.0], [3.0, NAN, 5.0], [NAN, NAN, 5.0]]))
    assert model.location.tolist() == [2.0, 0.0, 5.0]
    assert model.scale.tolist() == [1.0, 1.0, 1.0]


def test_the_loss_is_the_gaussian_likelihood() -> None:
    model = predictor()
    z, y = points(4), torch.tensor([[1.0, 2.0], [0.0, NAN], [NAN, -1.0], [NAN, NAN]])
    means, log_variances = model(z)
    density = torch.distributions.Normal(means, torch.exp(0.5 * log_variances)).log_prob(torch.nan_to_num(y))
    constant = 0.5 * torch.log(torch.tensor(2 * torch.pi))
    expected = (-(density + constant) * ~torch.isnan(y)).sum(dim=2).mean(dim=0)
    torch.testing.assert_close(model.loss(z, y, torch.ones(3, 4)), expected)


def gradients(y: Tensor, z: Tensor) -> list[Tensor]:
    model = predictor()
    model.loss(z, y, torch.ones(3, len(z))).sum().backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def test_a_molecule_without_labels_changes_no_gradient() -> None:
    z, y = points(3), torch.tensor([[1.0, 2.0], [0.5, -1.0], [NAN, NAN]])
    torch.testing.assert_close(gradients(y, z), gradients(y[:2], z[:2]))


def test_a_missing_label_leaves_the_other_property_alone() -> None:
    z = points(3)
    y = torch.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]])
    missing = y.clone()
    missing[:, 1] = NAN
    full, partial = predictor(), predictor()
    full.loss(z, y, torch.ones(3, 3)).sum().backward()
    partial.loss(z, missing, torch.ones(3, 3)).sum().backward()
    assert full.output.grad is not None
    assert partial.output.grad is not None
    first, second = [0, 2], [1, 3]  # mean and log variance of each property
    torch.testing.assert_close(partial.output.grad[:, :, first], full.output.grad[:, :, first])
    assert not partial.output.grad[:, :, second].any()


def test_no_label_at_all_is_no_loss() -> None:
    assert not predictor().loss(points(3), torch.full((3, 2), NAN), torch.ones(3, 3)).any()


def test_it_learns_and_is_surer_where_it_has_seen_data() -> None:
    model = predictor(1, members=5)
    z = points(64)
    y = 100 + 30 * torch.sin(z[:, :1]) + 10 * z[:, 1:2]
    model.standardise(y)
    weight = torch.poisson(torch.ones(5, 64), generator=torch.Generator().manual_seed(3))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(400):
        optimiser.zero_grad()
        model.loss(z, y, weight).mean().backward()
        optimiser.step()
    mean, std = model.predict(z)
    assert ((mean - y) ** 2).mean() < 0.1 * y.var()
    _, far = model.predict(8 * points(64, seed=4))
    assert far.median() > 3 * std.median()


@pytest.mark.parametrize(
    "wrong",
    [{"properties": ()}, {"properties": ("a", "a")}, {"latent_size": 0}, {"n_members": 65}, {"hidden_size": 2.0}],
)
def test_impossible_configurations_are_refused(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"properties": ("a",), "latent_size": 4} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PredictorConfig(**fields)  # type: ignore[arg-type]
