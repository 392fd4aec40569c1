"""The options of a training run, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from molgen.chem.molecule import Policy
from molgen.device import MAX_THREADS, available_threads, resolve_device
from molgen.errors import SpecError
from molgen.model.checkpoint import MAX_TOKENS, MolecularModel
from molgen.model.prior import PRIOR_KINDS
from molgen.model.sizes import MAX_SIZE
from molgen.model.vae import VaeConfig
from molgen.renames import PRIORS, current_name
from molgen.tokens.tokenisation import GUACAMOL_HOLD_OUT, Source, read_smiles
from molgen.train.data.splits import Split
from molgen.train.loop import TrainingConfig

SIZES = ("latent_size", "encoder_size", "decoder_size")
FINE_TUNING_EPOCHS, FINE_TUNING_RATE = 10.0, 3e-4
"""Default epochs and step size of fine-tuning. If either is larger, the molecules of an assay are reconstructed better,
but others worse."""
DEFAULT_MAX_TOKENS = 120
UNKNOWN_LICENCE = "unknown: depends on the training data"

_RANGES = (
    ("epochs", 0.0, 1e6),
    ("minutes", 1e-3, 1e6),
    ("learning_rate", 1e-12, 10.0),
    ("kl_weight", 0.0, 1e6),
    ("property_weight", 0.0, 1e6),
    ("geometry_weight", 0.0, 1e6),
    ("leave_out_similarity", 0.0, 1.0),
    ("seed", 0, 2**32 - 1),
    ("threads", 1, MAX_THREADS),
    ("workers", 1, 256),
    ("latent_size", 1, MAX_SIZE),
    ("encoder_size", 1, MAX_SIZE),
    ("decoder_size", 1, MAX_SIZE),
    ("max_tokens", 1, MAX_TOKENS),
    ("batch_size", 1, 65536),
    ("patience", 1, 10**6),
    ("validate_every", 1, 10**9),
)
"""Numeric options with their bounds."""


@dataclass(frozen=True)
class TrainingSpec:
    """The options of a training run; a field has the name of its option. `resolve` replaces None.

    Attributes:
        data: Files of molecules, unlabelled and labelled.
        property: Columns to predict; the predictor of `init` is always dropped.
        prior: Kinds of learned priors to fit after training.
        regions: Train the autoencoder further, with a language model conditioned on its coarse dimensions.
        init: Initial checkpoint, `default` for the shipped one.
        epochs: Passes over the molecules; by default 10 if `init` and `property` are given. With 0, `init` is not
            trained: only regions, predictor and priors are fitted to it. Without these too, only trust is calibrated,
            on those of the molecules that `init` was not trained on.
        minutes: Wall-clock time, instead of `epochs`.
        learning_rate: By default 2e-3, with `init` 3e-4.
        validate_every: Number of steps between validations; by default an epoch, at most 1000.
        latent_size: Like the other sizes and `max_tokens`, by default that of `init`, or else of `VaeConfig` (120 for
            `max_tokens`).
        leave_out: File of molecules to leave out together with similar ones, such as targets of benchmarks.
        leave_out_similarity: Tanimoto similarity (ECFP4) above which a molecule is left out.
        rejects: CSV file of rejected rows.
        baseline: Also fit a random forest, for comparison.
        licence: Licence of the training data, for the model card.

    Raises:
        SpecError: A value is wrong, or two contradict each other.
    """

    data: tuple[str, ...] = ()
    property: tuple[str, ...] = ()
    prior: tuple[str, ...] = ()
    regions: bool = False
    init: str | None = None
    epochs: float | None = None
    minutes: float | None = None
    split: Split = "random"
    seed: int = 0
    threads: int | None = None
    device: str = "auto"
    workers: int = 1
    latent_size: int | None = None
    encoder_size: int | None = None
    decoder_size: int | None = None
    max_tokens: int | None = None
    learning_rate: float | None = None
    batch_size: int = TrainingConfig.batch_size
    kl_weight: float = TrainingConfig.kl_weight
    property_weight: float = TrainingConfig.property_weight
    geometry_weight: float = TrainingConfig.geometry_weight
    patience: int = TrainingConfig.patience
    validate_every: int | None = None
    fragment: Literal["largest", "keep", "reject"] = "largest"
    charge: Literal["keep", "neutralise"] = "keep"
    stereo: Literal["keep", "drop"] = "keep"
    smiles_column: str | None = None
    leave_out: str | None = None
    leave_out_similarity: float = GUACAMOL_HOLD_OUT
    rejects: str | None = None
    baseline: bool = False
    licence: str = UNKNOWN_LICENCE

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if not _is_a(getattr(self, name), kind):
                raise SpecError(name, f"is of the wrong type: {getattr(self, name)!r}")
        self._require_consistent()
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SpecError(name, f"must be from {low} to {high}, but got {value}")

    def _require_consistent(self) -> None:
        if self.epochs is not None and self.minutes is not None:
            raise SpecError("epochs", "give either --epochs or --minutes, not both")
        for kind in self.prior:
            if kind not in PRIOR_KINDS:
                raise SpecError("prior", f"must be one of {', '.join(PRIOR_KINDS)}, but got {kind!r}")
        for name in ("data", "property", "prior"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise SpecError(name, "the same one is given twice")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> TrainingSpec:
        """The specification of options by name; paths become absolute, so that a run resumes from anywhere.

        Raises:
            SpecError: A value is wrong.
            TypeError: There is no such option.
        """
        values = dict(options)
        values["data"] = tuple(str(Path(path).absolute()) for path in options.get("data") or ())
        values["property"] = tuple(options.get("property") or ())
        values["prior"] = tuple(current_name(kind, PRIORS) for kind in options.get("prior") or ())
        for name in ("init", "rejects", "leave_out"):
            path = values.get(name)
            values[name] = str(Path(path).absolute()) if path and path != "default" else path
        return cls(**values)

    def resolve(self, init: MolecularModel | None) -> TrainingSpec:
        """The specification with all defaults.

        Raises:
            SpecError: Something needed is missing, or a size differs from that of `init`.
        """
        if not self.data:
            raise SpecError("data", "name at least one file of molecules")
        config = init.vae.config if init else VaeConfig(1)
        sizes = {name: getattr(config, name) for name in SIZES}
        if init:
            self._require_sizes(sizes)
        sizes["max_tokens"] = init.max_tokens if init else DEFAULT_MAX_TOKENS
        given = {name: getattr(self, name) for name in sizes if getattr(self, name) is not None}
        return replace(
            self,
            **(sizes | given),
            epochs=self._epochs(),
            threads=self.threads or available_threads(),
            device=resolve_device(self.device),
            learning_rate=self.learning_rate or (FINE_TUNING_RATE if init else TrainingConfig.learning_rate),
        )

    def _require_sizes(self, sizes: Mapping[str, int]) -> None:
        for name, size in sizes.items():
            if getattr(self, name) not in (None, size):
                message = f"must be {size} like that of --init, but got {getattr(self, name)}"
                raise SpecError(name, message, remedy="Leave it out.")

    def _epochs(self) -> float | None:
        if self.epochs == 0 and not self.init:
            raise SpecError("epochs", "0 trains no autoencoder, and needs one: give --init")
        if self.epochs is not None or self.minutes is not None:
            return self.epochs
        if self.init and self.property:
            return FINE_TUNING_EPOCHS
        raise SpecError("epochs", "the length of training is missing", remedy="Give --minutes or --epochs.")

    def only_calibrates(self) -> bool:
        """Whether only trust is calibrated: nothing is trained or fitted."""
        return self.epochs == 0 and not (self.property or self.prior or self.regions)

    def source(self) -> Source:
        """The files of molecules, and the options of reading them."""
        return Source(
            paths=tuple(map(Path, self.data)),
            properties=self.property,
            policy=Policy(self.fragment, self.charge, self.stereo),
            smiles_column=self.smiles_column,
            max_tokens=self.max_tokens or 0,
            workers=self.workers,
            leave_out=read_smiles(Path(self.leave_out)) if self.leave_out else (),
            leave_out_similarity=self.leave_out_similarity,
        )


def _is_a(value: object, kind: Any) -> bool:
    """Whether `value` has the type `kind`, the annotation of a field."""
    if get_origin(kind) is UnionType:
        return any(_is_a(value, one) for one in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(isinstance(inner, str) for inner in value)
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)
