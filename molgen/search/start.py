"""The molecules a campaign begins with, from SMILES and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molgen.chem.molecule import Molecule, parse
from molgen.chem.table import Tally, read_molecules
from molgen.errors import FileError, MoleculeError, SpecError


def start_molecules(texts: Sequence[str]) -> tuple[list[Molecule], dict[Path, Tally]]:
    """Unique molecules in the order given, and a tally of each file read.

    Args:
        texts: Each a file of molecules, or a SMILES.

    Raises:
        FileError: A file cannot be used.
        SpecError: A text is neither a file nor a SMILES.
    """
    molecules: dict[str, Molecule] = {}
    tallies: dict[Path, Tally] = {}
    for text in texts:
        path = Path(text)
        if _is_file(path):
            tally = tallies[path] = Tally()
            records = tally.sift(read_molecules(path))
            molecules |= {record.molecule.smiles: record.molecule for record in records}
            tally.require_kept(path)
        else:
            molecule = parse_option("start", text)
            molecules[molecule.smiles] = molecule
    return list(molecules.values()), tallies


def parse_option(key: str, text: str) -> Molecule:
    """The molecule that an option `key` gives as SMILES.

    Raises:
        SpecError: It is none.
        FileError: It looks like a file, but there is none of that name.
    """
    try:
        return parse(text)
    except MoleculeError as error:
        if Path(text).suffix in (".csv", ".tsv", ".smi", ".smiles", ".sdf", ".txt", ".gz"):
            raise FileError(text, "no such file", remedy="Check the path.") from None
        raise SpecError(key, str(error), remedy="Give a SMILES, or a file of molecules.") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a SMILES too long for a file name, or with a NUL
        return False
