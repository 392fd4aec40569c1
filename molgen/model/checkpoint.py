"""A trained model on disk: `NAME.safetensors` (weights) and `NAME.json` (everything else needed to use it).

A model with a familiarity reference (see `chem.familiarity`) has a third file beside them,
`NAME.familiarity.safetensors`, or one that several checkpoints share, whose name is then in the JSON. The JSON also
holds the SHA-256 of the other files.

All files are hostile input until checked: types and sizes in the JSON, SHA-256, types and shapes of the tensors. Sizes
in the JSON are compared with the shapes of the tensors before a model is built, so that a small checkpoint cannot
demand much memory. Nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from molgen import __version__
from molgen.chem.familiarity import Reference
from molgen.errors import CheckpointError
from molgen.hashes import decode_hashes, encode_hashes
from molgen.model.applicability import ApplicabilityDomain
from molgen.model.gaussian_process import GaussianProcess, GaussianProcessConfig
from molgen.model.language_model import SmilesLanguageModel, SmilesLanguageModelConfig
from molgen.model.molecule_process import MoleculeProcess, MoleculeProcessConfig
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.prior import POINT_PRIORS, PointPrior, Prior, PriorConfig, PriorKind
from molgen.model.vae import Vae, VaeConfig
from molgen.paths import read_bytes, replace_file, write_text
from molgen.renames import PRIORS
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.tokens.smiles_vocabulary import SmilesVocabulary

FORMAT = "molgen-checkpoint-2"
MAX_JSON_BYTES, MAX_WEIGHTS_BYTES = 1 << 22, 1 << 31
MAX_TOKENS = 4096
"""Upper bound of `MolecularModel.max_tokens`."""
MAX_BONDS = 64
"""Maximum number of bonds that a SELFIES constraint may allow."""
_REMEDY = "Use a pair of files that `molgen train` wrote, or train a new model."


@dataclass
class MolecularModel:
    """A model with everything needed to encode, decode and predict.

    Attributes:
        vocabulary: Its tokens, in order, and SELFIES constraints.
        vae: The autoencoder.
        predictor: Predicts properties, by an ensemble of networks or by Gaussian processes; None if there is none.
        priors: Learned priors, by kind.
        region: A language model of the molecules around a point, conditioned on its coarse dimensions; None if there is
            none.
        max_tokens: Maximum number of tokens of a molecule that is encoded, and of SELFIES symbols of one that is
            decoded.
        prior_mean: (D,) mean of the Gaussian prior, which is fitted to the posteriors of training molecules.
        prior_factor: (D, D) lower Cholesky factor of its covariance.
        known: Sorted 32-bit hashes of all molecules that it was ever trained on, to recognise new ones.
        card: Data, training, metrics and licence, as JSON values.
        digest: SHA-256 of the weights file that was read or written last; empty if there is none.
        applicability: Its applicability domain, or None if not calibrated.
        familiarity: Atom environments and ring systems of its reference molecules, by default those it was trained on;
            None if not collected.
    """

    vocabulary: Vocabulary
    vae: Vae
    max_tokens: int
    prior_mean: Tensor
    prior_factor: Tensor
    predictor: Predictor | GaussianProcess | MoleculeProcess | None = None
    priors: Mapping[PriorKind, Prior] = field(default_factory=dict)
    region: SmilesLanguageModel | None = None
    known: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    card: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    applicability: ApplicabilityDomain | None = None
    familiarity: Reference | None = None

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the predicted properties."""
        return self.predictor.config.properties if self.predictor else ()

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The modules that training changes, by name."""
        return {"vae": self.vae} | ({"predictor": self.predictor} if self.predictor else {})

    def save(self, path: Path) -> None:
        """Writes `path` (.safetensors) and the files beside it, weights first and JSON last, each atomically.

        The tensors of autoencoder, priors and `region` are written in half precision, unless a number is too large.
        """
        generative: dict[str, nn.Module] = {"vae": self.vae}
        generative.update(self.priors.items())
        if self.region:
            generative["region"] = self.region
        tensors = {name: _halve(value) for name, value in flatten(generative).items()}
        if self.predictor:
            tensors |= flatten({"predictor": self.predictor})
        for name, value in (("prior.mean", self.prior_mean), ("prior.factor", self.prior_factor)):
            tensors[name] = value.detach().cpu().contiguous()
        tensors["known"] = torch.from_numpy(encode_hashes(self.known).view(np.int16))
        weights = safetensors.torch.save(tensors)
        self.digest = sha256(weights).hexdigest()
        with replace_file(path) as temporary:
            temporary.write_bytes(weights)
        if self.familiarity:
            self.familiarity.save(familiarity_path(path))
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
            "priors": {kind: asdict(prior.config) for kind, prior in self.priors.items()},
            "region": asdict(self.region.config) if self.region else None,
            "applicability": self.applicability.as_json() if self.applicability else None,
            "familiarity": {"sha256": self.familiarity.digest} if self.familiarity else None,
            "versions": {"molgen": __version__}
            | {name: version(name) for name in ("selfies", "torch", "rdkit", "numpy")},
            "card": self.card,
        }


def load(path: Path, device: str = "cpu") -> MolecularModel:
    """The model of the checkpoint at `path` (.safetensors, its .json beside it), in evaluation mode.

    Raises:
        CheckpointError: A file is missing, is invalid, or was changed after it was written.
    """
    if path.suffix != ".safetensors":
        reason = "is not a .safetensors file; pickled models are never read"
        raise CheckpointError(path, reason, remedy=_REMEDY)
    description = _read_description(path.with_suffix(".json"))
    weights = _read(path, MAX_WEIGHTS_BYTES)
    digest = sha256(weights).hexdigest()
    if digest != description.get("sha256"):
        reason = "its SHA-256 differs from the one in its .json: truncated or changed"
        raise CheckpointError(path, reason, remedy=_REMEDY)
    try:
        tensors = safetensors.torch.load(weights)
        checkpoint = _build(description, tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(path, f"does not hold a molgen model: {reason}", remedy=_REMEDY) from None
    checkpoint.digest = digest
    checkpoint.familiarity = _familiarity(path, description.get("familiarity"))
    region = [checkpoint.region] if checkpoint.region else []
    for module in (*checkpoint.modules.values(), *checkpoint.priors.values(), *region):
        module.to(device).eval()
    return checkpoint


def familiarity_path(path: Path) -> Path:
    """Path at which `MolecularModel.save` writes the familiarity reference of the checkpoint at `path`."""
    return path.with_suffix(".familiarity.safetensors")


def write_familiarity(reference: Reference, file: Path, paths: Sequence[Path]) -> None:
    """Writes a familiarity reference to `file`, and its name and SHA-256 into the JSON of the checkpoints `paths`.

    Raises:
        CheckpointError: The JSON of a checkpoint is missing or damaged, or a checkpoint lies in another folder than
            `file`.
    """
    for path in paths:
        if path.resolve().parent != file.resolve().parent:
            remedy = f"Write the file into {path.parent}."
            raise CheckpointError(path, f"does not lie in the folder of {file}", remedy=remedy)
    descriptions = {path.with_suffix(".json"): _read_description(path.with_suffix(".json")) for path in paths}
    reference.save(file)
    for path, description in descriptions.items():
        description["familiarity"] = {"file": file.name, "sha256": reference.digest}
        write_text(path, json.dumps(description, indent=1) + "\n")


def flatten(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The tensors of several modules on the CPU, each as `module.name`."""
    return {
        f"{prefix}.{name}": value.detach().cpu().contiguous()
        for prefix, module in modules.items()
        for name, value in module.state_dict().items()
    }


