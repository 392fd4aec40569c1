"""Regions: further training of an autoencoder with a language model conditioned on its coarse dimensions.

A latent vector has two parts. A language model of SMILES is conditioned on the coarse dimensions, whose divergence
from the prior has a larger weight than that of the fine ones. The fine dimensions hold the further information that
the SELFIES decoder needs for exact reconstruction. One molecule in ten is given to the language model without its
coarse part, so that the same network is also an unconditional prior.

Notation: B molecules, C coarse dimensions, D latent dimensions.
Source: a latent code with an autoregressive model beside it, van den Oord et al. 2017 (arXiv:1711.00937); weights of
the divergence, Higgins et al. 2017 (beta-VAE, ICLR), equation 4; conditioning dropped at random, Ho & Salimans 2022
(arXiv:2207.12598), section 3.2.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from molgen.chem.molecule import parse
from molgen.errors import MoleculeError, SpecError
from molgen.model.checkpoint import MolecularModel
from molgen.model.decoder import negative_log_likelihood
from molgen.model.language_model import MAX_LENGTH, SmilesLanguageModel
from molgen.model.vae import Vae, kl_divergence
from molgen.tokens.selfies_vocabulary import PAD, Vocabulary, pad
from molgen.tokens.smiles_vocabulary import SmilesVocabulary
from molgen.train.data.batches import Batch, Schedule
from molgen.train.data.dataset import TokenSet
from molgen.train.distance_loss import geometry_loss
from molgen.train.fit.language_model import Watch
from molgen.train.validation import aggregate_posterior, encode_rows

WARMUP_STEPS, COOLDOWN_SHARE = 200, 0.7
MAX_GRADIENT = 5.0
EPOCHS, MIN_STEPS, MAX_STEPS = 4, 2_000, 40_000
N_POSTERIORS = 4096
"""Maximum number of training molecules whose posteriors the Gaussian prior is fitted to."""


@dataclass(frozen=True)
class RegionConfig:
    """Options of the training of regions.

    Attributes:
        n_steps: Number of steps.
        coarse_size: C; the first C latent dimensions become coarse, with a prior of standard deviation 1.
        fine_scale: Standard deviation of the prior in the others. At 0.07, distances follow the coarse dimensions,
            which the geometry loss ties to Tanimoto distances.
        batch_size: B.
        learning_rate: Peak step size of Adam: it rises over 200 steps, and falls to 0 over the last 70 %.
        coarse_weight: Final weight of the divergence of the coarse dimensions.
        first_coarse_weight: Its weight at the first step.
        warmup: Share of the steps over which that weight rises to the final one.
        fine_weight: Weight of the divergence of the fine dimensions.
        exact_share: Share of a batch that the SELFIES decoder is also trained on.
        geometry_weight: Weight of the loss that ties distances of coarse parts to Tanimoto distances.
        token_dropout: Share of the input tokens of the SELFIES decoder that are masked.
        unconditional_share: Share of molecules given to the language model without their coarse part.
        seed: Seed of all randomness.

    Raises:
        ValueError: A number is out of range.
    """

    n_steps: int
    coarse_size: int = 32
    fine_scale: float = 0.07
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    coarse_weight: float = 0.45
    first_coarse_weight: float = 0.03
    warmup: float = 0.3
    fine_weight: float = 0.1
    exact_share: float = 0.4
    geometry_weight: float = 60.0
    token_dropout: float = 0.05
    unconditional_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_steps", "coarse_size", "batch_size", "learning_rate", "warmup"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, but got {getattr(self, name)}")
        for name in ("coarse_weight", "first_coarse_weight", "fine_weight", "geometry_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be below 0, but got {getattr(self, name)}")
        for name in ("exact_share", "token_dropout", "unconditional_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, but got {getattr(self, name)}")


def count_region_steps(data: TokenSet) -> int:
    """Number of steps that use each training molecule four times, from 2,000 to 40,000."""
    n_steps = EPOCHS * int((~data.is_validation).sum()) // RegionConfig.batch_size
    return max(MIN_STEPS, min(MAX_STEPS, n_steps))


def fit_regions(
    model: MolecularModel, data: TokenSet, config: RegionConfig, watch: Watch = lambda _: None
) -> MolecularModel:
    """A model with regions, from one with a language model; a deterministic function of the arguments.

    Args:
        model: Its weights are not changed. Its predictor, other priors and calibration belong to the old encoder and
            are dropped.
        data: Molecules; validation molecules are not used.
        config: Options of the training.
        watch: Called after each step.

    Raises:
        SpecError: The model has no language model, or fewer than C latent dimensions.
    """
    language = model.priors.get("language")
    if not isinstance(language, SmilesLanguageModel):
        raise SpecError("regions", "the checkpoint has no language model", remedy="Add `--prior language`.")
    if config.coarse_size > model.vae.config.latent_size:
        raise SpecError("regions", f"the checkpoint has fewer than {config.coarse_size} latent dimensions")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(config.seed)
        vae, conditional = _rescaled(model.vae, config), make_conditional(language, config.coarse_size)
    texts = SmilesTokens.from_token_set(model.vocabulary, data, conditional.tokens)
    step = _RegionStep(config, vae, conditional)
    schedule = Schedule(_with_texts_only(data, texts), config.batch_size, config.seed)
    parameters = [*vae.parameters(), *conditional.parameters()]
    optimiser = torch.optim.Adam(parameters, betas=(0.9, 0.98))
    for number in range(config.n_steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _rate_share(number, config.n_steps)
        batch = schedule.batch(number)
        optimiser.zero_grad()
        step.loss(batch, texts.batch(batch.rows), number, schedule.generator(number)).backward()
        nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT)
        optimiser.step()
        watch((number + 1) / config.n_steps)
    return _finished(model, data, vae.eval(), conditional.eval(), config.seed)


@dataclass(frozen=True)
class SmilesTokens:
    """Canonical SMILES of a token set's molecules as token ids.

    Attributes:
        sequences: Ids of each molecule; empty where the vocabulary lacks a symbol, or there are too many tokens.
    """

    sequences: tuple[NDArray[np.uint16], ...]

    @classmethod
    def from_token_set(cls, vocabulary: Vocabulary, data: TokenSet, smiles: SmilesVocabulary) -> SmilesTokens:
        """The SMILES of all molecules of `data`, whose SELFIES tokens are those of `vocabulary`."""
        return cls(tuple(_tokenise(vocabulary, data[row].tolist(), smiles) for row in range(len(data))))

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Padded ids (B, L) and lengths (B,) of the molecules `rows` (B,)."""
        ids, lengths = pad([self.sequences[row] for row in rows.tolist()])
        return torch.from_numpy(ids), torch.from_numpy(lengths)


