"""Candidates as files: SDF, CSV and SMI, the same bytes for the same candidates and seed.

Fields, in this order:

| field | holds |
| --- | --- |
| `id`, `rank`, `smiles`, `inchikey` | the title of the record, its rank from 1, and the molecule |
| `total` | the total that the campaign maximised |
| one per measure | its raw value, such as `qed` |
| `desirability_M` | of each objective M, in [0, 1] |
| `predicted_P_mean`, `predicted_P_std` | the prediction of property P |
| `nearest_known_P` | the known value of property P of the most similar start molecule |
| `passes_pains`, `passes_brenk`, `alerts` | checks, and the alerts matched as `check:alert; ...` |
| `parent`, `parent_similarity` | the molecule it was derived from, and the Tanimoto similarity (ECFP4) to it |
| `is_novel` | whether neither the campaign started with it nor the checkpoint was trained on it |
| `name` | its name in the file of start molecules, if it is one of them |
| `n_undefined_stereo` | number of undefined stereocentres and double bonds; a 3D record shows one of several isomers |
| `nearest_known` | name of the most similar start molecule, or its SMILES if it has no name |
| `nearest_known_smiles` | SMILES of that molecule |
| `nearest_known_similarity`, `change` | Tanimoto similarity (ECFP4) to it; what changed, such as `Cl to CF3` |
| `trust` | its trust, if the checkpoint has an applicability domain and the campaign did not measure it |
| `hypervolume`, `on_front` | with `--pareto`: hypervolume at its call; whether it is on the final Pareto front |
| `pose_score` | with `--poses`: docking score in kcal/mol |
| `pose_checks` | with `--poses`: `passed`, or the PoseBusters checks that fail |
| `pose_failure` | with `--poses`: why there is no pose |
| `coordinates` | only in SDF: `docked`, `3D`, or `2D` if requested or if no 3D conformer was found |

A field name is made of the name of a measure or property: every run of characters other than ASCII letters and digits
becomes `_`, and is dropped at both ends; a name that then does not begin with a letter gets the prefix `measure_`; 48
characters are kept. Names that are then equal but for case get `_2`, `_3` and so on. `measure_fields` has the mapping.
Numbers have six significant digits. Missing entries (no parent, no alert, no value) are `none` in SDF and empty in CSV.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from rdkit import Chem

from molgen.chem.conformer import embed
from molgen.chem.molecule import Molecule
from molgen.errors import MoleculeError, SpecError
from molgen.output.candidates import Candidate
from molgen.output.known import NearestKnown
from molgen.output.poses import DockedPose, pose_fields
from molgen.paths import replace_file

FORMATS = (".sdf", ".csv", ".smi", ".svg", ".png")
_COORDINATES = "coordinates"
_NONE = "none"
_MAX_NAME = 48
_MAX_V2000 = 999
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")


def require_format(path: Path) -> str:
    """The suffix of `path`, one of `FORMATS`.

    Raises:
        SpecError: The suffix is none of them.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise SpecError(
            "output",
            f"{path}: the suffix names the format, but {suffix or 'none'} is not known",
            remedy=f"Name a file that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
        )
    return suffix


def has_conformer(molecule: Molecule, seed: int) -> bool:
    """Whether 3D coordinates can be found; they are cached for `write_sdf`."""
    return _solid(molecule, seed) is not None


