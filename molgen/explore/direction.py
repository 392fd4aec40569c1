"""A concept as a direction of the latent space, and its file.

A linear probe predicts a concept, such as logP or activity, from latent vectors. Its gradient, in standard deviations
of the prior, is the direction of the concept. The size of molecules is a confounder: the part of the concept that
heavy atoms and tokens explain is regressed out, and the direction is made orthogonal to the gradients of both.

A direction along which the concept of encoded molecules rises need not raise it in decoded ones. So if the concept can
be computed for any molecule, as a descriptor can, molecules are decoded at both ends of random lines about 45 degrees
off the direction, and the direction is turned towards the lines along which the concept changes most: one step of an
evolution strategy.

Input files may be hostile: they are JSON of bounded size, and every number is checked.

Notation: N molecules, D latent dimensions.
Sources: concept vectors, Kim et al. 2018 (arXiv:1711.11279); probes, Alain & Bengio 2016 (arXiv:1610.01644); removal
of confounders by residuals and alignment, Elabid et al. 2026 (arXiv:2605.06303); gradients from mirrored random steps,
Salimans et al. 2017 (arXiv:1703.03864).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, Molecule, parse
from molgen.chem.properties import DESCRIPTORS
from molgen.chem.sampling import draw_shipped_molecules
from molgen.errors import FileError, SpecError
from molgen.explore.linear_probe import cross_predict, fit_probe
from molgen.explore.walk import (
    MolFunction,
    PairedChanges,
    Series,
    decode_pairs,
    find_walk_length,
    measure_similarities,
)
from molgen.json_values import replace_non_finite
from molgen.latent.space import LatentSpace
from molgen.metrics import is_binary, r2, score_predictions
from molgen.paths import read_bytes, write_text

FORMAT = "molgen-direction-1"
MAX_BYTES = 1 << 20
MAX_NAME = 200
_REMEDY = "Use a file that `molgen explore direction` wrote."
MIN_LABELS = 20
N_FITTED = 5000
"""Number of molecules that a direction is fitted to; more hardly improve it."""
N_SCOUTS = 40
"""Number of molecules that determine the walk length."""
DESCRIBED = ("logp", "tpsa", "qed", "heavy_atoms")
"""Descriptors of the molecules of a walk."""
CONFOUNDS = ("heavy_atoms", "tokens")
MIN_SIZE_CORRELATION = 0.8
"""Absolute correlation with heavy atoms from which a concept counts as a size, so that size is not regressed out."""
OUTLIERS = (2.0, 98.0)
"""Percentiles to which changes of decoded molecules are clipped."""
MIN_CORRELATION = 0.5
"""Minimum of the correlation of a concept and its prediction, by which the walk length is divided."""


@dataclass(frozen=True)
class Strength:
    """How well a probe predicts a concept on held-out molecules (5 folds).

    Attributes:
        plain: R2 of the concept predicted from latent vectors; AUROC for labels 0 and 1.
        confounds: The same, predicted from the confounders (heavy atoms and tokens) alone.
        cleaned: R2 of the residual given the confounders, predicted from latent vectors; for labels 0 and 1, AUROC of
            the labels ranked by the predicted residual.
    """

    plain: float
    confounds: float
    cleaned: float


@dataclass(frozen=True)
class Direction:
    """A direction of the latent space along which a concept grows.

    Attributes:
        name: Name of the concept.
        unit: Its unit, "" for a pure number.
        vector: (D,), one step, of length 1 after division by the standard deviation of the prior in each dimension.
        scale: Change of the concept per step that the probe predicts.
        reach: Walk length in steps, after which most molecules have changed; longer if the probe is weak.
        weight: (D,), weights of the probe of the raw concept, before confounders are regressed out.
        intercept: Intercept of that probe.
        checkpoint_sha256: SHA-256 of the checkpoint of the space.
        n: Number of molecules of the fit.
        strength: Scores on held-out molecules.
        confounds: Names of the confounders regressed out; empty if the concept is itself a size.

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
        """The concept (N,) that the probe predicts at points (N, D)."""
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
    """The direction of a concept given by labels of molecules.

    Args:
        space: The latent space.
        molecules: N; those that cannot be encoded are left out.
        values: N labels, NaN if missing: measured values, or 0 and 1.
        name: Name of the concept.
        unit: Its unit.
        seed: Seed of the folds, and of random directions.
        measure: Computes the concept of a decoded molecule, if possible.

    Raises:
        SpecError: Fewer than 20 labelled molecules can be encoded, all have the same label, or the concept cannot be
                predicted.
    """
    z = space.encode([molecule.smiles for molecule in molecules], AS_IT_IS, is_refined=False).astype(np.float64)
    y = np.asarray(values, dtype=np.float64)
    rows = np.flatnonzero(np.isfinite(z).all(axis=1) & np.isfinite(y))
    z, y = z[rows], y[rows]
    _require_labels(name, y)
    known = [molecules[row] for row in rows.tolist()]
    sizes = np.array([_sizes(space, molecule) for molecule in known], dtype=np.float64)
    is_size = abs(_correlation(y, sizes[:, 0])) >= MIN_SIZE_CORRELATION
    rest = y if is_size else y - fit_probe(sizes, y[:, None])(sizes)[:, 0]  # residual given the confounders
    deviation = space.prior_deviation.astype(np.float64)
    unit_points = z / deviation
    probe = fit_probe(unit_points, np.column_stack([y, rest]))
    slope = probe.weight[:, 1]
    size_slopes = fit_probe(unit_points, sizes).weight
    if not is_size:
        slope = project_out(slope, size_slopes)  # moving along it leaves the predicted sizes unchanged
    length = float(np.linalg.norm(slope))
    if length == 0.0:
        raise SpecError(
            "property", f"{name} cannot be predicted from latent vectors", remedy="Give other labels, or more."
        )
    step = slope / length
    chosen = np.random.default_rng(seed).permutation(len(known))[:N_SCOUTS]
    scouts = [known[i].smiles for i in chosen.tolist()]
    places = space.encode(scouts, AS_IT_IS)
    if measure is not None and not is_size:
        far = find_walk_length(space, scouts, places, deviation * step)
        step = _turn(decode_pairs(space, z, step, far, measure, seed), step, size_slopes)
    read = cross_predict(unit_points, np.column_stack([y, rest]), seed)
    correlation = max(_correlation(y, read[:, 0]), MIN_CORRELATION)
    return Direction(
        name=name,
        unit=unit,
        vector=deviation * step,
        scale=float(slope @ step),
        reach=find_walk_length(space, scouts, places, deviation * step) / correlation,
        weight=probe.weight[:, 0] / deviation,
        intercept=float(probe.intercept[0]),
        checkpoint_sha256=space.model.digest,
        n=len(y),
        strength=_strength(y, rest, read, cross_predict(sizes, y[:, None], seed)[:, 0]),
        confounds=() if is_size else CONFOUNDS,
    )