class _RegionStep:
    """The loss of a batch: a weighted sum over all parts of the model."""

    def __init__(self, config: RegionConfig, vae: Vae, language: SmilesLanguageModel) -> None:
        self.config, self.vae, self.language = config, vae, language

    def loss(self, batch: Batch, smiles: tuple[Tensor, Tensor], number: int, generator: torch.Generator) -> Tensor:
        config, n = self.config, len(batch.rows)
        coarse = slice(0, config.coarse_size)
        mean, log_variance = self.vae.encoder(batch.tokens, batch.lengths)
        z = mean + torch.randn(mean.shape, generator=generator) * (0.5 * log_variance).exp()
        divergence = kl_divergence(mean, log_variance, self.vae.encoder.scale)
        is_free = torch.rand(n, 1, generator=generator) < config.unconditional_share
        condition = (z / self.vae.encoder.scale)[:, coarse].masked_fill(is_free, torch.nan)
        loss: Tensor = self.language.loss(*smiles, condition).mean()
        loss = loss + self._coarse_weight(number) * divergence[:, coarse].sum(dim=1).mean()
        loss = loss + config.fine_weight * divergence[:, config.coarse_size :].sum(dim=1).mean()
        loss = loss + self._exact_loss(batch, z, generator)
        if batch.fingerprints.shape[1] and n > 2:
            loss = loss + config.geometry_weight * geometry_loss(mean[:, coarse], batch.fingerprints)
        return loss

    def _exact_loss(self, batch: Batch, z: Tensor, generator: torch.Generator) -> Tensor:
        """The loss of the SELFIES decoder, on `exact_share` of the batch."""
        rows = torch.randperm(len(z), generator=generator)[: int(self.config.exact_share * len(z))]
        if not len(rows):
            return z.new_zeros(())
        tokens, lengths = batch.tokens[rows], batch.lengths[rows]
        hidden = torch.rand(tokens.shape, generator=generator) < self.config.token_dropout
        logits = self.vae.decoder(z[rows], tokens.masked_fill(hidden, PAD))
        return negative_log_likelihood(logits, tokens, lengths).mean()

    def _coarse_weight(self, number: int) -> float:
        config = self.config
        done = min(1.0, number / (config.warmup * config.n_steps))
        return config.first_coarse_weight + done * (config.coarse_weight - config.first_coarse_weight)


