"""A concept as a direction of the latent space, and its file.

A probe reads a concept, such as logP or activity, off latent points. The way up its prediction, measured in standard
deviations of the prior, is the concept's direction. What merely comes with the size of a molecule is taken out: the
part of the concept that heavy atoms and tokens explain, and the part of the direction along which these two change.

What an encoder tells of a concept is not all that a decoder does: a concept that can be told of any molecule, as a
descriptor can, is told of what is decoded far along ways beside the direction too, and the direction is turned towards
those that do better: one step of an evolution strategy.

Files that are read are hostile input: they are JSON of a bounded size, and every number in them is checked.

Notation: N molecules, D latent dimensions.
Sources: concept vectors, Kim et al. 2018 (arXiv:1711.11279); probes, Alain & Bengio 2016 (arXiv:1610.01644); concepts
without what confounds them, by residuals and alignment, Elabid et al. 2026 (arXiv:2605.06303); slopes from mirrored
random steps, Salimans et al. 2017 (arXiv:1703.03864).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, Molecule
from molgen.chem.properties import DESCRIPTORS
from molgen.chem.sampling import draw_shipped_molecules
from molgen.errors import FileError, SpecError
from molgen.explore.linear_probe import cross_predict, fit_probe
from molgen.explore.walk import MolFunction, PairedChanges, decode_pairs, find_walk_length
from molgen.json_values import replace_nan
from molgen.latent.space import LatentSpace
from molgen.metrics import is_binary, r2, score_predictions
from molgen.paths import write_text

FORMAT = "molgen-direction-1"
MAX_BYTES = 1 << 20
MAX_NAME = 200
_REMEDY = "Use a file that `molgen explore direction` wrote."
MIN_LABELS = 20
N_SHIPPED = 5000
"""Shipped molecules that a descriptor's direction is fitted to; three times as many give hardly better ones."""
N_SCOUTS = 40
"""Molecules that tell how far to walk."""
CONFOUNDS = ("heavy_atoms", "tokens")
IS_SIZE = 0.8
"""Correlation with heavy atoms from which on a concept is itself a size, and keeps what comes with it."""
OUTLIERS = (2.0, 98.0)
"""Percentiles to which changes of decoded molecules are clipped."""
FAINTEST = 0.5
"""Correlation of the probe with the concept down to which walks get longer, as its inverse."""


@dataclass(frozen=True)
class Strength:
    """How well a concept can be read off latent points that the probe was not fitted to (5 folds).

    R2, or AUROC for labels 0 and 1.

    Attributes:
        plain: From latent points.
        confounds: From heavy atoms and tokens alone.
        cleaned: What of the concept the confounds do not explain, from latent points.
    """

    plain: float
    confounds: float
    cleaned: float


@dataclass(frozen=True)
class Direction:
    """A direction of the latent space along which a concept grows.

    Attributes:
        name: Of the concept.
        unit: Of the concept, "" for a pure number.
        vector: (D,) one step: as long as one standard deviation of the prior.
        scale: Change of the concept that the probe expects of one step.
        reach: Steps after which most molecules have changed, and more where the probe is weak.
        weight: (D,) of the probe of the whole concept.
        intercept: Of that probe.
        checkpoint_sha256: Of the checkpoint in whose space it is.
        n: Molecules it was fitted to.
        strength: How far it is to be trusted.
        confounds: What was taken out; empty where the concept is itself a size.

    Raises:
        ValueError: A number is not finite, or sizes do not fit.
    """

    name: str
    unit: str
    vector: Doubles
    scale: float
    reach: float
    weight: Doubles
    intercept: float
    checkpoint_sha256: str
    n: int
    strength: Strength
    confounds: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or self.vector.shape != self.weight.shape:
            raise ValueError(f"vector and weight must be as long, but are {self.vector.shape} and {self.weight.shape}")
        if not all(np.isfinite(x).all() for x in (self.vector, self.weight, self.scale, self.reach, self.intercept)):
            raise ValueError("numbers must be finite")
        if self.reach <= 0:
            raise ValueError(f"reach must be above 0, but is {self.reach}")

    def read(self, z: Floats) -> Doubles:
        """The concept (N,) as the probe reads it off points (N, D)."""
        values: Doubles = z.astype(np.float64) @ self.weight + self.intercept
        return values


