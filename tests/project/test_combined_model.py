"""The model that candidates are ranked by is the mean of two, and its doubt is the process's."""

import csv

import numpy as np
import pytest

from molgen.chem.molecule import parse
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped
from molgen.project.combined_model import CombinedModel, fit_combined_model
from molgen.project.curation import Compound
from molgen.project.fit import fitted_space
from molgen.project.replicates import Label
from molgen.train.fit.forest import compute_fingerprints


@pytest.fixture(scope="module")
def compounds() -> list[Compound]:
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        rows = list(csv.DictReader(handle))[:40]
    return [
        Compound(str(i), parse(row["smiles"]).smiles, (), {"y": Label(float(row["y"]))}) for i, row in enumerate(rows)
    ]


@pytest.fixture(scope="module")
def model(compounds: list[Compound]) -> CombinedModel:
    return fit_combined_model(fitted_space(LatentSpace.load(), compounds[:30], ["y"], 0), compounds[:30], "y", 0)


def test_the_mean_is_that_of_both(model: CombinedModel, compounds: list[Compound]) -> None:
    smiles = [compound.smiles for compound in compounds[30:]]
    mean, std = model.predict(smiles)
    of_process, of_process_std = model.space.predict_molecules(smiles)
    of_forest, _ = model.forest.predict(compute_fingerprints([parse(text).mol for text in smiles]))
    np.testing.assert_allclose(mean, (of_process[:, 0] + of_forest) / 2)
    np.testing.assert_array_equal(std, of_process_std[:, 0])
    jointly, covariance = model.joint([parse(text) for text in smiles])
    np.testing.assert_allclose(jointly, mean, atol=1e-6)
    assert covariance.shape == (10, 10)


def test_a_forest_learns_nothing_from_bounds(model: CombinedModel, compounds: list[Compound]) -> None:
    bounded = [*compounds[:30], Compound("b", "CCO", (), {"y": Label(-9.0, "<")})]
    again = fit_combined_model(model.space, bounded, "y", 0)
    x = compute_fingerprints([parse(compound.smiles).mol for compound in compounds])
    np.testing.assert_array_equal(again.forest.predict(x), model.forest.predict(x))
