"""Rounds on an assay whose answers are known: nothing is asked twice, nothing is found that was not measured."""

import csv
from pathlib import Path

import numpy as np
import pytest

from molgen.bench.measured_assay import MeasuredAssay
from molgen.bench.rounds import (
    NOISES,
    PROPOSERS,
    RoundsResult,
    RoundsSpec,
    begin,
    play_rounds,
    read_or_make,
    require_proposers,
)
from molgen.errors import FileError, SpecError
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

SPEC = RoundsSpec(n_start=10, n_rounds=3, batch=5)


@pytest.fixture(scope="module")
def assay() -> MeasuredAssay:
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        rows = list(csv.DictReader(handle))[:60]
    space = LatentSpace.load()
    return MeasuredAssay("d3", tuple(row["smiles"] for row in rows), np.array([float(row["y"]) for row in rows]), space)


@pytest.mark.parametrize("proposer", PROPOSERS)
def test_a_batch_is_of_the_others_and_the_same_each_time(assay: MeasuredAssay, proposer: str) -> None:
    known, others = np.arange(12), np.arange(12, 60)
    picks = [PROPOSERS[proposer](assay, known, others, 7, np.random.default_rng(3)) for _ in range(2)]
    assert len(set(picks[0])) == 7
    assert set(picks[0]) <= set(others)
    np.testing.assert_array_equal(picks[0], picks[1])


def test_the_process_on_fingerprints_picks_by_the_posterior_of_the_likeliest_noise(assay: MeasuredAssay) -> None:
    """Rasmussen & Williams 2006, equations 2.25, 2.26 and 2.30, by the inverse of the covariance."""
    known, others = np.arange(12), np.arange(12, 60)
    y, near = assay.y[known] - assay.y[known].mean(), assay.tanimoto[np.ix_(others, known)]
    posteriors = []
    for noise in NOISES:
        covariance = assay.tanimoto[np.ix_(known, known)] + noise * np.eye(12)
        solved = np.linalg.solve(covariance, near.T)
        signal = y @ np.linalg.solve(covariance, y) / 12
        likelihood = -0.5 * (12 * np.log(signal) + np.linalg.slogdet(covariance)[1])
        posteriors.append((likelihood, solved.T @ y + np.sqrt(signal * (1.0 - (near.T * solved).sum(axis=0)))))
    best = max(posteriors, key=lambda posterior: posterior[0])[1]
    picked = PROPOSERS["tanimoto gp"](assay, known, others, 7, np.random.default_rng(0))
    np.testing.assert_array_equal(picked, others[np.argsort(-best)[:7]])


def test_what_is_found_grows_to_all_when_all_is_measured(assay: MeasuredAssay) -> None:
    result = play_rounds(assay, "random", RoundsSpec(10, "series", 10, 5), seed=1)
    assert list(result.found) == sorted(result.found)
    assert result.found[-1] == 1.0
    assert result.best[-1] == assay.y.max()


def test_a_series_is_alike_and_the_oldest_come_first(assay: MeasuredAssay) -> None:
    np.testing.assert_array_equal(begin(assay, RoundsSpec(10, "oldest"), 0), np.arange(10))
    alike = []
    for seed in range(5):
        known = begin(assay, SPEC, seed)
        assert len(set(known)) == 10
        alike.append(assay.tanimoto[np.ix_(known, known)].mean())
    assert np.mean(alike) > 1.2 * assay.tanimoto.mean()


def test_a_result_is_read_and_not_made_again(tmp_path: Path) -> None:
    path, result = tmp_path / "d3-random-0.json", RoundsResult("d3", "random", 0, (0.0, 0.5), (1.0, 2.0))
    assert read_or_make(path, RoundsResult, lambda: result) == result
    assert read_or_make(path, RoundsResult, lambda: pytest.fail("made again")) == result
    path.write_text("[]")
    with pytest.raises(FileError, match="not the result"):
        read_or_make(path, RoundsResult, lambda: result)


def test_too_few_compounds_and_unknown_proposers_are_refused(assay: MeasuredAssay) -> None:
    with pytest.raises(SpecError, match="has 60 compounds, and 210 are needed"):
        play_rounds(assay, "random", RoundsSpec(), 0)
    with pytest.raises(SpecError, match="unknown 'oracle'"):
        require_proposers(["oracle"], PROPOSERS)