def find_direction(space: LatentSpace, along: str, seed: int = 0) -> Direction:
    """The direction in a file that ends in .json, or that of the descriptor `along`.

    Raises:
        FileError: The file is missing, is no direction, or belongs to another checkpoint.
        SpecError: There is no such descriptor.
    """
    return (
        read_direction(Path(along), space) if along.endswith(".json") else fit_descriptor_direction(space, along, seed)
    )


def fit_descriptor_direction(space: LatentSpace, name: str, seed: int = 0, n: int = N_FITTED) -> Direction:
    """The direction of a descriptor, fitted to `n` shipped molecules.

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
    """The walk length for a molecule at a point (D,): `reach`, or longer if that hardly changes the molecule."""
    return max(direction.reach, find_walk_length(space, [molecule.smiles], point[None], direction.vector))


def describe_walk(
    space: LatentSpace, start: Molecule, direction: Direction, series: Series
) -> dict[str, tuple[float, ...]]:
    """Columns of a walk: position, concept, similarity to the start, and descriptors; NaN where there is no molecule.

    If the concept is not a descriptor, its column holds the prediction of the probe.
    """
    mols = [parse(text, AS_IT_IS).mol if text else None for text in series.smiles]

    def describe(name: str) -> tuple[float, ...]:
        function = DESCRIPTORS[name].function
        return tuple(math.nan if mol is None else float(function(mol)) for mol in mols)

    columns: dict[str, tuple[float, ...]] = {"t": series.t}
    if direction.name in DESCRIPTORS:
        columns[direction.name] = describe(direction.name)
    else:
        points = space.encode([text or "" for text in series.smiles], is_refined=False)
        columns[f"{direction.name} (probe)"] = tuple(direction.read(points).tolist())
    columns["tanimoto"] = tuple(measure_similarities(start.smiles, series.smiles).tolist())
    return columns | {name: describe(name) for name in DESCRIBED if name != direction.name}


def project_out(slope: Doubles, others: Doubles) -> Doubles:
    """The component of `slope` (D,) orthogonal to the columns of `others` (D, C)."""
    basis, _ = np.linalg.qr(others)
    rest: Doubles = slope - basis @ (basis.T @ slope)
    return rest


def _turn(found: PairedChanges, step: Doubles, size_slopes: Doubles) -> Doubles:
    """`step` (D,) turned by 45 degrees towards the steepest change of the decoded concept.

    That change is orthogonal to `step`, to the gradients (D, 2) of the sizes, and to that of the decoded heavy atoms.
    With too few pairs of molecules, `step` is unchanged.
    """
    if len(found.ways) < MIN_LABELS:
        return step
    changes = np.clip(found.changes, *np.percentile(found.changes, OUTLIERS, axis=0))
    concept, atoms = changes[:, :1], changes[:, 1:]
    slopes = fit_probe(found.ways, np.column_stack([concept - fit_probe(atoms, concept)(atoms), atoms])).weight
    beside = project_out(slopes[:, 0], np.column_stack([step, size_slopes, slopes[:, 1]]))
    length = float(np.linalg.norm(beside))
    turned: Doubles = (step + beside / length) / np.sqrt(2.0) if length > 0.0 else step  # orthogonal unit vectors
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
    """Writes a direction as JSON, atomically.

    Raises:
        OSError: The file cannot be written.
    """
    values = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(direction).items()}
    values["strength"] = replace_non_finite(asdict(direction.strength))
    write_text(path, json.dumps({"format": FORMAT, **values}, indent=1, allow_nan=False) + "\n")


def read_direction(path: Path, space: LatentSpace) -> Direction:
    """Reads a direction that `write_direction` wrote, for the space of the same checkpoint.

    Raises:
        FileError: The file is missing, is no direction, or belongs to another checkpoint.
    """
    try:
        text = read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise FileError(path, error.strerror or str(error), remedy=_REMEDY) from None
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        direction = _built(content)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FileError(path, f"is not a direction: {error}", remedy=_REMEDY) from None
    if direction.checkpoint_sha256 != space.model.digest or len(direction.vector) != space.size:
        message = f"belongs to the checkpoint {direction.checkpoint_sha256:.12}..., not to {space.model.digest:.12}..."
        raise FileError(path, message, remedy="Name its checkpoint by --checkpoint, or make the direction again.")
    return direction


def _built(content: dict[str, Any]) -> Direction:
    """The direction in the content of a file.

    Raises:
        KeyError: An entry is missing.
        TypeError: An entry has another type.
        ValueError: A number is invalid.
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
