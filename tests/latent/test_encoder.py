"""LatentEncoder is a transformer like others: scikit-learn's own checks, pipelines, cross-validation, data frames."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.latent.encoder import LatentEncoder
from molgen.latent.space import LatentSpace

SMILES = [parse("C" * n + end).smiles for n in range(1, 7) for end in ("O", "N", "c1ccccc1", "C(=O)O")]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, save_tiny: Callable[..., None]) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_tiny(path, SMILES)
    return path


@pytest.mark.filterwarnings("ignore:Can't test estimator")
def test_it_passes_check_estimator(checkpoint: Path) -> None:
    results: list[dict[str, Any]] = estimator_checks.check_estimator(LatentEncoder(checkpoint), on_fail=None)
    assert {result["status"] for result in results} == {"passed"}


@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_estimators_unfitted",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_mixin_order",
    ],
)
def test_it_passes_the_checks_that_need_no_matrix_of_numbers(name: str) -> None:
    getattr(estimator_checks, name)("LatentEncoder", LatentEncoder())


def test_vectors_are_those_of_the_space_and_come_back(checkpoint: Path) -> None:
    encoder, space = LatentEncoder(checkpoint), LatentSpace.load(checkpoint)
    z = encoder.fit_transform(SMILES)
    np.testing.assert_array_equal(z, space.encode(SMILES, is_refined=False))
    np.testing.assert_array_equal(z, encoder.transform(np.array(SMILES)[:, None]))
    assert encoder.inverse_transform(z).tolist() == space.decode(z)
    assert encoder.get_feature_names_out().tolist() == [f"z{unit}" for unit in range(6)]


def test_a_pipeline_is_cross_validated_searched_and_pickled(checkpoint: Path) -> None:
    y = np.array([DESCRIPTORS["mw"].function(parse(text).mol) for text in SMILES])
    pipeline = make_pipeline(LatentEncoder(checkpoint), Ridge())
    scores = cross_val_score(pipeline, SMILES, y, cv=4)
    assert np.isfinite(scores).all()
    search = GridSearchCV(pipeline, {"latentencoder__is_refined": [False, True], "ridge__alpha": [0.1, 1.0]}, cv=2)
    search.fit(SMILES, y)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_allclose(again.predict(SMILES), search.predict(SMILES))
    assert clone(pipeline).get_params()["latentencoder__checkpoint"] == checkpoint


def test_texts_that_cannot_be_encoded_are_refused_or_nan(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"1 of 2 texts cannot be encoded; row 1, 'C\('"):
        LatentEncoder(checkpoint).fit(["CO"]).transform(["CO", "C("])
    z = LatentEncoder(checkpoint, invalid="nan").fit_transform(["CO", "C("])
    assert np.isfinite(z[0]).all()
    assert np.isnan(z[1]).all()
    filled = make_pipeline(LatentEncoder(checkpoint, invalid="nan"), SimpleImputer()).fit_transform(["CO", "C(", "CN"])
    assert np.isfinite(filled).all()


def test_what_is_no_column_of_texts_is_refused(checkpoint: Path) -> None:
    for wrong in ([1.0], [["C", "C"]], [None]):
        with pytest.raises(ValueError, match=r"column of SMILES|no text"):
            LatentEncoder(checkpoint).fit(wrong)
    with pytest.raises(ValueError, match="'raise' or 'nan'"):
        LatentEncoder(checkpoint, invalid="drop").fit(["C"])  # type: ignore[arg-type]
    with pytest.raises(NotFittedError):
        LatentEncoder(checkpoint).transform(["C"])


def test_data_frames_go_in_and_out(checkpoint: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"smiles": SMILES[:3]}, index=["a", "b", "c"])
    encoder = LatentEncoder(checkpoint).set_output(transform="pandas")
    for column in (frame, frame["smiles"]):
        z = encoder.fit_transform(column)
        assert list(z.columns) == [f"z{unit}" for unit in range(6)]
        assert list(z.index) == ["a", "b", "c"]