def write_sdf(
    path: Path,
    candidates: Sequence[Candidate],
    *,
    seed: int,
    dimensions: Literal[2, 3] = 3,
    poses: Mapping[str, DockedPose] = MappingProxyType({}),
    on_record: Callable[[int], object] = lambda n_written: None,
) -> int:
    """Writes an SDF (V2000) atomically; returns the number of records in 2D for which no 3D conformer was found.

    3D has all hydrogens. A stereocentre that the SMILES leaves open has an arbitrary configuration in 3D; the field
    `smiles` is authoritative. A record of more than 999 atoms or bonds is V3000.

    Args:
        path: Replaced if it exists.
        candidates: In output order.
        seed: Seed of every conformer, so that the conformer of a molecule does not depend on its rank.
        dimensions: Of the coordinates.
        poses: Docked poses by the ids of candidates; they take the place of conformers.
        on_record: Called with the number of records done, after each.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    n_flat = 0
    with replace_file(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as handle:
        for n_written, candidate in enumerate(candidates, 1):
            pose = poses.get(candidate.id)
            docked = pose.mol if pose else None
            placed = Chem.Mol(docked) if docked else _place(candidate.molecule, seed, dimensions)
            is_flat = not placed.GetConformer().Is3D()
            n_flat += is_flat and dimensions == 3
            placed.SetProp("_Name", candidate.id)
            coordinates = "docked" if docked else "2D" if is_flat else "3D"
            data = fields(candidate) | (pose_fields(pose) if pose else {}) | {_COORDINATES: coordinates}
            handle.write(_record(placed, data))
            on_record(n_written)
    return n_flat


def write_csv(path: Path, candidates: Sequence[Candidate]) -> None:
    """Writes a CSV with a header atomically.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    rows = [fields(candidate) for candidate in candidates]
    names = dict.fromkeys(name for row in rows for name in row)
    with replace_file(path) as temporary, temporary.open("w", encoding="ascii", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_smi(path: Path, candidates: Sequence[Candidate]) -> None:
    """Writes `SMILES id` lines atomically.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    with replace_file(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as handle:
        handle.writelines(f"{candidate.molecule.smiles} {candidate.id}\n" for candidate in candidates)


def fields(candidate: Candidate) -> dict[str, str]:
    """Texts by field name, in the order of the file, empty if missing."""
    named = zip(measure_fields(candidate), _measure(candidate).values(), strict=True)
    return _identity(candidate) | {name: _number(value) for name, value in named} | _provenance(candidate)


def measure_fields(candidate: Candidate) -> dict[str, str]:
    """The original name of each field of a measure, desirability or prediction."""
    taken = {_COORDINATES, *_identity(candidate), *_provenance(candidate)}
    return {_free_name(label, taken): label for label in _measure(candidate)}


def _identity(candidate: Candidate) -> dict[str, str]:
    return {
        "id": candidate.id,
        "rank": str(candidate.rank),
        "smiles": candidate.molecule.smiles,
        "inchikey": candidate.pick.inchikey,
        "total": _number(candidate.evaluation.total),
    }


def _measure(candidate: Candidate) -> dict[str, float]:
    """Numbers by their original names."""
    evaluation = candidate.evaluation
    numbers = dict(evaluation.values)
    numbers |= {f"desirability {name}": value for name, value in evaluation.desirabilities.items()}
    for name, (mean, std) in candidate.predicted.items():
        numbers |= {f"predicted {name} mean": mean, f"predicted {name} std": std}
    if candidate.nearest:
        numbers |= {f"nearest known {name}": value for name, value in candidate.nearest.known.labels.items()}
    return numbers


def _provenance(candidate: Candidate) -> dict[str, str]:
    alerts = [f"{result.name}:{alert}" for result in candidate.checks for alert in result.evidence]
    texts = {f"passes_{result.name}": _truth(result.passes) for result in candidate.checks}
    texts |= {
        "alerts": "; ".join(alerts),
        "parent": candidate.parent.smiles if candidate.parent else "",
        "parent_similarity": _number(candidate.parent_similarity),
        "is_novel": _truth(candidate.is_novel),
        "name": _ascii(candidate.name),
        "n_undefined_stereo": str(candidate.n_undefined_stereo),
    }
    if candidate.nearest:
        texts |= _relation(candidate.nearest)
    if math.isfinite(candidate.trust) and "trust" not in candidate.evaluation.values:
        texts["trust"] = _number(candidate.trust)
    if math.isnan(candidate.evaluation.hypervolume):
        return texts
    front = {
        "hypervolume": _number(candidate.evaluation.hypervolume),
        "on_front": _truth(candidate.pick.is_on_front),
    }
    return texts | front


def _relation(nearest: NearestKnown) -> dict[str, str]:
    known = nearest.known
    return {
        "nearest_known": _ascii(known.name) or known.molecule.smiles,
        "nearest_known_smiles": known.molecule.smiles,
        "nearest_known_similarity": _number(nearest.similarity),
        "change": nearest.change,
    }


def _ascii(text: str) -> str:
    """A name as one line of ASCII; other characters become escape sequences of Python."""
    return " ".join(text.encode("ascii", "backslashreplace").decode().split())


def _free_name(label: str, taken: set[str]) -> str:
    """A field name for `label` that is not in `taken`, to which it is added."""
    plain = _NOT_IN_A_NAME.sub("_", label).strip("_")
    if not plain[:1].isalpha():
        plain = f"measure_{plain}".rstrip("_")
    plain = plain[:_MAX_NAME]
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain}_{number}"
    taken.add(name.casefold())
    return name


def _place(molecule: Molecule, seed: int, dimensions: Literal[2, 3]) -> Chem.Mol:
    solid = _solid(molecule, seed) if dimensions == 3 else None
    return Chem.Mol(solid) if solid else embed(molecule.mol, seed=seed, dimensions=2)


@lru_cache(maxsize=4096)
def _solid(molecule: Molecule, seed: int) -> Chem.Mol | None:
    try:
        return embed(molecule.mol, seed=seed)
    except MoleculeError:
        return None


def _record(placed: Chem.Mol, data: Mapping[str, str]) -> str:
    is_large = max(placed.GetNumAtoms(), placed.GetNumBonds()) > _MAX_V2000
    block: str = Chem.MolToV3KMolBlock(placed) if is_large else Chem.MolToV2KMolBlock(placed)
    return "".join([block, *_data_items(data.items()), "$$$$\n"])


def _data_items(items: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f">  <{name}>\n{text or _NONE}\n\n" for name, text in items)


def _number(value: float) -> str:
    return f"{value + 0.0:.6g}" if math.isfinite(value) else ""  # + 0.0 turns -0 into 0


def _truth(value: bool) -> str:
    return "true" if value else "false"
