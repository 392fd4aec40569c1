"""Lines of files that ask for more memory or time than any file of molecules: refused soon, unless that is wanted."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from molgen.chem.lines import MIN_UNPACKED, SWITCH, Limits, lines
from molgen.chem.molecule import MAX_ATOMS
from molgen.chem.table import Rejection, read_rows
from molgen.errors import FileError, SpecError

LIMITS = Limits()


def chain(n: int) -> str:
    """A V3000 record of a chain of carbon atoms."""
    atoms = "".join(f"M  V30 {i} C {i} 0 0 0\n" for i in range(1, n + 1))
    bonds = "".join(f"M  V30 {i} 1 {i} {i + 1}\n" for i in range(1, n))
    counts = f"M  V30 COUNTS {n} {n - 1} 0 0 0\n"
    return (
        f"chain\n  x\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\n{counts}M  V30 BEGIN ATOM\n{atoms}"
        f"M  V30 END ATOM\nM  V30 BEGIN BOND\n{bonds}M  V30 END BOND\nM  V30 END CTAB\nM  END\n$$$$\n"
    )


def packed(path: Path, piece: bytes, n: int) -> Path:
    """A .gz file of `n` times the same."""
    with gzip.GzipFile(path, "wb", 1, mtime=0) as file:
        for _ in range(n):
            file.write(piece)
    return path


def bombs(folder: Path) -> dict[Path, str]:
    """Files beyond one limit each, and what is said of them."""
    line = b"C " + b"x" * (LIMITS.line - 3) + b"\n"
    (folder / "long.smi").write_bytes(line[:-1] + b"xx\n")
    (folder / "blank.smi").write_bytes(b"\n" * (LIMITS.blank + 1) + b"C\n")
    (folder / "record.sdf").write_bytes(line * (LIMITS.record // LIMITS.line + 1))
    return {
        folder / "long.smi": "line 1: more than 1,000,000 characters",
        folder / "blank.smi": "more than 1,000,000 blank lines in a row",
        folder / "record.sdf": "line 1: a record of more than 10,000,000 characters",
        packed(folder / "bomb.smi.gz", line, MIN_UNPACKED // len(line) + 1): "more than 100 times its size",
    }


def test_bombs_are_refused_and_read_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, message in bombs(tmp_path).items():
        with pytest.raises(FileError, match=message) as caught:
            list(read_rows(path))
        assert f"{SWITCH}=off" in caught.value.remedy
        with monkeypatch.context() as patch:
            patch.setenv(SWITCH, "off")
            assert list(read_rows(path))


def test_the_switch_is_on_or_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.smi").write_text("C\n")
    monkeypatch.setenv(SWITCH, "no")
    with pytest.raises(SpecError, match="must be on or off, but is 'no'"):
        list(lines(tmp_path / "a.smi"))


def test_pipes_and_devices_are_no_files_of_molecules(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.smi")
    (tmp_path / "zero.smi").symlink_to("/dev/zero")
    for name in ("pipe.smi", "zero.smi"):
        with pytest.raises(FileError, match="is not a regular file"):
            list(read_rows(tmp_path / name))


def test_a_chain_too_long_is_one_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "chain.sdf"
    path.write_text(chain(MAX_ATOMS + 1) + chain(3))
    first, second = read_rows(path)
    assert isinstance(first, Rejection)
    assert first.reason == "more than 2000 atoms"
    assert not isinstance(second, Rejection)
    assert second.smiles == "CCC"


@pytest.mark.parametrize("name", ["a.smi", "a.smi.gz"])
def test_the_share_that_was_read_rises_to_one(tmp_path: Path, name: str) -> None:
    content = "".join(f"{'C' * (1 + i % 9)} name{i}\n" for i in range(5000)).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    shares: list[float] = []
    assert len(list(lines(tmp_path / name, shares.append))) == 5000
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < 1.0
    assert shares[-1] == 1.0