def fit_direction(
    space: LatentSpace,
    molecules: Sequence[Molecule],
    values: Sequence[float],
    name: str,
    unit: str = "",
    seed: int = 0,
    measure: MolFunction | None = None,
) -> Direction:
    """The direction of a concept that molecules are labelled with.

    Args:
        space: Where it is sought.
        molecules: N; those that cannot be encoded are left out.
        values: N labels, NaN where missing: measured values, or 0 and 1.
        name: Of the concept.
        unit: Of the concept.
        seed: Draws the folds, and ways beside the direction.
        measure: Tells the concept of a decoded molecule, where it can be told of any.

    Raises:
        SpecError: Fewer than 20 labelled molecules can be encoded, or all have the same label.
    """
    z = space.encode([molecule.smiles for molecule in molecules], AS_IT_IS, is_refined=False).astype(np.float64)
    y = np.asarray(values, dtype=np.float64)
    rows = np.flatnonzero(np.isfinite(z).all(axis=1) & np.isfinite(y))
    z, y = z[rows], y[rows]
    _require_labels(name, y)
    known = [molecules[row] for row in rows.tolist()]
    sizes = np.array([_sizes(space, molecule) for molecule in known], dtype=np.float64)
    is_size = abs(_correlation(y, sizes[:, 0])) >= IS_SIZE
    rest = y if is_size else y - fit_probe(sizes, y[:, None])(sizes)[:, 0]
    deviation = space.prior_deviation.astype(np.float64)
    unit_points = z / deviation
    probe = fit_probe(unit_points, np.column_stack([y, rest]))
    slope = probe.weight[:, 1]
    size_slopes = fit_probe(unit_points, sizes).weight
    if not is_size:
        slope = project_out(slope, size_slopes)
    length = float(np.linalg.norm(slope))
    if length == 0.0:
        raise SpecError("property", f"{name} cannot be told from latent points", remedy="Give other labels, or more.")
    step = slope / length
    chosen = np.random.default_rng(seed).permutation(len(known))[:N_SCOUTS]
    scouts = [known[i].smiles for i in chosen.tolist()]
    places = space.encode(scouts, AS_IT_IS)
    if measure is not None and not is_size:
        far = find_walk_length(space, scouts, places, deviation * step)
        step = _orthogonalise(decode_pairs(space, z, step, far, measure, seed), step, size_slopes)
    read = cross_predict(unit_points, np.column_stack([y, rest]), seed)
    faintness = max(_correlation(y, read[:, 0]), FAINTEST)
    return Direction(
        name=name,
        unit=unit,
        vector=deviation * step,
        scale=float(slope @ step),
        reach=find_walk_length(space, scouts, places, deviation * step) / faintness,
        weight=probe.weight[:, 0] / deviation,
        intercept=float(probe.intercept[0]),
        checkpoint_sha256=space.model.digest,
        n=len(y),
        strength=_strength(y, rest, read, cross_predict(sizes, y[:, None], seed)[:, 0]),
        confounds=() if is_size else CONFOUNDS,
    )


def fit_descriptor_direction(space: LatentSpace, name: str, seed: int = 0, n: int = N_SHIPPED) -> Direction:
    """The direction of a descriptor, fitted to `n` of the molecules that molgen ships.

    Raises:
        SpecError: There is no such descriptor.
    """
    if name not in DESCRIPTORS:
        known = ", ".join(DESCRIPTORS)
        raise SpecError("along", f"{name!r} is neither a .json file nor a descriptor", remedy=f"Descriptors: {known}.")
    molecules = draw_shipped_molecules(n, seed)
    descriptor = DESCRIPTORS[name]
    values = [float(descriptor.function(molecule.mol)) for molecule in molecules]
    return fit_direction(space, molecules, values, name, descriptor.unit, seed, descriptor.function)


def choose_walk_length(space: LatentSpace, direction: Direction, molecule: Molecule, point: Floats) -> float:
    """How far to walk a molecule with point (D,): the direction's reach, or farther where that hardly changes it."""
    return max(direction.reach, find_walk_length(space, [molecule.smiles], point[None], direction.vector))


def project_out(slope: Doubles, others: Doubles) -> Doubles:
    """What remains of `slope` (D,) at right angles to the columns of `others` (D, C)."""
    basis, _ = np.linalg.qr(others)
    rest: Doubles = slope - basis @ (basis.T @ slope)
    return rest


