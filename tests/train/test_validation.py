"""Measures of a model against their definitions and against independent implementations."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from molgen.metrics import measure_fit
from molgen.model.decoder import append_end
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import EOS, Vocabulary
from molgen.train.data.dataset import TokenSet
from molgen.train.loop import make_model
from molgen.train.validation import (
    aggregate_posterior,
    encode_rows,
    find_exact,
    measure_predictor,
    measure_reconstruction,
)

NAN = float("nan")


@pytest.fixture(scope="module")
def vae() -> Vae:
    torch.manual_seed(0)
    return Vae(VaeConfig(12, latent_size=5, encoder_size=8, decoder_size=8)).eval()


def token_set(n: int) -> TokenSet:
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 9, n)
    return TokenSet(
        tokens=rng.integers(3, 12, lengths.sum()).astype(np.uint16),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        labels=rng.normal(size=(n, 2)).astype(np.float32),
        keys=np.arange(n, dtype=np.uint64),
        fingerprints=np.zeros((n, 0), dtype=np.uint8),
        is_validation=np.zeros(n, dtype=bool),
    )


def test_exact_is_equality_up_to_the_end() -> None:
    wanted = append_end(torch.tensor([[5, 6, 7], [5, 6, 0], [8, 0, 0], [8, 9, 0]]), torch.tensor([3, 2, 1, 2]))
    decoded = torch.tensor([[5, 6, 7], [5, 6, EOS], [8, EOS, 3], [8, EOS, 0]])
    assert find_exact(decoded, wanted).tolist() == [False, True, True, False]
    assert find_exact(wanted, wanted).all()


def test_rows_are_encoded_in_their_order_whatever_the_batches(vae: Vae) -> None:
    data = token_set(300)
    rows = np.random.default_rng(0).permutation(300)
    mean, log_variance = encode_rows(vae, data, rows)
    for place in (0, 17, 299):
        alone = encode_rows(vae, data, rows[[place]])
        torch.testing.assert_close(alone[0][0], mean[place], atol=1e-5, rtol=0.0)
        torch.testing.assert_close(alone[1][0], log_variance[place], atol=1e-5, rtol=0.0)


def test_reconstruction_of_all_is_the_mean_of_its_parts(vae: Vae) -> None:
    data = token_set(300)
    parts = [measure_reconstruction(vae, data, rows) for rows in np.array_split(np.arange(300), 3)]
    whole = measure_reconstruction(vae, data, np.arange(300))
    for name in ("nll", "kl", "exact"):
        assert getattr(whole, name) == pytest.approx(np.mean([getattr(p, name) for p in parts]), rel=1e-5)


def test_one_molecule_has_no_active_units_and_no_warning(vae: Vae) -> None:
    one = measure_reconstruction(vae, token_set(1), np.array([0]))
    assert one.active_units == 0
    assert math.isfinite(one.nll)


def test_the_prior_has_the_moments_of_the_mixture_of_posteriors() -> None:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(50, 3, generator=generator) @ torch.tensor([[1.0, 0.5, 0.0], [0, 1, 0], [0, 0, 3]])
    log_variance = torch.randn(50, 3, generator=generator) - 1
    centre, factor = aggregate_posterior(mean, log_variance)
    which = torch.randint(50, (400_000,), generator=generator)
    noise = torch.randn(400_000, 3, generator=generator)
    draws = mean[which] + noise * torch.exp(0.5 * log_variance[which])
    torch.testing.assert_close(centre, draws.mean(dim=0), atol=0.03, rtol=0.0)
    torch.testing.assert_close(factor @ factor.t(), torch.cov(draws.t()), atol=0.06, rtol=0.01)
    assert torch.equal(factor, factor.tril())


def test_the_prior_of_one_molecule_is_its_posterior() -> None:
    centre, factor = aggregate_posterior(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, math.log(4.0)]]))
    assert centre.tolist() == [1.0, 2.0]
    torch.testing.assert_close(factor, torch.diag(torch.tensor([1.0, 2.0])))


def test_fits_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(5, 2, 200)
    std = rng.uniform(0.5, 2, 200)
    mean = y + std * rng.normal(size=200)
    fit = measure_fit("pKi", y, mean, std)
    assert (fit.name, fit.n) == ("pKi", 200)
    assert fit.r2 == pytest.approx(r2_score(y, mean))
    assert fit.rmse == pytest.approx(root_mean_squared_error(y, mean))
    assert fit.mae == pytest.approx(mean_absolute_error(y, mean))
    assert fit.coverage == pytest.approx(0.9, abs=0.06)


def test_rank_correlation_ignores_the_scale() -> None:
    y = np.array([1.0, 2.0, 3.0, 9.0])
    assert measure_fit("a", y, np.exp(y), np.ones(4)).spearman == pytest.approx(1.0)
    assert measure_fit("a", y, -y, np.ones(4)).spearman == pytest.approx(-1.0)


def test_constant_labels_have_no_correlation() -> None:
    fit = measure_fit("a", np.ones(4), np.arange(4.0), np.ones(4))
    assert math.isnan(fit.r2)
    assert math.isnan(fit.spearman)
    assert math.isfinite(fit.rmse)


def test_only_properties_with_two_labels_are_judged(vae: Vae) -> None:
    data = token_set(6)
    data.labels[1:, 1] = NAN
    predictor = Predictor(PredictorConfig(("a", "b"), latent_size=5, hidden_size=4))
    symbols = sorted(f"[{atom}]" for atom in ("C", "N", "O", "F", "S", "P", "Cl", "Br", "I"))
    model = make_model(Vocabulary(tuple(symbols)), vae, 8, predictor)
    fits = measure_predictor(model, data, np.arange(6))
    assert [(fit.name, fit.n) for fit in fits] == [("a", 6)]
    assert measure_predictor(model, data, np.arange(0)) == []
