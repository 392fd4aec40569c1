"""Pictures of a latent space against scikit-learn, special cases, and what they must keep."""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from molgen.errors import SpecError
from molgen.explore.projection import METHODS, N_JUDGED, principal_axes, project
from molgen.metrics import measure_trustworthiness, trustworthiness

Floats = NDArray[np.float32]


def cloud(n: int, size: int = 12, seed: int = 0) -> Floats:
    scales = np.linspace(2.0, 0.1, size)
    return (np.random.default_rng(seed).normal(size=(n, size)) * scales).astype(np.float32)


def groups(n: int) -> tuple[Floats, NDArray[np.intp]]:
    """Points of three groups far apart, and which group each is of."""
    centres = 8 * np.eye(3, 10)
    of = np.arange(n) % 3
    return (centres[of] + np.random.default_rng(1).normal(size=(n, 10))).astype(np.float32), of


@pytest.mark.parametrize("k", [1, 5, 10])
def test_trustworthiness_is_that_of_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(k)
    original, embedded = rng.normal(size=(40, 6)), rng.normal(size=(40, 3))
    distances = [np.linalg.norm(x[:, None] - x, axis=2) for x in (original, embedded)]
    wanted = sklearn_trustworthiness(original, embedded, n_neighbors=k)
    assert trustworthiness(distances[0], distances[1], k) == pytest.approx(wanted, abs=1e-12)


def test_a_perfect_picture_is_trusted_and_a_shuffled_one_is_not() -> None:
    z = cloud(300, 2)
    assert measure_trustworthiness(z, z.astype(np.float64)) == {"5": 1.0, "10": 1.0, "30": 1.0}
    shuffled = measure_trustworthiness(z, np.random.default_rng(0).permutation(z).astype(np.float64))
    assert all(value == pytest.approx(0.5, abs=0.05) for value in shuffled.values())
    assert measure_trustworthiness(z[:59], z[:59].astype(np.float64))["30"] is None


def test_principal_axes_are_those_of_scikit_learn_but_for_the_sign() -> None:
    z = cloud(200)
    points, explained = principal_axes(z)
    theirs = PCA(2).fit(z)
    np.testing.assert_allclose(np.abs(points), np.abs(theirs.transform(z)), atol=1e-4)
    np.testing.assert_allclose(explained, theirs.explained_variance_ratio_, rtol=1e-5)


def test_pca_keeps_the_distances_of_what_is_flat_and_its_sign_does_not_depend_on_the_order() -> None:
    flat = cloud(50, 2)
    turned, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(7, 7)))
    z = (flat @ turned[:2]).astype(np.float32)
    projection = project(z, "pca")
    assert sum(projection.explained) == pytest.approx(1.0)
    assert projection.trustworthiness["5"] == 1.0
    for i in range(0, 50, 7):
        wanted = np.linalg.norm(flat - flat[i], axis=1)
        np.testing.assert_allclose(np.linalg.norm(projection.points - projection.points[i], axis=1), wanted, atol=1e-4)
    np.testing.assert_allclose(project(z[::-1], "pca").points[::-1], projection.points, atol=1e-4)


def test_at_most_two_thousand_points_are_judged() -> None:
    projection = project(cloud(N_JUDGED + 500, 3), "pca", seed=4)
    assert projection.n_judged == N_JUDGED
    assert project(cloud(N_JUDGED + 500, 3), "pca", seed=4).trustworthiness == projection.trustworthiness


@pytest.mark.parametrize("method", ["tsne", pytest.param("umap", marks=pytest.mark.slow)])  # umap: numba compiles
@pytest.mark.filterwarnings("ignore:::umap", "ignore:::sklearn", "ignore:::numba")
def test_neighbours_stay_neighbours(method: str) -> None:
    pytest.importorskip({"tsne": "openTSNE", "umap": "umap"}[method])
    z, of = groups(120)
    shares: list[float] = []
    projection = project(z, method, seed=3, on_done=shares.append)
    assert projection.trustworthiness["5"] is not None
    assert projection.trustworthiness["5"] > 0.85
    distances = np.linalg.norm(projection.points[:, None] - projection.points, axis=2) + np.diag(np.full(120, np.inf))
    assert (of[distances.argmin(axis=1)] == of).all()
    np.testing.assert_array_equal(project(z, method, seed=3).points, projection.points)
    assert shares == sorted(shares)
    assert all(0.0 < share <= 1.0 for share in shares)


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("z", [np.ones((9, 4)), cloud(3), cloud(5, 1)], ids=["all the same", "three", "one dimension"])
def test_odd_points_have_a_picture(method: str, z: Floats) -> None:
    if method == "tsne":
        pytest.importorskip("openTSNE")
    projection = project(z.astype(np.float32), method)
    assert projection.points.shape == (len(z), 2)
    assert np.isfinite(projection.points).all()


def test_what_cannot_be_projected_is_told() -> None:
    with pytest.raises(SpecError, match="must be one of pca, tsne, umap, but got 'som'"):
        project(cloud(9), "som")
    with pytest.raises(SpecError, match="only 2 molecules can be encoded, and a map needs 3"):
        project(cloud(2), "pca")
    with pytest.raises(SpecError, match="must be rows of finite numbers"):
        project(np.full((4, 3), np.nan, dtype=np.float32), "pca")


@pytest.mark.parametrize(("method", "module", "extra"), [("tsne", "openTSNE", "map"), ("umap", "umap", "umap")])
def test_a_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, method: str, module: str, extra: str
) -> None:
    assert method in METHODS
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SpecError) as caught:
        project(cloud(9), method)
    assert f"pip install 'molgen-workbench[{extra}]'" in caught.value.remedy
