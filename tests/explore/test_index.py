"""Indices against brute force, what is read against what was written, and files that lie."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from molgen.arrays import Floats
from molgen.chem.formats import Rejection, Row
from molgen.chem.table import Tally
from molgen.errors import FileError, SpecError
from molgen.explore.index import N_LEADING, Index, PackedTexts
from molgen.explore.library import build_index
from molgen.latent.space import LatentSpace

SMILES = ["CCO", "c1ccccc1O", "CC(=O)Nc1ccc(O)cc1", "CCCCCC", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "OCC"]
Tensors = dict[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture(scope="module")
def path(space: LatentSpace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of `SMILES`."""
    output = tmp_path_factory.mktemp("index") / "library.safetensors"
    build_index(space, _rows(SMILES), output, Tally())
    return output


def _rows(smiles: Sequence[str], name: str = "") -> list[Row | Rejection]:
    return [Row(line, text, name and f"{name} {line}", ()) for line, text in enumerate(smiles, 1)]


def _texts(texts: Sequence[str]) -> PackedTexts:
    ends = np.cumsum([len(text.encode()) for text in texts], dtype=np.int64)
    return PackedTexts(np.frombuffer("".join(texts).encode(), dtype=np.uint8), ends)


def _of_points(z: Floats) -> Index:
    """An index of points that are rotated already."""
    n, size = z.shape
    parts = z[:, :N_LEADING].copy(), z[:, N_LEADING:].astype(np.float16)
    return Index(*parts, np.eye(size), np.zeros(size), _texts(["C"] * n), None, "")


