"""Measures: named functions from molecules to numbers, for objectives and constraints.

Notation: N molecules, P properties that the checkpoint predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molgen.arrays import Doubles
from molgen.chem.checks import CHECKS, check
from molgen.chem.core import Core
from molgen.chem.familiarity import Reference
from molgen.chem.molecule import Molecule, fingerprint, parse, tanimoto_to_many
from molgen.chem.properties import DESCRIPTORS, Descriptor
from molgen.chem.stability import find_unstable_groups
from molgen.errors import MoleculeError, ScorerError, SpecError
from molgen.explore.liked import Liking
from molgen.renames import PREDICTIONS, current_name
from molgen.score.pose import Pose

Predict = Callable[[Sequence[str]], tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]
"""From N SMILES to mean and standard deviation, each (N, P); NaN for a molecule that cannot be encoded. The same
SMILES must always give the same numbers."""

TrustFunction = Callable[[Sequence[str]], npt.NDArray[np.floating]]
"""From N SMILES to trust (N,) in [0, 1]; 0 for a molecule that cannot be encoded."""

_PREDICTED: Mapping[str, Callable[[Doubles, Doubles], Doubles]] = {
    "predicted": lambda mean, std: mean,
    "lcb": lambda mean, std: mean - std,
    "ucb": lambda mean, std: mean + std,
    "std": lambda mean, std: std,
}
"""The mean, the lower and the upper confidence bound (one standard deviation below and above it), and the standard
deviation."""

UNFAMILIAR, UNSTABLE, CHARGE = "unfamiliar", "unstable", "charge"
"""Measures of implausible structures: parts that the training molecules lack, unstable groups, and the net formal
charge."""

POSE = "shape:"
"""Prefix of the names of measures by a pose; the path of a file follows."""

LIKED = "liked:"
"""Prefix of the names of measures by likes or comparisons; the path of a file follows."""

_MAX_MATCHES = 10_000
"""Maximum number of matches of a SMARTS in one molecule; druglike molecules have far fewer."""


class Measure(Protocol):
    """One number per molecule, under a name.

    Attributes:
        name: As in objectives, constraints and column headers.
        is_cheap: Whether calls cost no budget; those of a user's scorer and of `shape:FILE` do.
        default_scale: (low, high) of its useful range, if known.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def is_cheap(self) -> bool: ...  # noqa: D102
    @property
    def default_scale(self) -> tuple[float, float] | None: ...  # noqa: D102
    def __call__(self, molecules: Sequence[Molecule], /) -> Doubles:
        """The values (N,); NaN for a molecule that the checkpoint cannot encode or a tolerant scorer fails on."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A measure that molgen computes itself; fields as in `Measure`."""

    name: str
    function: Callable[[Sequence[Molecule]], Doubles]
    default_scale: tuple[float, float] | None = None
    is_cheap: bool = True

    def __call__(self, molecules: Sequence[Molecule], /) -> Doubles:
        """The values (N,)."""
        return self.function(molecules)


@dataclass(frozen=True)
class MeasureContext:
    """What names of measures may refer to in a campaign.

    Attributes:
        reference: Molecule that plain `similarity` compares to.
        predict: The predictor of the checkpoint, if it has one.
        property_names: Names of the P predicted properties.
        scorers: Scorers of the user by name.
        trust: Trust in molecules, if the checkpoint has an applicability domain.
        familiarity: The parts of the training molecules, if the checkpoint has them.
        liking: Reads a file of likes or comparisons (see `explore.liked`).
    """

    reference: Molecule | None = None
    predict: Predict | None = None
    property_names: tuple[str, ...] = ()
    scorers: Mapping[str, Measure] = field(default_factory=lambda: MappingProxyType({}))
    trust: TrustFunction | None = None
    familiarity: Reference | None = None
    liking: Callable[[Path], Liking] | None = None

    def __post_init__(self) -> None:
        """Refuses a scorer with the name of a built-in measure; raises SpecError."""
        for name in self.scorers:
            if is_own(name):
                raise SpecError("scorer", f"{name} is a measure of molgen's own", remedy=f"Rename it: my_{name}=...")

    @cached_property
    def predictions(self) -> Callable[[tuple[str, ...]], tuple[Doubles, Doubles]]:
        """Mean and standard deviation, each (N, P); the last batch is cached, since several measures use it."""
        return lru_cache(maxsize=1)(self._checked_predictions)

    def _checked_predictions(self, smiles: tuple[str, ...]) -> tuple[Doubles, Doubles]:
        if self.predict is None:
            raise SpecError("predicted", "this checkpoint predicts nothing")
        mean, std = (np.asarray(part, dtype=np.float64) for part in self.predict(smiles))
        shape = (len(smiles), len(self.property_names))
        if mean.shape != shape or std.shape != shape:
            raise ScorerError("predicted", f"must be {shape}, but are {mean.shape}, {std.shape}")
        return mean, std


