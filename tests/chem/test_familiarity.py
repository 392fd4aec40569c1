"""Familiarity: what a reference lacks is what set arithmetic says, in whatever order atoms and molecules come."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from molgen.chem.familiarity import Reference, Unfamiliar
from molgen.chem.molecule import parse
from molgen.errors import CheckpointError

ASPIRIN, CAFFEINE, PARACETAMOL = "CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CC(=O)Nc1ccc(O)cc1"
MOLECULES = (
    ASPIRIN,
    CAFFEINE,
    PARACETAMOL,
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "C1CC2CCC1CC2",
    "c1ccc2ccccc2c1",
    "O=C1CCC2(CC1)OCCO2",
    "C[N+](C)(C)CCO",
    "[O-][n+]1ccccc1",
    "CCO",
)


def mol(smiles: str) -> Chem.Mol:
    return parse(smiles).mol


def reference(*smiles: str) -> Reference:
    return Reference.of(map(mol, smiles))


def environments(smiles: str) -> dict[int, int]:
    """The radius of each environment, by its hash, as RDKit reports them one by one."""
    found = rdFingerprintGenerator.AdditionalOutput()
    found.AllocateBitInfoMap()
    rdFingerprintGenerator.GetMorganGenerator(radius=2).GetSparseCountFingerprint(mol(smiles), additionalOutput=found)
    return {key: min(radius for _, radius in places) for key, places in found.GetBitInfoMap().items()}


@given(st.lists(st.sampled_from(MOLECULES), min_size=1), st.sampled_from(MOLECULES))
def test_what_is_unfamiliar_is_what_none_of_the_others_has(known: list[str], smiles: str) -> None:
    there = set().union(*map(environments, known))
    missing = [radius for key, radius in environments(smiles).items() if key not in there]
    found = reference(*known).unfamiliar(mol(smiles))
    assert (found.n_radius_1, found.n_radius_2) == (sum(r < 2 for r in missing), sum(r == 2 for r in missing))


@pytest.mark.parametrize(
    ("smiles", "ring_systems"),
    [
        ("CCO", ()),
        ("c1ccc(cc1)-c1ccccc1", ("c1ccccc1",)),
        ("Cc1ccc2ccccc2c1", ("c1ccc2ccccc2c1",)),
        ("O=C1CCC2(CC1)OCCO2", ("O=C1CCC2(CC1)OCCO2",)),
        ("CC(=O)C1CC1", ("C1CC1",)),
        ("C[C@H]1CC[C@@H](N)CC1", ("C1CCCCC1",)),
        ("C1CC1CN1CCOCC1", ("C1CC1", "C1COCCN1")),
    ],
)
def test_ring_systems_are_rings_that_share_atoms_with_what_is_doubly_bound(
    smiles: str, ring_systems: tuple[str, ...]
) -> None:
    assert reference("CCO").unfamiliar(mol(smiles)).ring_systems == tuple(sorted(ring_systems))


@given(st.sampled_from(MOLECULES), st.randoms(use_true_random=False))
def test_the_order_of_the_atoms_does_not_count(smiles: str, random: object) -> None:
    before = mol(smiles)
    order = list(range(before.GetNumAtoms()))
    random.shuffle(order)  # type: ignore[attr-defined]
    after = Chem.RenumberAtoms(before, order)
    for known in (reference(smiles), reference(*(other for other in MOLECULES if other != smiles))):
        assert known.unfamiliar(after) == known.unfamiliar(before)
    assert reference(smiles).unfamiliar(after) == Unfamiliar()


@given(st.permutations(MOLECULES), st.integers(0, len(MOLECULES)))
def test_the_order_of_the_molecules_does_not_count_nor_how_they_are_parted(smiles: list[str], cut: int) -> None:
    whole, parts = reference(*MOLECULES), (reference(*smiles[:cut]), reference(*smiles[cut:]))
    assert parts[0].joined(parts[1]).digest == whole.digest == reference(*smiles, *smiles).digest


def test_a_part_of_too_few_molecules_is_not_familiar() -> None:
    twice = Reference.of(map(mol, (ASPIRIN, PARACETAMOL, CAFFEINE)), 2)
    assert twice.unfamiliar(mol("c1ccccc1")).ring_systems == ()
    assert twice.unfamiliar(mol(CAFFEINE)).ring_systems
    both = set(environments(ASPIRIN)) & set(environments(PARACETAMOL))
    assert both <= set(twice.environments.tolist()) < both | set(environments(CAFFEINE))


def test_the_neutral_form_of_a_charged_molecule_is_familiar() -> None:
    known = reference("C[NH+]1CCN(c2ccccc2C(=O)[O-])CC1")
    assert known.unfamiliar(mol("CN1CCN(c2ccccc2C(=O)O)CC1")) == Unfamiliar()


def test_one_environment_of_radius_2_is_allowed_and_nothing_else() -> None:
    assert Unfamiliar(0, 1, ()).count == 0
    assert Unfamiliar(0, 3, ()).count == 2
    assert Unfamiliar(0, 3, (), n_allowed=0).count == 3
    assert Unfamiliar(1, 0, ()).count == Unfamiliar(0, 0, ("C1CC1",)).count == 1


def test_a_cyclobutadiene_is_unfamiliar_to_molecules_without_one() -> None:
    found = reference(*MOLECULES, "C1=CCC1", "CC=CC").unfamiliar(mol("CC1=CC=C1C"))
    assert found.ring_systems == ("C1=CC=C1",)
    assert found.count > 1


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    saved = reference(*MOLECULES)
    saved.save(tmp_path / "a.safetensors")
    loaded = Reference.load(tmp_path / "a.safetensors", saved.digest)
    assert np.array_equal(loaded.environments, saved.environments)
    assert np.array_equal(loaded.ring_systems, saved.ring_systems)
    loaded.save(tmp_path / "b.safetensors")
    content = (tmp_path / "b.safetensors").read_bytes()
    assert content == (tmp_path / "a.safetensors").read_bytes()
    assert sha256(content).hexdigest() == saved.digest


def test_an_empty_reference_knows_nothing_and_can_be_saved(tmp_path: Path) -> None:
    nothing = reference()
    nothing.save(tmp_path / "a.safetensors")
    loaded = Reference.load(tmp_path / "a.safetensors", nothing.digest)
    assert loaded.unfamiliar(mol("CCO")).count > 0


def refused(path: Path, content: bytes, digest: str | None = None) -> str:
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        Reference.load(path, digest or sha256(content).hexdigest())
    assert "\n" not in caught.value.message
    return caught.value.message


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_are_taken_for_a_reference(tmp_path: Path, content: bytes) -> None:
    assert "holds no atom environments" in refused(tmp_path / "a.safetensors", content)


@pytest.mark.parametrize(
    "change",
    [
        {"environments": np.array([1.5], dtype=np.float32)},
        {"environments": np.zeros((2, 2), dtype=np.uint16)},
        {"ring_systems": np.array([3, 0], dtype=np.uint16)},
        {"ring_systems": np.array([3], dtype=np.int64)},
    ],
)
def test_other_numbers_are_refused(tmp_path: Path, change: Mapping[str, NDArray[np.generic]]) -> None:
    path = tmp_path / "a.safetensors"
    reference("CCO").save(path)
    arrays = {**safetensors.numpy.load(path.read_bytes()), **change}
    assert "holds no atom environments" in refused(path, safetensors.numpy.save(arrays))


def test_a_changed_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    known = reference("CCO")
    known.save(path)
    content = path.read_bytes()
    assert "SHA-256" in refused(path, content[:-1] + bytes([content[-1] ^ 1]), known.digest)
    path.unlink()
    with pytest.raises(CheckpointError, match="No such file"):
        Reference.load(path, known.digest)


def test_hashes_of_another_rdkit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    reference("CCO").save(path)
    arrays = safetensors.numpy.load(path.read_bytes())
    arrays["probe"] += 1
    assert "RDKit" in refused(path, safetensors.numpy.save(arrays))
