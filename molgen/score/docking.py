"""Docking into a rigid receptor with AutoDock Vina.

A receptor folder, which `prepare_receptor` makes, holds the receptor (PDBQT), its native ligand, the box around that
ligand, and how well Vina finds it again. Scores are in kcal/mol, the lower the better.

Nothing is looked up online. Residues are protonated as in the PDB file, or by meeko's default templates if it has no
hydrogens; ligands as in their SMILES.

Sources: AutoDock Vina 1.2, Eberhardt et al., J. Chem. Inf. Model. 2021, 61, 3891; meeko, Forli lab, Scripps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from molgen.chem.conformer import embed, read_pose
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.errors import FileError, MoleculeError, SpecError
from molgen.extras import require_package
from molgen.paths import read_bytes, write_text
from molgen.run import file_digest

DOCK = "dock:"
"""Prefix of the names of docking scores; the path of a receptor folder follows."""
WORST_KCAL = 0.0
"""The score of a molecule that cannot be docked, and of a pose that is worse than none."""
PADDING_A = 6.0
"""Distance from the native ligand to each side of the box. Angstrom."""
SEARCH = 1
"""Exhaustiveness of a search; scores of drugs differ by at most 0.09 kcal/mol between 1 and 4."""
THOROUGH = 8
"""Exhaustiveness of redocking."""
MAX_RMSD_A = 2.0
"""Deviation of a redocked native ligand above which docking is doubtful. Angstrom."""
MAX_PROTEIN_BYTES = 1 << 27
"""Maximum size of a PDB file; a million atoms have 81 MB."""
MAX_CARD_BYTES = 1 << 16
"""Maximum size of a card of a receptor."""

_SEED = 1  # Vina takes a random seed for 0
_RECEPTOR, _PROTEIN, _NATIVE, _CARD = "receptor.pdbqt", "protein.pdb", "native.sdf", "receptor.json"
_WATER = ("HOH", "WAT", "DOD")


@dataclass(frozen=True)
class ReceptorCard:
    """What is known of a prepared receptor.

    Attributes:
        center: Centre of the box. Angstrom.
        size: Side lengths of the box. Angstrom.
        native_score: Score of the native ligand, docked again. kcal/mol.
        native_rmsd: Deviation of its pose from the crystal, over heavy atoms. Angstrom.
        protonation: Where the hydrogens come from.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    native_score: float = WORST_KCAL
    native_rmsd: float = 0.0
    protonation: str = ""


class Receptor:
    """A receptor with a box, ready to dock into.

    Attributes:
        card: What is known of it.
    """

    def __init__(self, pdbqt: Path, card: ReceptorCard, n_threads: int = 1) -> None:
        """Computes the maps of the box, which takes about a second.

        Args:
            pdbqt: The receptor.
            card: Its box.
            n_threads: CPU threads; the result does not depend on them.

        Raises:
            SpecError: vina or meeko is not installed.
        """
        require_packages()
        from vina import Vina

        self.card = card
        self._vina = Vina(sf_name="vina", cpu=n_threads, seed=_SEED, verbosity=0)
        self._vina.set_receptor(str(pdbqt))
        self._vina.compute_vina_maps(list(card.center), list(card.size))

    @classmethod
    def open(cls, folder: Path, n_threads: int = 1) -> Receptor:
        """The receptor that `prepare_receptor` wrote; see the constructor for the threads.

        Raises:
            FileError: The folder is not a receptor folder.
            SpecError: vina or meeko is not installed.
        """
        return cls(folder / _RECEPTOR, read_card(folder), n_threads)

    def dock(self, mol: Chem.Mol, exhaustiveness: int = SEARCH) -> tuple[float, Chem.Mol]:
        """The score in kcal/mol, at most `WORST_KCAL`, and the best pose, with all hydrogens.

        The same molecule gets the same score, whatever was docked before.

        Raises:
            MoleculeError: It has no conformer, or an atom or a fragment that Vina cannot dock.
        """
        from meeko import MoleculePreparation, PDBQTMolecule, PDBQTWriterLegacy, RDKitMolCreate

        smiles = Chem.MolToSmiles(mol)
        try:
            (setup, *_) = MoleculePreparation().prepare(embed(mol, seed=0))
            text, is_written, reason = PDBQTWriterLegacy.write_string(setup)
        except (TypeError, ValueError, RuntimeError) as error:  # elements without a type, several fragments
            raise MoleculeError(smiles, f"cannot be prepared for docking: {error}") from None
        if not is_written:
            raise MoleculeError(smiles, f"cannot be prepared for docking: {reason}")
        self._vina.set_ligand_from_string(text)
        self._vina.dock(exhaustiveness=exhaustiveness, n_poses=1)
        pose = RDKitMolCreate.from_pdbqt_mol(PDBQTMolecule(self._vina.poses(n_poses=1), skip_typing=True))[0]
        return min(float(self._vina.energies(n_poses=1)[0][0]), WORST_KCAL), pose


def make_scorer(folder: str) -> Callable[[Sequence[str]], list[float]]:
    """A function from SMILES to docking scores into the receptor of a folder; see `Receptor`."""
    receptor = Receptor.open(Path(folder))
    return lambda smiles: [receptor.dock(parse(text, AS_IT_IS).mol)[0] for text in smiles]


def require_packages() -> None:
    """Raises SpecError unless vina and meeko are installed."""
    for name in ("vina", "meeko"):
        require_package(name, package=name, extra="docking", key="dock")


