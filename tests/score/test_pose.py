"""Likeness to a pose: a molecule is most like itself, whatever its place; what has no conformer is not."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from molgen.chem.conformer import embed, embed_several
from molgen.chem.molecule import parse
from molgen.errors import FileError, MoleculeError
from molgen.score.measure import MeasureContext, resolve
from molgen.score.pose import Pose

NAPROXEN = "COc1ccc2cc([C@H](C)C(=O)O)ccc2c1"
LIKE, UNLIKE = "COc1ccc2cc(CC(=O)O)ccc2c1", "CCCCCCCCCCN"


def write(path: Path, text: str, *, dimensions: int = 3) -> Path:
    mol = embed(parse(text).mol, seed=3, dimensions=3 if dimensions == 3 else 2)
    moved = np.eye(4)
    moved[:dimensions, 3] = (30.0, -12.0, 7.0)[:dimensions]
    rdMolTransforms.TransformConformer(mol.GetConformer(), moved)
    path.write_text(Chem.MolToMolBlock(mol) + "$$$$\n")
    return path


def test_a_molecule_is_most_like_itself(tmp_path: Path) -> None:
    pose = Pose.read(write(tmp_path / "pose.sdf", NAPROXEN))
    own, like, unlike = (pose.similarity(parse(text).mol) for text in (NAPROXEN, LIKE, UNLIKE))
    assert 0 <= unlike < 0.5 < like <= own <= 1
    assert own > 0.75
    assert pose.similarity(parse(NAPROXEN).mol) == own


def test_conformers_differ_and_are_the_same_each_time() -> None:
    one, again = (embed_several(parse(NAPROXEN).mol, 5, seed=0) for _ in range(2))
    places = [conformer.GetPositions() for conformer in one.GetConformers()]
    assert len(places) == 5
    assert all(np.abs(a - b).max() > 0.1 for i, a in enumerate(places) for b in places[:i])
    np.testing.assert_array_equal(places, [conformer.GetPositions() for conformer in again.GetConformers()])


def test_a_campaign_can_name_a_pose(tmp_path: Path) -> None:
    measure = resolve(f"shape:{write(tmp_path / 'pose.sdf', NAPROXEN)}", MeasureContext())
    values = measure([parse(LIKE), parse(UNLIKE)])
    assert values[0] > values[1] > 0
    assert not measure.is_cheap
    assert measure.default_scale == (0.0, 1.0)


def test_a_molecule_without_conformer_scores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Pose, mol: Chem.Mol) -> float:
        raise MoleculeError("C", "no 3D conformer")

    measure = resolve(f"shape:{write(tmp_path / 'pose.sdf', NAPROXEN)}", MeasureContext())
    monkeypatch.setattr(Pose, "similarity", fail)
    assert measure([parse("C")]).tolist() == [0.0]


def test_what_is_no_pose_is_refused(tmp_path: Path) -> None:
    flat = write(tmp_path / "flat.sdf", NAPROXEN, dimensions=2)
    broken = tmp_path / "broken.sdf"
    broken.write_text("no molecule\n$$$$\n")
    for path in (flat, broken, tmp_path / "absent.sdf", tmp_path):
        with pytest.raises(FileError, match=r"3D|No such file|directory"):
            Pose.read(path)
