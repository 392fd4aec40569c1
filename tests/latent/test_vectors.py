import contextlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molgen.errors import FileError, SpecError
from molgen.latent.vectors import Vectors, read_vectors, write_vectors

DIGEST = "ab" * 32


@pytest.fixture
def vectors() -> Vectors:
    z = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    z[1] = np.nan
    return Vectors(z, ("CCO", "", "C[C@H](N)C(=O)O"), DIGEST)


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_what_is_written_is_read(tmp_path: Path, vectors: Vectors, suffix: str) -> None:
    path = tmp_path / f"vectors{suffix}"
    write_vectors(path, vectors)
    read = read_vectors(path)
    np.testing.assert_array_equal(read.z, vectors.z)
    assert read.z.dtype == np.float32
    assert read.smiles == vectors.smiles
    assert read.checkpoint_sha256 == (DIGEST if suffix == ".npz" else "")  # a table has no place for it


def test_parquet_does_the_same_where_it_is_installed(tmp_path: Path, vectors: Vectors) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "vectors.parquet"
    write_vectors(path, vectors)
    read = read_vectors(path)
    np.testing.assert_array_equal(read.z, vectors.z)
    assert (read.smiles, read.checkpoint_sha256) == (vectors.smiles, DIGEST)


def test_a_parquet_file_of_many_equal_rows_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("molgen.latent.vectors.MIN_UNPACKED", 1000)
    path = tmp_path / "vectors.parquet"
    write_vectors(path, Vectors(np.zeros((100_000, 1), np.float32), ("C",) * 100_000))
    with pytest.raises(FileError, match="unpack to more than"):
        read_vectors(path)


def test_parquet_without_pyarrow_names_the_remedy(
    tmp_path: Path, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SpecError, match=r"molgen-workbench\[parquet\]"):
        write_vectors(tmp_path / "vectors.parquet", vectors)
    assert not list(tmp_path.iterdir())


def test_the_columns_of_a_table_are_the_molecule_and_its_coordinates(tmp_path: Path, vectors: Vectors) -> None:
    path = tmp_path / "vectors.csv"
    write_vectors(path, vectors)
    header, *_ = path.read_text().splitlines()
    assert header == "smiles,z0,z1,z2,z3"
    assert path.read_text().splitlines()[2] == ",,,,"


@pytest.mark.parametrize(
    ("z", "smiles"),
    [
        (np.zeros((2, 3), np.float32), ("C",)),
        (np.zeros((2, 3)), ("C", "C")),
        (np.zeros(3, np.float32), ("C", "C", "C")),
        (np.zeros((1, 0), np.float32), ("C",)),
    ],
)
def test_what_does_not_fit_is_never_made(z: np.ndarray, smiles: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be|do not fit"):
        Vectors(z, smiles)


def test_vectors_of_another_space_are_refused(tmp_path: Path, vectors: Vectors) -> None:
    vectors.require_checkpoint(tmp_path, DIGEST, 4)
    with pytest.raises(FileError, match="belongs to the checkpoint"):
        vectors.require_checkpoint(tmp_path, "cd" * 32, 4)
    with pytest.raises(FileError, match="4 dimensions"):
        Vectors(vectors.z, vectors.smiles).require_checkpoint(tmp_path, DIGEST, 5)


def npz_of(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


GOOD = {"z": np.zeros((2, 3), np.float32), "smiles": np.array(["C", "N"]), "checkpoint_sha256": np.array(DIGEST)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04K\x01.",
        b"PK\x05\x06" + bytes(18),
        npz_of(**GOOD)[:-40],
        npz_of(z=GOOD["z"]),
        npz_of(**{**GOOD, "z": np.zeros((2, 3), np.complex64)}),
        npz_of(**{**GOOD, "smiles": np.zeros(2)}),
        npz_of(**{**GOOD, "smiles": np.array([object(), object()])}),
        npz_of(**{**GOOD, "smiles": np.array(["C"])}),
        npz_of(**{**GOOD, "checkpoint_sha256": np.array([DIGEST])}),
        np.lib.format.magic(1, 0),
    ],
)
def test_an_archive_that_holds_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.npz"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"vectors\.npz"):
        read_vectors(path)


def test_an_array_that_claims_more_than_the_file_holds_costs_no_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 50, 4)})
    path = tmp_path / "vectors.npz"
    path.write_bytes(npz_of(**GOOD))
    lying = tmp_path / "lying.npz"
    with zipfile.ZipFile(path) as honest, zipfile.ZipFile(lying, "w") as archive:
        for name in honest.namelist():
            archive.writestr(name, header.getvalue() if name == "z.npy" else honest.read(name))
    with pytest.raises(FileError, match="truncated"):
        read_vectors(lying)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(npz_of(**GOOD)) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_harmless(tmp_path: Path, place: int, byte: int) -> None:
    content = bytearray(npz_of(**GOOD))
    content[place] = byte
    path = tmp_path / "vectors.npz"
    path.write_bytes(bytes(content))
    with contextlib.suppress(FileError):
        assert len(read_vectors(path)) == 2


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.text(alphabet='smilez0,1\n".-', min_size=10).map(lambda text: f"smiles,z0\n{text}"))
def test_any_text_as_a_table_is_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vectors.csv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    with contextlib.suppress(FileError):
        assert read_vectors(path).z.ndim == 2


def test_a_wrong_cell_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "vectors.csv"
    path.write_text("smiles,z0,z1\nC,1,2\nN,1,x\n")
    with pytest.raises(FileError, match=r"line 3: .*'x'"):
        read_vectors(path)


def test_numbers_beyond_float32_are_infinite(tmp_path: Path) -> None:
    path = tmp_path / "vectors.csv"
    path.write_text("smiles,z0,z1\nC,1e300,-inf\n")
    assert read_vectors(path).z.tolist() == [[np.inf, -np.inf]]


@pytest.mark.parametrize("name", ["vectors.pkl", "vectors", "missing.npz"])
def test_other_kinds_of_files_and_missing_ones_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match=name):
        read_vectors(tmp_path / name)


def test_an_archive_that_unpacks_to_a_hundred_times_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    z = np.zeros((8_000, 1024), dtype=np.float32)
    np.savez_compressed(path, z=z, smiles=np.full(len(z), "C"), checkpoint_sha256=DIGEST)
    assert path.stat().st_size < 50_000
    with pytest.raises(FileError, match="unpacks to more than"):
        read_vectors(path)
