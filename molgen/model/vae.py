"""A variational autoencoder over SELFIES tokens: (B, L) token ids <-> (B, D) latent vectors.

Encoder: a GRU in each reading direction, whose last and mean state are mapped to a diagonal Gaussian. Decoder: a GRU
that receives z in its first state and in the gate inputs of every step. Padding never enters a state that is used, so
the latent vector of a molecule does not depend on its batch.

The prior is wide in a few coarse dimensions and narrow in the many fine ones. The coarse dimensions dominate
distances, which a loss ties to molecular similarity; the fine ones distinguish similar molecules. The divergence from
the prior does not depend on its scale.

Notation: B molecules, L tokens of the longest, V vocabulary size, D latent dimensions, H hidden units.
Source: Kingma & Welling 2014 (arXiv:1312.6114); Gomez-Bombarelli et al. 2018
(doi:10.1021/acscentsci.7b00572).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molgen.model.decoder import AutoregressiveDecoder, negative_log_likelihood
from molgen.model.gru import Gru
from molgen.model.sizes import MAX_SIZE, require_sizes
from molgen.tokens.selfies_vocabulary import PAD

MIN_SCALE = 1e-3


@dataclass(frozen=True)
class VaeConfig:
    """Sizes of the model.

    Attributes:
        n_tokens: V, special tokens included.
        latent_size: D.
        encoder_size: H of each encoder direction.
        decoder_size: H of the decoder.
        coarse_size: Number of leading dimensions whose prior has standard deviation 1.
        fine_scale: Standard deviation of the prior in the others.

    Raises:
        ValueError: A size is not in 1 to 4096, or the scale not in 0.001 to 1.
    """

    n_tokens: int
    latent_size: int = 96
    encoder_size: int = 256
    decoder_size: int = 448
    coarse_size: int = 16
    fine_scale: float = 0.2

    def __post_init__(self) -> None:
        widths = ("n_tokens", "latent_size", "encoder_size", "decoder_size", "coarse_size")
        require_sizes(self, dict.fromkeys(widths, MAX_SIZE))
        if not isinstance(self.fine_scale, int | float) or not MIN_SCALE <= self.fine_scale <= 1.0:
            raise ValueError(f"fine_scale must be from {MIN_SCALE} to 1, but got {self.fine_scale!r}")

    def scale(self) -> Tensor:
        """Standard deviation of the prior in each dimension (D,)."""
        return torch.where(torch.arange(self.latent_size) < self.coarse_size, 1.0, self.fine_scale)


class Encoder(nn.Module):
    """Token ids (B, L) and lengths (B,) to the mean and log variance (B, D) of the posterior q(z | x)."""

    scale: Tensor

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        size = config.encoder_size
        tables = [nn.Embedding(config.n_tokens, 3 * size) for _ in range(2)]
        self.inputs = nn.ModuleList(tables)
        self.recurrences = nn.ModuleList(Gru(size) for _ in range(2))
        self.posterior = nn.Linear(4 * size, 2 * config.latent_size)
        self.register_buffer("scale", config.scale(), persistent=False)
        for table in tables:
            nn.init.normal_(table.weight, std=0.5)

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each (B, D)."""
        states = [self._run(i, ids, lengths) for i, ids in enumerate((tokens, reverse(tokens, lengths)))]
        mean, log_variance = self.posterior(torch.cat(states, dim=1)).float().chunk(2, dim=1)
        return mean * self.scale, log_variance.clamp(-12.0, 4.0) + 2 * self.scale.log()

    def layers(self, tokens: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Activations of each stage of the encoder, from tokens to latent vector: (B, F) by name; F depends on it.

        The mean token embedding of both reading directions; the mean and the last state of each direction; the
        posterior mean, and its coarse dimensions.
        """
        orders = tokens, reverse(tokens, lengths)
        is_token = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        embedded = [table(tokens) for table in self.inputs]
        means = [(x * is_token[:, :, None]).sum(dim=1) / lengths[:, None] for x in embedded]
        (last, mean), (back_last, back_mean) = (
            self._run(i, ids, lengths).chunk(2, dim=1) for i, ids in enumerate(orders)
        )
        point, _ = self(tokens, lengths)
        return {
            "embedding": torch.cat(means, dim=1),
            "forward mean": mean,
            "backward mean": back_mean,
            "forward last": last,
            "backward last": back_last,
            "posterior mean": point,
            "coarse part": point[:, self.scale == 1.0],
        }

    def _run(self, direction: int, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The last and the mean state (B, 2H) of one reading direction."""
        x = self.inputs[direction](tokens.t())
        states = self.recurrences[direction](x, x.new_zeros(x.shape[1], x.shape[2] // 3))
        rows = torch.arange(len(lengths), device=tokens.device)
        is_token = torch.arange(len(states), device=tokens.device)[:, None] < lengths
        mean = (states * is_token[:, :, None]).sum(dim=0) / lengths[:, None]
        return torch.cat([states[lengths - 1, rows], mean], dim=1)


class Decoder(AutoregressiveDecoder):
    """Latent vectors (B, D) to next-token logits, teacher-forced or free-running."""

    scale: Tensor

    def __init__(self, config: VaeConfig) -> None:
        super().__init__(config.n_tokens, config.decoder_size)
        self.register_buffer("scale", config.scale(), persistent=False)
        self.first_state = nn.Linear(config.latent_size, config.decoder_size)
        self.latent_inputs = nn.Linear(config.latent_size, 3 * config.decoder_size)

    def forward(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Logits (L + 1, B, V): entry t predicts token t of `tokens` (B, L), the last one EOS."""
        return self.predict_logits(tokens, *self._begin(z))

    def generate(
        self, z: Tensor, max_length: int, temperature: float | Tensor = 0.0, uniforms: Tensor | None = None
    ) -> Tensor:
        """Token ids (B, at most `max_length`) of points (B, D); see `AutoregressiveDecoder.generate_tokens`."""
        with torch.no_grad():
            return self.generate_tokens(*self._begin(z), max_length, temperature, uniforms)

    def _begin(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """First states (B, H) and additions (B, 3H) to the gate inputs of every step."""
        unit = z / self.scale
        return torch.tanh(self.first_state(unit)), self.latent_inputs(unit)


class Vae(nn.Module):
    """Encoder, decoder and their joint loss."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, tokens: Tensor, lengths: Tensor, noise: Tensor, dropped: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction loss and KL divergence in nats per molecule, each (B,), and the posterior means (B, D).

        Args:
            tokens: (B, L) padded ids.
            lengths: (B,), each at least 1.
            noise: (B, D), standard normal.
            dropped: (B, L), true where the input token of the decoder is masked (Bowman et al. 2016, arXiv:1511.06349,
                section 3.1).
        """
        mean, log_variance = self.encoder(tokens, lengths)
        z = mean + noise * torch.exp(0.5 * log_variance)
        logits = self.decoder(z, tokens.masked_fill(dropped, PAD))
        nll = negative_log_likelihood(logits, tokens, lengths)
        return nll, kl_divergence(mean, log_variance, self.encoder.scale).sum(dim=1), mean


def kl_divergence(mean: Tensor, log_variance: Tensor, scale: Tensor) -> Tensor:
    """KL divergence (B, D) in nats of posteriors from the prior N(0, scale^2), dimension by dimension.

    Source: Kingma & Welling 2014 (arXiv:1312.6114), appendix B, for a prior of any scale (D,).
    """
    prior = scale.square()
    return 0.5 * ((mean.square() + log_variance.exp()) / prior - 1.0 - log_variance + prior.log())


def reverse(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Each row (L,) of `tokens` (B, L) read backwards within its own length; padding stays at the end."""
    position = torch.arange(tokens.shape[1], device=tokens.device)
    source = torch.where(position < lengths[:, None], lengths[:, None] - 1 - position, position)
    return tokens.gather(1, source)
