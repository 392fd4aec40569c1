"""Walks along directions of the shipped space."""

import numpy as np
import pytest

from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.errors import SpecError
from molgen.explore.direction import Direction, choose_walk_length, fit_descriptor_direction
from molgen.explore.walk import (
    BEYOND,
    WALK_LENGTHS,
    Series,
    WalkConfig,
    decode_pairs,
    find_walk_length,
    measure_similarities,
    steer,
)
from molgen.latent.space import LatentSpace

START = "CC(C)NC(=O)c1cccc(NC(=O)C2CCCO2)c1"


@pytest.fixture(scope="module")
def space(few_scouts: None) -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture(scope="module")
def size(space: LatentSpace) -> Direction:
    return fit_descriptor_direction(space, "heavy_atoms", n=400)


def test_a_walk_has_the_molecule_in_its_middle_and_is_the_same_again(space: LatentSpace, size: Direction) -> None:
    start = parse(START)
    point = space.encode([start.smiles])[0]
    walk = WalkConfig(choose_walk_length(space, size, start, point), n_steps=3, n_draws=4)
    series = steer(space, start, point, size.vector, walk)
    assert len(series.t) == len(series.smiles) == 7
    assert (series.t[3], series.smiles[3]) == (0.0, start.smiles)
    assert series.t[-1] == -series.t[0] == walk.reach
    assert steer(space, start, point, size.vector, walk) == series
    atoms = [parse(text).mol.GetNumHeavyAtoms() for text in series.smiles if text]
    assert atoms[0] < atoms[-1]


def test_a_walk_along_no_direction_stays_at_the_molecule(space: LatentSpace) -> None:
    start = parse(START)
    series = steer(space, start, space.encode([start.smiles])[0], np.zeros(space.size), WalkConfig(1.0))
    assert set(series.smiles) == {start.smiles}


def test_a_reach_is_where_half_of_the_sides_are_no_longer_recognisable(space: LatentSpace, size: Direction) -> None:
    start = parse(START)
    points = space.encode([start.smiles])
    vector = np.zeros(space.size)
    assert find_walk_length(space, [start.smiles], points, vector) == pytest.approx(
        BEYOND * WALK_LENGTHS[-1]
    )  # nothing ever changes
    assert find_walk_length(space, [start.smiles], points, size.vector) < 15.0


def test_mirrored_ways_tell_what_changes_between_their_ends(space: LatentSpace) -> None:
    points = np.repeat(space.encode([START]).astype(np.float64), 3, axis=0)
    step = np.zeros(space.size)
    step[0] = 1.0
    found = decode_pairs(space, points, step, 2.0, lambda mol: float(mol.GetNumHeavyAtoms()), 0)
    assert found.changes[:, 0] == pytest.approx(found.changes[:, 1])
    assert np.linalg.norm(found.ways, axis=1) == pytest.approx(np.ones(len(found.ways)))
    shift = 2.0 * space.prior_deviation * found.ways[0]
    up, down = (
        parse(text or "").mol.GetNumHeavyAtoms() for text in space.decode([points[0] + shift, points[0] - shift])
    )
    assert found.changes[0, 0] == up - down


def test_different_molecules_are_told_once_where_they_are_nearest_to_the_start() -> None:
    series = Series((-2.0, -1.0, 0.0, 1.0, 2.0), ("CC", None, "CCC", "CCC", "CC"))
    assert series.different() == Series((-2.0, 0.0), ("CC", "CCC"))


def test_likeness_is_tanimoto_and_0_for_nothing() -> None:
    values = measure_similarities("CCO", ["CCO", None, "CCN"])
    assert values[:2].tolist() == [1.0, 0.0]
    assert values[2] == tanimoto(fingerprint(parse("CCO").mol), fingerprint(parse("CCN").mol))


@pytest.mark.parametrize("wrong", [{"reach": 0.0}, {"reach": float("nan")}, {"n_steps": 0}, {"n_draws": 0}])
def test_a_walk_that_cannot_be_gone_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="must be"):
        WalkConfig(**({"reach": 1.0} | wrong))  # type: ignore[arg-type]
