"""The latent space: molecules <-> points, in four verbs.

Notation: N molecules, D latent dimensions, P properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from molgen.chem.molecule import DEFAULT_POLICY, Policy, parse, saturated
from molgen.errors import MoleculeError, SpecError
from molgen.model import checkpoint
from molgen.model.checkpoint import Checkpoint
from molgen.model.language_model import Language
from molgen.model.prior import Kind, Transport
from molgen.model.refinement import comes_back, double_of, invert
from molgen.model.vae import Vae
from molgen.paths import shipped
from molgen.tokens.selfies_vocabulary import pad
from molgen.tokens.tokenisation import hash_key

BATCH_SIZE = 256
GAUSSIAN, LANGUAGE = "gaussian", "language"
MIN_SPOKEN = 0.02
"""Share of what a language model says that must be molecules: below, it has learned nothing."""

Floats = NDArray[np.float32]


def default_checkpoint() -> Path:
    """The checkpoint that comes with molgen."""
    return shipped("checkpoints") / "default.safetensors"


@dataclass(frozen=True)
class Encoding:
    """Points of molecules, and why some have none.

    Attributes:
        z: (N, D) float32; NaN where there is none.
        reasons: N texts, empty where the molecule was encoded.
    """

    z: Floats
    reasons: tuple[str, ...]


class LatentSpace:
    """The continuous space of a checkpoint, in which near points are like molecules.

    Results do not depend on how inputs are batched, up to the rounding of matrix products (below 1e-5).
    """

    def __init__(self, model: Checkpoint) -> None:
        """The space of a loaded checkpoint, on the device that its weights are on."""
        self.model = model
        self.device = next(model.vae.parameters()).device

    @classmethod
    def load(cls, path: str | Path | None = None, *, device: str = "cpu") -> LatentSpace:
        """The space of the checkpoint at `path` (.safetensors), or of the one that comes with molgen.

        Raises:
            CheckpointError: The checkpoint is missing or damaged.
        """
        return cls(checkpoint.load(Path(path) if path else default_checkpoint(), device))

    @property
    def size(self) -> int:
        """D."""
        return self.model.vae.config.latent_size

    @property
    def property_names(self) -> tuple[str, ...]:
        """Names of the P properties that `predict` returns."""
        return self.model.properties

    def encode(self, smiles: Sequence[str], policy: Policy = DEFAULT_POLICY, *, is_refined: bool = True) -> Floats:
        """Points (N, D) of molecules; rows that cannot be encoded are NaN, and `explain` says why.

        Args:
            smiles: N texts.
            policy: Standardisation.
            is_refined: Move a point that does not decode to its molecule to one beside it that does, where the
                descent finds one (see `model.inversion`); else take the encoder's mean as it is.

        Raises:
            SpecError: `smiles` is one text, not a list of texts.
        """
        return self.explain(smiles, policy, is_refined=is_refined).z

    def explain(self, smiles: Sequence[str], policy: Policy = DEFAULT_POLICY, *, is_refined: bool = True) -> Encoding:
        """Points of molecules, with the reason for each that has none, such as the token that is unknown.

        The arguments are those of `encode`.

        Raises:
            SpecError: `smiles` is one text, not a list of texts.
        """
        if isinstance(smiles, str):
            raise SpecError("smiles", "must be a list of SMILES, but got one text")
        sequences: list[NDArray[np.uint16]] = []
        reasons = [""] * len(smiles)
        for i, text in enumerate(smiles):
            try:
                sequences.append(self._tokenise(text, policy))
            except MoleculeError as error:
                reasons[i] = error.reason
        z = np.full((len(smiles), self.size), np.nan, dtype=np.float32)
        z[np.array([not reason for reason in reasons], dtype=bool)] = self._encode_tokens(sequences, is_refined)
        return Encoding(z, tuple(reasons))

    def decode(self, z: ArrayLike, *, temperature: ArrayLike = 0.0, seed: int = 0) -> list[str | None]:
        """Canonical SMILES of points (N, D); None where no molecule came out.

        Args:
            z: Points; rows that are not finite give None.
            temperature: 0 takes the likeliest token at each step; above, tokens are drawn. One number, or one a row
                (N,).
            seed: Source of the draws.

        Raises:
            SpecError: `z` is not an array of rows of D numbers, or a temperature is not 0 or above.
        """
        points = self._points(z)
        softness = np.broadcast_to(np.asarray(temperature, dtype=np.float32), len(points))
        if not (np.isfinite(softness) & (softness >= 0.0)).all():
            raise SpecError("temperature", f"must be 0 or above, but got {temperature!r}")
        is_finite = np.isfinite(points).all(axis=1)
        generator = torch.Generator(self.device).manual_seed(seed)
        texts: list[str | None] = [None] * len(points)
        read: dict[tuple[int, ...], str | None] = {}
        rows = np.flatnonzero(is_finite)
        for start in range(0, len(rows), BATCH_SIZE):
            chunk = rows[start : start + BATCH_SIZE]
            batch = torch.from_numpy(points[chunk]).to(self.device)
            chunk_softness = torch.from_numpy(softness[chunk]).to(self.device)
            ids = self.model.vae.decoder.generate(batch, self.model.max_tokens, chunk_softness, generator)
            for row, tokens in zip(chunk, map(tuple, ids.tolist()), strict=True):
                if tokens not in read:
                    read[tokens] = self._read(tokens)
                texts[row] = read[tokens]
        return texts

    @property
    def prior_names(self) -> tuple[str, ...]:
        """The priors that can be sampled: `gaussian`, and what was learned."""
        return (GAUSSIAN, *self.model.priors)

    @property
    def usual_prior(self) -> str:
        """`language` where it was learned, as its draws are most like the training molecules; else `gaussian`."""
        return LANGUAGE if LANGUAGE in self.prior_names else GAUSSIAN

    def require_prior(self, prior: str) -> None:
        """Asks that there is a prior of that name.

        Raises:
            SpecError: There is none; the message tells how to train one.
        """
        if prior not in self.prior_names:
            known = ", ".join(self.prior_names)
            remedy = f"Train one with `molgen train DATA --init CHECKPOINT --epochs 0 --prior {prior}`."
            raise SpecError("prior", f"the checkpoint has no {prior!r}; it has {known}", remedy=remedy)

    def sample(self, n: int, seed: int = 0, *, prior: str = GAUSSIAN) -> list[str | None]:
        """Molecules decoded from `n` points of the prior; None where none came out.

        Raises:
            SpecError: The checkpoint has no such prior.
        """
        return self.decode(self.sample_points(n, seed, prior=prior))

    def sample_points(self, n: int, seed: int = 0, *, prior: str = GAUSSIAN) -> Floats:
        """Points (n, D) of a prior.

        Args:
            n: How many.
            seed: Source of the draws.
            prior: `gaussian` for the Gaussian with the first two moments of the aggregate posterior, or the name of one
                that was learned.

        Raises:
            SpecError: The checkpoint has no such prior.
        """
        self.require_prior(prior)
        model = None if prior == GAUSSIAN else self.model.priors[cast(Kind, prior)]
        if isinstance(model, Language):
            return self._spoken(model, n, seed)
        normal = np.random.default_rng(seed).standard_normal((n, self.size))
        if model is not None:
            normal = self._transported(model, normal)
        factor = self.model.prior_factor.double().numpy()
        points = self.model.prior_mean.double().numpy() + normal @ factor.T
        return np.asarray(points, dtype=np.float32)

    def predict(self, z: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and spread (standard deviation) of each property at points (N, D), each (N, P).

        Rows of `z` that are not finite give NaN.

        Raises:
            SpecError: The checkpoint predicts nothing, or `z` has the wrong shape.
        """
        points = self._points(z)
        if self.model.predictor is None:
            raise SpecError(
                "checkpoint",
                "predicts no property",
                remedy="Train one with `molgen train DATA --property COLUMN --init CHECKPOINT`.",
            )
        mean, spread = self.model.predictor.predict(torch.from_numpy(points).to(self.device))
        is_missing = ~np.isfinite(points).all(axis=1)
        results = mean.cpu().double().numpy(), spread.cpu().double().numpy()
        for values in results:
            values[is_missing] = np.nan
        return results

    def predict_molecules(self, smiles: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What `predict` says of molecules (N,) at the encoder's own points, where the predictor was fitted.

        Raises:
            SpecError: The checkpoint predicts nothing.
        """
        return self.predict(self.encode(smiles, is_refined=False))

    def knows(self, smiles: Sequence[str]) -> NDArray[np.bool_]:
        """Which canonical SMILES (N,) were in the training data of M molecules.

        Of those that were not, M in 4 billion say yes: hashes of 32 bits are compared.
        """
        keys = np.array([hash_key(text) >> 32 for text in smiles], dtype=np.uint32)
        places = np.searchsorted(self.model.known, keys)
        known = np.append(self.model.known.astype(np.uint64), np.uint64(1 << 32))
        return np.asarray(known[places] == keys)

    @cached_property
    def prior_deviation(self) -> Floats:
        """Standard deviation (D,) of the prior in each dimension."""
        deviation: Floats = self.model.prior_factor.square().sum(dim=1).sqrt().numpy()
        return deviation

    def _transported(self, model: Transport, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Whitened points (n, D) that a learned prior makes of standard normal ones."""
        points = np.empty_like(normal)
        for start in range(0, len(normal), BATCH_SIZE):
            chunk = slice(start, start + BATCH_SIZE)
            points[chunk] = model.sample(torch.from_numpy(normal[chunk]).float().to(self.device)).cpu().numpy()
        return points

    def _spoken(self, model: Language, n: int, seed: int) -> Floats:
        """Points (n, D) of molecules that a language model draws."""
        generator = torch.Generator(self.device).manual_seed(seed)
        sequences: list[NDArray[np.uint16]] = []
        n_drawn = 0
        while len(sequences) < n:
            for text in model.sample(BATCH_SIZE, generator):
                try:
                    sequences.append(self._tokenise(text, DEFAULT_POLICY))
                except MoleculeError:
                    continue
            n_drawn += BATCH_SIZE
            if len(sequences) < MIN_SPOKEN * n_drawn:
                raise SpecError(
                    "prior", f"says a molecule in {len(sequences)} of {n_drawn} texts", remedy="Fit it anew."
                )
        return self._encode_tokens(sequences[:n], is_refined=True)

    def _points(self, z: ArrayLike) -> Floats:
        try:
            with np.errstate(over="ignore"):
                points = np.ascontiguousarray(z, dtype=np.float32)
        except (TypeError, ValueError):
            raise SpecError("z", f"must be rows of {self.size} numbers") from None
        if points.ndim != 2 or points.shape[1] != self.size:
            raise SpecError("z", f"must be rows of {self.size} numbers, but got an array of shape {points.shape}")
        return points

    def _tokenise(self, text: str, policy: Policy) -> NDArray[np.uint16]:
        ids = self.model.vocabulary.tokenise(parse(text, policy).smiles)
        if len(ids) > self.model.max_tokens:
            raise MoleculeError(text, f"longer than {self.model.max_tokens} tokens")
        return ids

    @torch.no_grad()
    def _encode_tokens(self, sequences: Sequence[NDArray[np.uint16]], is_refined: bool) -> Floats:
        """Points (N, D), computed in batches of like length."""
        z = np.empty((len(sequences), self.size), dtype=np.float32)
        order = np.argsort([len(s) for s in sequences], kind="stable")
        for start in range(0, len(order), BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            ids, lengths = pad([sequences[i] for i in rows])
            batch = torch.from_numpy(ids).to(self.device), torch.from_numpy(lengths).to(self.device)
            points, _ = self.model.vae.encoder(*batch)
            z[rows] = points.cpu().numpy()
            if is_refined:
                is_lost = ~comes_back(self.model.vae.decoder, points, *batch).cpu()
                z[rows[is_lost.numpy()]] = self._refined(batch[0].cpu()[is_lost], batch[1].cpu()[is_lost])
        return z

    def _refined(self, tokens: Tensor, lengths: Tensor) -> Floats:
        """Points (B, D), from the encoder's answer on, that decode to `tokens` (B, L) of `lengths` (B,) if possible."""
        if not len(tokens):
            return np.empty((0, self.size), dtype=np.float32)
        mean, _ = self._double.encoder(tokens, lengths)
        points = invert(self._double.decoder, mean.double(), tokens, lengths)
        return np.asarray(points.numpy(), dtype=np.float32)

    @cached_property
    def _double(self) -> Vae:
        return double_of(self.model.vae)

    def _read(self, ids: Sequence[int]) -> str | None:
        text = self.model.vocabulary.to_smiles(ids, self.model.max_tokens)
        try:
            return parse(saturated(text) if "[" in text else text).smiles
        except MoleculeError:
            return None
