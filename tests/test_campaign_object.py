"""A campaign as an object: pauses leave no trace, and functions of the program are scorers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import molgen
from molgen.errors import RunError, ScorerError, SpecError
from molgen.score.external.function import ScoreFunction
from molgen.search.campaign import CampaignStatus

pytestmark = pytest.mark.usefixtures("few_prior_samples")
OPTIONS: dict[str, Any] = {"maximize": ["qed"], "budget": 24, "batch": 8, "sampler": "random", "seed": 5}


def count_carbons(smiles: list[str]) -> list[float]:
    return [text.upper().count("C") for text in smiles]


def test_a_campaign_that_pauses_scores_the_same_molecules(tmp_path: Path) -> None:
    whole = molgen.Campaign(tmp_path / "whole", **OPTIONS)
    status = whole.run(is_quiet=True)
    assert status is not None
    assert status.n_scored == whole.n_scored == 24
    cut = molgen.Campaign(tmp_path / "cut", **OPTIONS)
    seen: list[CampaignStatus] = []
    paused = cut.run(5, is_quiet=True, on_status=seen.append)
    assert paused is not None
    assert paused.n_scored == cut.n_scored == 8
    assert len(seen) == 1
    molgen.Campaign(tmp_path / "cut").run(is_quiet=True)
    assert (tmp_path / "cut/evaluations.csv").read_bytes() == (tmp_path / "whole/evaluations.csv").read_bytes()


def test_results_are_tables_with_drawings(tmp_path: Path) -> None:
    campaign = molgen.Campaign(tmp_path / "run", **OPTIONS)
    assert "0 of 24" in campaign._repr_html_()
    assert len(campaign.evaluations().smiles) == 0
    campaign.run(is_quiet=True)
    scored = campaign.evaluations()
    assert len(set(scored.smiles)) == 24
    best = campaign.candidates(3)
    assert len(best.smiles) == 3
    assert max(scored.columns["total"]) == pytest.approx(best.columns["total"][0], rel=1e-5)
    assert "24 of 24" in campaign._repr_html_()
    assert "<svg" in campaign._repr_html_()


def test_a_folder_belongs_to_one_campaign_which_can_be_extended(tmp_path: Path) -> None:
    first = molgen.Campaign(tmp_path / "run", **OPTIONS)
    first.run(is_quiet=True)
    with pytest.raises(RunError, match="other options"):
        molgen.Campaign(tmp_path / "run", **OPTIONS | {"seed": 6})
    with pytest.raises(SpecError, match="above"):
        molgen.Campaign(tmp_path / "run", budget=10).run(is_quiet=True)
    before = first.evaluations().smiles
    longer = molgen.Campaign(tmp_path / "run", budget=32)
    longer.run(is_quiet=True)
    assert longer.evaluations().smiles[:24] == before
    assert longer.n_scored == molgen.Campaign(tmp_path / "run").spec.budget == 32


def test_a_function_of_the_program_is_a_scorer(tmp_path: Path) -> None:
    options = {**OPTIONS, "maximize": ["carbons"]}
    campaign = molgen.Campaign(tmp_path / "run", scorers={"carbons": count_carbons}, **options)
    campaign.run(8, is_quiet=True)
    scored = campaign.evaluations()
    assert list(scored.columns["carbons"]) == count_carbons(list(scored.smiles))
    with pytest.raises(RunError, match="other scorers"):
        molgen.Campaign(tmp_path / "run", scorers={"carbons": count_carbons, "more": count_carbons}).run(is_quiet=True)
    with pytest.raises(RunError, match="changed since"):
        molgen.Campaign(tmp_path / "run", scorers={"carbons": lambda smiles: [1.0] * len(smiles)}).run(is_quiet=True)
    assert campaign.n_scored == 8


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda smiles: [1.0], "1 values for"),
        (lambda smiles: ["x"] * len(smiles), "where a finite number must be"),
        (lambda smiles: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_function_that_does_not_score_ends_the_campaign_before_it_begins(
    tmp_path: Path, function: ScoreFunction, message: str
) -> None:
    options = {**OPTIONS, "maximize": ["mine"]}
    with pytest.raises(ScorerError, match=message):
        molgen.Campaign(tmp_path / "run", scorers={"mine": function}, **options).run(is_quiet=True)
    assert not (tmp_path / "run").exists()