def _orthogonalise(found: PairedChanges, step: Doubles, size_slopes: Doubles) -> Doubles:
    """`step` (D,) turned halfway to the ways on which the concept changes more, but sizes (slopes (D, C)) do not."""
    if len(found.ways) < MIN_LABELS:
        return step
    changes = np.clip(found.changes, *np.percentile(found.changes, OUTLIERS, axis=0))
    concept, atoms = changes[:, :1], changes[:, 1:]
    slopes = fit_probe(found.ways, np.column_stack([concept - fit_probe(atoms, concept)(atoms), atoms])).weight
    beside = project_out(slopes[:, 0], np.column_stack([step, size_slopes, slopes[:, 1]]))
    length = float(np.linalg.norm(beside))
    turned: Doubles = (step + beside / length) / np.sqrt(2.0) if length > 0.0 else step
    return turned


def _strength(y: Doubles, rest: Doubles, read: Doubles, from_sizes: Doubles) -> Strength:
    cleaned = score_predictions(y, read[:, 1]) if is_binary(y) else r2(rest, read[:, 1])
    return Strength(score_predictions(y, read[:, 0]), score_predictions(y, from_sizes), cleaned)


def _sizes(space: LatentSpace, molecule: Molecule) -> tuple[int, int]:
    """Heavy atoms and tokens of a molecule that can be encoded."""
    return molecule.mol.GetNumHeavyAtoms(), len(space.model.vocabulary.tokenise(molecule.smiles))


def _correlation(a: Doubles, b: Doubles) -> float:
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def _require_labels(name: str, y: Doubles) -> None:
    if len(y) < MIN_LABELS:
        message = f"{name} has {len(y)} labelled molecules that can be encoded, but needs {MIN_LABELS}"
        raise SpecError("property", message, remedy="Give a file with more labels, or name a descriptor.")
    if np.ptp(y) == 0:
        raise SpecError("property", f"{name} is {y[0]:g} for all molecules", remedy="Give labels that differ.")


def write_direction(path: Path, direction: Direction) -> None:
    """Writes a direction as JSON, in one step.

    Raises:
        OSError: The file cannot be written.
    """
    values = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(direction).items()}
    values["strength"] = replace_nan(asdict(direction.strength))
    write_text(path, json.dumps({"format": FORMAT, **values}, indent=1, allow_nan=False) + "\n")


def read_direction(path: Path, space: LatentSpace) -> Direction:
    """The direction that `write_direction` wrote, in the space of the same checkpoint.

    Raises:
        FileError: The file is missing, is no direction, or belongs to another checkpoint.
    """
    try:
        with path.open("rb") as handle:
            text = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(path, error.strerror or str(error), remedy=_REMEDY) from None
    if len(text) > MAX_BYTES:
        raise FileError(path, f"is larger than {MAX_BYTES} bytes", remedy=_REMEDY)
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        direction = _built(content)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FileError(path, f"is not a direction: {error}", remedy=_REMEDY) from None
    if direction.checkpoint_sha256 != space.model.digest or len(direction.vector) != space.size:
        message = f"belongs to the checkpoint {direction.checkpoint_sha256:.12}..., not to {space.model.digest:.12}..."
        raise FileError(path, message, remedy="Name its checkpoint by --checkpoint, or make the direction anew.")
    return direction


def _built(content: dict[str, Any]) -> Direction:
    """A direction of what a file says.

    Raises:
        KeyError: Something is missing.
        TypeError: Something is of another type.
        ValueError: A number cannot be.
        OverflowError: A number is too large.
    """
    for key in ("name", "unit", "checkpoint_sha256"):
        if not isinstance(content[key], str) or len(content[key]) > MAX_NAME or not content[key].isprintable():
            raise TypeError(f"{key} must be a text of at most {MAX_NAME} characters")
    strength = Strength(*(_number(content["strength"][key]) for key in ("plain", "confounds", "cleaned")))
    return Direction(
        name=content["name"],
        unit=content["unit"],
        vector=np.array([_number(value) for value in content["vector"]]),
        scale=_number(content["scale"]),
        reach=_number(content["reach"]),
        weight=np.array([_number(value) for value in content["weight"]]),
        intercept=_number(content["intercept"]),
        checkpoint_sha256=content["checkpoint_sha256"],
        n=int(_number(content["n"])),
        strength=strength,
        confounds=tuple(name for name in CONFOUNDS if name in content["confounds"]),
    )


def _number(value: object) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40} is not a number")
    return float(value)
