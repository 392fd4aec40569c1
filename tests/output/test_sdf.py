"""Candidate files: other programs read back what was meant, complete and the same every time."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chem.table import Record, read_molecules
from molgen.errors import SpecError
from molgen.output.candidates import Candidate, describe, select
from molgen.output.poses import DockedPose, pose_fields
from molgen.output.sdf import fields, measure_fields, require_format, write_csv, write_sdf, write_smi
from molgen.search.ledger import Evaluation

SMILES = (
    "C[C@H](N)C(=O)O",
    "C[C@@H](Cl)/C=C\\F",
    "O=C([O-])c1ccc[nH+]c1",
    "[2H]C([2H])([2H])O",
    "O=C1NC(=S)SC1=Cc1ccccc1",
    "OB(O)c1ccccc1",
    "C[N+](C)(C)CC(=O)[O-]",
)
IMPOSSIBLE = "C1C[C@H]2C[C@H]1C2"  # an inside-out bicyclohexane: a drawing has it, space does not
FIELDS = [
    *["id", "rank", "smiles", "inchikey", "total", "qed", "similarity_CC_O_O", "lcb_pKi_nM"],
    *["desirability_qed", "predicted_pKi_nM_mean", "predicted_pKi_nM_std"],
    *["passes_pains", "passes_brenk", "alerts", "parent", "parent_similarity", "is_novel"],
    *["name", "n_undefined_stereo"],
]
FRONT_FIELDS = ["hypervolume", "on_front"]


def predict(smiles: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lengths = np.array([[float(len(text))] for text in smiles])
    return lengths, lengths / 7


def made(smiles: Sequence[str] = SMILES, hypervolume: float = math.nan, **values: float) -> list[Candidate]:
    measured = {"qed": 1 / 3, "similarity:CC(=O)O": -0.0, "lcb:pKi (nM)": 1e-7} | values
    evaluations = [
        Evaluation(
            index=i,
            smiles=text,
            values=measured,
            desirabilities={"qed": 1 / 3},
            total=1 / i,
            violation=0.0,
            hypervolume=hypervolume,
            parent=smiles[0] if i > 1 else "",
        )
        for i, text in enumerate(smiles, 1)
    ]
    return describe(
        select(evaluations, len(smiles)).picks,
        was_trained_on=lambda texts: np.zeros(len(texts), dtype=np.bool_),
        predict=predict,
        property_names=("pKi (nM)",),
    )


def read_sdf(path: Path) -> list[Chem.Mol]:
    return list(Chem.SDMolSupplier(str(path)))


def data(mol: Chem.Mol) -> dict[str, str]:
    return {name: mol.GetProp(name) for name in mol.GetPropNames()}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_rdkit_reads_back_every_molecule_with_every_field_filled(tmp_path: Path, dimensions: int) -> None:
    path = tmp_path / "c.sdf"
    candidates = made()
    n_flat = write_sdf(path, candidates, seed=1, dimensions=3 if dimensions == 3 else 2)
    assert n_flat == 0
    for candidate, mol in zip(candidates, read_sdf(path), strict=True):
        assert Chem.MolToSmiles(mol) == candidate.molecule.smiles == mol.GetProp("smiles")
        assert Chem.SanitizeMol(mol) == Chem.SanitizeFlags.SANITIZE_NONE
        assert mol.GetConformer().Is3D() is (dimensions == 3)
        assert mol.GetProp("_Name") == mol.GetProp("id") == candidate.id
        assert list(mol.GetPropNames()) == [*FIELDS, "coordinates"]
        assert all(data(mol).values())
        assert mol.GetProp("coordinates") == f"{dimensions}D"
    assert path.read_text("ascii").count("V2000") == len(SMILES)


def test_a_3d_record_has_all_its_hydrogens(tmp_path: Path) -> None:
    write_sdf(tmp_path / "c.sdf", made(["CCO"]), seed=1)
    (mol,) = Chem.SDMolSupplier(str(tmp_path / "c.sdf"), removeHs=False)
    assert mol.GetNumAtoms() == 9


def test_the_same_candidates_and_seed_make_the_same_bytes(tmp_path: Path) -> None:
    def written(seed: int) -> bytes:
        write_sdf(tmp_path / "c.sdf", made(SMILES[:2]), seed=seed)
        return (tmp_path / "c.sdf").read_bytes()

    assert written(1) == written(1) != written(2)


def test_coordinates_do_not_depend_on_what_else_is_written(tmp_path: Path) -> None:
    write_sdf(tmp_path / "many.sdf", made(SMILES[:3]), seed=1)
    write_sdf(tmp_path / "one.sdf", made(SMILES[:3])[2:], seed=1)
    assert (tmp_path / "many.sdf").read_bytes().endswith((tmp_path / "one.sdf").read_bytes())


def test_what_space_does_not_have_is_drawn_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "c.sdf"
    assert write_sdf(path, made(["CCO", IMPOSSIBLE]), seed=1) == 1
    solid, flat = read_sdf(path)
    assert (solid.GetProp("coordinates"), flat.GetProp("coordinates")) == ("3D", "2D")
    assert Chem.MolToSmiles(flat) == IMPOSSIBLE


def test_what_v2000_cannot_hold_is_still_readable(tmp_path: Path) -> None:
    path = tmp_path / "c.sdf"
    write_sdf(path, made(["C" * 1001]), seed=1, dimensions=2)
    (mol,) = read_sdf(path)
    assert Chem.MolToSmiles(mol) == mol.GetProp("smiles") == "C" * 1001


def test_a_front_adds_its_fields(tmp_path: Path) -> None:
    write_sdf(tmp_path / "c.sdf", made(SMILES[:2], hypervolume=0.125), seed=1, dimensions=2)
    for mol in read_sdf(tmp_path / "c.sdf"):
        assert list(mol.GetPropNames()) == [*FIELDS, *FRONT_FIELDS, "coordinates"]
        assert (mol.GetProp("hypervolume"), mol.GetProp("on_front")) == ("0.125", "true")


def test_a_docked_pose_takes_the_place_of_a_conformer(tmp_path: Path) -> None:
    path = tmp_path / "c.sdf"
    docked, undocked = candidates = made(["CCO", "OB(O)c1ccccc1"])
    mol = Chem.AddHs(docked.molecule.mol)
    positions = np.arange(3.0 * mol.GetNumAtoms()).reshape(-1, 3)
    mol.AddConformer(Chem.Conformer(mol.GetNumAtoms()))
    mol.GetConformer().SetPositions(positions)
    mol.GetConformer().Set3D(True)
    poses = {
        docked.id: DockedPose(mol, -5.25, failed_checks=("internal_steric_clash",)),
        undocked.id: DockedPose(None, 0.0, reason="no type for boron"),
    }
    assert write_sdf(path, candidates, seed=1, poses=poses) == 0
    first, second = Chem.SDMolSupplier(str(path), removeHs=False)
    np.testing.assert_allclose(first.GetConformer().GetPositions(), positions)
    found = [[mol.GetProp(name) for name in (*pose_fields(poses[docked.id]), "coordinates")] for mol in (first, second)]
    assert found == [["-5.25", "internal_steric_clash", "none", "docked"], ["none", "none", "no type for boron", "3D"]]


def test_numbers_have_six_digits_and_alerts_their_names() -> None:
    by_smiles = {c.molecule.smiles: fields(c) for c in made()}
    rhodanine = by_smiles["O=C1NC(=S)SC1=Cc1ccccc1"]
    assert rhodanine["qed"] == "0.333333"
    assert rhodanine["similarity_CC_O_O"] == "0"
    assert rhodanine["lcb_pKi_nM"] == "1e-07"
    assert rhodanine["predicted_pKi_nM_mean"] == "23"
    assert rhodanine["passes_pains"] == "false"
    assert rhodanine["alerts"] == "pains:ene_rhod_A(235); brenk:Michael_acceptor_1; brenk:Thiocarbonyl_group"
    assert by_smiles["C[C@H](N)C(=O)O"]["alerts"] == ""


def test_what_there_is_not_is_none_in_sdf_and_empty_in_csv(tmp_path: Path) -> None:
    candidates = made(["CCO"], qed=math.nan)
    write_sdf(tmp_path / "c.sdf", candidates, seed=1, dimensions=2)
    write_csv(tmp_path / "c.csv", candidates)
    (mol,) = read_sdf(tmp_path / "c.sdf")
    (row,) = read_csv(tmp_path / "c.csv")
    for name in ("qed", "alerts", "parent", "parent_similarity"):
        assert mol.GetProp(name) == "none"
        assert row[name] == ""


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="ascii", newline="") as handle:
        return list(csv.DictReader(handle))


def test_a_csv_holds_the_same_fields(tmp_path: Path) -> None:
    candidates = made(hypervolume=0.5)
    write_csv(tmp_path / "c.csv", candidates)
    assert read_csv(tmp_path / "c.csv") == [fields(candidate) for candidate in candidates]
    assert list(fields(candidates[0])) == [*FIELDS, *FRONT_FIELDS]


def test_an_smi_holds_molecule_and_id(tmp_path: Path) -> None:
    write_smi(tmp_path / "c.smi", made(SMILES[:2]))
    assert (tmp_path / "c.smi").read_text() == f"{SMILES[0]} MG-000001\n{SMILES[1]} MG-000002\n"


@pytest.mark.parametrize("suffix", [".sdf", ".csv", ".smi"])
def test_molgen_reads_its_own_files(tmp_path: Path, suffix: str) -> None:
    path, candidates = tmp_path / f"c{suffix}", made()
    if suffix == ".sdf":
        write_sdf(path, candidates, seed=1)
    else:
        (write_csv if suffix == ".csv" else write_smi)(path, candidates)
    records = [item for item in read_molecules(path) if isinstance(item, Record)]
    assert [record.molecule.smiles for record in records] == [c.molecule.smiles for c in candidates]


NAMES = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), unique=True, max_size=6)


@given(
    names=NAMES | st.lists(st.sampled_from(["id", "ID", "a b", "a_b", "a-b", "a_b_2", "qed", "7", "界"]), unique=True)
)
def test_names_become_different_plain_field_names(names: list[str]) -> None:
    (candidate,) = made(["CCO"], **dict.fromkeys(names, 0.5))
    texts = fields(candidate)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in texts)
    assert len({name.casefold() for name in texts} | {"coordinates"}) == len(texts) + 1
    assert (texts["id"], texts["smiles"]) == ("MG-000001", "CCO")
    meant: Mapping[str, float] = candidate.evaluation.values
    for field_name, label in measure_fields(candidate).items():
        if label in meant:
            assert float(texts[field_name]) == pytest.approx(meant[label], rel=1e-5)


def test_a_failure_leaves_the_earlier_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "c.sdf"
    path.write_text("precious")

    def fail(n_written: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_sdf(path, made(["CCO"]), seed=1, dimensions=2, on_record=fail)
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.sdf"]
    assert path.read_text() == "precious"


def test_progress_counts_the_records(tmp_path: Path) -> None:
    seen: list[int] = []
    write_sdf(tmp_path / "c.sdf", made(SMILES[:3]), seed=1, dimensions=2, on_record=seen.append)
    assert seen == [1, 2, 3]


def test_the_suffix_tells_the_format() -> None:
    assert [require_format(Path(name)) for name in ("a.sdf", "b.CSV", "c.d.smi", "e.svg", "f.png")] == [
        ".sdf",
        ".csv",
        ".smi",
        ".svg",
        ".png",
    ]
    for name in ("a", "a.mol2", "sdf", "a.sdf.gz"):
        with pytest.raises(SpecError, match=r"\.sdf, \.csv, \.smi, \.svg or \.png"):
            require_format(Path(name))


def test_trust_is_told_once(tmp_path: Path) -> None:
    trusted = [replace(candidate, trust=0.25) for candidate in made()]
    assert list(fields(trusted[0])) == [*FIELDS, "trust"]
    assert fields(trusted[0])["trust"] == "0.25"
    write_csv(tmp_path / "c.csv", trusted)
    assert (tmp_path / "c.csv").read_text().splitlines()[1].endswith(",0.25")
    write_csv(tmp_path / "d.csv", [made()[0], trusted[1]])
    assert [row["trust"] for row in read_csv(tmp_path / "d.csv")] == ["", "0.25"]
    measured = [replace(candidate, trust=0.25) for candidate in made(trust=0.5)]
    assert [name for name in fields(measured[0]) if "trust" in name] == ["trust"]
    assert fields(measured[0])["trust"] == "0.5"
