"""Molecules that a user names have a point, or the message tells the token and the nearest molecule that has one."""

import numpy as np
import pytest

from molgen.chem.molecule import parse
from molgen.chem.table import Row, Tally
from molgen.errors import MoleculeError
from molgen.latent.encodable import encode_named, keep_encodable, nearest_encodable
from molgen.latent.space import LatentSpace


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_rows_that_cannot_be_encoded_are_counted_as_rejected(space: LatentSpace) -> None:
    rows = [Row(line, text, "", ()) for line, text in enumerate(["CCO", "C[Se]C", "c1ccccc1"], 1)]
    tally = Tally()
    kept, z = keep_encodable(space, list(tally.sift(rows)), tally)
    assert kept == [rows[0], rows[2]]
    assert np.array_equal(z, space.encode(["CCO", "c1ccccc1"], is_refined=False))
    assert (tally.read, tally.kept, list(tally.rejected.values())) == (3, 2, [1])
    nothing, none = keep_encodable(space, [], tally)
    assert (nothing, none.shape) == ([], (0, space.size))


def test_points_are_those_of_the_space(space: LatentSpace) -> None:
    molecules, z = encode_named(space, ["OCC", "c1ccccc1"])
    assert [molecule.smiles for molecule in molecules] == ["CCO", "c1ccccc1"]
    assert np.array_equal(z, space.encode(["CCO", "c1ccccc1"]))


@pytest.mark.parametrize(
    ("smiles", "token", "nearest"),
    [
        ("C[Se]C", "[Se]", "CSC"),
        ("CC[2H]", "[2H]", "CC"),
        ("c1cc[te]c1", "[Te]", "c1ccsc1"),
        ("CCC[Hg]C", "[CH2]", "CCC"),
        ("c1ccccc1[Si](C)(C)[13CH3]", "[Si]", "CC(C)(C)c1ccccc1"),
    ],
)
def test_what_cannot_be_encoded_is_told_with_its_token_and_the_nearest_that_can(
    space: LatentSpace, smiles: str, token: str, nearest: str
) -> None:
    with pytest.raises(MoleculeError, match="cannot be encoded") as raised:
        encode_named(space, ["CCO", smiles])
    assert token in raised.value.reason
    assert raised.value.remedy.endswith(nearest)
    assert np.isfinite(space.encode([nearest])).all()


def test_where_no_change_helps_the_remedy_is_training(space: LatentSpace) -> None:
    assert nearest_encodable(space, parse("[Fe]")) is None
    with pytest.raises(MoleculeError) as raised:
        encode_named(space, ["[Fe]"])
    assert "molgen train" in raised.value.remedy


def test_a_text_that_is_no_molecule_is_refused(space: LatentSpace) -> None:
    with pytest.raises(MoleculeError, match="not a SMILES"):
        encode_named(space, ["C(("])
