"""The score of paths: what it counts, where pairs come from, and that paths beat bare lines."""

from dataclasses import asdict

import pytest

from molgen.bench.instruments.interpolation import (
    Figures,
    compare_paths,
    draw_pairs,
    measure_path,
    score_interpolation,
)
from molgen.errors import SpecError
from molgen.explore.path import Path as Way
from molgen.explore.path import PathConfig, PathPoint
from molgen.latent.space import LatentSpace

ROUTE = PathConfig(n_steps=6, n_draws=4)
MOLECULES = ["CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "CC(=O)Nc1ccc(O)cc1", "CN1CCC(c2ccccc2)CC1"]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_figures_are_those_of_the_stops() -> None:
    stops = (
        PathPoint(0.0, "CCCCO", 1.0, 0.1, 1.0),
        PathPoint(0.4, "CCCO", 0.5, 0.3, 0.7),
        PathPoint(0.6, "CCO", 0.6, 0.5, 0.9),
        PathPoint(1.0, "CO", 0.1, 1.0, 1.0),
    )
    found = measure_path(Way(stops))
    assert (found.between, found.confidence) == (2, 0.7)
    assert found.coming == pytest.approx(1.0)
    assert found.leaving == pytest.approx(0.8)  # Spearman of four ranks with two neighbours exchanged: 1 - 6 * 2 / 60
    bare = measure_path(Way((stops[0], stops[-1])))
    assert (bare.between, bare.leaving, bare.coming, bare.confidence) == (0, 0.0, 0.0, 0.0)


def test_paths_are_more_certain_than_lines_and_never_turn_back(space: LatentSpace) -> None:
    told: list[float] = []
    score = compare_paths(
        space, [*zip(MOLECULES[::2], MOLECULES[1::2], strict=True), ("CCO", "CCO")], ROUTE, told.append
    )
    assert score.n == 2
    assert told == [0.5, 1.0]
    assert set(score.means) == {"linear", "spherical", "linear line", "spherical line"}
    for kind in ("linear", "spherical"):
        assert score.means[kind].confidence > score.means[f"{kind} line"].confidence
        assert score.means[kind].coming > 0.9
    assert set(score.p_values) == set(asdict(Figures(0, 0, 0, 0, 0)))
    assert all(0 <= p <= 1 for p in score.p_values.values())


def test_random_pairs_share_no_molecule_and_depend_on_the_seed_alone() -> None:
    molecules = ["C" * n for n in range(1, 30)]
    pairs = draw_pairs(molecules, 5, seed=3)
    assert len({text for pair in pairs for text in pair}) == 10
    assert pairs == draw_pairs(molecules, 5, seed=3)
    assert pairs != draw_pairs(molecules, 5, seed=4)


def test_a_list_without_pairs_is_refused(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="none is of different molecules that can be encoded"):
        score_interpolation(space, ["CCO"])
