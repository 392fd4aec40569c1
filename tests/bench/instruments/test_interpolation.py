"""The score of paths: what it counts, where pairs come from, and that paths beat bare lines."""

from dataclasses import asdict
from pathlib import Path

import pytest

from molgen.bench.instruments.interpolation import (
    Figures,
    compare_paths,
    measure_path,
    read_pairs_or_draw,
    score_interpolation,
)
from molgen.errors import SpecError
from molgen.explore.path import Path as Way
from molgen.explore.path import PathConfig, PathPoint
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

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
    path = find_shipped("data") / "moses_sample.csv"
    pairs = read_pairs_or_draw(path, 5, seed=3)
    assert len({text for pair in pairs for text in pair}) == 10
    assert pairs == read_pairs_or_draw(path, 5, seed=3)
    assert pairs != read_pairs_or_draw(path, 5, seed=4)


def test_pairs_of_a_table_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("smiles_a,smiles_b\nCCO,CCN\nCCC,CCF\nCO,CN\n")
    assert read_pairs_or_draw(path, 2) == [("CCO", "CCN"), ("CCC", "CCF")]


def test_a_list_without_pairs_is_refused(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="none can be encoded and differs"):
        score_interpolation(space, ["CCO"])
