"""The model that candidates are ranked by is a mean of two, whose weights are those of the smaller error."""

import csv

import numpy as np
import pytest

from molgen.chem.molecule import parse
from molgen.latent.combined_model import CombinedModel, make_predict_function, stacking_share
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped
from molgen.project.curation import Compound
from molgen.project.fit import fitted_space
from molgen.project.replicates import Label
from molgen.train.fit.forest import compute_fingerprints, fit_forest


@pytest.fixture(scope="module")
def compounds() -> list[Compound]:
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        rows = list(csv.DictReader(handle))[:40]
    return [
        Compound(str(i), parse(row["smiles"]).smiles, (), {"y": Label(float(row["y"]))}) for i, row in enumerate(rows)
    ]


@pytest.fixture(scope="module")
def model(compounds: list[Compound]) -> CombinedModel:
    return CombinedModel.of(fitted_space(LatentSpace.load(), compounds[:30], ["y"], 0), 0)


def test_the_mean_is_that_of_both(model: CombinedModel, compounds: list[Compound]) -> None:
    smiles = [compound.smiles for compound in compounds[30:]]
    mean, std = model.predict(smiles)
    of_process, of_process_std = model.space.predict_molecules(smiles)
    (forest,), (share,) = model.forests, model.shares
    assert forest is not None
    of_forest, _ = forest.predict(compute_fingerprints([parse(text).mol for text in smiles]))
    np.testing.assert_allclose(mean[:, 0], share * of_process[:, 0] + (1.0 - share) * of_forest)
    np.testing.assert_array_equal(std, of_process_std)
    jointly, covariance = model.joint([parse(text) for text in smiles])
    np.testing.assert_allclose(jointly, mean[:, 0], atol=1e-6)
    assert covariance.shape == (10, 10)
    assert model.predict([])[0].shape == (0, 1)


def test_a_search_ranks_by_it(model: CombinedModel, compounds: list[Compound]) -> None:
    predict = make_predict_function(model.space)
    assert predict is not None
    np.testing.assert_array_equal(predict([compounds[35].smiles])[0], model.predict([compounds[35].smiles])[0])
    assert make_predict_function(LatentSpace.load()) is None


def test_a_forest_learns_nothing_from_bounds(model: CombinedModel, compounds: list[Compound]) -> None:
    bounded = [*compounds[:30], Compound("b", "CCO", (), {"y": Label(-9.0, "<")})]
    again = CombinedModel.of(fitted_space(LatentSpace.load(), bounded, ["y"], 0), 0)
    assert again.process.config.n_molecules == 31
    assert again.forests[0] is not None
    assert max(sample.max() for sample in again.forests[0].samples) == 29


def test_a_property_of_bounds_alone_is_the_process_s(compounds: list[Compound]) -> None:
    bounded = [Compound(c.id, c.smiles, (), {"y": Label(c.labels["y"].value, "<")}) for c in compounds[:10]]
    model = CombinedModel.of(fitted_space(LatentSpace.load(), bounded, ["y"], 0), 0)
    assert (model.forests, model.shares) == ((None,), (1.0,))
    smiles = [compounds[20].smiles]
    np.testing.assert_array_equal(model.predict(smiles)[0], model.space.predict_molecules(smiles)[0])


def test_the_better_predictor_weighs_more() -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal(400)
    good, bad = y + 0.1 * rng.standard_normal(400), y + rng.standard_normal(400)
    assert stacking_share(y, good, bad) > 0.95
    assert stacking_share(y, bad, good) < 0.05
    errors = [np.square(share * good + (1.0 - share) * bad - y).sum() for share in np.linspace(0.0, 1.0, 1001)]
    assert stacking_share(y, good, bad) == pytest.approx(np.argmin(errors) / 1000, abs=1e-3)
    assert stacking_share(y, good, good) == 0.5
    bad[::2] = np.nan
    assert stacking_share(y, good, bad) > 0.9


def test_left_out_trees_do_not_know_the_value() -> None:
    rng = np.random.default_rng(1)
    x = (rng.random((60, 30)) < 0.5).astype(np.float32)
    noise = rng.standard_normal(60)
    forest = fit_forest(x, noise, 0, 50)
    assert np.corrcoef(forest.predict(x)[0], noise)[0, 1] > 0.9
    assert np.corrcoef(forest.predict_left_out(x), noise)[0, 1] < 0.4
