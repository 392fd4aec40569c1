"""The specification of a campaign, with the same names on the command line and in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast, get_args

from molgen.chem.admission import AdmissionRules
from molgen.chem.molecule import Policy
from molgen.errors import FileError, SpecError
from molgen.paths import read_bytes

SamplerName = Literal["latent", "cmaes", "tpe", "nsga2", "gp", "perturb", "random"]
OF_MOLECULES: tuple[SamplerName, ...] = ("latent", "perturb", "random")
"""Samplers that propose molecules, not points, and so can keep a core."""
SAMPLERS: tuple[str, ...] = get_args(SamplerName)
FailurePolicy = Literal["stop", "skip", "penalise"]
POLICIES: tuple[str, ...] = get_args(FailurePolicy)
MAX_BUDGET, MAX_GP_BUDGET = 10_000_000, 300
MAX_SPEC_BYTES = 1 << 22


@dataclass(frozen=True)
class CampaignSpec:
    """A campaign, as options.

    Attributes:
        maximize: Measures to make as large as possible, such as `qed`.
        minimize: Measures to make as small as possible.
        target: Measures to bring to a value, such as `logp = 2.5`.
        range: Measures to bring into a range, such as `mw = 300..450`.
        weight: Weights of objectives, such as `qed = 2`; by default 1.
        scale: Values at which an objective counts 0 and 1 (its desirability), such as `penalized_logp = -5..5`.
        constraint: Bounds, such as `sa <= 4`.
        record: Further measures to record in the ledger.
        scorer: Python functions of the user, `file.py:function`.
        scorer_command: Programs of the user, with arguments.
        time_limit_s: Time limit for a scorer to answer to a batch, or with an executor to one molecule.
        on_failure: Where a scorer has no value for a molecule, `stop` ends the campaign, `skip` ignores it, `penalise`
            tells the search the worst score so far. It counts as a call in any case.
        start: Molecules to begin with: SMILES, or files of them. They come first; see `CampaignLoop`.
        start_limit: Maximum number of these; by default half of the budget.
        reference: The molecule that `similarity` compares with; by default the only one of `start`.
        core: SMILES or SMARTS with open positions `[*:1]`; proposals keep it and change only there.
        vary: Numbers of the open positions that change; by default all. The others keep what the start molecule has.
        keep: Substructures, SMILES or SMARTS, that proposals contain.
        allow_unfamiliar: Keep molecules with parts that no molecule of the checkpoint's reference has.
        allow_unstable: Keep molecules with unstable groups (see `chem.stability`).
        charge: `neutralise` to propose molecules in their neutral form, and drop those without; `keep` for any charge.
        pareto: Search the Pareto front of several objectives instead of maximising their total.
        budget: Unique valid molecules to score.
        batch: Molecules proposed at once, such as the number of workers that score them; by default a hundredth of the
            budget, 10 to 50.
        overlap: Propose a batch while scorers work on the one before, knowing the scores of earlier batches only.
        sampler: Name of the sampler.
        checkpoint: The model; by default the shipped one.
        seed: Seed of all randomness.

    Raises:
        SpecError: A value is out of range.
    """

    maximize: tuple[str, ...] = ()
    minimize: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    range: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    scale: tuple[str, ...] = ()
    constraint: tuple[str, ...] = ()
    record: tuple[str, ...] = ()
    scorer: tuple[str, ...] = ()
    scorer_command: tuple[str, ...] = ()
    time_limit_s: float = 300.0
    on_failure: str = "stop"
    start: tuple[str, ...] = ()
    start_limit: int | None = None
    reference: str | None = None
    core: str | None = None
    vary: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    allow_unfamiliar: bool = False
    allow_unstable: bool = False
    charge: str = "neutralise"
    pareto: bool = False
    budget: int = 1000
    batch: int | None = None
    overlap: bool = False
    sampler: str = "latent"
    checkpoint: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.budget <= MAX_BUDGET:
            raise SpecError("budget", f"must be from 1 to {MAX_BUDGET}, but got {self.budget}")
        if self.batch is not None and not 1 <= self.batch <= 10_000:
            raise SpecError("batch", f"must be from 1 to 10000, but got {self.batch}")
        if self.start_limit is not None and self.start_limit < 1:
            raise SpecError("start_limit", f"must be at least 1, but got {self.start_limit}")
        if not 0 <= self.seed < 2**32:
            raise SpecError("seed", f"must be from 0 to {2**32 - 1}, but got {self.seed}")
        if not 0 < self.time_limit_s <= 1e6:
            raise SpecError("time_limit_s", f"must be above 0 and at most 1e6, but got {self.time_limit_s}")
        if self.on_failure not in POLICIES:
            raise SpecError("on_failure", f"unknown {self.on_failure!r}", remedy=f"Known: {', '.join(POLICIES)}.")
        if self.charge not in ("keep", "neutralise"):
            raise SpecError("charge", f"must be keep or neutralise, but got {self.charge!r}")
        self._require_sampler()

    def _require_sampler(self) -> None:
        if self.sampler not in SAMPLERS:
            raise SpecError("sampler", f"unknown {self.sampler!r}", remedy=f"Known: {', '.join(SAMPLERS)}.")
        if self.sampler == "gp" and self.budget > MAX_GP_BUDGET:
            message = f"gp takes minutes per proposal beyond {MAX_GP_BUDGET} calls"
            raise SpecError("sampler", message, remedy=f"Use --budget {MAX_GP_BUDGET} or less, or latent.")
        if self.core is not None and self.sampler not in OF_MOLECULES:
            raise SpecError(
                "core", f"{self.sampler} cannot keep a core", remedy=f"Use --sampler {' or '.join(OF_MOLECULES)}."
            )
        if self.pareto and self.sampler == "cmaes":
            raise SpecError("sampler", "cmaes supports one objective only", remedy="Use latent, nsga2, tpe or gp.")

    @property
    def rules(self) -> AdmissionRules:
        """The rules that proposals obey besides the constraints."""
        charge = cast(Literal["keep", "neutralise"], self.charge)
        return AdmissionRules(self.allow_unfamiliar, self.allow_unstable, charge)

    @property
    def policy(self) -> Policy:
        """The standardisation of molecules that the user gives."""
        return Policy(charge=self.rules.charge)

    @property
    def is_neutralised(self) -> bool:
        """Whether proposals are taken in their neutral form."""
        return self.rules.charge == "neutralise"

    @property
    def batch_size(self) -> int:
        """Molecules proposed at once."""
        return self.batch or max(10, min(50, self.budget // 100))

    def to_toml(self) -> dict[str, Any]:
        """The options that are not empty, as TOML values."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {key: value for key, value in plain.items() if value not in (None, [])}

    @classmethod
    def from_options(cls, options: Mapping[str, Any], source: str = "") -> CampaignSpec:
        """A specification from TOML values or command-line options.

        Args:
            options: Values by name.
            source: Their origin, for messages.

        Raises:
            SpecError: A name is unknown, or a value of the wrong type or out of range.
        """
        known = {field.name: str(field.type) for field in fields(cls)}
        values = {}
        for key, value in options.items():
            if key not in known:
                close = get_close_matches(key, known, n=3) or sorted(known)
                raise SpecError(f"{source}{key}", "unknown option", remedy=f"Did you mean: {', '.join(close)}?")
            values[key] = _convert(f"{source}{key}", value, known[key])
        return cls(**values)


