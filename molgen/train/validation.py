"""Validation of a model on held-out molecules.

Notation: N molecules, D latent dimensions, P properties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.metrics import Fit, measure_fit
from molgen.model.checkpoint import MolecularModel
from molgen.model.decoder import append_end
from molgen.model.molecule_process import MoleculeProcess
from molgen.model.vae import Vae
from molgen.tokens.batches import batch_by_length
from molgen.tokens.selfies_vocabulary import EOS
from molgen.train.data.dataset import TokenSet

ACTIVE_VARIANCE = 0.01
"""A latent unit is active if the variance of its posterior mean, relative to the variance of the prior, is above this
(Burda et al. 2016, arXiv:1509.00519, section 5.2)."""


@dataclass(frozen=True)
class ReconstructionScores:
    """Reconstruction of molecules.

    Attributes:
        nll: Negative log likelihood of the tokens at the posterior mean, in nats per molecule.
        kl: KL divergence of the posterior from the prior, in nats per molecule.
        exact: Share of molecules whose tokens are all correct in greedy decoding.
        active_units: Number of active latent units, of D.
    """

    nll: float
    kl: float
    exact: float
    active_units: int


@torch.no_grad()
def measure_reconstruction(vae: Vae, data: TokenSet, rows: NDArray[np.int64]) -> ReconstructionScores:
    """Reconstruction of the molecules `rows` (N,) of `data`."""
    nll, kl, exact, means = [], [], [], []
    device = next(vae.parameters()).device
    for chunk, tokens, lengths in batch_by_length([data[row] for row in rows], device):
        dropped = torch.zeros_like(tokens, dtype=torch.bool)
        noise = torch.zeros(len(chunk), vae.config.latent_size, device=device)
        loss, divergence, mean = vae(tokens, lengths, noise, dropped)
        decoded = vae.decoder.generate(mean, tokens.shape[1] + 1)
        nll.append(loss)
        kl.append(divergence)
        means.append(mean)
        exact.append(find_exact(decoded, append_end(tokens, lengths)))
    return ReconstructionScores(
        nll=float(torch.cat(nll).mean()),
        kl=float(torch.cat(kl).mean()),
        exact=float(torch.cat(exact).double().mean()),
        active_units=int(((torch.cat(means) / vae.encoder.scale).var(dim=0, correction=0) > ACTIVE_VARIANCE).sum()),
    )


def find_exact(decoded: Tensor, wanted: Tensor) -> Tensor:
    """Whether rows (B,) of `decoded` (B, at most L) equal `wanted` (B, L) up to and including EOS."""
    missing = wanted.shape[1] - decoded.shape[1]
    padded = torch.nn.functional.pad(decoded, (0, missing))
    after_end = (wanted == EOS).cumsum(dim=1) - (wanted == EOS).long() > 0
    return ((padded == wanted) | after_end).all(dim=1)


@torch.no_grad()
def encode_rows(vae: Vae, data: TokenSet, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Posterior mean and log variance (N, D) of the molecules `rows` (N,), in their order."""
    device = next(vae.parameters()).device
    mean = torch.empty(len(rows), vae.config.latent_size)
    log_variance = torch.empty_like(mean)
    for places, tokens, lengths in batch_by_length([data[row] for row in rows], device):
        m, v = vae.encoder(tokens, lengths)
        mean[places], log_variance[places] = m.float().cpu(), v.float().cpu()
    return mean, log_variance


def aggregate_posterior(mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and lower Cholesky factor (D, D) of the covariance of the Gaussian nearest to N posteriors' mixture.

    That Gaussian has the mean and the covariance of the mixture; the covariance is that of the means plus the mean of
    the variances. Rosca et al. 2018 (arXiv:1802.06847) show how far the mixture is from N(0, I).
    """
    centre = mean.mean(dim=0)
    centred = (mean - centre).double()
    covariance = centred.t() @ centred / len(mean) + torch.diag(log_variance.double().exp().mean(dim=0))
    factor = torch.linalg.cholesky(covariance + 1e-6 * torch.eye(len(centre), dtype=torch.double))
    return centre, factor.float()


def measure_predictor(model: MolecularModel, data: TokenSet, rows: NDArray[np.int64]) -> list[Fit]:
    """Scores of the predictions of each property with 2 labels or more, for the molecules `rows` (N,) of `data`.

    Raises:
        ValueError: `model` predicts nothing.
    """
    predictor = model.predictor
    if predictor is None:
        raise ValueError("the model predicts nothing")
    z, _ = encode_rows(model.vae, data, rows)
    if isinstance(predictor, MoleculeProcess):
        mols = [parse(model.vocabulary.to_smiles(data[row]), AS_IT_IS).mol for row in rows.tolist()]
        predicted = predictor.predict(z, mols)
    else:
        predicted = predictor.predict(z.to(predictor.location.device))
    mean, std = (part.cpu().double().numpy() for part in predicted)
    fits = []
    for p, name in enumerate(predictor.config.properties):
        y = data.labels[rows, p].astype(np.float64)
        known = ~np.isnan(y)
        if known.sum() >= 2:
            fits.append(measure_fit(name, y[known], mean[known, p], std[known, p]))
    return fits
