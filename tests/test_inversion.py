"""Inversion finds points that decode to a molecule better than the encoder's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from molgen.latent.inversion import invert
from molgen.latent.space import Floats, LatentSpace
from molgen.model.tokens import PAD, pad
from molgen.model.vae import targets

MOLECULES = [
    "COC1CC[NH+](CC/[NH+]=C(/N)N2CCOCC2)CC1",
    "COc1c(C)cnc(C[NH+]2CCC(N(C)CC[NH+]3CCCC3)CC2)c1C",
    "C[C@@H](NC(=O)c1cnn2c3c(cnc12)CCCCCC3)c1ccc2c(c1)OCCO2",
]
"""Hard ones: charges, fused rings, few like them among the molecules of the checkpoint."""


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def loss_of(space: LatentSpace, smiles: list[str], z: Floats) -> list[float]:
    """Nats (N,) that the decoder needs for each molecule at its point."""
    ids, lengths = pad([space.model.vocabulary.tokenise(text) for text in smiles])
    tokens = torch.from_numpy(ids)
    wanted = targets(tokens, torch.from_numpy(lengths)).t().flatten()
    with torch.no_grad():
        logits = space.model.vae.decoder(torch.from_numpy(z), tokens)
    loss = functional.cross_entropy(logits.flatten(0, 1), wanted, ignore_index=PAD, reduction="none")
    return loss.view(len(logits), -1).sum(dim=0).tolist()


def test_it_never_ends_worse_than_it_began(space: LatentSpace) -> None:
    before = loss_of(space, MOLECULES, space.encode(MOLECULES))
    after = loss_of(space, MOLECULES, invert(space, MOLECULES, n_steps=40))
    assert all(a <= b + 1e-3 for a, b in zip(after, before, strict=True))
    assert sum(after) < 0.8 * sum(before)


def test_molecules_that_come_back_already_stay_where_they_are(space: LatentSpace) -> None:
    candidates = [text for text in space.sample(40, seed=3) if text]
    z = space.encode(candidates)
    faithful = [i for i, text in enumerate(space.decode(z)) if text == candidates[i]]
    assert faithful
    chosen = [candidates[i] for i in faithful]
    np.testing.assert_allclose(invert(space, chosen, n_steps=5), z[faithful], atol=1e-5)


def test_what_cannot_be_encoded_is_nan_and_nothing_gives_nothing(space: LatentSpace) -> None:
    z = invert(space, ["[Fe]", "CCO"], n_steps=2)
    assert np.isnan(z[0]).all()
    assert np.isfinite(z[1]).all()
    assert invert(space, []).shape == (0, space.size)
