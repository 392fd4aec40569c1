"""Held-out scaffolds are whole, and a predictor that learns explains them better than a constant."""

import csv

import numpy as np
import pytest
import torch
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

from molgen.bench.measured_assay import MeasuredAssay
from molgen.bench.predictors import TEST_SHARE, compare_predictors, random_scaffold_split
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.chem.properties import molecular_weight
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped


@pytest.fixture(scope="module")
def assay() -> MeasuredAssay:
    """Molecular weights, which each predictor can learn."""
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        smiles = tuple(dict.fromkeys(parse(row["smiles"]).smiles for row in list(csv.DictReader(handle))[:80]))
    y = np.array([molecular_weight(parse(text).mol) for text in smiles])
    return MeasuredAssay("weight", smiles, y, LatentSpace.load())


def test_no_scaffold_is_on_both_sides(assay: MeasuredAssay) -> None:
    is_test = random_scaffold_split(assay.smiles, 1)
    scaffolds = np.array([MurckoScaffoldSmiles(text) for text in assay.smiles], dtype=object)
    assert not set(scaffolds[is_test]) & set(scaffolds[~is_test])
    assert 0.5 * TEST_SHARE <= is_test.mean() <= TEST_SHARE
    assert (is_test != random_scaffold_split(assay.smiles, 2)).any()


def test_predictors_are_compared_on_the_same_compounds(assay: MeasuredAssay) -> None:
    results = {result.predictor: result for result in compare_predictors(assay, 0, 20)}
    assert list(results) == ["process", "forest", "mean of both"]
    assert len({(result.n_train, result.fit.n) for result in results.values()}) == 1
    assert all(result.fit.r2 > 0.3 for result in results.values())
    errors = {name: result.fit.rmse for name, result in results.items()}
    assert errors["mean of both"] <= max(errors["process"], errors["forest"])


def test_given_similarities_change_nothing(assay: MeasuredAssay) -> None:
    known, query = np.arange(5, 40), np.arange(40, 50)
    fitted = assay.fit(known, 3, 20)
    assert [assay.smiles[i] for i in fitted.known] == list(fitted.process.smiles)
    mols = [parse(assay.smiles[i], AS_IT_IS).mol for i in query]
    wanted = fitted.process.predict(torch.from_numpy(assay.z[query]), mols)
    for told, value in zip(fitted.predict_by_process(query), wanted, strict=True):
        np.testing.assert_allclose(told, value[:, 0].numpy())
