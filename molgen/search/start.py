"""The starting molecules of a campaign, from SMILES and files, with known values."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from molgen.chem.molecule import AS_IT_IS, DEFAULT_POLICY, Molecule, Policy, parse
from molgen.chem.table import Tally, has_property, read_molecules
from molgen.errors import FileError, MoleculeError, SpecError
from molgen.paths import replace_file
from molgen.quoting import csv_cell, from_csv_cell
from molgen.score.objective import Objective, labelled_property

NAME = "start.csv"
"""Name of the file of starting molecules in the folder of a campaign."""
_SMILES, _NAME = "smiles", "name"


@dataclass(frozen=True)
class StartMolecule:
    """A starting molecule.

    Attributes:
        molecule: The molecule.
        name: Its name in its file, or "".
        labels: Known finite values by property.
    """

    molecule: Molecule
    name: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)


def start_molecules(
    texts: Sequence[str], policy: Policy = DEFAULT_POLICY, labels: Sequence[str] = ()
) -> tuple[list[StartMolecule], dict[Path, Tally]]:
    """Unique molecules in the order given, and a tally of each file read.

    Args:
        texts: Each a file of molecules, or a SMILES.
        policy: Standardisation.
        labels: Columns of known values, if a file has them.

    Raises:
        FileError: A file cannot be used.
        SpecError: A text is neither a file nor a SMILES.
    """
    found: dict[str, StartMolecule] = {}
    tallies: dict[Path, Tally] = {}
    for text in texts:
        path = Path(text)
        if _is_file(path):
            tally = tallies[path] = Tally()
            given = _read(path, policy, labels, tally)
            tally.require_kept(path)
        else:
            given = [StartMolecule(parse_option("start", text, policy))]
        for one in given:
            before = found.setdefault(one.molecule.smiles, one)
            found[one.molecule.smiles] = before if before.labels else one
    return list(found.values()), tallies


def limit_start(
    start: Sequence[StartMolecule], limit: int, objectives: Sequence[Objective], seed: int
) -> list[StartMolecule]:
    """At most `limit` of the molecules: those with the best known values first, then random ones.

    A molecule is ranked by the first objective for which it has a known value.
    """
    order = np.random.default_rng(seed).permutation(len(start)) if len(start) > limit else np.arange(len(start))
    worth = np.full(len(start), -math.inf)
    for objective in objectives[::-1]:
        label = labelled_property(objective.name)
        values = np.array([one.labels.get(label, math.nan) for one in start])
        worth = np.where(np.isnan(values), worth, objective.signed(np.nan_to_num(values)))
    ranked = sorted(order.tolist(), key=lambda row: -worth[row])
    return [start[row] for row in ranked[:limit]]


def write_start(path: Path, start: Sequence[StartMolecule]) -> None:
    """Writes molecules with their names and known values to a CSV file, atomically."""
    labels = sorted({label for one in start for label in one.labels})
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([_SMILES, _NAME, *map(csv_cell, labels)])
        for one in start:
            values = (repr(one.labels[label]) if label in one.labels else "" for label in labels)
            writer.writerow([one.molecule.smiles, csv_cell(one.name), *values])


def read_start(path: Path) -> list[StartMolecule]:
    """The molecules that `write_start` wrote; empty if there is no such file.

    Raises:
        FileError: The file is damaged.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        header = next(csv.reader(handle), [])
    return _read(path, AS_IT_IS, header[len((_SMILES, _NAME)) :], Tally())


def parse_option(key: str, text: str, policy: Policy = DEFAULT_POLICY) -> Molecule:
    """The molecule of an option `key`, given as SMILES.

    Raises:
        SpecError: It is no valid SMILES.
        FileError: It is no valid SMILES, but ends like the name of a file.
    """
    try:
        return parse(text, policy)
    except MoleculeError as error:
        if Path(text).suffix in (".csv", ".tsv", ".smi", ".smiles", ".sdf", ".txt", ".gz"):
            raise FileError(text, "no such file", remedy="Check the path.") from None
        raise SpecError(key, str(error), remedy="Give a SMILES, or a file of molecules.") from None


def _read(path: Path, policy: Policy, labels: Sequence[str], tally: Tally) -> list[StartMolecule]:
    there = [label for label in labels if has_property(path, label)]
    return [
        StartMolecule(record.molecule, record.name, _known(there, record.values))
        for record in tally.sift(read_molecules(path, policy, properties=there))
    ]


def _known(columns: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    pairs = zip(map(from_csv_cell, columns), values, strict=True)
    return {name: value for name, value in pairs if math.isfinite(value)}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a SMILES too long for a file name, or with a NUL
        return False
