"""Sites of bounds against integrals done numerically."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from molgen.train.fit.tobit import sites_of_bounds


def posterior(mean: list[float], covariance: list[list[float]], bounds: list[float], signs: list[float], noise: float):  # type: ignore[no-untyped-def]
    m, s = torch.tensor(mean, dtype=torch.double), torch.tensor(covariance, dtype=torch.double)
    variances = torch.full_like(m, noise)
    site_mean, site_variance = sites_of_bounds(
        m, s, torch.tensor(bounds).double(), torch.tensor(signs).double(), variances
    )
    gain = s @ torch.linalg.inv(s + torch.diag(site_variance))
    return (m + gain @ (site_mean - m)).numpy(), (s - gain @ s).numpy()


@pytest.mark.parametrize(("bound", "sign"), [(1.0, 1.0), (1.0, -1.0), (-3.0, 1.0), (4.0, 1.0), (-5.0, -1.0)])
def test_one_bound_is_exact(bound: float, sign: float) -> None:
    f = np.linspace(-12, 12, 48001)
    weight = norm.pdf(f, 0.5, 2.0**0.5) * norm.cdf(sign * (f - bound) / 0.3**0.5)
    weight /= weight.sum()
    mean = (weight * f).sum()
    variance = (weight * (f - mean) ** 2).sum()
    found_mean, found_variance = posterior([0.5], [[2.0]], [bound], [sign], 0.3)
    assert found_mean[0] == pytest.approx(mean, abs=1e-3)
    assert found_variance[0, 0] == pytest.approx(variance, rel=1e-2)


def test_two_correlated_bounds_are_close_to_the_integral() -> None:
    covariance = [[1.0, 0.7], [0.7, 1.0]]
    grid = np.stack(np.meshgrid(np.linspace(-6, 6, 301), np.linspace(-6, 6, 301), indexing="ij"), axis=-1)
    weight = multivariate_normal([0.0, 0.0], covariance).pdf(grid)
    weight *= norm.cdf((grid[..., 0] - 1.0) / 0.2**0.5) * norm.cdf(-(grid[..., 1] - 0.5) / 0.2**0.5)
    weight /= weight.sum()
    mean = (weight[..., None] * grid).sum(axis=(0, 1))
    found, _ = posterior([0.0, 0.0], covariance, [1.0, 0.5], [1.0, -1.0], 0.2)
    np.testing.assert_allclose(found, mean, atol=0.02)


def test_a_bound_that_is_met_anyway_says_nothing() -> None:
    mean, variance = posterior([5.0], [[1.0]], [-5.0], [1.0], 0.1)
    assert mean[0] == pytest.approx(5.0, abs=1e-3)
    assert variance[0, 0] == pytest.approx(1.0, abs=1e-3)
