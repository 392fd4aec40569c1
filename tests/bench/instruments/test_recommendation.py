"""The score of a profile, on an assay that ships and on one whose outcome is known."""

import csv

import pytest

from molgen.bench.instruments.recommendation import CHANCE, LATENT_ONLY, N_DRAWS, PROFILE, score_recommendation
from molgen.chem.molecule import parse
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_a_profile_finds_more_actives_than_chance(space: LatentSpace) -> None:
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        found = {parse(row["smiles"]).smiles: float(row["y"]) for row in list(csv.DictReader(handle))[:400]}
    told: list[int] = []
    measured = score_recommendation(space, list(found), list(found.values()), seed=0, on_done=told.append)
    assert told == list(range(1, N_DRAWS + 1))
    assert measured.n == len(found)
    by_name = {ranking.name: ranking for ranking in measured.rankings}
    assert measured.profile is by_name[PROFILE]
    for name in (PROFILE, LATENT_ONLY):
        assert by_name[name].precision > by_name[CHANCE].precision + 0.1
    assert by_name[CHANCE].enrichment == pytest.approx(1.0, abs=0.35)
    assert all(0 <= ranking.precision <= 1 and ranking.error > 0 for ranking in measured.rankings)


def test_actives_of_one_series_are_found_by_all_but_chance(space: LatentSpace) -> None:
    actives = [f"CC(=O)Nc1ccc({'C' * i}{end})cc1" for i in range(1, 14) for end in ("", "O", "F")]
    others = [f"{'C' * i}{end}" for i in range(4, 33) for end in ("", "O", "N", "Cl")]
    smiles = list(dict.fromkeys(parse(text).smiles for text in (*actives, *others)))
    measured = [float("C(=O)N" in text or "NC(" in text) for text in smiles]
    rankings = {each.name: each.precision for each in score_recommendation(space, smiles, measured, seed=1).rankings}
    assert rankings.pop(CHANCE) < 0.5
    assert min(rankings.values()) > 0.9


def test_an_assay_needs_actives_to_like(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="more than 10 actives"):
        score_recommendation(space, ["CCO", "CCC", "CCN"], [1.0, 2.0, 3.0], seed=0)
