"""A latent space that is fine-tuned on the best molecules of a search.

Sources: weighted retraining, Tripp et al. 2020 (arXiv:2006.09191); rehearsal of samples of the model itself against
forgetting, Robins 1995 (doi:10.1080/09540099550039318).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from molgen.chem.molecule import DEFAULT_POLICY, Policy
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace
from molgen.tokens.selfies_vocabulary import pad

N_STEPS = 4
BATCH_SIZE = 64
LEARNING_RATE = 5e-4
KL_WEIGHT = 0.1
TOKEN_DROPOUT = 0.1
MAX_GRADIENT = 5.0
GREED = 1.5
"""Exponent of the choice among the best: the larger, the more often the first are drawn."""


class AdaptiveSpace(LatentSpace):
    """A copy of a space that `learn` changes; the original is not changed."""

    def __init__(self, space: LatentSpace) -> None:
        """Starts as a copy of `space`."""
        super().__init__(replace(space.model, vae=copy.deepcopy(space.model.vae)))
        self._sequences: dict[str, NDArray[np.uint16]] = {}

    @cached_property
    def _optimiser(self) -> torch.optim.Adam:
        """Made when it is needed: the first optimiser of a process imports torch's compiler, which takes a second."""
        return torch.optim.Adam(self.model.vae.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98))

    def learn(self, best: Sequence[str], rehearsed: Sequence[str], rng: np.random.Generator) -> None:
        """Takes a few training steps on molecules, half of them from `best`, half from `rehearsed`.

        Molecules that cannot be encoded are skipped.

        Args:
            best: SMILES, best first; of N, the one with index floor(N u^GREED) is drawn, u uniform in [0, 1).
            rehearsed: SMILES of prior samples, or of the molecules that replace them, mixed in so that the model does
                not forget them.
            rng: Random generator.
        """
        if not best or not rehearsed:
            return
        half = N_STEPS * BATCH_SIZE // 2
        texts = [best[int(len(best) * u**GREED)] for u in rng.random(half)]
        texts += [rehearsed[i] for i in rng.integers(len(rehearsed), size=half)]
        chosen = sorted(filter(len, map(self._sequence, texts)), key=len)
        self.model.vae.train()
        for batch in np.array_split(np.arange(len(chosen)), N_STEPS):
            if len(batch):
                self._step([chosen[i] for i in batch], rng)
        self.model.vae.eval()

    def can_encode(self, smiles: str) -> bool:
        """Whether a canonical SMILES can be encoded: all its tokens are known, and not too many."""
        return len(self._sequence(smiles)) > 0

    def _sequence(self, smiles: str) -> NDArray[np.uint16]:
        """Token ids of a molecule; empty if it has unknown tokens or too many."""
        if smiles not in self._sequences:
            try:
                self._sequences[smiles] = self._tokenise(smiles, DEFAULT_POLICY)
            except MoleculeError:
                self._sequences[smiles] = np.empty(0, dtype=np.uint16)
        return self._sequences[smiles]

    def _tokenise(self, text: str, policy: Policy) -> NDArray[np.uint16]:
        known = self._sequences.get(text) if policy == DEFAULT_POLICY else None
        return known if known is not None and len(known) else super()._tokenise(text, policy)

    def _step(self, sequences: Sequence[NDArray[np.uint16]], rng: np.random.Generator) -> None:
        ids, lengths = (torch.from_numpy(array).to(self.device) for array in pad(sequences))
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        noise = torch.randn(len(ids), self.size, generator=generator).to(self.device)
        is_dropped = (torch.rand(ids.shape, generator=generator) < TOKEN_DROPOUT).to(self.device)
        nll, kl, _ = self.model.vae(ids, lengths, noise, is_dropped)
        self._optimiser.zero_grad()
        (nll + KL_WEIGHT * kl).mean().backward()
        torch.nn.utils.clip_grad_norm_(self.model.vae.parameters(), MAX_GRADIENT)
        self._optimiser.step()
