"""Paths between molecules: what they promise, and the chain against brute force."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from rdkit import Chem

from molgen.arrays import Floats
from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.errors import SpecError
from molgen.explore.path import (
    LEAST_CONFIDENCE,
    Path,
    PathConfig,
    PathPoint,
    decode_line,
    find_best_chain,
    find_path,
    interpolate_points,
    measure_confidence,
)
from molgen.latent.space import LatentSpace

ENDS = (parse("CC(=O)Oc1ccccc1C(=O)O"), parse("CC(C)Cc1ccc(C(C)C(=O)O)cc1"))
ROUTE = PathConfig(n_steps=8, n_draws=6)


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture(scope="module")
def points(space: LatentSpace) -> Floats:
    return space.encode([molecule.smiles for molecule in ENDS])


@pytest.fixture(scope="module")
def path(space: LatentSpace, points: Floats) -> Path:
    return find_path(space, ENDS, points, ROUTE)


def whitened(space: LatentSpace, points: Floats) -> np.ndarray:
    mean, factor = space.model.prior_mean.double().numpy(), space.model.prior_factor.double().numpy()
    return np.linalg.solve(factor, (points - mean).T).T


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_a_line_begins_and_ends_at_its_ends(space: LatentSpace, points: Floats, kind: str) -> None:
    between = interpolate_points(space, points, np.array([0.0, 1.0]), kind)
    np.testing.assert_allclose(between, points, atol=1e-4)


def test_a_straight_line_passes_its_middle(space: LatentSpace, points: Floats) -> None:
    (middle,) = interpolate_points(space, points, np.array([0.5]))
    np.testing.assert_allclose(middle, points.mean(axis=0), atol=1e-6)


def test_an_arc_stays_as_far_from_the_mean_as_its_ends(space: LatentSpace) -> None:
    start, end = np.random.default_rng(0).standard_normal((2, space.size))
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    mean, factor = space.model.prior_mean.double().numpy(), space.model.prior_factor.double().numpy()
    ends = (mean + np.stack([start, end]) @ factor.T).astype(np.float32)
    t = np.linspace(0, 1, 7)
    lengths = np.linalg.norm(whitened(space, interpolate_points(space, ends, t, "spherical")), axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(start), rtol=1e-3)
    straight = np.linalg.norm(whitened(space, interpolate_points(space, ends, t)), axis=1)
    assert straight[3] < 0.9 * lengths[3]  # two random directions are about at right angles: 0.71


def test_an_arc_between_parallel_points_is_straight(space: LatentSpace, points: Floats) -> None:
    mean = space.model.prior_mean.numpy()
    ends = np.stack([points[0], mean + 2 * (points[0] - mean)])
    t = np.array([0.25, 0.5])
    arc, line = (interpolate_points(space, ends, t, kind) for kind in ("spherical", "linear"))
    np.testing.assert_allclose(arc, line, atol=1e-3)


def test_a_molecule_is_surest_at_its_own_point(space: LatentSpace, points: Floats) -> None:
    texts = [molecule.smiles for molecule in ENDS]
    own, swapped = measure_confidence(space, points, texts), measure_confidence(space, points[::-1].copy(), texts)
    assert (own > 0.8).all()
    assert (swapped < 0.1).all()
    alone = np.concatenate([measure_confidence(space, points[i : i + 1], texts[i : i + 1]) for i in (0, 1)])
    np.testing.assert_allclose(own, alone, atol=1e-5)


def test_what_has_no_tokens_has_no_confidence(space: LatentSpace, points: Floats) -> None:
    assert np.isnan(measure_confidence(space, points[:1], ["[Xe]"])).all()


def test_a_path_never_turns_back(path: Path) -> None:
    smiles = [stop.smiles for stop in path.stops]
    assert (smiles[0], smiles[-1]) == (ENDS[0].smiles, ENDS[1].smiles)
    assert path.n_between >= 2
    assert len(set(smiles)) == len(smiles)
    t, to_start, to_end = np.array([[s.t, s.to_start, s.to_end] for s in path.stops]).T
    assert (np.diff(t) > 0).all()
    assert (np.diff(to_start) <= 0).all()
    assert (np.diff(to_end) >= 0).all()
    assert min(path.monotonicity) > 0.9
    assert path.worst_confidence >= LEAST_CONFIDENCE


def test_the_stops_of_a_path_are_what_they_say(path: Path) -> None:
    bits = [fingerprint(molecule.mol) for molecule in ENDS]
    for stop in path.stops:
        molecule = parse(stop.smiles)
        assert molecule.smiles == stop.smiles
        own = fingerprint(molecule.mol)
        assert (stop.to_start, stop.to_end) == pytest.approx([tanimoto(own, end) for end in bits])


def test_the_same_seed_gives_the_same_path(space: LatentSpace, points: Floats, path: Path) -> None:
    assert find_path(space, ENDS, points, ROUTE) == path


def test_a_scaffold_is_held_all_the_way(space: LatentSpace, points: Floats) -> None:
    scaffold = Chem.MolFromSmiles("c1ccccc1")
    found = find_path(space, ENDS, points, PathConfig(n_steps=8, n_draws=6, scaffold=scaffold))
    assert found.n_between >= 1
    assert all(parse(stop.smiles).mol.HasSubstructMatch(scaffold) for stop in found.stops)


def test_the_bare_line_is_less_sure_than_the_path(space: LatentSpace, points: Floats, path: Path) -> None:
    line = decode_line(space, ENDS, points, ROUTE)
    assert line.stops[0].smiles == ENDS[0].smiles
    assert line.worst_confidence < path.worst_confidence


def test_nothing_leads_from_a_molecule_to_itself(space: LatentSpace, points: Floats) -> None:
    with pytest.raises(SpecError, match="both ends are") as caught:
        find_path(space, (ENDS[0], ENDS[0]), points[[0, 0]], ROUTE)
    assert "two different molecules" in caught.value.remedy


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"kind": "round"}, "one of linear, spherical"), ({"n_steps": 0}, "steps: must be at least 1")],
)
def test_a_route_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        PathConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_the_chain_is_the_best_of_all_chains(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = ["CCO", "CCCO", "CCCCO", "CCN", "CCCN", "CCOC", "CCCOC", "CCC=O"]
    middle = [
        PathPoint(float(t), text, *rng.uniform(0, 1, 3)) for t, text in zip(sorted(rng.random(8)), texts, strict=True)
    ]
    stops = [PathPoint(0.0, "CO", 1.0, 0.0, 1.0), *middle, PathPoint(1.0, "CCCCCN", 0.0, 1.0, 1.0)]
    bits = [fingerprint(parse(stop.smiles).mol) for stop in stops]

    def worth(rows: tuple[int, ...]) -> float:
        total = 0.0
        for a, b in pairwise(rows):
            if stops[a].to_start < stops[b].to_start or stops[a].to_end > stops[b].to_end:
                return -np.inf
            total += tanimoto(bits[a], bits[b]) + stops[b].confidence
        return total

    every = [(0, *rows, 9) for n in range(9) for rows in combinations(range(1, 9), n)]
    assert worth(tuple(find_best_chain(stops))) == pytest.approx(max(map(worth, every)))


def test_figures_of_a_path_without_molecules_between() -> None:
    bare = Path((PathPoint(0.0, "CCO", 1.0, 0.2, 1.0), PathPoint(1.0, "CCN", 0.2, 1.0, 1.0)))
    assert bare.n_between == 0
    assert np.isnan([*bare.monotonicity, bare.worst_confidence]).all()
    assert bare.largest_leap == pytest.approx(1 - tanimoto(*(fingerprint(parse(x).mol) for x in ("CCO", "CCN"))))
