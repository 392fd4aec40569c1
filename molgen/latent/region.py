"""Decoding of regions (see docs/concepts/latent-space.md): a language model rewrites what the autoencoder decodes.

The autoencoder decodes a point to a draft. A language model conditioned on the coarse dimensions of the point rewrites
a part of the draft.

Notation: N points, D latent dimensions, C coarse ones, B rows of a batch; coarse dimensions: those with the greatest
standard deviation of the prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from molgen.arrays import Floats
from molgen.chem.familiarity import Reference
from molgen.chem.molecule import Molecule, parse_generated
from molgen.errors import MoleculeError
from molgen.model.language_model import MAX_LENGTH, MAX_SURPRISE, Reading, SmilesLanguageModel

BATCH_SIZE = 256
N_DRAWS = 4
"""Maximum number of attempts. A text is drawn again if it is no valid molecule, has an atom environment of radius 1 or
a ring system that the training molecules lack, or is a variant that equals its draft."""
REDRAW_TEMPERATURE = 0.5
"""Temperature of a repair from the second attempt on; the first takes the likeliest tokens."""

_Rewrite = Callable[[Reading, Tensor, int], list[str]]
"""From B drafts, random numbers (B, MAX_LENGTH + 2) and the number of the attempt, from 0 on, to B texts."""


class RegionDecoder:
    """Rewrites the drafts of the SELFIES decoder by a language model conditioned on the coarse dimensions."""

    def __init__(self, model: SmilesLanguageModel, scale: Tensor, familiarity: Reference | None) -> None:
        """Takes the parts of a checkpoint.

        Args:
            model: The conditioned language model.
            scale: (C,) standard deviations of the prior in the coarse dimensions.
            familiarity: Parts of the training molecules; without them, no text is drawn again for its parts.
        """
        self._model = model
        self._familiarity = familiarity
        self._scale = scale.cpu().numpy().astype(np.float32)
        self._device = model.logits.weight.device

    def repair(self, points: Floats, drafts: Sequence[str | None], seed: int) -> list[str | None]:
        """Canonical SMILES of drafts at points (N, D), rewritten from the first unlikely token on.

        None where the point is not finite, or no attempt gives a valid molecule.
        """

        def rewrite(reading: Reading, uniforms: Tensor, draw: int) -> list[str]:
            return self._model.repair(reading, REDRAW_TEMPERATURE if draw else 0.0, uniforms)

        return self._rewrite(points, drafts, seed, rewrite, may_equal_draft=True)

    def vary(self, points: Floats, drafts: Sequence[str | None], seed: int, *, is_given: bool) -> list[str | None]:
        """Canonical SMILES of molecules that share the beginning of the drafts at points (N, D).

        If the drafts are given molecules, not decoded, unlikely tokens of them are kept too, and a variant may have as
        many unfamiliar parts as its draft, but no more.
        """

        def rewrite(reading: Reading, uniforms: Tensor, _draw: int) -> list[str]:
            return self._model.vary(reading, uniforms, max_surprise=math.inf if is_given else MAX_SURPRISE)

        allowed = drafts if is_given else ()
        return self._rewrite(points, drafts, seed, rewrite, may_equal_draft=False, allowed=allowed)

    def _rewrite(
        self,
        points: Floats,
        drafts: Sequence[str | None],
        seed: int,
        rewrite: _Rewrite,
        *,
        may_equal_draft: bool,
        allowed: Sequence[str | None] = (),
    ) -> list[str | None]:
        """Texts of `rewrite` that are valid, familiar molecules, from up to `N_DRAWS` attempts; else None.

        Of unfamiliar molecules, the first one is returned if no familiar one is found and no parts are `allowed`.

        Args:
            points: (N, D).
            drafts: N SMILES.
            seed: Seed of the random numbers, together with the number of the row.
            rewrite: Writes B texts.
            may_equal_draft: Whether a text may be the same molecule as its draft.
            allowed: N molecules whose numbers of unfamiliar parts are allowed; none by default.
        """
        coarse = torch.from_numpy(points[:, : len(self._scale)] / self._scale).to(self._device)
        texts: list[str | None] = [None] * len(points)
        finite = np.flatnonzero(np.isfinite(points).all(axis=1))
        for start in range(0, len(finite), BATCH_SIZE):
            rows = finite[start : start + BATCH_SIZE]
            reading = self._model.read_drafts([self._tokenise(drafts[row]) for row in rows], coarse[rows])
            for draw in range(N_DRAWS):
                uniforms = draw_uniforms(rows, (seed, draw), MAX_LENGTH + 2).to(self._device)
                found = list(map(parse_generated, rewrite(reading, uniforms, draw)))
                is_open = np.ones(len(rows), dtype=bool)
                for i, (row, molecule) in enumerate(zip(rows.tolist(), found, strict=True)):
                    if molecule is None or (molecule.smiles == drafts[row] and not may_equal_draft):
                        continue
                    is_open[i] = not self._is_familiar(molecule, allowed[row] if allowed else None)
                    if not is_open[i] or not (allowed or texts[row]):
                        texts[row] = molecule.smiles
                left = np.flatnonzero(is_open)
                if not len(left):
                    break
                rows, reading = rows[left], reading.take(left)
        return texts

    def _is_familiar(self, molecule: Molecule, limit: str | None) -> bool:
        """Whether a molecule has no unfamiliar parts, or no more of them than the molecule that sets the limit."""
        if self._familiarity is None:
            return True
        found = self._familiarity.unfamiliar(molecule.mol)
        if not found.n_radius_1 and not found.ring_systems:
            return True
        limiting = parse_generated(limit) if limit else None
        if limiting is None:
            return False
        known = self._familiarity.unfamiliar(limiting.mol)
        return found.n_radius_1 <= known.n_radius_1 and len(found.ring_systems) <= len(known.ring_systems)

    def _tokenise(self, smiles: str | None) -> NDArray[np.uint16]:
        """Token ids of a draft; empty without a draft, or if the draft has an unknown symbol."""
        try:
            ids = self._model.tokens.ids(smiles or "")
        except MoleculeError:
            return np.empty(0, dtype=np.uint16)
        return ids[:MAX_LENGTH]


def draw_uniforms(rows: NDArray[np.int64], seed: Sequence[int], n: int) -> Tensor:
    """Random numbers (B, n) in [0, 1) for the rows (B,); each row has its own stream."""
    streams = (np.random.default_rng((*seed, row)) for row in rows.tolist())
    return torch.from_numpy(np.stack([stream.random(n) for stream in streams]))