def is_own(name: str) -> bool:
    """Whether molgen has a measure of that name, without an argument."""
    return name in DESCRIPTORS or name in _OWN


def resolve(name: str, context: MeasureContext, *, key: str = "measure") -> Measure:
    """The measure of a name; `key` is the option that names it, for error messages.

    `qed` and the other descriptors; `similarity` (to the reference) and `similarity:SMILES`, the Tanimoto similarity of
    ECFP4; `smarts:PATTERN`, the number of unique matches, and `scaffold:SMILES`, the number of unique matches of a
    molecule as a substructure, with any substituents; `core:CORE`, 1 if the molecule keeps a core (see `chem.core`),
    else 0; `shape:FILE.sdf`, the likeness of shape and features to a pose (see `score.pose`); `dock:FOLDER`, a scorer
    (see `score.docking`); `liked:FILE`, the preference that follows from likes or comparisons (see `explore.liked`);
    `alerts:pains` and `alerts:brenk`, the number of alerts matched; for a property that the checkpoint predicts
    `predicted:NAME` (mean), `std:NAME` (standard deviation), `lcb:NAME` and `ucb:NAME` (the lower and the upper
    confidence bound, the mean minus and plus one standard deviation); `trust`, how far the molecule lies inside the
    applicability domain; `unfamiliar`, the number of its parts that the training molecules lack; `unstable`, the number
    of unstable groups; `charge`, the net formal charge; and scorers of the user.

    Raises:
        SpecError: The name is unknown, or its argument is missing or invalid.
    """
    if name in context.scorers:
        return context.scorers[name]
    if name in DESCRIPTORS:
        return _make_descriptor(DESCRIPTORS[name])
    kind, colon, argument = name.partition(":")
    if name in _OWN:
        return _OWN[name](context, key)
    if colon and kind in _ARGUED:
        return _ARGUED[kind](name, argument, key)
    if name.startswith(LIKED) and context.liking:
        return _liked(name, context.liking(Path(argument).expanduser()))
    if colon and kind == "alerts" and argument in CHECKS:
        return _alerts(name, argument)
    if colon and argument in context.property_names and (kind := current_name(kind, PREDICTIONS)) in _PREDICTED:
        return _make_prediction(name, kind, context.property_names.index(argument), context)
    raise _unknown(name, context, key)


def _make_descriptor(descriptor: Descriptor) -> BuiltIn:
    def values(molecules: Sequence[Molecule]) -> Doubles:
        return np.array([descriptor.function(molecule.mol) for molecule in molecules], dtype=np.float64)

    return BuiltIn(descriptor.name, values, default_scale=(descriptor.low, descriptor.high))


def _similarity_to(name: str, smiles: str, key: str) -> BuiltIn:
    return _similarity(name, _molecule(name, smiles, key))


def _similarity(name: str, reference: Molecule) -> BuiltIn:
    target = fingerprint(reference.mol)

    def values(molecules: Sequence[Molecule]) -> Doubles:
        return tanimoto_to_many(target, [fingerprint(molecule.mol) for molecule in molecules])

    return BuiltIn(name, values, default_scale=(0.0, 1.0))


def _matches(name: str, pattern: str, key: str) -> BuiltIn:
    with BlockLogs():
        query = Chem.MolFromSmarts(pattern)
    if query is None or query.GetNumAtoms() == 0:
        raise SpecError(key, f"{name}: {pattern!r} is no SMARTS", remedy="Write it like smarts:c1ccccc1.")
    return _count_matches(name, query)


def _places(name: str, smiles: str, key: str) -> BuiltIn:
    return _count_matches(name, _molecule(name, smiles, key).mol)


def _core(name: str, text: str, key: str) -> BuiltIn:
    core = Core.read(text)

    def values(molecules: Sequence[Molecule]) -> Doubles:
        return np.array([core.is_kept(molecule.mol) for molecule in molecules], dtype=np.float64)

    return BuiltIn(name, values, default_scale=(0.0, 1.0))


def _shape(name: str, path: str, key: str) -> BuiltIn:
    """Likeness to a pose; 0 for a molecule without a conformer."""
    pose = Pose.read(Path(path).expanduser())

    def value(molecule: Molecule) -> float:
        try:
            return pose.similarity(molecule.mol)
        except MoleculeError:
            return 0.0

    def values(molecules: Sequence[Molecule]) -> Doubles:
        return np.array([value(molecule) for molecule in molecules], dtype=np.float64)

    return BuiltIn(name, values, default_scale=(0.0, 1.0), is_cheap=False)


def _liked(name: str, liking: Liking) -> BuiltIn:
    def values(molecules: Sequence[Molecule]) -> Doubles:
        return liking([molecule.smiles for molecule in molecules])

    return BuiltIn(name, values, default_scale=(-1.0, 1.0))


_ARGUED: Mapping[str, Callable[[str, str, str], BuiltIn]] = MappingProxyType(
    {"similarity": _similarity_to, "smarts": _matches, "scaffold": _places, "core": _core, "shape": _shape}
)
"""Measures named `KIND:ARGUMENT`, from the name, the argument and the option that names them."""


