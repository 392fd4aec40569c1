"""The autoencoder: independence of batch and padding, consistency of its two ways to decode, and that it learns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from molgen.model.decoder import append_end
from molgen.model.vae import Vae, VaeConfig, reverse
from molgen.tokens.selfies_vocabulary import EOS, N_SPECIAL, PAD

V = 12


@pytest.fixture(scope="module")
def vae() -> Vae:
    torch.manual_seed(0)
    return Vae(VaeConfig(V, latent_size=6, encoder_size=10, decoder_size=14)).eval()


def batch(lengths: list[int], width: int | None = None) -> tuple[Tensor, Tensor]:
    """Random molecules; molecule i depends on its length and i alone."""
    tokens = torch.full((len(lengths), width or max(lengths)), PAD)
    for i, n in enumerate(lengths):
        generator = torch.Generator().manual_seed(100 * i + n)
        tokens[i, :n] = torch.randint(N_SPECIAL, V, (n,), generator=generator)
    return tokens, torch.tensor(lengths)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(0, 9))
@settings(max_examples=30)
def test_an_encoding_depends_on_neither_batch_nor_padding(lengths: list[int], extra: int) -> None:
    torch.manual_seed(0)
    encoder = Vae(VaeConfig(V, 6, 10, 14)).encoder
    tokens, n = batch(lengths, max(lengths) + extra)
    together = encoder(tokens, n)
    for i, length in enumerate(lengths):
        alone = encoder(tokens[i : i + 1, :length], n[i : i + 1])
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_[i], atol=1e-5, rtol=0.0)


def test_losses_depend_on_neither_batch_nor_padding(vae: Vae) -> None:
    tokens, n = batch([3, 9, 1], width=14)
    noise = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    together = vae(tokens, n, noise, torch.zeros_like(tokens, dtype=torch.bool))
    for i, length in enumerate([3, 9, 1]):
        own = tokens[i : i + 1, :length]
        alone = vae(own, n[i : i + 1], noise[i : i + 1], torch.zeros_like(own, dtype=torch.bool))
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_[i], atol=1e-4, rtol=1e-5)


def test_the_kl_divergence_is_that_of_torch(vae: Vae) -> None:
    tokens, n = batch([4, 7])
    mean, log_variance = vae.encoder(tokens, n)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(dim=1)
    _, kl, _ = vae(tokens, n, torch.zeros(2, 6), torch.zeros_like(tokens, dtype=torch.bool))
    torch.testing.assert_close(kl, expected)


def test_reading_backwards_twice_is_reading_forwards() -> None:
    tokens, n = batch([5, 1, 3], width=6)
    backwards = reverse(tokens, n)
    assert torch.equal(reverse(backwards, n), tokens)
    for row, original, length in zip(backwards, tokens, n.tolist(), strict=True):
        assert row[:length].tolist() == original[:length].tolist()[::-1]
        assert (row[length:] == PAD).all()


def test_targets_are_the_tokens_and_their_end() -> None:
    tokens, n = batch([2, 4])
    wanted = append_end(tokens, n)
    assert wanted[0].tolist() == [*tokens[0, :2].tolist(), EOS, PAD, PAD]
    assert wanted[1].tolist() == [*tokens[1].tolist(), EOS]


def test_the_decoder_cannot_see_the_token_it_must_say(vae: Vae) -> None:
    z = torch.randn(1, 6, generator=torch.Generator().manual_seed(2))
    tokens, _ = batch([8])
    changed = tokens.clone()
    changed[0, 5] = N_SPECIAL + (changed[0, 5] - N_SPECIAL + 1) % (V - N_SPECIAL)
    before, after = vae.decoder(z, tokens), vae.decoder(z, changed)
    torch.testing.assert_close(before[:6], after[:6])
    assert not torch.allclose(before[6:], after[6:])


def test_free_running_is_the_argmax_of_teacher_forcing(vae: Vae) -> None:
    z = 3 * torch.randn(16, 6, generator=torch.Generator().manual_seed(3))
    free = vae.decoder.generate(z, max_length=15)
    logits = vae.decoder(z, free)[:-1]
    logits[:, :, :EOS] = -torch.inf
    is_open = (free == EOS).cumsum(dim=1) - (free == EOS).long() == 0
    assert torch.equal(logits.argmax(dim=2).t()[is_open], free[is_open])
    assert (free[~is_open] == PAD).all()


def test_sampling_follows_the_softened_distribution(vae: Vae) -> None:
    z = torch.zeros(20_000, 6)
    logits = vae.decoder(z[:1], torch.zeros(1, 1, dtype=torch.long))[0, 0]
    logits[:EOS] = -torch.inf
    uniforms = torch.rand(len(z), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    drawn = vae.decoder.generate(z, 1, temperature=0.5, uniforms=uniforms)[:, 0]
    shares = torch.bincount(drawn, minlength=V) / len(z)
    torch.testing.assert_close(shares, torch.softmax(logits / 0.5, dim=0), atol=0.015, rtol=0.0)


@pytest.mark.parametrize("size", [0, 4097, 1.5, "8", None])
def test_impossible_sizes_are_refused(size: object) -> None:
    with pytest.raises(ValueError, match="latent_size"):
        VaeConfig(V, latent_size=size)  # type: ignore[arg-type]


def test_ten_molecules_are_learnt_by_heart() -> None:
    torch.manual_seed(1)
    model = Vae(VaeConfig(V, latent_size=16, encoder_size=32, decoder_size=64))
    tokens, n = batch([1, 3, 5, 8, 8, 9, 11, 12, 14, 15])
    generator = torch.Generator().manual_seed(5)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        noise = torch.randn(10, 16, generator=generator)
        nll, kl, _ = model(tokens, n, noise, torch.rand(tokens.shape, generator=generator) < 0.1)
        optimiser.zero_grad()
        (nll + 0.05 * kl).mean().backward()
        optimiser.step()
    mean, _ = model.encoder(tokens, n)
    decoded = model.decoder.generate(mean, tokens.shape[1] + 1)
    assert torch.equal(decoded, append_end(tokens, n))
