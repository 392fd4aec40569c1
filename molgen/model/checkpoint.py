"""A trained model on disk: `NAME.safetensors` (weights) and `NAME.json` (all else that is needed to use it).

Both are hostile input until checked: the JSON's types and sizes before a tensor is made, the weights' SHA-256 and
shapes before they are used. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from molgen.errors import CheckpointError
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.tokens import Vocabulary
from molgen.model.vae import Vae, VaeConfig
from molgen.paths import replacing, write_text

FORMAT = "molgen-checkpoint-1"
MAX_CARD_BYTES = 1 << 22
MAX_TOKENS = 4096
_REMEDY = "Use a pair of files that `molgen train` wrote, or train a new one."


@dataclass
class Checkpoint:
    """A model with everything needed to encode, decode and predict.

    Attributes:
        vocabulary: Its tokens, in order, and SELFIES constraints.
        vae: The autoencoder.
        predictor: Property heads, or None.
        max_tokens: L, the longest molecule it was made for.
        prior_mean: (D,) mean of the training molecules' latent means.
        prior_factor: (D, D) lower Cholesky factor of their aggregate posterior's covariance.
        known: Sorted 32-bit hashes of the training molecules, to tell what is new.
        card: What a reader wants to know: data, training, metrics, licence. JSON values only.
        digest: SHA-256 of the weights file; empty for a checkpoint that was never on disk.
    """

    vocabulary: Vocabulary
    vae: Vae
    max_tokens: int
    prior_mean: Tensor
    prior_factor: Tensor
    predictor: Predictor | None = None
    known: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    card: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the predicted properties."""
        return self.predictor.config.properties if self.predictor else ()

    def save(self, path: Path) -> None:
        """Writes `path` (.safetensors) and the JSON beside it, weights first, each in one step."""
        tensors = {f"vae.{name}": value for name, value in self.vae.state_dict().items()}
        if self.predictor:
            tensors |= {f"predictor.{name}": value for name, value in self.predictor.state_dict().items()}
        tensors |= {"prior.mean": self.prior_mean, "prior.factor": self.prior_factor}
        tensors["known"] = torch.from_numpy(self.known.view(np.int32).copy())
        contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        weights = safetensors.torch.save(contiguous)
        self.digest = sha256(weights).hexdigest()
        with replacing(path) as temporary:
            temporary.write_bytes(weights)
        write_text(path.with_suffix(".json"), json.dumps(self._describe(), indent=1) + "\n")

    def _describe(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "sha256": self.digest,
            "vocabulary": list(self.vocabulary.tokens),
            "constraints": dict(self.vocabulary.constraints),
            "max_tokens": self.max_tokens,
            "vae": asdict(self.vae.config),
            "predictor": asdict(self.predictor.config) if self.predictor else None,
            "versions": {name: version(name) for name in ("molgen", "selfies", "torch", "rdkit", "numpy")},
            "card": self.card,
        }


def load(path: Path, device: str = "cpu") -> Checkpoint:
    """The checkpoint at `path` (.safetensors, its .json beside it), in evaluation mode.

    Raises:
        CheckpointError: A file is missing, is not what it should be, or was changed after it was written.
    """
    if path.suffix != ".safetensors":
        raise CheckpointError(path, "is not a .safetensors file; pickled models are never read", remedy=_REMEDY)
    description = _read_description(path.with_suffix(".json"))
    weights = _read(path)
    digest = sha256(weights).hexdigest()
    if digest != description.get("sha256"):
        raise CheckpointError(
            path, "its SHA-256 differs from the one in its .json: truncated or changed", remedy=_REMEDY
        )
    try:
        tensors = safetensors.torch.load(weights)
        checkpoint = _build(description, tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(path, f"does not hold a molgen model: {reason}", remedy=_REMEDY) from None
    checkpoint.digest = digest
    checkpoint.vae.to(device).eval()
    if checkpoint.predictor:
        checkpoint.predictor.to(device).eval()
    return checkpoint


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(path, error.strerror or str(error), remedy=_REMEDY) from None


def _read_description(path: Path) -> dict[str, Any]:
    text = _read(path)
    if len(text) > MAX_CARD_BYTES:
        raise CheckpointError(path, f"is larger than {MAX_CARD_BYTES} bytes", remedy=_REMEDY)
    try:
        description = json.loads(text)
    except (ValueError, RecursionError):
        raise CheckpointError(path, "is not JSON", remedy=_REMEDY) from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise CheckpointError(path, f"is not a checkpoint of format {FORMAT}", remedy=_REMEDY)
    return description


def _build(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Checkpoint:
    vocabulary = _vocabulary(description)
    vae = Vae(VaeConfig(**description["vae"]))
    if vae.config.n_tokens != len(vocabulary):
        raise ValueError("vocabulary and model differ in size")
    vae.load_state_dict(_part(tensors, "vae."))
    predictor = None
    if description["predictor"] is not None:
        names = description["predictor"] | {"properties": tuple(description["predictor"]["properties"])}
        predictor = Predictor(PredictorConfig(**names))
        predictor.load_state_dict(_part(tensors, "predictor."))
        if predictor.config.latent_size != vae.config.latent_size:
            raise ValueError("predictor and model differ in latent size")
    size = vae.config.latent_size
    if not (tensors["prior.mean"].shape == (size,) and tensors["prior.factor"].shape == (size, size)):
        raise ValueError("the prior does not fit the latent size")
    if not isinstance(description["max_tokens"], int) or not 1 <= description["max_tokens"] <= MAX_TOKENS:
        raise ValueError(f"max_tokens must be from 1 to {MAX_TOKENS}")
    if not all(value.isfinite().all() for value in tensors.values()):
        raise ValueError("weights must be finite")
    return Checkpoint(
        vocabulary=vocabulary,
        vae=vae,
        max_tokens=description["max_tokens"],
        prior_mean=tensors["prior.mean"],
        prior_factor=tensors["prior.factor"],
        predictor=predictor,
        known=tensors["known"].numpy().view(np.uint32),
        card=dict(description["card"]),
    )


def _vocabulary(description: Mapping[str, Any]) -> Vocabulary:
    tokens, constraints = description["vocabulary"], description["constraints"]
    if not all(isinstance(token, str) for token in tokens) or len(tokens) > MAX_TOKENS:
        raise ValueError("vocabulary must be texts")
    if "?" not in constraints or not all(isinstance(n, int) and 0 <= n <= 64 for n in constraints.values()):
        raise ValueError("constraints must be bond counts by atom, with '?' for any other")
    return Vocabulary(tuple(tokens), constraints)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