def _count_matches(name: str, query: Chem.Mol) -> BuiltIn:
    """Number of unique matches of `query` in a molecule."""

    def values(molecules: Sequence[Molecule]) -> Doubles:
        counts = [len(m.mol.GetSubstructMatches(query, maxMatches=_MAX_MATCHES)) for m in molecules]
        return np.array(counts, dtype=np.float64)

    return BuiltIn(name, values)


def _alerts(name: str, check_name: str) -> BuiltIn:
    def values(molecules: Sequence[Molecule]) -> Doubles:
        counts = [len(check(molecule.mol, check_name).evidence) for molecule in molecules]
        return np.array(counts, dtype=np.float64)

    return BuiltIn(name, values)


def _make_prediction(name: str, kind: str, column: int, context: MeasureContext) -> BuiltIn:
    def values(molecules: Sequence[Molecule]) -> Doubles:
        mean, std = context.predictions(tuple(molecule.smiles for molecule in molecules))
        return _PREDICTED[kind](mean[:, column], std[:, column])

    return BuiltIn(name, values)


def _trust(context: MeasureContext, key: str) -> BuiltIn:
    judge = context.trust
    if judge is None:
        raise SpecError(
            key,
            "trust: this checkpoint has no applicability domain",
            remedy="Calibrate it on molecules it was not trained on: `molgen train DATA --init CHECKPOINT --epochs 0`.",
        )

    def values(molecules: Sequence[Molecule]) -> Doubles:
        return np.asarray(judge([molecule.smiles for molecule in molecules]), dtype=np.float64)

    return BuiltIn("trust", values, default_scale=(0.0, 1.0))


def _unfamiliar(context: MeasureContext, key: str) -> BuiltIn:
    reference = context.familiarity
    if reference is None:
        raise SpecError(
            key,
            "unfamiliar: this checkpoint does not hold the parts of its training molecules",
            remedy="Use a checkpoint that has a .familiarity.safetensors file beside it, or leave this out.",
        )

    def values(molecules: Sequence[Molecule]) -> Doubles:
        return np.array([reference.unfamiliar(molecule.mol).count for molecule in molecules], dtype=np.float64)

    return BuiltIn(UNFAMILIAR, values)


def _unstable(_context: MeasureContext, _key: str) -> BuiltIn:
    def values(molecules: Sequence[Molecule]) -> Doubles:
        return np.array([len(find_unstable_groups(molecule.mol)) for molecule in molecules], dtype=np.float64)

    return BuiltIn(UNSTABLE, values)


def _charge(_context: MeasureContext, _key: str) -> BuiltIn:
    def values(molecules: Sequence[Molecule]) -> Doubles:
        return np.array([Chem.GetFormalCharge(molecule.mol) for molecule in molecules], dtype=np.float64)

    return BuiltIn(CHARGE, values)


def _similarity_to_reference(context: MeasureContext, key: str) -> BuiltIn:
    return _similarity("similarity", _reference(context, key))


_OWN: Mapping[str, Callable[[MeasureContext, str], BuiltIn]] = MappingProxyType(
    {
        "similarity": _similarity_to_reference,
        "trust": _trust,
        UNFAMILIAR: _unfamiliar,
        UNSTABLE: _unstable,
        CHARGE: _charge,
    }
)
"""Measures whose names have no argument, from the context and the option that names them."""


def _reference(context: MeasureContext, key: str) -> Molecule:
    if context.reference is None:
        raise SpecError(
            key,
            "similarity needs a molecule to compare to, and this campaign does not start from a single one",
            remedy='Start from one molecule, or write it out: "similarity:CC(=O)Oc1ccccc1C(=O)O >= 0.4".',
        )
    return context.reference


def _molecule(name: str, smiles: str, key: str) -> Molecule:
    try:
        return parse(smiles)
    except MoleculeError as error:
        raise SpecError(key, f"{name}: {error.message}", remedy="Write a SMILES after the colon.") from error


def _unknown(name: str, context: MeasureContext, key: str) -> SpecError:
    alerts = [f"alerts:{check_name}" for check_name in CHECKS]
    predicted = [f"{kind}:{property_name}" for kind in _PREDICTED for property_name in context.property_names]
    own = [UNSTABLE, CHARGE, *(["trust"] if context.trust else []), *([UNFAMILIAR] if context.familiarity else [])]
    plain = [*DESCRIPTORS, *own, *context.scorers, *alerts, *predicted]
    near = get_close_matches(name, [*plain, "similarity"], n=3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    known = ", ".join(
        [*plain, "similarity", "similarity:SMILES", "smarts:PATTERN", "scaffold:SMILES", "core:CORE", "liked:FILE"]
    )
    return SpecError(key, f"there is no measure {name!r}", remedy=f"{hint}Known: {known}.")