def _clustered(n: int, size: int, seed: int) -> Floats:
    """Points in clusters, most of their spread in the leading coordinates, in numbers that half precision holds."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, size)) * np.where(np.arange(size) < N_LEADING, 1.0, 0.3)
    points = centres[rng.integers(12, size=n)] + rng.normal(size=(n, size)) * 0.1
    return points.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize(("n", "size"), [(1, 40), (2, 3), (500, 6), (500, 96), (30_000, 32)])
@pytest.mark.parametrize("k", [1, 10, 700])
def test_what_is_found_is_what_brute_force_finds(n: int, size: int, k: int) -> None:
    z = _clustered(n, size, seed=n + size)
    index = _of_points(z)
    for query in (z[n // 2], z[0] + 0.05, z.mean(axis=0), 100 * np.ones(size, dtype=np.float32)):
        rows, distances = index.nearest(query.astype(np.float32), k)
        wanted = np.sort(np.linalg.norm(z.astype(np.float64) - query, axis=1))[:k]
        np.testing.assert_allclose(distances, wanted, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(distances, np.linalg.norm(z[rows] - query, axis=1), rtol=1e-5, atol=1e-5)
        assert len(set(rows.tolist())) == min(k, n)


def test_of_equal_distances_the_earlier_row_comes_first() -> None:
    index = _of_points(np.repeat(_clustered(20, 8, seed=1), 40, axis=0))
    rows, _ = index.nearest(_clustered(20, 8, seed=1)[3], 30)
    assert rows.tolist() == list(range(3 * 40, 3 * 40 + 30))


def test_a_point_that_is_none_is_refused() -> None:
    index = _of_points(_clustered(20, 8, seed=1))
    for point in (np.full(8, np.nan, dtype=np.float32), np.zeros(7, dtype=np.float32)):
        with pytest.raises(SpecError, match="8 finite numbers"):
            index.nearest(point, 1)


def test_all_rows_come_in_the_order_of_their_distance() -> None:
    z = _clustered(3000, 20, seed=2)
    told = list(_of_points(z).in_order(z[7]))
    assert sorted(row for row, _ in told) == list(range(3000))
    assert (np.diff([distance for _, distance in told]) >= 0).all()


def test_an_index_holds_the_encoders_means_and_the_texts(space: LatentSpace, path: Path) -> None:
    index = Index.open(path)
    wanted = space.encode(SMILES, is_refined=False)
    np.testing.assert_allclose(index.points(slice(None)), wanted, atol=3e-3)
    np.testing.assert_allclose(index.points(np.array([4, 1])), wanted[[4, 1]], atol=3e-3)
    assert [index.smiles[row] for row in range(len(index))] == SMILES
    assert index.names is None
    rows, distances = index.nearest(wanted[0], 2)
    assert rows.tolist() == [0, 5]  # the same molecule, written otherwise
    np.testing.assert_allclose(distances, 0.0, atol=3e-3)


def test_leading_coordinates_hold_most_variance(path: Path) -> None:
    index = Index.open(path)
    variance = np.concatenate([index.leading, index.rest], axis=1).var(axis=0)
    assert (np.diff(variance) < 1e-3).all()
    assert variance[: len(SMILES)].sum() > 0.999 * variance.sum()


def test_rows_without_a_point_are_left_out_and_counted_whatever_file_they_are_of(
    space: LatentSpace, tmp_path: Path
) -> None:
    items = [*_rows(["CCO", "C("], "first"), Rejection(3, "", "fewer fields"), *_rows(["[Xe]", "CCN é"], "sécond")]
    tally = Tally()
    build_index(space, items, tmp_path / "i.safetensors", tally)
    index = Index.open(tmp_path / "i.safetensors")
    assert [index.smiles[row] for row in range(2)] == ["CCO", "CCN"]
    assert index.names is not None
    assert [index.names[row] for row in range(2)] == ["first 1", "sécond 2"]
    assert tally.rejected == {"not a SMILES": 1, "fewer fields": 1, "unknown token [Xe]": 1}
    assert (tally.read, tally.kept) == (5, 2)


def test_one_row_is_a_library(space: LatentSpace, tmp_path: Path) -> None:
    build_index(space, _rows(["CCO"]), tmp_path / "one.safetensors", Tally())
    rows, distances = Index.open(tmp_path / "one.safetensors").nearest(space.encode(["CCO"], is_refined=False)[0], 5)
    assert (rows.tolist(), distances.tolist()) == ([0], pytest.approx([0.0], abs=1e-5))


def test_without_a_usable_row_nothing_is_written(space: LatentSpace, tmp_path: Path) -> None:
    output = tmp_path / "old.safetensors"
    output.write_text("old")
    with pytest.raises(FileError, match="none of 1 rows can be used"):
        build_index(space, _rows(["C("]), output, Tally())
    assert [file.name for file in tmp_path.iterdir()] == ["old.safetensors"]
    assert output.read_text() == "old"


def test_an_index_of_another_checkpoint_is_refused_by_both_names(space: LatentSpace, path: Path) -> None:
    index = Index.open(path)
    index.require_checkpoint(path, space.model.digest)
    with pytest.raises(FileError, match=f"{space.model.digest:.12}.*0123456789ab") as caught:
        index.require_checkpoint(path, "0123456789abcdef")
    assert "--checkpoint" in caught.value.remedy


def _falling(tensors: Tensors) -> None:
    tensors["smiles.ends"] = tensors["smiles.ends"][::-1].copy()


def _beyond(tensors: Tensors) -> None:
    tensors["smiles"] = tensors["smiles"][:-1].copy()


def _negative(tensors: Tensors) -> None:
    ends = tensors["smiles.ends"].copy()
    ends[0] = -5
    tensors["smiles.ends"] = ends


def _short(tensors: Tensors) -> None:
    tensors["leading"] = tensors["leading"][:-1].copy()


def _missing(tensors: Tensors) -> None:
    del tensors["rest"]


def _wrong_type(tensors: Tensors) -> None:
    tensors["leading"] = tensors["leading"].astype(np.float64)


def _flat(tensors: Tensors) -> None:
    tensors["smiles"] = tensors["smiles"].reshape(1, -1)


def _infinite(tensors: Tensors) -> None:
    tensors["leading"] = np.full_like(tensors["leading"], np.inf)


def _unrotatable(tensors: Tensors) -> None:
    tensors["rotation"] = np.full_like(tensors["rotation"], np.nan)


def _stretched(tensors: Tensors) -> None:
    tensors["rotation"] = np.eye(len(tensors["rotation"])) * 1e300


def _far(tensors: Tensors) -> None:
    tensors["centre"] = np.full_like(tensors["centre"], 1e300)


def _holed(tensors: Tensors) -> None:
    rest = tensors["rest"].copy()
    rest[2] = np.nan
    tensors["rest"] = rest


def _fewer_names(tensors: Tensors) -> None:
    tensors["names"], tensors["names.ends"] = np.zeros(3, dtype=np.uint8), np.array([3])


@pytest.mark.parametrize(
    "lie",
    [
        *(_falling, _beyond, _negative, _short, _missing, _wrong_type, _flat, _infinite, _unrotatable, _fewer_names),
        *(_stretched, _far, _holed),
    ],
)
def test_files_that_lie_are_refused(path: Path, tmp_path: Path, lie: Callable[[Tensors], None]) -> None:
    tensors: Tensors = load_file(path)
    told = {"format": "molgen-index-1", "checkpoint_sha256": ""}
    save_file(tensors, tmp_path / "true.safetensors", told)
    assert len(Index.open(tmp_path / "true.safetensors")) == len(SMILES)
    lie(tensors)
    save_file(tensors, tmp_path / "lie.safetensors", told)
    with pytest.raises(FileError, match="is not an index of a library") as caught:
        Index.open(tmp_path / "lie.safetensors")
    assert "molgen index" in caught.value.remedy


@pytest.mark.parametrize("damage", [b"", b"no index", b"\xff" * 64])
def test_files_of_another_kind_are_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "other.safetensors").write_bytes(damage)
    with pytest.raises(FileError, match="is not an index of a library"):
        Index.open(tmp_path / "other.safetensors")


def test_a_truncated_index_and_a_checkpoint_are_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-7])
    save_file({"a": np.zeros(3)}, tmp_path / "model.safetensors")
    for name in ("cut.safetensors", "model.safetensors"):
        with pytest.raises(FileError, match="is not an index of a library"):
            Index.open(tmp_path / name)
    with pytest.raises(FileError, match="is not a file"):
        Index.open(tmp_path / "absent.safetensors")
