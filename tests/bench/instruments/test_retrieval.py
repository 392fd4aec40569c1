"""The figures of the search of a library, on molecules that ship."""

import pytest

from molgen.bench.instruments.retrieval import K, score_retrieval
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

SMILES = (find_shipped("data") / "moses_sample.csv").read_text().split()[1:301]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_the_search_is_exact_and_near_points_are_like_molecules(space: LatentSpace) -> None:
    told: list[int] = []
    measured = score_retrieval(space, SMILES, seed=0, on_done=told.append)
    assert (measured.n, measured.n_queries, told[-1]) == (300, 100, 100)
    assert measured.recall == 1.0
    assert measured.tanimoto_by_chance < measured.tanimoto < measured.tanimoto_of_best
    assert measured.overlap > 5 * measured.overlap_by_chance
    assert measured.overlap_by_chance == pytest.approx(K / 299)
    assert 0.5 < measured.spearman < 1.0
    assert min(measured.query_ms, measured.brute_force_ms) > 0


def test_a_library_is_larger_than_what_is_looked_for(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="more than 20"):
        score_retrieval(space, [*SMILES[:20], "[Xe]"], seed=0)
