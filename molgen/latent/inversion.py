"""Inversion: the point that decodes to a molecule, where the encoder's answer does not.

Source: latent inversion, Chu et al. 2024, InvBO (arXiv:2411.05330), section 3.1.

Notation: N molecules, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from molgen.latent.space import Floats, LatentSpace
from molgen.model.tokens import PAD, pad
from molgen.model.vae import targets

N_STEPS = 120
STEP_SIZE = 0.05


def invert(space: LatentSpace, smiles: Sequence[str], *, n_steps: int = N_STEPS) -> Floats:
    """Points (N, D) that decode to canonical SMILES as nearly as `n_steps` of gradient descent get.

    Descends the decoder's loss from where the encoder puts each molecule; of all points on the way the one of least
    loss is kept. Molecules that decode to themselves already are left where they are, and those that cannot be
    encoded are NaN.
    """
    z = space.encode(smiles)
    decoded = space.decode(z)
    lost = [i for i, text in enumerate(smiles) if decoded[i] != text and np.isfinite(z[i]).all()]
    if lost:
        z[lost] = _descend(space, [smiles[i] for i in lost], z[lost], n_steps)
    return z


def _descend(space: LatentSpace, smiles: Sequence[str], z: Floats, n_steps: int) -> Floats:
    ids, lengths = pad([space.model.vocabulary.tokenise(text) for text in smiles])
    tokens = torch.from_numpy(ids).to(space.device)
    wanted = targets(tokens, torch.from_numpy(lengths).to(space.device)).t().flatten()
    point = torch.from_numpy(z).to(space.device).requires_grad_()
    optimiser = torch.optim.Adam([point], lr=STEP_SIZE)
    best, least = point.detach().clone(), torch.full((len(z),), torch.inf, device=space.device)
    for _ in range(n_steps):
        logits = space.model.vae.decoder(point, tokens)
        loss = functional.cross_entropy(logits.flatten(0, 1), wanted, ignore_index=PAD, reduction="none")
        each = loss.view(len(logits), -1).sum(dim=0)
        is_better = each.detach() < least
        best[is_better], least[is_better] = point.detach()[is_better], each.detach()[is_better]
        (point.grad,) = torch.autograd.grad(each.sum(), [point])
        optimiser.step()
    return np.asarray(best.cpu().numpy(), dtype=np.float32)
