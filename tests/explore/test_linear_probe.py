"""Linear probes against scikit-learn and special cases."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score

from molgen.explore.linear_probe import PENALTIES, cross_predict, fit_probe
from molgen.metrics import auroc, is_binary, r2, score_predictions


@pytest.mark.parametrize("n_features", [5, 60])
def test_a_probe_is_the_ridge_of_scikit_learn_with_the_penalty_of_leave_one_out(n_features: int) -> None:
    rng = np.random.default_rng(n_features)
    x = rng.normal(size=(40, n_features)) * rng.uniform(0.5, 2.0, n_features)
    y = x[:, :2] @ rng.normal(size=(2, 3)) + 0.5 * rng.normal(size=(40, 3))
    unit = (x - x.mean(axis=0)) / x.std(axis=0)
    ridge = RidgeCV([p * len(x) for p in PENALTIES], alpha_per_target=True).fit(unit, y)
    assert fit_probe(x, y)(x) == pytest.approx(ridge.predict(unit), abs=1e-6)


def test_a_constant_feature_and_a_constant_target_do_no_harm() -> None:
    x = np.column_stack([np.arange(30.0), np.ones(30)])
    probe = fit_probe(x, np.column_stack([2.0 * x[:, 0] + 1.0, np.full(30, 7.0)]))
    assert probe([[40.0, 1.0]]) == pytest.approx(np.array([[81.0, 7.0]]), rel=1e-3)
    assert probe.weight[1] == pytest.approx([0.0, 0.0])


def test_what_was_left_out_is_told_where_there_is_something_to_tell_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    y = np.column_stack([x[:, 0], rng.normal(size=200)])
    read = cross_predict(x, y, seed=0)
    assert r2(y[:, 0], read[:, 0]) > 0.99
    assert abs(r2(y[:, 1], read[:, 1])) < 0.1
    assert np.array_equal(read, cross_predict(x, y, seed=0))


def test_auroc_is_that_of_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(1)
    y, score = rng.integers(0, 2, 100), rng.integers(0, 6, 100)
    assert auroc(y, score) == pytest.approx(roc_auc_score(y, score))
    assert np.isnan(auroc(np.ones(3), np.arange(3)))


def test_labels_0_and_1_are_judged_by_auroc_and_numbers_by_r2() -> None:
    assert is_binary([0, 1, 1, 0])
    assert not is_binary([0, 0])
    assert not is_binary([0, 1, 2])
    assert score_predictions([0, 1, 0, 1], [0.1, 9.0, 0.2, 0.3]) == 1.0
    assert score_predictions([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == 1.0
    assert np.isnan(r2([2.0, 2.0], [1.0, 3.0]))


def test_r2_does_not_depend_on_the_unit() -> None:
    y, read = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    assert r2(1e-9 * y, 1e-9 * read) == pytest.approx(r2(y, read))
