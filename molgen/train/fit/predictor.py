"""The predictor, refitted to the points of a finished autoencoder, with calibrated standard deviations.

During training, the predictor follows points that still move. Afterwards, a fit takes seconds and does not affect
reconstruction. For a few thousand molecules, Gaussian processes predict better than networks
(docs/benchmarks/predictors.md); for more, they would keep too many points.

Notation: N labelled molecules, D latent dimensions, P properties, K members.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.metrics import STDS_OF_90_PERCENT
from molgen.model.checkpoint import MolecularModel
from molgen.model.molecule_process import MAX_MOLECULES, MoleculeProcess
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.train.data.batches import bootstrap
from molgen.train.data.dataset import TokenSet
from molgen.train.fit.molecule_process import Measurements, fit_molecule_process
from molgen.train.validation import encode_rows, measure_predictor

EPOCHS = 30
MAX_STEPS = 20_000
BATCH_SIZE = 64
LEARNING_RATE = 2e-3
COOLDOWN_SHARE = 0.4
MAX_LOG_SCALE = 6.0
COVERAGE = 0.9
"""Share of a normal distribution within `STDS_OF_90_PERCENT` standard deviations of its mean."""

MAX_GP_PROPERTIES = 16
"""Maximum number of properties of Gaussian processes; each takes seconds."""


def fit_predictor(model: MolecularModel, data: TokenSet, seed: int) -> MolecularModel:
    """The model with its predictor fitted to the posterior means of the molecules of `data`.

    A first predictor, fitted to the training molecules, is scored on the held-out ones; the final one is fitted to all.

    Args:
        model: A model that predicts the labels of `data`; its card gets the `validation_fits` of the first predictor.
        data: Molecules with labels.
        seed: See `fit_ensemble`.

    Raises:
        ValueError: `model` has no predictor that was trained with it.
    """
    is_labelled = ~np.isnan(data.labels).all(axis=1)
    is_small = int(is_labelled.sum()) <= MAX_MOLECULES and len(model.properties) <= MAX_GP_PROPERTIES
    judged = _with_predictor(model, data, np.flatnonzero(is_labelled & ~data.is_validation), seed, is_small)
    fits = measure_predictor(judged, data, np.flatnonzero(data.is_validation))
    entries = [{key: None if value != value else value for key, value in asdict(fit).items()} for fit in fits]
    is_all_known = not (is_labelled & data.is_validation).any()
    final = judged if is_all_known else _with_predictor(model, data, np.flatnonzero(is_labelled), seed, is_small)
    return replace(final, card={**model.card, "validation_fits": entries})


def _with_predictor(
    model: MolecularModel, data: TokenSet, rows: NDArray[np.int64], seed: int, is_process: bool
) -> MolecularModel:
    """The model with Gaussian processes or networks fitted to molecules `rows`, on the device of its predictor."""
    if not isinstance(model.predictor, Predictor):
        raise ValueError("the model has no predictor that was trained with it")
    z, _ = encode_rows(model.vae, data, rows)
    predictor: Predictor | MoleculeProcess
    if is_process and len(rows):
        smiles = [parse(model.vocabulary.to_smiles(data[row]), AS_IT_IS).smiles for row in rows.tolist()]
        measured = Measurements.exact(smiles, z.numpy(), data.labels[rows].astype(np.float64))
        predictor = fit_molecule_process(model.properties, measured, model.vae.encoder.scale, seed)
    else:
        predictor = fit_ensemble(model.predictor.config, z, torch.from_numpy(data.labels[rows]), seed)
    predictor.to(model.predictor.location.device)
    return replace(model, predictor=predictor)


def fit_ensemble(config: PredictorConfig, z: Tensor, y: Tensor, seed: int) -> Predictor:
    """A calibrated ensemble that predicts `y` from `z`; a deterministic function of the arguments.

    Args:
        config: Its sizes.
        z: (N, D) points, on the CPU.
        y: (N, P) labels, NaN if missing.
        seed: Seed of initial weights, order and bootstrap samples.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        predictor = Predictor(config)
    predictor.standardise(y)
    weight = bootstrap(config.n_members, len(z), seed)
    _fit(predictor, z, y, weight, np.random.default_rng(seed))
    _calibrate(predictor, z, y, weight)
    return predictor.eval()


def _fit(predictor: Predictor, z: Tensor, y: Tensor, weight: Tensor, rng: np.random.Generator) -> None:
    """Adam on shuffled batches, its step size falling to 0 at the end."""
    optimiser = torch.optim.Adam(predictor.parameters(), lr=LEARNING_RATE)
    n_steps = min(MAX_STEPS, EPOCHS * math.ceil(len(z) / BATCH_SIZE))
    rows = np.empty(0, dtype=np.int64)
    for step in range(n_steps):
        if not len(rows):
            rows = rng.permutation(len(z))
        batch, rows = rows[:BATCH_SIZE], rows[BATCH_SIZE:]
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (1.0 - step / n_steps) / COOLDOWN_SHARE)
        loss = predictor.loss(z[batch], y[batch], weight[:, batch].float()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@torch.no_grad()
def _calibrate(predictor: Predictor, z: Tensor, y: Tensor, weight: Tensor) -> None:
    """Scales the predicted noise so that 90 % of labels lie in the 90 % interval of members not fitted to them.

    Source: out-of-bag estimates, Breiman 1996 (https://www.stat.berkeley.edu/~breiman/OOBestimation.pdf).
    """
    mean, log_variance = predictor(z)
    is_out = (weight == 0)[:, :, None].float()
    n_out = is_out.sum(dim=0)
    centre = (mean * is_out).sum(dim=0) / n_out
    disagreement = (mean.square() * is_out).sum(dim=0) / n_out - centre.square()
    noise = (log_variance.exp() * is_out).sum(dim=0) / n_out
    target = (y - predictor.location) / predictor.scale
    needed = (((target - centre) / STDS_OF_90_PERCENT).square() - disagreement) / noise
    for p in range(y.shape[1]):
        known = needed[:, p][torch.isfinite(needed[:, p])]
        if len(known):
            scale = torch.quantile(known.double(), COVERAGE).clamp_min(1e-9)
            predictor.output_bias[:, :, y.shape[1] + p] += float(scale.log().clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE))
