"""The training step.

Notation: B molecules, K members of the ensemble of the predictor, N molecules of the data.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from molgen.errors import MolgenError
from molgen.model.checkpoint import MolecularModel
from molgen.model.predictor import Predictor
from molgen.train.data.batches import Batch, Schedule, bootstrap
from molgen.train.data.dataset import TokenSet
from molgen.train.distance_loss import geometry_loss

MAX_GRADIENT = 5.0
WARMUP_STEPS = 200
COOLDOWN_SHARE = 0.8


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training. Exactly one of `epochs` and `minutes` is given.

    Attributes:
        epochs: Passes over the training molecules.
        minutes: Wall-clock time, summed over resumed parts. Schedules then follow the clock, so that two runs differ;
            with `epochs` runs are identical to the last bit.
        batch_size: Molecules per step.
        learning_rate: Peak step size of Adam: it rises over 200 steps, and falls to 0.1 % over the last 80 % of the
            training.
        kl_weight: Weight of the KL divergence, reached after `kl_warmup` of the training (Bowman et al. 2016,
            arXiv:1511.06349, section 3).
        kl_warmup: Share of the training over which the weight of the KL divergence rises from 0.
        token_dropout: Share of the input tokens of the decoder that are masked.
        property_weight: Weight of the loss of the predictor.
        geometry_weight: Weight of the loss that ties latent to Tanimoto distances.
        validate_every: Number of steps between validations.
        patience: Number of validations without improvement after which training stops.
        seed: Seed of all randomness.

    Raises:
        ValueError: A number is out of range, or `epochs` and `minutes` are both given or both missing.
    """

    epochs: float | None = None
    minutes: float | None = None
    batch_size: int = 64
    learning_rate: float = 2e-3
    kl_weight: float = 0.05
    kl_warmup: float = 0.3
    token_dropout: float = 0.1
    property_weight: float = 1.0
    geometry_weight: float = 10.0
    validate_every: int = 1000
    patience: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.minutes is None):
            raise ValueError("give either epochs or minutes, not both")
        for name in ("epochs", "minutes", "batch_size", "learning_rate", "validate_every", "patience"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0, but got {value}")
        for name in ("kl_weight", "kl_warmup", "token_dropout", "property_weight", "geometry_weight", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be below 0, but got {getattr(self, name)}")


class TrainingStep:
    """Changes the weights of a model, one batch at a time.

    Attributes:
        schedule: The batches, by step.
        optimiser: Adam, over the weights of autoencoder and predictor.
    """

    def __init__(
        self,
        config: TrainingConfig,
        data: TokenSet,
        model: MolecularModel,
        *,
        device: str = "cpu",
        bf16: bool = False,
    ) -> None:
        """Moves the model to the device, and sets the scale of the predictor from the training labels.

        Args:
            config: Options of the training.
            data: Training data.
            model: Its weights are changed in place.
            device: Torch device.
            bf16: Compute matrix products in bfloat16.

        Raises:
            ValueError: The predictor of the model is a Gaussian process.
        """
        self.config = config
        self.model = model
        self.device = torch.device(device)
        self.bf16 = bf16
        self.schedule = Schedule(data, config.batch_size, config.seed)
        for module in model.modules.values():
            module.to(self.device)
        if model.predictor is not None and not isinstance(model.predictor, Predictor):
            raise ValueError("a Gaussian process is not trained in steps")
        self._predictor = model.predictor
        if self._predictor:
            labels = torch.from_numpy(data.labels[~data.is_validation])
            self._predictor.standardise(labels.to(self.device))
        self.optimiser = torch.optim.Adam(self._parameters(), lr=config.learning_rate, betas=(0.9, 0.98))
        n_members = self._predictor.config.n_members if self._predictor else 0
        self._member_weights = bootstrap(n_members, len(data), config.seed)

    def rates(self, step: int, fraction: float) -> tuple[float, float]:
        """Learning rate and KL weight of a step, after a `fraction` in [0, 1] of the training is done."""
        rise = min(1.0, (step + 1) / WARMUP_STEPS)
        fall = min(1.0, (1.0 - fraction) / COOLDOWN_SHARE + 1e-3)
        kl_weight = self.config.kl_weight * min(1.0, fraction / max(1e-9, self.config.kl_warmup))
        return self.config.learning_rate * rise * fall, kl_weight

    def learn(self, step: int, fraction: float) -> tuple[float, int]:
        """Performs step `step`, from 0; returns its loss, and its number of molecules B.

        Raises:
            MolgenError: The loss is no longer finite; the weights are unchanged.
        """
        rate, kl_weight = self.rates(step, fraction)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.model.vae.train()
        batch = self.schedule.batch(step).to(self.device)
        with self._precision():
            loss = self._loss(batch, kl_weight, self.schedule.generator(step))
        if not torch.isfinite(loss):
            remedy = "Train again with a lower --learning-rate."
            raise MolgenError(f"the loss is no longer finite at step {step}", remedy=remedy)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters(), MAX_GRADIENT)
        self.optimiser.step()
        return float(loss.detach()), len(batch.rows)

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [p for module in self.model.modules.values() for p in module.parameters()]

    def _loss(self, batch: Batch, kl_weight: float, generator: torch.Generator) -> Tensor:
        vae, predictor = self.model.vae, self._predictor
        noise = torch.randn(len(batch.rows), vae.config.latent_size, generator=generator)
        dropped = torch.rand(batch.tokens.shape, generator=generator) < self.config.token_dropout
        nll, kl, mean = vae(batch.tokens, batch.lengths, noise.to(self.device), dropped.to(self.device))
        loss: Tensor = (nll + kl_weight * kl).mean()
        if self.config.geometry_weight and batch.fingerprints.shape[1] and len(batch.rows) > 2:
            loss = loss + self.config.geometry_weight * geometry_loss(mean, batch.fingerprints)
        if predictor and not torch.isnan(batch.labels).all():
            weight = self._member_weights[:, batch.rows].to(self.device).float()
            loss = loss + self.config.property_weight * predictor.loss(mean, batch.labels, weight).mean()
        return loss

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()
