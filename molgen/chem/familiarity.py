"""Familiarity: whether the parts of a molecule occur in a reference set.

Two kinds of parts are compared. Atom environments are atoms with their surroundings within one or two bonds, as in
ECFP4: element, degree, hydrogens, charge, isotope, ring membership, bond types. Ring systems are rings that share
atoms, with their exocyclic double bonds. Stereochemistry is ignored.

A reference keeps a 32-bit hash of each part. With N hashes, an unknown part is mistaken for a known one with a
probability of N / 2^32: one in 4,300 for a million.

Sources: environments, Rogers and Hahn, J. Chem. Inf. Model. 2010, 50, 742, as RDKit's Morgan generator hashes them;
rare environments as a sign of difficult synthesis, Ertl and Schuffenhauer, J. Cheminform. 2009, 1, 8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.MolStandardize import rdMolStandardize

from molgen.errors import CheckpointError
from molgen.hashes import Hashes, contains, decode_hashes, encode_hashes, hash_text
from molgen.paths import read_bytes, replace_file

N_ALLOWED = 1
"""Unknown environments of radius 2 that a familiar molecule may have by default; new real molecules have 0.1 to 0.4
on average."""
MAX_BYTES = 1 << 24
"""Maximum size of a file, enough for eight million parts."""
_PROBES = ("CC(=O)Nc1ccc(O)cc1", "C[N+](C)(C)CC#N", "O=S(=O)(c1ccsc1)N1CC2CC1C2", "FC(Cl)(Br)[C@@H](I)P")
_CHUNK = 1 << 22
"""Number of hashes that are collected before they are counted."""


@dataclass(frozen=True, slots=True)
class Unfamiliar:
    """The parts of a molecule that a reference lacks.

    Attributes:
        n_radius_1: Environments of at most one bond.
        n_radius_2: Environments of two bonds.
        ring_systems: SMILES of ring systems.
        n_allowed: Number of unknown environments of two bonds that a familiar molecule may have.
    """

    n_radius_1: int = 0
    n_radius_2: int = 0
    ring_systems: tuple[str, ...] = ()
    n_allowed: int = N_ALLOWED

    @property
    def count(self) -> int:
        """Parts that make the molecule unfamiliar: all of these but the allowed environments of radius 2."""
        return self.n_radius_1 + max(0, self.n_radius_2 - self.n_allowed) + len(self.ring_systems)


@dataclass(frozen=True)
class Reference:
    """The parts of a set of molecules.

    Attributes:
        environments: Sorted hashes of their atom environments, of both radii.
        ring_systems: Sorted hashes of their ring systems.
        n_allowed: Unknown environments of radius 2 that a familiar molecule may have.
    """

    environments: Hashes
    ring_systems: Hashes
    n_allowed: int = N_ALLOWED

    @classmethod
    def of(cls, mols: Iterable[Chem.Mol], min_count: int = 1) -> Reference:
        """The parts that at least `min_count` molecules have; charged ones also contribute their neutral form."""
        environments, ring_systems = _Counts(), _Counts()
        for mol in mols:
            forms = _forms(mol)
            environments.add(np.concatenate([_environments(form, 2) for form in forms]))
            ring_systems.add(np.concatenate([_hashed(_ring_systems(form)) for form in forms]))
        return cls(environments.at_least(min_count), ring_systems.at_least(min_count))

    def joined(self, other: Reference) -> Reference:
        """A reference with the parts of both."""
        return Reference(
            np.union1d(self.environments, other.environments),
            np.union1d(self.ring_systems, other.ring_systems),
            self.n_allowed,
        )

    def unfamiliar(self, mol: Chem.Mol) -> Unfamiliar:
        """The parts of `mol` that the reference lacks."""
        ring_systems = _ring_systems(mol)
        is_known = contains(self.ring_systems, _hashed(ring_systems))
        new_systems = tuple(text for text, known in zip(ring_systems, is_known, strict=True) if not known)
        environments = _environments(mol, 2)
        new = environments[~contains(self.environments, environments)]
        if not len(new):
            return Unfamiliar(ring_systems=new_systems, n_allowed=self.n_allowed)
        n_small = int(np.isin(new, _environments(mol, 1)).sum())
        return Unfamiliar(n_small, len(new) - n_small, new_systems, self.n_allowed)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file that `save` writes."""
        return sha256(self._content()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes a .safetensors file, atomically; the same parts give the same bytes."""
        with replace_file(path) as temporary:
            temporary.write_bytes(self._content())

    def _content(self) -> bytes:
        arrays = {"environments": encode_hashes(self.environments), "ring_systems": encode_hashes(self.ring_systems)}
        content: bytes = safetensors.numpy.save(arrays | {"probe": _probe()})
        return content

    @classmethod
    def load(cls, path: Path, digest: str) -> Reference:
        """Reads a file that `save` wrote; `digest` is its SHA-256.

        Raises:
            CheckpointError: The file is missing, damaged or a different one, or this RDKit hashes environments
                differently.
        """
        remedy = "Copy the file that belongs to the checkpoint beside it, or train again."
        try:
            content = read_bytes(path, MAX_BYTES)
        except OSError as error:
            raise CheckpointError(path, error.strerror or str(error), remedy=remedy) from None
        if sha256(content).hexdigest() != digest:
            raise CheckpointError(path, "its SHA-256 differs from the one in the checkpoint's .json", remedy=remedy)
        try:
            arrays = safetensors.numpy.load(content)
            reference = cls(_read(arrays["environments"]), _read(arrays["ring_systems"]))
            is_same = np.array_equal(arrays["probe"], _probe())
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise CheckpointError(path, f"holds no atom environments: {error}", remedy=remedy) from None
        if not is_same:
            reason = "was made with an RDKit that hashes atom environments differently"
            raise CheckpointError(path, reason, remedy="Use the RDKit version that the checkpoint's .json names.")
        return reference


class _Counts:
    """Number of molecules in which each hash occurs."""

    def __init__(self) -> None:
        self._hashes = np.zeros(0, dtype=np.uint32)
        self._counts = np.zeros(0, dtype=np.int64)
        self._waiting: list[Hashes] = []
        self._n_waiting = 0

    def add(self, hashes: Hashes) -> None:
        """Counts the different hashes of one molecule."""
        self._waiting.append(np.unique(hashes))
        self._n_waiting += len(self._waiting[-1])
        if self._n_waiting > _CHUNK:
            self._merge()

    def at_least(self, min_count: int) -> Hashes:
        """The sorted hashes that occur in at least `min_count` molecules."""
        self._merge()
        return self._hashes[self._counts >= min_count]

    def _merge(self) -> None:
        fresh = np.concatenate([self._hashes[:0], *self._waiting])
        weights = np.concatenate([self._counts, np.ones(len(fresh), dtype=np.int64)])
        self._hashes, places = np.unique(np.concatenate([self._hashes, fresh]), return_inverse=True)
        self._counts = np.bincount(places, weights, len(self._hashes)).astype(np.int64)
        self._waiting, self._n_waiting = [], 0


def _forms(mol: Chem.Mol) -> list[Chem.Mol]:
    """The molecule, and its neutral form if different."""
    if not any(atom.GetFormalCharge() for atom in mol.GetAtoms()):
        return [mol]
    neutral = Chem.MolFromSmiles(Chem.MolToSmiles(rdMolStandardize.Uncharger().uncharge(mol)))
    return [mol] if neutral is None else [mol, neutral]


def _environments(mol: Chem.Mol, radius: int) -> Hashes:
    """Unique hashes of the atom environments of at most `radius` bonds."""
    counts = _morgan(radius).GetSparseCountFingerprint(mol).GetNonzeroElements()
    return np.fromiter(counts, dtype=np.uint32, count=len(counts))


def _ring_systems(mol: Chem.Mol) -> list[str]:
    """SMILES of the ring systems, sorted; systems joined by a double bond count as one."""
    rings = mol.GetRingInfo()
    if not rings.NumRings():
        return []
    atoms, bonds = {a for ring in rings.AtomRings() for a in ring}, {b for ring in rings.BondRings() for b in ring}
    for inside, outside in mol.GetSubstructMatches(_doubly_bound()):
        atoms.add(outside)
        bonds.add(mol.GetBondBetweenAtoms(inside, outside).GetIdx())
    text: str = Chem.MolFragmentToSmiles(mol, sorted(atoms), bondsToUse=sorted(bonds), isomericSmiles=False)
    return sorted(set(text.split(".")))


def _hashed(texts: Iterable[str]) -> Hashes:
    return np.array([hash_text(text) for text in texts], dtype=np.uint32)


def _read(words: NDArray[np.uint16]) -> Hashes:
    if words.dtype != np.uint16 or words.ndim != 1:
        raise ValueError("hashes must be written as numbers of 16 bits")
    return decode_hashes(words)


def _probe() -> Hashes:
    """Hashes of a few molecules, to detect an RDKit that hashes environments differently."""
    return np.concatenate([np.sort(_environments(Chem.MolFromSmiles(text), 2)) for text in _PROBES])


@cache
def _morgan(radius: int) -> rdFingerprintGenerator.FingerprintGenerator64:
    return rdFingerprintGenerator.GetMorganGenerator(radius=radius)


@cache
def _doubly_bound() -> Chem.Mol:
    """A ring atom and its neighbour across an exocyclic double bond."""
    return Chem.MolFromSmarts("[R]=!@*")