def select_tensors(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their name."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        return read_bytes(path, max_bytes)
    except OSError as error:
        raise CheckpointError(path, error.strerror or str(error), remedy=_REMEDY) from None


def _read_description(path: Path) -> dict[str, Any]:
    text = _read(path, MAX_JSON_BYTES)
    try:
        description = json.loads(text)
    except (ValueError, RecursionError):
        raise CheckpointError(path, "is not JSON", remedy=_REMEDY) from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise CheckpointError(path, f"is not a checkpoint of format {FORMAT}", remedy=_REMEDY)
    return description


def _familiarity(path: Path, entry: Any) -> Reference | None:
    """The familiarity reference of the checkpoint at `path`, whose JSON holds `entry`; None if that is None."""
    if entry is None:
        return None
    entry = entry if isinstance(entry, dict) else {}
    name = str(entry.get("file", familiarity_path(path).name))
    if Path(name).name != name:
        raise CheckpointError(path, f"names {name!r}, which is no file beside it", remedy=_REMEDY)
    return Reference.load(path.with_name(name), str(entry.get("sha256")))


def _build(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> MolecularModel:
    known = decode_hashes(_tensor(tensors, "known", torch.int16).numpy().view(np.uint16))
    vae = _vae(description, tensors)
    vocabulary = _vocabulary(description)
    if vae.config.n_tokens != len(vocabulary):
        raise ValueError("vocabulary and autoencoder differ in number of tokens")
    predictor = _predictor(description, tensors)
    size = vae.config.latent_size
    if predictor and predictor.config.latent_size != size:
        raise ValueError("predictor and autoencoder differ in latent size")
    mean, factor = _tensor(tensors, "prior.mean"), _tensor(tensors, "prior.factor")
    if not (mean.shape == (size,) and factor.shape == (size, size)):
        raise ValueError("the prior does not fit the latent size")
    if not (factor.diagonal() > 0).all() or factor.triu(diagonal=1).any():
        raise ValueError("prior.factor must be lower triangular, its diagonal above 0")
    max_tokens, card = description["max_tokens"], description["card"]
    if not isinstance(max_tokens, int) or not 1 <= max_tokens <= MAX_TOKENS:
        raise ValueError(f"max_tokens must be from 1 to {MAX_TOKENS}")
    if not isinstance(card, dict):
        raise ValueError("card must be an object")
    priors = _priors(description, tensors, vae.config)
    region = _region(description, tensors, vae.config)
    applicability = ApplicabilityDomain.from_json(description.get("applicability", description.get("typicality")))
    return MolecularModel(
        vocabulary, vae, max_tokens, mean, factor, predictor, priors, region, known, card, applicability=applicability
    )


def _vocabulary(description: Mapping[str, Any]) -> Vocabulary:
    tokens, constraints = description["vocabulary"], description["constraints"]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("vocabulary must be a list of texts")
    if not all(isinstance(n, int) and 0 <= n <= MAX_BONDS for n in constraints.values()):
        raise ValueError(f"constraints must be bond counts by atom, at most {MAX_BONDS}")
    return Vocabulary(tuple(tokens), constraints)


def _vae(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Vae:
    config = VaeConfig(**description["vae"])
    d, e, h = config.latent_size, config.encoder_size, config.decoder_size
    _require_shape(tensors, "vae.encoder.inputs.0.weight", config.n_tokens, 3 * e)
    _require_shape(tensors, "vae.encoder.recurrences.0.weight", e, 3 * e)
    _require_shape(tensors, "vae.encoder.posterior.weight", 2 * d, 4 * e)
    _require_shape(tensors, "vae.decoder.recurrence.weight", h, 3 * h)
    _require_shape(tensors, "vae.decoder.latent_inputs.weight", 3 * h, d)
    _require_shape(tensors, "vae.decoder.logits.weight", config.n_tokens, h)
    with torch.random.fork_rng(devices=[]):
        vae = Vae(config)
    _fill(vae, tensors, "vae.")
    return vae


def _predictor(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> Predictor | GaussianProcess | MoleculeProcess | None:
    sizes = description["predictor"]
    if sizes is None:
        return None
    properties = sizes["properties"]
    if not isinstance(properties, list) or not all(isinstance(name, str) for name in properties):
        raise ValueError("properties must be a list of texts")
    sizes = sizes | {"properties": tuple(properties)}
    if "n_molecules" in sizes:
        return _molecule_process(sizes, tensors)
    return _process(sizes, tensors) if "n_points" in sizes else _network(sizes, tensors)


def _network(sizes: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Predictor:
    config = PredictorConfig(**sizes)
    members, hidden = config.n_members, config.hidden_size
    _require_shape(tensors, "predictor.hidden", members, config.latent_size, hidden)
    _require_shape(tensors, "predictor.output", members, hidden, 2 * len(config.properties))
    with torch.random.fork_rng(devices=[]):
        predictor = Predictor(config)
    _fill(predictor, tensors, "predictor.")
    return predictor


def _process(sizes: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> GaussianProcess:
    config = GaussianProcessConfig(**sizes)
    _require_shape(tensors, "predictor.points", config.n_points, config.latent_size)
    _require_shape(tensors, "predictor.weights", config.n_points, len(config.properties))
    _require_shape(tensors, "predictor.lengths", len(config.properties), 2, config.latent_size)
    process = GaussianProcess(config)
    _fill(process, tensors, "predictor.")
    process.require_sound()
    return process


def _molecule_process(sizes: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> MoleculeProcess:
    config = MoleculeProcessConfig(**sizes)
    _require_shape(tensors, "predictor.points", config.n_molecules, config.latent_size)
    _require_shape(tensors, "predictor.labels", config.n_molecules, len(config.properties))
    _require_shape(tensors, "predictor.lengths", len(config.properties), 2, config.latent_size)
    _require_shape(tensors, "predictor.text", config.n_bytes)
    process = MoleculeProcess(config)
    _fill(process, tensors, "predictor.")
    process.require_sound()
    return process


def _priors(description: Mapping[str, Any], tensors: Mapping[str, Tensor], vae: VaeConfig) -> dict[PriorKind, Prior]:
    priors: dict[PriorKind, Prior] = {}
    for name, sizes in description["priors"].items():
        kind = cast(PriorKind, PRIORS.get(name, name))
        prior = _language(sizes, tensors, name) if kind == "language" else _point_prior(kind, name, sizes, tensors, vae)
        _fill(prior, tensors, f"{name}.")
        priors[kind] = prior
    return priors


def _point_prior(
    kind: PriorKind, name: str, sizes: Mapping[str, Any], tensors: Mapping[str, Tensor], vae: VaeConfig
) -> PointPrior:
    """A prior of a kind with random weights, once its sizes fit the tensors whose names begin with `name`."""
    config = PriorConfig(**sizes)
    if config.latent_size != vae.latent_size:
        raise ValueError("prior and autoencoder differ in latent size")
    first = f"{name}.{'network' if kind == 'flow' else 'generator'}"
    for i in range(1, config.n_blocks + 1):
        _require_shape(tensors, f"{first}.{i}.up.weight", config.hidden_size, config.hidden_size)
    with torch.random.fork_rng(devices=[]):
        return POINT_PRIORS[kind](config)


def _region(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor], vae: VaeConfig
) -> SmilesLanguageModel | None:
    sizes = description.get("region")
    if sizes is None:
        return None
    if sizes["coarse_size"] != vae.coarse_size:
        raise ValueError("language model and autoencoder differ in coarse size")
    region = _language(sizes, tensors, "region")
    _fill(region, tensors, "region.")
    return region


def _language(description: Mapping[str, Any], tensors: Mapping[str, Tensor], name: str) -> SmilesLanguageModel:
    """A language model with random weights, once its sizes fit the tensors whose names begin with `name`."""
    tokens = description["tokens"]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("tokens must be a list of texts")
    config = SmilesLanguageModelConfig(**{**description, "tokens": tuple(tokens)})
    _require_shape(tensors, f"{name}.logits.weight", len(SmilesVocabulary(config.tokens)), config.hidden_size)
    _require_shape(tensors, f"{name}.recurrence.weight", config.hidden_size, 3 * config.hidden_size)
    if config.coarse_size:
        _require_shape(tensors, f"{name}.first_state.weight", config.hidden_size, config.coarse_size)
    with torch.random.fork_rng(devices=[]):
        return SmilesLanguageModel(config)


def _require_shape(tensors: Mapping[str, Tensor], name: str, *shape: int) -> None:
    """Checks that a tensor has the shape that a configuration requires, before memory is allocated for it."""
    if tuple(tensors[name].shape) != shape:
        raise ValueError(f"{name} must be of shape {shape}, but is {tuple(tensors[name].shape)}")


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    dtypes = {name: value.dtype for name, value in module.state_dict().items()}
    own = {name: _tensor(tensors, prefix + name, dtypes[name]) for name in select_tensors(tensors, prefix)}
    module.load_state_dict(own, assign=True)


def _tensor(tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    value = tensors[name]
    if value.dtype == torch.float16 and dtype == torch.float32:
        value = value.float()
    if value.dtype != dtype or not value.isfinite().all():
        raise ValueError(f"{name} must be finite numbers of type {dtype}")
    return value


def _halve(value: Tensor) -> Tensor:
    """The numbers in half precision, unless one is too large for it."""
    half = value.half()
    return half if half.isfinite().all() else value
