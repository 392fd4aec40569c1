"""The training loop, on labelled and unlabelled molecules, which can be stopped and resumed.

A training folder holds the state of the loop, its `metrics.csv`, and two checkpoints: `best` (on the validation
molecules) and `last`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.errors import InterruptedRunError, RunError
from molgen.metrics import Fit
from molgen.model.checkpoint import MolecularModel
from molgen.model.predictor import Predictor
from molgen.model.vae import Vae
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train import log as metrics
from molgen.train import state
from molgen.train.data.dataset import TokenSet
from molgen.train.log import TrainingLog
from molgen.train.state import Progress
from molgen.train.step import TrainingConfig, TrainingStep
from molgen.train.validation import (
    ReconstructionScores,
    aggregate_posterior,
    encode_rows,
    measure_predictor,
    measure_reconstruction,
)

__all__ = ["Training", "TrainingConfig", "TrainingStatus", "make_model"]

N_VALIDATION = 512
"""Maximum number of molecules of a validation."""
N_PRIOR = 4096
"""Maximum number of training molecules whose posteriors the Gaussian prior is fitted to."""
SAVE_EVERY_S = 60.0
BEST, LAST = "best", "last"
"""Names of the two checkpoints, without suffix."""


@dataclass(frozen=True)
class TrainingStatus:
    """Where training stands.

    Attributes:
        step: Steps done.
        fraction: Share of the training done, in [0, 1].
        molecules: Molecules seen.
        seconds: Training time, summed over resumed parts.
        loss: Mean training loss since the last validation.
        reconstruction: Scores of the last validation, or None before the first.
    """

    step: int
    fraction: float
    molecules: int
    seconds: float
    loss: float
    reconstruction: ReconstructionScores | None


class Training:
    """One training in one folder.

    If no molecule is held out, reconstruction is measured on the training molecules, the predictor is not measured, and
    the cards of the checkpoints say so.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        data: TokenSet,
        model: MolecularModel,
        *,
        device: str = "cpu",
        bf16: bool = False,
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        """Prepares the loop without writing anything.

        Args:
            folder: Existing folder of this training.
            config: Options of the loop.
            data: Training data.
            model: Initial model; its weights are changed in place. A predictor's scale is set from the labels.
            device: Torch device.
            bf16: Compute matrix products in bfloat16.
            save_every_s: Seconds between two savings of the state, the most that a crash can lose.

        Raises:
            RunError: `data` and `model` do not fit each other.
        """
        _require_fit(folder, data, model)
        self.folder = folder
        self.config = config
        self.data = data
        self.model = model
        self.learner = TrainingStep(config, data, model, device=device, bf16=bf16)
        self.save_every_s = save_every_s
        self.progress = Progress()
        self.metrics = TrainingLog(folder / metrics.NAME)

    @property
    def is_validated_on_training(self) -> bool:
        """Whether no molecule is held out, so that reconstruction is measured on training molecules."""
        return not self.data.is_validation.any()

    def run(self, on_status: Callable[[TrainingStatus], object], is_stop_requested: Callable[[], bool]) -> None:
        """Trains to the end, from the saved state.

        Raises:
            InterruptedRunError: A stop was requested; the state is saved.
            MolgenError: The loss is no longer finite.
        """
        self.metrics.cut_after(self.progress.step)
        saved = started = time.monotonic()
        seconds_before = self.progress.seconds
        while not self.progress.is_finished:
            self._step()
            self.progress.seconds = seconds_before + time.monotonic() - started
            on_status(self.status())
            if self.progress.step % self.config.validate_every == 0 or self.fraction() >= 1.0:
                self._validate()
            is_stopping = is_stop_requested() and not self.progress.is_finished
            if is_stopping or self.progress.is_finished or time.monotonic() - saved > self.save_every_s:
                self._save_state()
                saved = time.monotonic()
            if is_stopping:
                raise InterruptedRunError(f"stopped at step {self.progress.step}; the state is saved")
        self._save_checkpoint(LAST)

    def fraction(self) -> float:
        """Share of the training done, in [0, 1]."""
        if self.config.epochs is not None:
            done = self.progress.step / (self.config.epochs * self.learner.schedule.steps_per_epoch)
        else:
            done = self.progress.seconds / (60.0 * (self.config.minutes or 1.0))
        return min(1.0, done)

    def status(self) -> TrainingStatus:
        """Where training stands."""
        p = self.progress
        loss = p.loss_sum / max(1, p.loss_steps)
        return TrainingStatus(p.step, self.fraction(), p.molecules, p.seconds, loss, p.reconstruction)

    def predictor_scores(self) -> list[Fit]:
        """Scores of the predictor on the held-out molecules; empty without a predictor or held-out labels."""
        if self.model.predictor is None:
            return []
        rows = np.flatnonzero(self.data.is_validation)
        for module in self.model.modules.values():
            module.eval()
        return measure_predictor(self.model, self.data, rows)

    def restore_state(self) -> None:
        """Restores the state that `run` left in the folder, if there is one.

        Raises:
            RunError: The state is damaged, or belongs to another configuration.
        """
        path = self.folder / state.NAME
        if path.exists():
            self.progress = state.restore(path, self.model.modules, self.learner.optimiser, asdict(self.config))

    def _save_state(self) -> None:
        path = self.folder / state.NAME
        state.save(path, self.model.modules, self.learner.optimiser, self.progress, asdict(self.config))

    def _step(self) -> None:
        loss, n_molecules = self.learner.learn(self.progress.step, self.fraction())
        self.progress.step += 1
        self.progress.molecules += n_molecules
        self.progress.loss_sum += loss
        self.progress.loss_steps += 1

    def _validate(self) -> None:
        """Validates, writes a line of metrics, saves the model if it is the best, and decides whether to finish."""
        p = self.progress
        p.reconstruction = measure_reconstruction(self.model.vae.eval(), self.data, self._validation_rows())
        scores = self.predictor_scores()
        loss = self._validation_loss(p.reconstruction, scores)
        self.metrics.append(self._row(p.reconstruction, scores, loss))
        p.loss_sum, p.loss_steps = 0.0, 0
        p.stale = 0 if loss < p.best else p.stale + 1
        if loss < p.best:
            p.best = loss
            self._save_checkpoint(BEST)
        p.is_finished = self.fraction() >= 1.0 or p.stale >= self.config.patience

    def _validation_rows(self) -> NDArray[np.int64]:
        is_used = self.data.is_validation | self.is_validated_on_training
        rows = np.flatnonzero(is_used)
        return np.random.default_rng(self.config.seed).permutation(rows)[:N_VALIDATION]

    def _validation_loss(self, reconstruction: ReconstructionScores, scores: list[Fit]) -> float:
        """Weighted sum of reconstruction loss, KL divergence, and RMSE of each property in its standard deviations."""
        loss = reconstruction.nll + self.config.kl_weight * reconstruction.kl
        if not isinstance(self.model.predictor, Predictor):
            return loss
        scales = dict(zip(self.model.properties, self.model.predictor.scale.tolist(), strict=True))
        error = sum(float(score.rmse / scales[score.name]) for score in scores)
        return loss + self.config.property_weight * error

    def _row(self, reconstruction: ReconstructionScores, scores: list[Fit], loss: float) -> dict[str, object]:
        p = self.progress
        rate, kl_weight = self.learner.rates(p.step, self.fraction())
        return {
            "step": p.step,
            "epoch": round(p.step / self.learner.schedule.steps_per_epoch, 4),
            "molecules": p.molecules,
            "seconds": round(p.seconds, 1),
            "learning_rate": f"{rate:.3g}",
            "kl_weight": f"{kl_weight:.3g}",
            "train_loss": f"{self.status().loss:.5g}",
            "validation_loss": f"{loss:.5g}",
            **{f"validation_{name}": f"{value:.5g}" for name, value in asdict(reconstruction).items()},
            **{f"validation_r2_{score.name}": f"{score.r2:.4f}" for score in scores},
        }

    def _save_checkpoint(self, name: str) -> None:
        rows = np.flatnonzero(~self.data.is_validation)
        chosen = np.random.default_rng(self.config.seed).permutation(rows)[:N_PRIOR]
        mean, factor = aggregate_posterior(*encode_rows(self.model.vae.eval(), self.data, chosen))
        keys = (self.data.keys[rows] >> np.uint64(32)).astype(np.uint32)
        keys = np.union1d(self.model.known, keys)
        kept = replace(self.model, prior_mean=mean, prior_factor=factor, known=keys, card=self._card())
        kept.save(self.folder / f"{name}.safetensors")

    def _card(self) -> dict[str, Any]:
        p = self.progress
        return {
            **self.model.card,
            "training": asdict(self.config),
            "steps": p.step,
            "molecules_seen": p.molecules,
            "minutes": round(p.seconds / 60, 1),
            "validated_on": "training molecules" if self.is_validated_on_training else "molecules kept out",
            "validation": asdict(p.reconstruction) if p.reconstruction else None,
            "validation_fits": [_without_nan(asdict(score)) for score in self.predictor_scores()],
        }


def make_model(vocabulary: Vocabulary, vae: Vae, max_tokens: int, predictor: Predictor | None = None) -> MolecularModel:
    """A model that is not trained yet, with the standard normal distribution as Gaussian prior."""
    size = vae.config.latent_size
    return MolecularModel(
        vocabulary=vocabulary,
        vae=vae,
        max_tokens=max_tokens,
        prior_mean=torch.zeros(size),
        prior_factor=torch.eye(size),
        predictor=predictor,
    )


def _require_fit(folder: Path, data: TokenSet, model: MolecularModel) -> None:
    remedy = "Start the training again."
    if int(data.tokens.max()) >= len(model.vocabulary):
        raise RunError(folder, "the data hold tokens that the model does not know", remedy=remedy)
    if model.predictor and data.labels.shape[1] != len(model.properties):
        raise RunError(folder, "the data do not have the properties that the model predicts", remedy=remedy)


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with None in place of NaN, which JSON lacks."""
    return {key: None if value != value else value for key, value in values.items()}
