"""Excess nats: how much of the mass of the prior belongs to no molecule.

The code length of a molecule is the divergence of its posterior plus the negative log likelihood of decoding it. The
shortest possible length is the negative log likelihood of the molecule itself, here under a language model. The excess
of the mean code length is the negative logarithm of the share of the prior that molecules are encoded to.

Notation: N molecules, C coarse dimensions.
Source: the code length of an autoencoder, Kingma & Welling 2014 (arXiv:1312.6114), equation 3, as bits back, Hinton &
van Camp 1993 (doi:10.1145/168304.168306).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace
from molgen.model.decoder import negative_log_likelihood
from molgen.model.language_model import MAX_LENGTH, SmilesLanguageModel
from molgen.model.vae import kl_divergence
from molgen.tokens.selfies_vocabulary import pad

BATCH_SIZE = 64


@dataclass(frozen=True)
class Nats:
    """Mean nats per molecule, over the molecules that the autoencoder and the language model can read.

    Attributes:
        n: Number of molecules.
        language: Negative log likelihood under the language model.
        autoencoder: Divergence of the posterior from the prior, plus the exact decoder's negative log likelihood at a
            sample of the posterior.
        region: Divergence of the coarse part, plus the negative log likelihood under the language model conditioned on
            it; None for a checkpoint without such a model.
        divergence: The divergence in `region`, or in `autoencoder` if there is no `region`.
        excess: `region`, or `autoencoder` if there is no `region`, minus `language`.
    """

    n: int
    language: float
    autoencoder: float
    region: float | None
    divergence: float
    excess: float


def measure_nats(space: LatentSpace, smiles: Sequence[str], seed: int) -> Nats | None:
    """Code lengths of canonical SMILES (N); None if the checkpoint has no language model, or no molecule can be read.

    Args:
        space: The latent space.
        smiles: The molecules.
        seed: Seed of the samples of posteriors.
    """
    language, region = space.model.priors.get("language"), space.model.region
    if not isinstance(language, SmilesLanguageModel):
        return None
    readable = [pair for text in smiles if (pair := _read(space, language, text))]
    if not readable:
        return None
    generator = torch.Generator().manual_seed(seed)
    rows = []
    with torch.no_grad():
        for start in range(0, len(readable), BATCH_SIZE):
            rows.append(_code_lengths(space, language, region, readable[start : start + BATCH_SIZE], generator))
    nll, whole, coarse, exact, near = np.concatenate(rows).mean(axis=0).tolist()
    divergence, rest = (coarse, near) if region else (whole, exact)
    return Nats(
        n=len(readable),
        language=nll,
        autoencoder=whole + exact,
        region=coarse + near if region else None,
        divergence=divergence,
        excess=divergence + rest - nll,
    )


def _read(
    space: LatentSpace, language: SmilesLanguageModel, text: str
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]] | None:
    """Ids of SELFIES and of SMILES tokens of a molecule; None if one of the models cannot read it."""
    try:
        selfies, smiles = space.model.vocabulary.tokenise(text), language.tokens.ids(text)
    except MoleculeError:
        return None
    return (selfies, smiles) if len(selfies) <= space.model.max_tokens and len(smiles) < MAX_LENGTH else None


def _code_lengths(
    space: LatentSpace,
    language: SmilesLanguageModel,
    region: SmilesLanguageModel | None,
    pairs: Sequence[tuple[NDArray[np.uint16], NDArray[np.uint16]]],
    generator: torch.Generator,
) -> NDArray[np.float64]:
    """Nats (B, 5): language model, divergence, coarse divergence, exact decoder, conditioned language model."""
    tokens, lengths = (torch.from_numpy(array).to(space.device) for array in pad([selfies for selfies, _ in pairs]))
    texts, sizes = (torch.from_numpy(array).to(space.device) for array in pad([smiles for _, smiles in pairs]))
    vae = space.model.vae
    mean, log_variance = vae.encoder(tokens, lengths)
    noise = torch.randn(mean.shape, generator=generator).to(space.device)
    z = mean + noise * (0.5 * log_variance).exp()
    divergence = kl_divergence(mean, log_variance, vae.encoder.scale)
    coarse = slice(0, vae.config.coarse_size)
    exact = negative_log_likelihood(vae.decoder(z, tokens), tokens, lengths)
    near = region.loss(texts, sizes, (z / vae.encoder.scale)[:, coarse]) if region else torch.zeros_like(exact)
    parts = (language.loss(texts, sizes), divergence.sum(dim=1), divergence[:, coarse].sum(dim=1), exact, near)
    return torch.stack(parts, dim=1).double().cpu().numpy()
