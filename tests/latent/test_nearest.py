"""Nearest molecules: what comes back, what the search is free of, and that it does find what lies near."""

from itertools import islice

import numpy as np
import pytest
from rdkit.DataStructs import ExplicitBitVect

from molgen.arrays import Floats
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto
from molgen.chem.table import Row, read_rows
from molgen.errors import SpecError
from molgen.latent.nearest import nearest_molecules
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

ASPIRIN, CAFFEINE = "CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def sample(n: int) -> list[str]:
    """Canonical SMILES of the first `n` molecules of the shipped sample."""
    rows = read_rows(find_shipped("data") / "moses_sample.csv")
    return [parse(row.smiles).smiles for row in islice(rows, n) if isinstance(row, Row)]


def away(space: LatentSpace, smiles: list[str | None], points: Floats) -> Floats:
    """Distances (N,) of molecules' codes to points (N, D), as the module defines them."""
    codes = space.encode([text or "" for text in smiles], AS_IT_IS, is_refined=False)
    return np.asarray(np.sqrt((space.prior_deviation * (codes - points) ** 2).sum(axis=1)))


def test_what_was_encoded_comes_back_refined_or_not(space: LatentSpace) -> None:
    smiles = sample(8)
    assert nearest_molecules(space, space.encode(smiles, AS_IT_IS)) == smiles
    assert nearest_molecules(space, space.encode(smiles, AS_IT_IS, is_refined=False)) == smiles


def test_no_molecule_is_farther_than_the_greedy_one_and_most_are_nearer(space: LatentSpace) -> None:
    points = space.sample_points(12, seed=1, prior="gaussian")
    found = nearest_molecules(space, points)
    plain, nearest = away(space, space.decode(points), points), away(space, found, points)
    is_known = np.isfinite(plain)
    assert is_known.sum() > 6
    assert (nearest[is_known] <= plain[is_known] + 1e-4).all()
    assert nearest[is_known].mean() < 0.9 * plain[is_known].mean()
    assert all(text is not None and parse(text, AS_IT_IS).smiles == text for text in found)


def test_no_molecule_is_farther_than_one_that_was_known(space: LatentSpace) -> None:
    noise = np.random.default_rng(0).standard_normal((10, space.size)).astype(np.float32)
    points = space.encode([CAFFEINE], AS_IT_IS, is_refined=False) + 0.3 * space.prior_deviation * noise
    found = nearest_molecules(space, points, known=[CAFFEINE, "not a molecule"])
    assert (away(space, found, points) <= away(space, [CAFFEINE] * 10, points) + 1e-4).all()


def test_around_a_molecule_more_of_what_is_found_is_like_it(space: LatentSpace) -> None:
    start = sample(1)
    noise = np.random.default_rng(0).standard_normal((50, space.size)).astype(np.float32)
    points = space.encode(start, AS_IT_IS) + 0.4 * space.prior_deviation * noise
    plain, nearest = (
        {text for text in texts if text and 0.5 <= tanimoto(bits(text), bits(start[0])) <= 0.95}
        for texts in (space.decode(points), nearest_molecules(space, points))
    )
    assert len(nearest) > 2 * len(plain)


def bits(smiles: str) -> ExplicitBitVect:
    return fingerprint(parse(smiles).mol)


def test_a_point_gives_the_same_in_any_company(space: LatentSpace) -> None:
    start = space.encode([ASPIRIN, CAFFEINE])
    noise = np.random.default_rng(0).standard_normal((6, space.size)).astype(np.float32)
    points = np.repeat(start, 3, axis=0) + 0.5 * space.prior_deviation * noise
    together = nearest_molecules(space, points, seed=3)
    assert len(set(together)) > 2
    assert nearest_molecules(space, points[::-1], seed=3) == together[::-1]
    assert nearest_molecules(space, points[4:5], seed=3) == together[4:5]


def test_the_seed_draws_what_is_tried(space: LatentSpace) -> None:
    points = space.sample_points(4, seed=2, prior="gaussian")
    assert nearest_molecules(space, points, seed=1) != nearest_molecules(space, points, seed=2)


def test_points_that_are_not_finite_give_none(space: LatentSpace) -> None:
    points = np.full((3, space.size), np.nan, dtype=np.float32)
    points[1] = space.encode([CAFFEINE])[0]
    assert nearest_molecules(space, points) == [None, CAFFEINE, None]
    assert nearest_molecules(space, np.empty((0, space.size))) == []
    far = np.full((1, space.size), 1e30)
    assert len(nearest_molecules(space, far)) == 1


@pytest.mark.parametrize("z", [[1.0, 2.0], [[1.0, 2.0]], "CCO"])
def test_what_are_no_points_is_refused(space: LatentSpace, z: object) -> None:
    with pytest.raises(SpecError, match="must be rows of"):
        nearest_molecules(space, z)  # type: ignore[arg-type]