def read_spec(path: Path) -> dict[str, Any]:
    """The options in a TOML file.

    Raises:
        FileError: The file is missing, is not TOML, or is larger than 4 MiB.
    """
    if path.suffix != ".toml":
        raise FileError(path, "is not a .toml file", remedy="Give the specification as TOML, or as options.")
    try:
        return tomllib.loads(read_bytes(path, MAX_SPEC_BYTES).decode())
    except OSError as error:
        raise FileError(path, error.strerror or str(error), remedy="Name a TOML file.") from None
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, and of integers with thousands of digits
        raise FileError(path, f"is not TOML: {error}", remedy="See `molgen campaign --help`.") from None


def _convert(key: str, value: object, kind: str) -> Any:
    """`value` in the type of the field; TOML may give one text for a list."""
    if kind.startswith("tuple"):
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts):
            return tuple(_unicode(key, text) for text in texts)
        raise SpecError(key, f"must be a text or a list of texts, but got {value!r}")
    wanted: dict[str, tuple[type, ...]] = {"bool": (bool,), "int": (int,), "float": (int, float), "str": (str,)}
    name = kind.split(" ")[0]
    is_allowed = isinstance(value, wanted[name]) and (name == "bool" or not isinstance(value, bool))
    if not is_allowed and not (value is None and kind.endswith("None")):
        raise SpecError(key, f"must be {name}, but got {value!r}")
    return _unicode(key, value) if isinstance(value, str) else value


def _unicode(key: str, text: str) -> str:
    """The text, if TOML can represent it: file names may be undecodable bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SpecError(key, f"{text!r} is not valid UTF-8", remedy="Rename the file.") from None
    return text
