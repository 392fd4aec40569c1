"""New molecules for an assay: they are new, keep what is asked, and are judged by what the search does not see."""

import csv

import numpy as np
import pytest

from molgen.bench.inventions import INVENTORS, invent
from molgen.bench.measured_assay import MeasuredAssay
from molgen.bench.rounds import RoundsSpec, begin
from molgen.chem.molecule import parse
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped
from molgen.project.candidate_pool import read_constraints


@pytest.mark.usefixtures("few_prior_samples")
@pytest.mark.parametrize("proposer", INVENTORS)
def test_proposals_are_new_and_keep_the_constraints(monkeypatch: pytest.MonkeyPatch, proposer: str) -> None:
    monkeypatch.setattr("molgen.project.candidate_pool.N_SEARCHED", 80)
    monkeypatch.setattr("molgen.bench.inventions.N_TREES", 20)
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        rows = list(csv.DictReader(handle))[:60]
    space = LatentSpace.load()
    y = np.array([float(row["y"]) for row in rows])
    assay = MeasuredAssay("d3", tuple(parse(row["smiles"]).smiles for row in rows), y, space)
    spec = RoundsSpec(n_start=30, batch=4)
    found = invent(assay, proposer, spec, seed=0)
    known = {assay.smiles[i] for i in begin(assay, spec, 0)}
    assert len(set(found.smiles)) == len(found.smiles) > 0
    assert not known & set(found.smiles)
    request = read_constraints(space, (), [parse(text) for text in known])
    assert request.is_met(request.values([parse(text) for text in found.smiles])).all()
    assert 0 <= found.n_better <= len(found.smiles)
    assert found.mean <= found.best
    assert (found.n_better > 0) == (found.best > found.best_known)