def _rate_share(number: int, n_steps: int) -> float:
    return min(1.0, (number + 1) / WARMUP_STEPS, (1.0 - number / n_steps) / COOLDOWN_SHARE)


def _rescaled(vae: Vae, config: RegionConfig) -> Vae:
    """A copy with other coarse and fine dimensions: the same network in units of the new prior."""
    result = Vae(replace(vae.config, coarse_size=config.coarse_size, fine_scale=config.fine_scale))
    result.load_state_dict(copy.deepcopy(vae.state_dict()))
    return result.train()


def make_conditional(language: SmilesLanguageModel, coarse_size: int) -> SmilesLanguageModel:
    """A copy that can be conditioned on `coarse_size` dimensions; conditional weights of another shape are new."""
    result = SmilesLanguageModel(replace(language.config, coarse_size=coarse_size))
    shapes = {name: value.shape for name, value in result.state_dict().items()}
    fitting = {name: value for name, value in language.state_dict().items() if value.shape == shapes.get(name)}
    result.load_state_dict(fitting, strict=False)
    return result.train()


def _with_texts_only(data: TokenSet, texts: SmilesTokens) -> TokenSet:
    """The same molecules; those whose SMILES the language model cannot express are held out."""
    is_unreadable = np.array([not len(ids) for ids in texts.sequences])
    return replace(data, is_validation=data.is_validation | is_unreadable)


def _tokenise(vocabulary: Vocabulary, ids: list[int], smiles: SmilesVocabulary) -> NDArray[np.uint16]:
    try:
        found = smiles.ids(parse(vocabulary.to_smiles(ids)).smiles)
    except MoleculeError:
        return np.empty(0, dtype=np.uint16)
    return found if len(found) < MAX_LENGTH else np.empty(0, dtype=np.uint16)


def _finished(
    model: MolecularModel, data: TokenSet, vae: Vae, language: SmilesLanguageModel, seed: int
) -> MolecularModel:
    rows = np.flatnonzero(~data.is_validation)
    chosen = np.random.default_rng(seed).permutation(rows)[:N_POSTERIORS]
    with torch.no_grad():
        mean, factor = aggregate_posterior(*encode_rows(vae, data, chosen))
    return replace(
        model,
        vae=vae,
        priors={"language": model.priors["language"]},
        region=language,
        prior_mean=mean,
        prior_factor=factor,
        predictor=None,
        applicability=None,
        known=np.union1d(model.known, (data.keys[rows] >> np.uint64(32)).astype(np.uint32)),
    )
