"""Docking: what cannot be docked is worth the worst score, with a reason; the native ligand is found again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from molgen.chem.molecule import parse
from molgen.errors import FileError, SpecError
from molgen.output.poses import make_pose_check
from molgen.score.docking import WORST_KCAL, Receptor, prepare_receptor, read_card
from molgen.score.external.docking import find_docking_scorers
from molgen.score.external.parallel import ParallelScorer
from molgen.score.external.scorer import FunctionScorer

CARD = {"center": [1, 2, 3], "size": [20, 20, 20], "native_score": -8.5, "native_rmsd": 0.8, "protonation": "x"}


class Fake(FunctionScorer):
    """A scorer of a function that is made of a text, for which a failure is worth `WORST_KCAL`."""

    default_value = WORST_KCAL


SOURCE = """
def make(folder):
    def score(smiles):
        if any("B" in text for text in smiles):
            raise ValueError("no type for boron")
        return [-float(len(folder))] * len(smiles)
    return score
"""


@pytest.mark.parametrize("n", [1, 3])
def test_a_failure_is_a_row_with_a_reason_and_the_worst_score(tmp_path: Path, n: int) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    molecules = [parse("CCO"), parse("OB(O)c1ccccc1"), parse("CCN")]
    one = Fake("dock:abc", str(tmp_path / "mine.py"), "make:abc", is_tolerant=True)
    with one if n == 1 else ParallelScorer(one, n) as scorer:
        assert scorer(molecules).tolist() == [-3, WORST_KCAL, -3]
        assert list(scorer.failures) == [molecules[1].smiles]
        assert "boron" in scorer.failures[molecules[1].smiles]


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "receptor.json").write_text(json.dumps(CARD))
    assert read_card(tmp_path).size == (20.0, 20.0, 20.0)
    for damaged in ("", "[]", "{}", json.dumps(CARD | {"size": ["x"]}), json.dumps(CARD | {"other": 1})):
        (tmp_path / "receptor.json").write_text(damaged)
        with pytest.raises(FileError, match="molgen receptor"):
            read_card(tmp_path)


def test_a_folder_that_is_no_receptor_is_refused_before_a_campaign(tmp_path: Path) -> None:
    pytest.importorskip("vina")
    pytest.importorskip("meeko")
    with pytest.raises(FileError, match="no card of a receptor"):
        find_docking_scorers([f"dock:{tmp_path}"])
    assert find_docking_scorers(["qed", "logp"]) == {}


def structure() -> tuple[Path, Path]:
    """Human dihydrofolate reductase (1S3V) with its ligand, which the package posebusters holds."""
    posebusters = pytest.importorskip("posebusters")
    folder = Path(posebusters.__file__).parent / "datasets" / "pdb" / "1s3v"
    return folder / "1s3v_protein_one_lig_removed.pdb", folder / "1s3v_ligand.sdf"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of vina's wrapper and of meeko
def test_the_native_ligand_is_found_again_and_drugs_in_any_order_score_the_same(tmp_path: Path) -> None:
    pytest.importorskip("vina")
    protein, ligand = structure()
    card = prepare_receptor(protein, ligand, tmp_path / "dhfr")
    assert card.native_score < -7
    assert card.native_rmsd < 3  # 2.3: Vina prefers a pose beside that of the crystal
    with pytest.raises(SpecError, match="exists"):
        prepare_receptor(protein, ligand, tmp_path / "dhfr")
    receptor = Receptor.open(tmp_path / "dhfr", 2)
    mols = [parse(smiles).mol for smiles in ("CC(=O)Nc1ccc(O)cc1", "Cn1c(=O)c2c(ncn2C)n(C)c1=O")]
    forwards = [receptor.dock(mol)[0] for mol in mols]
    backwards = [receptor.dock(mol)[0] for mol in mols[::-1]][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert max(forwards) < -3
    score, pose = Receptor.open(tmp_path / "dhfr").dock(mols[0])  # one thread
    assert score == forwards[0]
    assert Chem.MolToSmiles(Chem.RemoveHs(pose)) == Chem.MolToSmiles(mols[0])
    check = make_pose_check(tmp_path / "dhfr")
    assert check(pose) == ()
    pose.GetConformer().SetPositions(pose.GetConformer().GetPositions() * 0.5)
    assert "bond_lengths" in check(pose)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_box_beside_the_protein_and_an_unknown_residue_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("vina")
    protein, ligand = structure()
    native = next(iter(Chem.SDMolSupplier(str(ligand))))
    far = native.GetConformer()
    far.SetPositions(far.GetPositions() + 200.0)
    with Chem.SDWriter(str(tmp_path / "far.sdf")) as writer:
        writer.write(native)
    with pytest.raises(FileError, match="no binding site"):
        prepare_receptor(protein, tmp_path / "far.sdf", tmp_path / "dhfr")
    assert not (tmp_path / "dhfr").exists()
    text = protein.read_text().replace(" VAL A   1 ", " LIG A   1 ")
    (tmp_path / "odd.pdb").write_text(text)
    with pytest.raises(FileError, match="does not know: LIG"):
        prepare_receptor(tmp_path / "odd.pdb", ligand, tmp_path / "dhfr")
    lines = [line for line in protein.read_text().splitlines(keepends=True) if line.startswith("ATOM")]
    (tmp_path / "odd.pdb").write_text("".join([*lines, lines[3]]))
    with pytest.raises(FileError, match="PDBFixer"):
        prepare_receptor(tmp_path / "odd.pdb", ligand, tmp_path / "dhfr")
