"""The training loop: one path for big unlabelled and small labelled data, that can be stopped and resumed at will.

A training folder holds `data.npz` (the token set), `state.safetensors` (everything the loop carries),
`metrics.csv`, and two checkpoints: `model` (best on the validation molecules) and `last`.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from molgen.errors import InterruptedRunError, MolgenError, RunError
from molgen.model.batches import Batch, Schedule
from molgen.model.checkpoint import Checkpoint
from molgen.model.dataset import TokenSet
from molgen.model.predictor import Predictor
from molgen.model.tokens import Vocabulary
from molgen.model.vae import Vae
from molgen.model.validation import (
    Fit,
    Reconstruction,
    aggregate_posterior,
    encode_rows,
    predictor_fits,
    reconstruct,
)
from molgen.paths import replacing, write_text

N_VALIDATION = 512
"""Validation molecules that each validation looks at."""
N_PRIOR = 4096
"""Training molecules whose posteriors the prior of a checkpoint is fitted to."""
MAX_GRADIENT = 5.0
SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. Exactly one of `epochs` and `minutes` is given.

    Attributes:
        epochs: Passes over the training molecules.
        minutes: Wall-clock time, in all resumed parts together. Schedules then follow the clock, so that two
            runs differ; with `epochs` they are the same to the last bit.
        batch_size: Molecules a step.
        learning_rate: Peak of Adam's step size: it rises over 200 steps, and falls to 0 over the last 40 %.
        kl_weight: Weight of the KL divergence, reached after `kl_warmup` of the training (Bowman et al. 2016).
        kl_warmup: Share of the training.
        token_dropout: Share of the decoder's input tokens that are hidden.
        property_weight: Weight of the predictor's loss.
        validate_every: Steps.
        patience: Validations without improvement after which training stops.
        seed: Source of all randomness.

    Raises:
        ValueError: A number is out of range.
    """

    epochs: float | None = None
    minutes: float | None = None
    batch_size: int = 64
    learning_rate: float = 4e-3
    kl_weight: float = 0.05
    kl_warmup: float = 0.3
    token_dropout: float = 0.1
    property_weight: float = 1.0
    validate_every: int = 1000
    patience: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.minutes is None):
            raise ValueError("give either epochs or minutes")
        for name in ("epochs", "minutes", "batch_size", "learning_rate", "validate_every", "patience"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0, but got {value}")


@dataclass(frozen=True)
class Status:
    """Where training stands.

    Attributes:
        step: Steps done.
        fraction: Part of the training done, in [0, 1].
        molecules: Molecules seen.
        seconds: Time spent training, over all parts.
        loss: Mean training loss since the last validation, in nats a molecule.
        reconstruction: From the last validation, or None before the first.
    """

    step: int
    fraction: float
    molecules: int
    seconds: float
    loss: float
    reconstruction: Reconstruction | None


@dataclass
class _Progress:
    """What the loop carries besides weights; JSON in the state file."""

    step: int = 0
    molecules: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_steps: int = 0
    best: float = math.inf
    stale: int = 0
    is_finished: bool = False


class Training:
    """One training in one folder."""

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        data: TokenSet,
        model: Checkpoint,
        *,
        device: str = "cpu",
        bf16: bool = False,
    ) -> None:
        """Prepares the loop; nothing is written yet.

        Args:
            folder: Existing folder of this training.
            config: How to train.
            data: What to train on.
            model: Where to start; its weights are changed in place. A predictor's scale is set from the labels.
            device: Torch device.
            bf16: Compute matrix products in bfloat16.
        """
        self.folder = folder
        self.config = config
        self.model = model
        self.schedule = Schedule(data, config.batch_size, config.seed)
        self.device = torch.device(device)
        self.bf16 = bf16
        self.progress = _Progress()
        self.reconstruction: Reconstruction | None = None
        self.vae.to(self.device)
        if self.predictor:
            self.predictor.to(self.device)
            self.predictor.standardise(torch.from_numpy(data.labels[~data.is_validation]).to(self.device))
        self.optimiser = torch.optim.Adam(self._parameters(), lr=config.learning_rate, betas=(0.9, 0.98))
        self._validation_rows = np.flatnonzero(data.is_validation)[:N_VALIDATION]
        self._member_weights = self._bootstrap()

    @property
    def vae(self) -> Vae:
        """The autoencoder being trained."""
        return self.model.vae

    @property
    def predictor(self) -> Predictor | None:
        """The predictor being trained, if any."""
        return self.model.predictor

    @property
    def data(self) -> TokenSet:
        """What it is trained on."""
        return self.schedule.data

    def run(self, on_status: Callable[[Status], object], is_stop_requested: Callable[[], bool]) -> None:
        """Trains to the end, from wherever the state stands.

        Raises:
            InterruptedRunError: A stop was requested; the state is saved.
            MolgenError: The loss is no longer finite.
        """
        clock = started = time.monotonic()
        seconds_before = self.progress.seconds
        while not self.progress.is_finished:
            self._step()
            self.progress.seconds = seconds_before + time.monotonic() - started
            on_status(self.status())
            if self.progress.step % self.config.validate_every == 0 or self.fraction() >= 1.0:
                self._validate()
            if is_stop_requested():
                self.save_state()
                raise InterruptedRunError(f"stopped at step {self.progress.step}; the state is saved")
            if time.monotonic() - clock > SAVE_EVERY_S or self.progress.is_finished:
                self.save_state()
                clock = time.monotonic()
        self._save_checkpoint("last")

    def fraction(self) -> float:
        """Part of the training done, in [0, 1]."""
        if self.config.epochs is not None:
            done = self.progress.step / (self.config.epochs * self.schedule.steps_per_epoch)
        else:
            done = self.progress.seconds / (60.0 * (self.config.minutes or 1.0))
        return min(1.0, done)

    def status(self) -> Status:
        """Where training stands."""
        p = self.progress
        loss = p.loss_sum / max(1, p.loss_steps)
        return Status(p.step, self.fraction(), p.molecules, p.seconds, loss, self.reconstruction)

    def fits(self) -> list[Fit]:
        """How well the predictor does on the validation molecules."""
        if self.predictor is None:
            return []
        self.predictor.eval()
        return predictor_fits(self.vae.eval(), self.predictor, self.data, np.flatnonzero(self.data.is_validation))

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [*self.vae.parameters(), *(self.predictor.parameters() if self.predictor else ())]

    def _bootstrap(self) -> Tensor:
        """How often each member's bootstrap sample holds each molecule, (K, N) (Poisson bootstrap, mean 1)."""
        if self.predictor is None:
            return torch.empty(0, len(self.data))
        rng = np.random.default_rng([self.config.seed, 1])
        counts = rng.poisson(1.0, (self.predictor.config.n_members, len(self.data)))
        return torch.from_numpy(counts.astype(np.uint8))

    def _step(self) -> None:
        rate, kl_weight = self._rates()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.vae.train()
        batch = self.schedule.batch(self.progress.step).to(self.device)
        with self._precision():
            loss = self._loss(batch, kl_weight)
        if not torch.isfinite(loss):
            raise MolgenError(
                f"the loss is no longer finite at step {self.progress.step}",
                remedy="Train anew with a lower --learning-rate.",
            )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters(), MAX_GRADIENT)
        self.optimiser.step()
        self.progress.step += 1
        self.progress.molecules += len(batch.rows)
        self.progress.loss_sum += float(loss.detach())
        self.progress.loss_steps += 1

    def _rates(self) -> tuple[float, float]:
        """Learning rate and KL weight of the next step."""
        done = self.fraction()
        rise, fall = min(1.0, (self.progress.step + 1) / 200), min(1.0, (1.0 - done) / 0.4 + 1e-3)
        kl_weight = self.config.kl_weight * min(1.0, done / max(1e-9, self.config.kl_warmup))
        return self.config.learning_rate * rise * fall, kl_weight

    def _loss(self, batch: Batch, kl_weight: float) -> Tensor:
        generator = self.schedule.generator(self.progress.step)
        noise = torch.randn(len(batch.rows), self.vae.config.latent_size, generator=generator)
        dropped = torch.rand(batch.tokens.shape, generator=generator) < self.config.token_dropout
        nll, kl, mean = self.vae(
            batch.tokens, batch.lengths, noise.to(self.device), dropped.to(self.device)
        )
        loss: Tensor = (nll + kl_weight * kl).mean()
        if self.predictor and not torch.isnan(batch.labels).all():
            weight = self._member_weights[:, batch.rows].to(self.device).float()
            loss = loss + self.config.property_weight * self.predictor.loss(mean, batch.labels, weight).mean()
        return loss

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def _validate(self) -> None:
        """Measures, writes a line of metrics, keeps the best model, and decides whether to go on."""
        self.vae.eval()
        p = self.progress
        self.reconstruction = reconstruct(self.vae, self.data, self._validation_rows)
        fits = self.fits()
        loss = self.reconstruction.nll + self.config.kl_weight * self.reconstruction.kl
        loss += self.config.property_weight * sum(fit.rmse for fit in fits if math.isfinite(fit.rmse))
        self._write_metrics(loss, fits)
        p.loss_sum, p.loss_steps = 0.0, 0
        p.stale = 0 if loss < p.best else p.stale + 1
        if loss < p.best:
            p.best = loss
            self._save_checkpoint("model")
        p.is_finished = self.fraction() >= 1.0 or p.stale >= self.config.patience

    def _write_metrics(self, loss: float, fits: list[Fit]) -> None:
        assert self.reconstruction is not None
        rate, kl_weight = self._rates()
        row = {
            "step": self.progress.step,
            "epoch": round(self.progress.step / self.schedule.steps_per_epoch, 4),
            "molecules": self.progress.molecules,
            "seconds": round(self.progress.seconds, 1),
            "learning_rate": f"{rate:.3g}",
            "kl_weight": f"{kl_weight:.3g}",
            "train_loss": f"{self.status().loss:.5g}",
            "validation_loss": f"{loss:.5g}",
            **{f"validation_{k}": f"{v:.5g}" for k, v in asdict(self.reconstruction).items()},
            **{f"validation_r2_{fit.name}": f"{fit.r2:.4f}" for fit in fits},
        }
        path = self.folder / "metrics.csv"
        is_new = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, row.keys(), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def _save_checkpoint(self, name: str) -> None:
        rows = np.flatnonzero(~self.data.is_validation)
        chosen = np.random.default_rng(self.config.seed).permutation(rows)[:N_PRIOR]
        mean, factor = aggregate_posterior(*encode_rows(self.vae.eval(), self.data, chosen))
        known = np.unique((self.data.keys[rows] >> np.uint64(32)).astype(np.uint32))
        card = {
            **self.model.card,
            "training": asdict(self.config),
            "steps": self.progress.step,
            "molecules_seen": self.progress.molecules,
            "minutes": round(self.progress.seconds / 60, 1),
            "validation": asdict(self.reconstruction) if self.reconstruction else None,
            "validation_fits": [asdict(fit) for fit in self.fits()],
        }
        kept = replace(self.model, prior_mean=mean, prior_factor=factor, known=known, card=card)
        kept.save(self.folder / f"{name}.safetensors")

    def save_state(self) -> None:
        """Writes everything the loop carries, in one step."""
        tensors = {f"vae.{name}": value for name, value in self.vae.state_dict().items()}
        if self.predictor:
            tensors |= {f"predictor.{name}": value for name, value in self.predictor.state_dict().items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{name}": value for name, value in state.items()}
        contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        metadata = {"progress": json.dumps(asdict(self.progress)), "config": json.dumps(asdict(self.config))}
        with replacing(self.folder / "state.safetensors") as temporary:
            safetensors.torch.save_file(contiguous, temporary, metadata)

    def restore_state(self) -> None:
        """Takes up the state that `save_state` wrote, if there is one.

        Raises:
            RunError: The state is damaged, or belongs to another configuration.
        """
        path = self.folder / "state.safetensors"
        if not path.exists():
            return
        try:
            with safetensors.safe_open(path, "pt") as handle:
                metadata = handle.metadata() or {}
            tensors = safetensors.torch.load_file(path)
            progress = _Progress(**json.loads(metadata["progress"]))
            config = json.loads(metadata["config"])
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise RunError(path, f"is not a training state ({error})", remedy="Start anew.") from None
        if config != asdict(self.config):
            raise RunError(path, "was written under another configuration", remedy="Resume with the same options.")
        self._restore(tensors)
        self.progress = progress
        self._trim_metrics()

    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        self.vae.load_state_dict(_part(tensors, "vae."))
        if self.predictor:
            self.predictor.load_state_dict(_part(tensors, "predictor."))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "adam.").items():
            i, key = name.split(".")
            states.setdefault(int(i), {})[key] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": states, "param_groups": groups})

    def _trim_metrics(self) -> None:
        """Removes the lines of metrics that were written after the state was."""
        path = self.folder / "metrics.csv"
        if not path.exists():
            return
        header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and int(line.split(",")[0]) <= self.progress.step]
        write_text(path, header + "".join(kept))


def new_model(vocabulary: Vocabulary, vae: Vae, max_tokens: int, predictor: Predictor | None = None) -> Checkpoint:
    """An untrained checkpoint, its prior the standard normal."""
    size = vae.config.latent_size
    return Checkpoint(
        vocabulary=vocabulary,
        vae=vae,
        max_tokens=max_tokens,
        prior_mean=torch.zeros(size),
        prior_factor=torch.eye(size),
        predictor=predictor,
    )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
