"""The latent space: encode, decode, sample and predict.

Notation: N molecules, D latent dimensions, P properties.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from molgen.arrays import Floats
from molgen.chem.molecule import DEFAULT_POLICY, Policy, parse, parse_generated, parse_or_none
from molgen.device import resolve_device
from molgen.errors import MoleculeError, SpecError
from molgen.hashes import contains
from molgen.latent.arguments import MISSING, require_count, require_seed, smiles_list
from molgen.latent.region import RegionDecoder, draw_uniforms
from molgen.model import checkpoint
from molgen.model.checkpoint import MolecularModel
from molgen.model.gaussian_process import GaussianProcess
from molgen.model.language_model import SmilesLanguageModel
from molgen.model.molecule_process import MoleculeProcess
from molgen.model.predictor import Predictor
from molgen.model.prior import PointPrior, PriorKind
from molgen.model.refinement import decodes_to, refine, to_double
from molgen.model.vae import Vae
from molgen.paths import find_shipped
from molgen.renames import PRIORS, current_name
from molgen.tokens.batches import batch_by_length
from molgen.tokens.tokenisation import hash_key

BATCH_SIZE = 256
CHUNK = 2048
"""Number of points of a prior that are drawn from one generator."""
SEED_STEP = 2654435769
"""Distance between the seeds of the generators of consecutive chunks, 2^32 times the golden section. Since it is odd,
they differ in their last 32 bits, and torch's generator on the CPU ignores the others. The chunks of 10,000,000 points
have no generator in common with those of another seed within 300,000."""
GAUSSIAN, LANGUAGE = "gaussian", "language"
MIN_VALID_SHARE = 0.02
"""Minimum share of valid molecules among samples of a language model; below it, the model is untrained."""

SmilesList = Iterable[str | None]
"""N SMILES, such as a list or a column of a table; None and NaN for missing ones."""


def default_checkpoint() -> Path:
    """The shipped checkpoint."""
    return find_shipped("checkpoints") / "default.safetensors"


@dataclass(frozen=True)
class Encoding:
    """Points of molecules, with a reason for each that has none.

    Attributes:
        z: (N, D) float32; NaN for a molecule without a point.
        reasons: N texts, empty for an encoded molecule.
    """

    z: Floats
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PointChunk:
    """Consecutive points of a prior, which depend on no other points.

    Attributes:
        prior: Name of the prior.
        rows: Numbers of the points, from 0 on.
        seed: Seed of all points.
        own_seed: Seed of the generator of these points.
    """

    prior: str
    rows: range
    seed: int
    own_seed: int


class LatentSpace:
    """The continuous latent space of a checkpoint, in which near points belong to similar molecules.

    Results do not depend on the batch, up to rounding of matrix products (below 1e-5). Spaces may be used from several
    threads.
    """

    def __init__(self, model: MolecularModel) -> None:
        """The space of a loaded checkpoint, on the device that its weights are on."""
        self.model = model
        self.device = next(model.vae.parameters()).device

    @classmethod
    def load(cls, path: str | Path | None = None, *, device: str = "cpu") -> LatentSpace:
        """The space of the checkpoint at `path` (.safetensors), by default of the shipped one.

        Raises:
            CheckpointError: The checkpoint is missing or damaged.
            SpecError: `path` is no path, or `device` no device of this machine.
        """
        if path is not None and not isinstance(path, str | os.PathLike):
            raise SpecError("path", f"must be that of a .safetensors file, but got {path!r}")
        return cls(checkpoint.load(Path(path) if path else default_checkpoint(), resolve_device(device)))

    @property
    def size(self) -> int:
        """D."""
        return self.model.vae.config.latent_size

    @property
    def property_names(self) -> tuple[str, ...]:
        """Names of the P properties that `predict` returns."""
        return self.model.properties

    def encode(self, smiles: SmilesList, policy: Policy = DEFAULT_POLICY, *, is_refined: bool = True) -> Floats:
        """Points (N, D) of molecules; rows that cannot be encoded are NaN, and `explain` says why.

        Args:
            smiles: N texts, such as a list or a column of a table; None and NaN are rows without a point.
            policy: Standardisation.
            is_refined: Refine points that do not decode to their molecule (see `model.refinement`); otherwise the
                posterior mean is returned.

        Raises:
            SpecError: `smiles` is one text, or holds anything but texts, None and NaN, or `policy` is not a `Policy`.
        """
        return self.explain(smiles, policy, is_refined=is_refined).z

    def explain(self, smiles: SmilesList, policy: Policy = DEFAULT_POLICY, *, is_refined: bool = True) -> Encoding:
        """Points of molecules, with a reason for each that has none, such as an unknown token.

        The arguments are those of `encode`.

        Raises:
            SpecError: `smiles` is one text, or holds anything but texts, None and NaN, or `policy` is not a `Policy`.
        """
        if not isinstance(policy, Policy):
            raise SpecError("policy", f"must be a Policy, but got {policy!r}")
        sequences: list[NDArray[np.uint16]] = []
        reasons: list[str] = []
        for text in smiles_list(smiles):
            reason = MISSING if text is None else ""
            try:
                if text is not None:
                    sequences.append(self._tokenise(text, policy))
            except MoleculeError as error:
                reason = error.reason
            reasons.append(reason)
        z = np.full((len(reasons), self.size), np.nan, dtype=np.float32)
        z[np.array([not reason for reason in reasons], dtype=bool)] = self._encode_tokens(sequences, is_refined)
        return Encoding(z, tuple(reasons))

    def decode(
        self, z: ArrayLike, *, temperature: ArrayLike = 0.0, seed: int = 0, first_row: int = 0
    ) -> list[str | None]:
        """Canonical SMILES of points (N, D); None where decoding gives no valid molecule.

        Args:
            z: Points; rows that are not finite give None.
            temperature: 0 takes the likeliest token at each step; above 0, tokens are sampled. One number, or one per
                row (N,).
            seed: Seed of the sampling, together with the row number: a row does not depend on the other rows.
            first_row: Number of the first row, for an array that is decoded in parts.

        Raises:
            SpecError: `z` is not an array of rows of D numbers, a temperature is negative or not finite, there are not
                N of them, or the seed is not a whole number from 0 to 2^63 - 1.
        """
        points = self._points(z)
        softness = _softness(temperature, len(points))
        seed = require_seed(seed)
        is_finite = np.isfinite(points).all(axis=1)
        texts: list[str | None] = [None] * len(points)
        read: dict[tuple[int, ...], str | None] = {}
        rows = np.flatnonzero(is_finite)
        for start in range(0, len(rows), BATCH_SIZE):
            chunk = rows[start : start + BATCH_SIZE]
            batch = torch.from_numpy(points[chunk]).to(self.device)
            chunk_softness = torch.from_numpy(softness[chunk]).to(self.device)
            uniforms = (
                draw_uniforms(first_row + chunk, [seed], self.model.max_tokens).to(self.device)
                if softness[chunk].any()
                else None
            )
            ids = self.model.vae.decoder.generate(batch, self.model.max_tokens, chunk_softness, uniforms)
            for row, tokens in zip(chunk, map(tuple, ids.tolist()), strict=True):
                if tokens not in read:
                    read[tokens] = self._to_smiles(tokens)
                texts[row] = read[tokens]
        return texts

    @property
    def has_regions(self) -> bool:
        """Whether the checkpoint has a language model that is conditioned on the coarse part of a latent vector."""
        return self.model.region is not None

    def decode_region(self, z: ArrayLike, *, seed: int = 0) -> list[str | None]:
        """Canonical SMILES of points (N, D) near molecules or between them; None where the result is no valid molecule.

        The language model rewrites the result of `decode` from the first token that it finds unlikely at this point.
        Points of molecules return these molecules, and points between them return molecules like known ones. Without
        such a model this is `decode`.

        Args:
            z: Points; rows that are not finite give None.
            seed: Seed of the draws, together with the number of the row. A text that is no valid molecule, or has parts
                that the training molecules lack, is drawn again, at most three times.

        Raises:
            SpecError: `z` is not an array of rows of D numbers, or the seed not a whole number from 0 on.
        """
        drafts = self.decode(z)
        if self._region is None:
            return drafts
        return self._region.repair(self._points(z), drafts, require_seed(seed))

    def vary(self, z: ArrayLike, *, seed: int = 0, drafts: Sequence[str] | None = None) -> list[str | None]:
        """Canonical SMILES of analogues of the molecules at points (N, D); None where the result is no valid molecule.

        The language model rewrites the result of `decode`, or a given draft, from a randomly drawn token on, so that
        most analogues share a large part with it. Without such a model, tokens are drawn by `decode` at temperature 1.

        Args:
            z: Points; rows that are not finite give None.
            seed: Seed of the draws, together with the number of the row.
            drafts: SMILES of N molecules to vary in place of those that `decode` gives, written from any atom. An
                analogue with more atom environments or ring systems that the training molecules lack than its draft
                counts as invalid.

        Raises:
            SpecError: `z` is not an array of rows of D numbers, the seed not a whole number from 0 on, or the number of
                drafts not N.
        """
        points = self._points(z)
        if drafts is not None and len(drafts) != len(points):
            raise SpecError("drafts", f"must be {len(points)} SMILES, but there are {len(drafts)}")
        if self._region is None:
            return self.decode(points, temperature=1.0, seed=seed)
        texts = self.decode(points) if drafts is None else drafts
        return self._region.vary(points, texts, require_seed(seed), is_given=drafts is not None)

    @cached_property
    def _region(self) -> RegionDecoder | None:
        model = self.model.region
        if model is None:
            return None
        scale = self.model.vae.config.scale()[: model.config.coarse_size]
        return RegionDecoder(model, scale, self.model.familiarity)

    @property
    def prior_names(self) -> tuple[str, ...]:
        """The priors that can be sampled: `gaussian`, and the learned ones."""
        return (GAUSSIAN, *self.model.priors)

    @property
    def default_prior(self) -> str:
        """`language` if learned, since its samples are most like the training molecules; else `gaussian`."""
        return LANGUAGE if LANGUAGE in self.prior_names else GAUSSIAN

    def require_prior(self, prior: str) -> None:
        """Checks that there is a prior of that name.

        Raises:
            SpecError: There is none; the message says how to train one.
        """
        if current_name(prior, PRIORS) not in self.prior_names:
            known = ", ".join(self.prior_names)
            remedy = f"Train one with `molgen train DATA --init CHECKPOINT --epochs 0 --prior {prior}`."
            raise SpecError("prior", f"the checkpoint has no {prior!r}; it has {known}", remedy=remedy)

    def sample(self, n: int, seed: int = 0, *, prior: str | None = None) -> list[str | None]:
        """Molecules decoded from `n` points of a prior, see `sample_points`; None without a valid molecule.

        Raises:
            SpecError: The checkpoint has no such prior, or `n` or the seed is not a whole number from 0 on.
        """
        return [text for chunk in self.point_chunks(n, seed, prior=prior) for text in self.sample_chunk(chunk)]

    def sample_chunk(self, chunk: PointChunk, temperature: float = 0.0) -> list[str | None]:
        """Molecules decoded from a chunk of points of a prior; None without a valid molecule.

        Args:
            chunk: One of `point_chunks`.
            temperature: As in `decode`.

        Raises:
            SpecError: The temperature is negative or not finite.
        """
        points = self._draw_points(chunk)
        return self.decode(points, temperature=temperature, seed=chunk.seed, first_row=chunk.rows.start)

    def sample_directly(self, n: int, seed: int = 0) -> list[str | None]:
        """`n` molecules of the default prior; None without a valid molecule.

        Those of a language model are returned as it writes them, without being encoded and decoded, so that this takes
        a quarter of the time of `sample`.

        Raises:
            SpecError: `n` or the seed is not a whole number from 0 on.
        """
        model = self.model.priors.get("language")
        if not isinstance(model, SmilesLanguageModel):
            return self.sample(n, seed)
        chunks = self.point_chunks(n, seed, prior=LANGUAGE)
        return [self._to_smiles(ids.tolist()) for chunk in chunks for ids in self._sampled_tokens(model, chunk)]

    def sample_points(self, n: int, seed: int = 0, *, prior: str | None = None) -> Floats:
        """Points (n, D) of a prior.

        Args:
            n: Number of points.
            seed: Seed of the sampling.
            prior: `gaussian` for the Gaussian with the first two moments of the aggregate posterior, or the name of a
                learned one; by default `default_prior`.

        Raises:
            SpecError: The checkpoint has no such prior, or `n` or the seed is not a whole number from 0 on.
        """
        chunks = self.point_chunks(n, seed, prior=prior)
        return np.concatenate([np.empty((0, self.size), dtype=np.float32), *map(self._draw_points, chunks)])

    def point_chunks(self, n: int, seed: int = 0, *, prior: str | None = None) -> Iterator[PointChunk]:
        """The points of `sample_points` in chunks, each to be decoded by `sample_chunk`, here or by a worker.

        A larger `n` adds points, and changes none but in rounding.

        Raises:
            SpecError: As in `sample_points`, before the first chunk is made.
        """
        n, seed = require_count(n), require_seed(seed)
        prior = self.default_prior if prior is None else prior
        self.require_prior(prior)
        name = current_name(prior, PRIORS)
        return (
            PointChunk(name, range(start, min(start + CHUNK, n)), seed, seed + SEED_STEP * number)
            for number, start in enumerate(range(0, n, CHUNK))
        )

    def _draw_points(self, chunk: PointChunk) -> Floats:
        """Points (n, D) of a chunk."""
        model = None if chunk.prior == GAUSSIAN else self.model.priors[cast(PriorKind, chunk.prior)]
        if isinstance(model, SmilesLanguageModel):
            return self._encode_tokens(self._sampled_tokens(model, chunk), is_refined=True)
        normal = np.random.default_rng(chunk.own_seed).standard_normal((len(chunk.rows), self.size))
        if model is not None:
            normal = self._transform_noise(model, normal)
        mean, factor = self.model.prior_mean.double().numpy(), self.model.prior_factor.double().numpy()
        return np.asarray(mean + normal @ factor.T, dtype=np.float32)

    def predict(self, z: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of each property at points (N, D), each (N, P).

        Rows of `z` that are not finite give NaN. A predictor that uses structures predicts the molecules that the
        points decode to; where that gives no valid molecule, the result is NaN.

        Raises:
            SpecError: The checkpoint predicts nothing, or `z` has the wrong shape.
        """
        points, predictor = self._points(z), self._predictor()
        if isinstance(predictor, MoleculeProcess):
            return self.predict_molecules(self.decode(points))
        mean, std = predictor.predict(torch.from_numpy(points).to(self.device))
        is_missing = ~np.isfinite(points).all(axis=1)
        results = mean.cpu().double().numpy(), std.cpu().double().numpy()
        for values in results:
            values[is_missing] = np.nan
        return results

    def predict_molecules(self, smiles: SmilesList) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of each property of molecules (N,), each (N, P).

        They are predicted at their posterior means, where the predictor was fitted. Texts that are no molecule give
        NaN, as do molecules that cannot be encoded, unless the predictor also uses structures.

        Raises:
            SpecError: The checkpoint predicts nothing, or `smiles` is no list of texts.
        """
        predictor = self._predictor()
        z = self.encode(smiles, is_refined=False)
        if not isinstance(predictor, MoleculeProcess):
            return self.predict(z)
        molecules = [parse_or_none(text) for text in smiles_list(smiles)]
        rows = [i for i, molecule in enumerate(molecules) if molecule]
        results = np.full((2, len(molecules), len(self.property_names)), np.nan)
        if rows:
            predicted = predictor.predict(
                torch.from_numpy(z[rows]), [molecule.mol for molecule in molecules if molecule]
            )
            results[:, rows] = torch.stack(predicted).numpy()
        return results[0], results[1]

    def _predictor(self) -> Predictor | GaussianProcess | MoleculeProcess:
        if self.model.predictor is None:
            raise SpecError(
                "checkpoint",
                "predicts no property",
                remedy="Fit one with `molgen fit DATA --property COLUMN -o MODEL.safetensors`.",
            )
        return self.model.predictor

    def knows(self, smiles: SmilesList) -> NDArray[np.bool_]:
        """Whether canonical SMILES (N,) were in the training data of M molecules; False for None and NaN.

        32-bit hashes are compared: the result is wrongly True with a probability of M / 2^32.

        Raises:
            SpecError: `smiles` is one text, or holds anything but texts, None and NaN.
        """
        keys = np.array([hash_key(text or "") >> 32 for text in smiles_list(smiles)], dtype=np.uint32)
        return contains(self.model.known, keys)

    @cached_property
    def prior_deviation(self) -> Floats:
        """Standard deviation (D,) of the prior in each dimension."""
        deviation: Floats = self.model.prior_factor.square().sum(dim=1).sqrt().numpy()
        return deviation

    def _transform_noise(self, model: PointPrior, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Whitened points (n, D) of a learned prior from standard normal noise."""
        points = np.empty_like(normal)
        for start in range(0, len(normal), BATCH_SIZE):
            chunk = slice(start, start + BATCH_SIZE)
            points[chunk] = model.sample(torch.from_numpy(normal[chunk]).float().to(self.device)).cpu().numpy()
        return points

    def _sampled_tokens(self, model: SmilesLanguageModel, chunk: PointChunk) -> list[NDArray[np.uint16]]:
        """Token ids of the molecules of a chunk, which a language model samples."""
        generator = torch.Generator(self.device).manual_seed(chunk.own_seed)
        n_drawn, valid = 0, list[NDArray[np.uint16]]()
        while len(valid) < len(chunk.rows):
            for text in model.sample(BATCH_SIZE, generator):
                with suppress(MoleculeError):
                    valid.append(self._tokenise(text, DEFAULT_POLICY))
            n_drawn += BATCH_SIZE
            if len(valid) < MIN_VALID_SHARE * n_drawn:
                raise SpecError(
                    "prior", f"gives a valid molecule in {len(valid)} of {n_drawn} samples", remedy="Fit it again."
                )
        return valid[: len(chunk.rows)]

    def _points(self, z: ArrayLike) -> Floats:
        try:
            with np.errstate(over="ignore"):
                points = np.ascontiguousarray(z, dtype=np.float32)
        except (TypeError, ValueError, RuntimeError):
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
        """Points (N, D), computed in batches of similar length."""
        z = np.empty((len(sequences), self.size), dtype=np.float32)
        for rows, tokens, lengths in batch_by_length(sequences, self.device):
            points, _ = self.model.vae.encoder(tokens, lengths)
            z[rows] = points.cpu().numpy()
            if is_refined:
                is_lost = ~decodes_to(self.model.vae.decoder, points, tokens, lengths).cpu()
                z[rows[is_lost.numpy()]] = self._refine(tokens.cpu()[is_lost], lengths.cpu()[is_lost])
        return z

    def _refine(self, tokens: Tensor, lengths: Tensor) -> Floats:
        """Refined points (B, D) that decode to `tokens` (B, L) of `lengths` (B,) if possible."""
        if not len(tokens):
            return np.empty((0, self.size), dtype=np.float32)
        mean, _ = self._double.encoder(tokens, lengths)
        points = refine(self._double.decoder, mean.double(), tokens, lengths)
        return np.asarray(points.numpy(), dtype=np.float32)

    @cached_property
    def _double(self) -> Vae:
        return to_double(self.model.vae)

    def _to_smiles(self, ids: Sequence[int]) -> str | None:
        molecule = parse_generated(self.model.vocabulary.to_smiles(ids, self.model.max_tokens))
        return molecule.smiles if molecule else None


def _softness(temperature: ArrayLike, n: int) -> Floats:
    """Temperatures (n,) of rows, from one number or one per row.

    Raises:
        SpecError: They are not numbers of 0 or above.
    """
    try:
        softness = np.broadcast_to(np.asarray(temperature, dtype=np.float32), n)
    except (TypeError, ValueError):
        raise SpecError("temperature", f"must be a number, or {n} of them, but got {temperature!r}") from None
    if not (np.isfinite(softness) & (softness >= 0.0)).all():
        raise SpecError("temperature", f"must be 0 or above, but got {temperature!r}")
    return softness
