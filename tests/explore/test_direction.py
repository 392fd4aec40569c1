"""Concept directions on the shipped checkpoint: what they follow, what is taken out, and their file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molgen.chem.molecule import Molecule
from molgen.chem.properties import DESCRIPTORS
from molgen.chem.sampling import draw_shipped_molecules
from molgen.errors import FileError, SpecError
from molgen.explore import direction
from molgen.explore.direction import (
    MIN_CORRELATION,
    Direction,
    fit_descriptor_direction,
    fit_direction,
    project_out,
    read_direction,
    write_direction,
)
from molgen.explore.linear_probe import fit_probe
from molgen.explore.walk import find_walk_length
from molgen.latent.space import LatentSpace

N = 400


@pytest.fixture(scope="module")
def space(few_scouts: None) -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture(scope="module")
def molecules() -> list[Molecule]:
    return draw_shipped_molecules(N)


@pytest.fixture(scope="module")
def polarity(space: LatentSpace) -> Direction:
    return fit_descriptor_direction(space, "tpsa", n=N)


def test_a_step_is_one_standard_deviation_of_the_prior_long(space: LatentSpace, polarity: Direction) -> None:
    assert np.linalg.norm(polarity.vector / space.prior_deviation) == pytest.approx(1.0)


def test_sizes_do_not_change_along_a_direction_that_they_were_taken_out_of(
    space: LatentSpace, molecules: list[Molecule], polarity: Direction
) -> None:
    points = space.encode([m.smiles for m in molecules], is_refined=False) / space.prior_deviation
    atoms = [float(m.mol.GetNumHeavyAtoms()) for m in molecules]
    tokens = [float(len(space.model.vocabulary.tokenise(m.smiles))) for m in molecules]
    slopes = fit_probe(points, np.column_stack([atoms, tokens])).weight
    step = polarity.vector / space.prior_deviation
    assert step @ slopes == pytest.approx([0.0, 0.0], abs=1e-6)
    assert polarity.confounds == ("heavy_atoms", "tokens")


def test_a_size_keeps_its_size(space: LatentSpace) -> None:
    size = fit_descriptor_direction(space, "heavy_atoms", n=N)
    assert size.confounds == ()
    assert size.strength.plain > 0.5
    assert size.strength.confounds > 0.99


def test_a_concept_that_is_size_and_noise_is_found_to_be_nothing_else(
    space: LatentSpace, molecules: list[Molecule]
) -> None:
    rng = np.random.default_rng(0)
    values = [m.mol.GetNumHeavyAtoms() + 3.0 * rng.normal() for m in molecules]
    found = fit_direction(space, molecules, values, "noisy size")
    assert found.confounds == ("heavy_atoms", "tokens")
    assert found.strength.confounds > 0.3
    assert found.strength.cleaned < 0.1


def test_a_descriptor_is_turned_to_what_is_decoded_and_walked_farther_where_the_probe_is_weak(
    space: LatentSpace, molecules: list[Molecule], polarity: Direction
) -> None:
    values = [float(DESCRIPTORS["tpsa"].function(m.mol)) for m in molecules]
    plain = fit_direction(space, molecules, values, "tpsa")
    cosine = np.dot(plain.vector / space.prior_deviation, polarity.vector / space.prior_deviation)
    assert cosine == pytest.approx(np.sqrt(0.5))
    assert polarity.scale == pytest.approx(plain.scale * np.sqrt(0.5))
    assert np.array_equal(plain.weight, polarity.weight)
    shuffled = fit_direction(space, molecules, np.random.default_rng(0).permutation(values).tolist(), "noise")
    order = np.random.default_rng(0).permutation(len(molecules)).tolist()
    scouts = [molecules[i].smiles for i in order[: direction.N_SCOUTS]]
    plain_reach = find_walk_length(space, scouts, space.encode(scouts), shuffled.vector)
    assert shuffled.reach == pytest.approx(plain_reach / MIN_CORRELATION)


def test_labels_0_and_1_are_judged_by_auroc(space: LatentSpace, molecules: list[Molecule]) -> None:
    values = [float(DESCRIPTORS["fsp3"].function(m.mol) > 0.35) for m in molecules]
    found = fit_direction(space, molecules, values, "saturated")
    assert found.strength.plain > 0.85
    plain = fit_direction(space, molecules, [DESCRIPTORS["fsp3"].function(m.mol) for m in molecules], "fsp3")
    cosine = np.dot(found.vector / space.prior_deviation, plain.vector / space.prior_deviation)
    assert cosine > 0.7


def test_molecules_without_label_or_point_are_left_out(space: LatentSpace, molecules: list[Molecule]) -> None:
    values = [DESCRIPTORS["tpsa"].function(m.mol) for m in molecules[:100]]
    found = fit_direction(space, molecules[:100], [float("nan")] * 30 + values[30:], "tpsa")
    assert found.n == 70


@pytest.mark.parametrize(("values", "words"), [([1.0] * 10, "needs 20"), ([1.0] * 30, "is 1 for all")])
def test_too_few_or_equal_labels_are_refused(
    space: LatentSpace, molecules: list[Molecule], values: list[float], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        fit_direction(space, molecules[: len(values)], values, "y")


def test_an_unknown_descriptor_is_told_with_those_there_are(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="logp"):
        fit_descriptor_direction(space, "colour")


def test_what_is_without_others_is_at_right_angles_to_them() -> None:
    rng = np.random.default_rng(0)
    others = rng.normal(size=(6, 2))
    assert project_out(rng.normal(size=6), others) @ others == pytest.approx([0.0, 0.0])


def test_a_direction_comes_back_from_its_file(space: LatentSpace, polarity: Direction, tmp_path: Path) -> None:
    path = tmp_path / "tpsa.json"
    write_direction(path, polarity)
    again = read_direction(path, space)
    assert np.array_equal(again.vector, polarity.vector)
    assert np.array_equal(again.weight, polarity.weight)
    for key in ("name", "unit", "scale", "reach", "intercept", "checkpoint_sha256", "n", "strength", "confounds"):
        assert getattr(again, key) == getattr(polarity, key)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda c: c | {"checkpoint_sha256": "0" * 64}, "belongs to the checkpoint"),
        (lambda c: c | {"vector": c["vector"][:5], "weight": c["weight"][:5]}, "belongs to the checkpoint"),
        (lambda c: c | {"vector": ["x"] * len(c["vector"])}, "not a number"),
        (lambda c: c | {"vector": 7}, "not a direction"),
        (lambda c: c | {"vector": [None] * len(c["vector"])}, "finite"),
        (lambda c: c | {"reach": -1}, "reach"),
        (lambda c: c | {"scale": True}, "not a number"),
        (lambda c: c | {"n": 1e400}, "not a direction"),
        (lambda c: c | {"strength": None}, "not a direction"),
        (lambda c: c | {"name": "\x1b[31m"}, "name"),
        (lambda c: c | {"format": "other"}, "format"),
        (lambda c: [c], "format"),
        (lambda c: {"format": c["format"]}, "not a direction"),
    ],
)
def test_a_file_that_is_no_direction_of_this_checkpoint_is_refused(
    space: LatentSpace, polarity: Direction, tmp_path: Path, damage: Callable[[dict[str, Any]], object], words: str
) -> None:
    path = tmp_path / "tpsa.json"
    write_direction(path, polarity)
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(FileError, match=words):
        read_direction(path, space)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b" " * (1 << 21), b'{"format": 1}'])
def test_any_other_file_is_refused(space: LatentSpace, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FileError):
        read_direction(path, space)


def test_a_missing_file_is_told(space: LatentSpace, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        read_direction(tmp_path / "none.json", space)