def read_card(folder: Path) -> ReceptorCard:
    """The card of a receptor folder.

    Raises:
        FileError: It is missing or damaged.
    """
    path = folder / _CARD
    try:
        values = json.loads(read_bytes(path, MAX_CARD_BYTES))
        return ReceptorCard(**values | {key: tuple(map(float, values[key])) for key in ("center", "size")})
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "Make one by `molgen receptor protein.pdb --ligand native.sdf -o FOLDER`."
        raise FileError(path, f"is no card of a receptor: {error}", remedy=remedy) from None


def receptor_folder(measure: str) -> Path:
    """The receptor folder that a docking score `dock:FOLDER` names."""
    return Path(measure.removeprefix(DOCK)).expanduser()


def receptor_digest(folder: Path) -> str:
    """The SHA-256 sums of the files of a receptor folder that scores depend on."""
    return " ".join(file_digest(folder / name) for name in (_RECEPTOR, _CARD))


def protein_file(folder: Path) -> Path:
    """The atoms of the protein of a receptor folder, for checks of poses.

    Raises:
        FileError: The folder has none.
    """
    path = folder / _PROTEIN
    if not path.is_file():
        raise FileError(path, "is missing", remedy="Prepare the receptor again with `molgen receptor`.")
    return path


def prepare_receptor(protein: Path, ligand: Path, out: Path) -> ReceptorCard:
    """Writes a receptor folder, after docking the native ligand again from a fresh conformer.

    Args:
        protein: A PDB file without the ligand. Waters are left out.
        ligand: An SDF whose first molecule is the ligand in its pose.
        out: A new folder.

    Raises:
        FileError: A file cannot be used: the protein has a residue that meeko does not know, or the native ligand
            scores 0 kcal/mol or more, so that the box is not where it binds.
        SpecError: vina or meeko is not installed, or `out` exists.
    """
    require_packages()
    if out.exists():
        raise SpecError("out", f"{out} exists", remedy="Name a new folder.")
    native = read_pose(ligand)
    positions = native.GetConformer().GetPositions()
    low, high = positions.min(axis=0) - PADDING_A, positions.max(axis=0) + PADDING_A
    box = ReceptorCard(_rounded((low + high) / 2), _rounded(high - low))
    atoms = _read_atoms(protein)
    pdbqt = _to_pdbqt(protein, atoms)
    with TemporaryDirectory(dir=out.resolve().parent) as temporary:
        draft = Path(temporary) / out.name
        draft.mkdir()
        write_text(draft / _RECEPTOR, pdbqt)
        write_text(draft / _PROTEIN, "".join(atoms))
        copyfile(ligand, draft / _NATIVE)
        score, pose = Receptor(draft / _RECEPTOR, box).dock(Chem.RemoveHs(native), THOROUGH)
        if score >= WORST_KCAL:
            what = f"scores {score:.2f} kcal/mol in {protein}, so the box around it is no binding site"
            raise FileError(ligand, what, remedy="Check that both files have the same coordinates.")
        rmsd = float(rdMolAlign.CalcRMS(Chem.RemoveHs(pose), Chem.RemoveHs(native)))
        card = ReceptorCard(box.center, box.size, round(score, 3), round(rmsd, 2), _describe_hydrogens(protein, atoms))
        write_text(draft / _CARD, json.dumps(asdict(card), indent=1) + "\n")
        draft.rename(out)
    return card


def _read_atoms(path: Path) -> list[str]:
    """The lines of the atoms of a PDB file, without waters."""
    try:
        lines = read_bytes(path, MAX_PROTEIN_BYTES).decode().splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(path, f"cannot be read: {error}", remedy="Name a PDB file.") from None
    atoms = [line for line in lines if line.startswith(("ATOM", "HETATM")) and line[17:20].strip() not in _WATER]
    if not atoms:
        raise FileError(path, "holds no atoms", remedy="Name a PDB file.")
    return atoms


def _to_pdbqt(path: Path, atoms: Sequence[str]) -> str:
    """The receptor as PDBQT, from the atoms of a PDB file."""
    from meeko import MoleculePreparation, PDBQTWriterLegacy, Polymer, PolymerCreationError, ResidueChemTemplates

    templates = ResidueChemTemplates.create_from_defaults()
    known = {*templates.residue_templates, *templates.ambiguous}
    unknown = sorted({line[17:20].strip() for line in atoms} - known)
    if unknown:
        what = f"holds residues that meeko does not know: {', '.join(unknown)}"
        raise FileError(path, what, remedy="Leave ligands and ions out, and name modified residues as standard ones.")
    try:
        polymer = Polymer.from_pdb_string("".join(atoms), templates, MoleculePreparation())
    except (PolymerCreationError, RuntimeError, ValueError) as error:  # a residue that is damaged or interrupted
        what = " ".join(str(error).split())
        raise FileError(path, what, remedy="Repair the residues, for instance with PDBFixer.") from None
    pdbqt: Any = PDBQTWriterLegacy.write_from_polymer(polymer)[0]
    return str(pdbqt)


def _describe_hydrogens(path: Path, atoms: Sequence[str]) -> str:
    """Where the hydrogens of a receptor come from."""
    n_hydrogens = sum(line[76:78].strip() == "H" for line in atoms)
    return f"by {n_hydrogens} hydrogens of {path.name}" if n_hydrogens else "by meeko's default templates"


def _rounded(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 3) for value in values)
    return x, y, z
