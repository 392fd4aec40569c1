"""What an option may name as an executor, and what is said about everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from molgen.errors import SpecError
from molgen.workers.executor import read_executor


@pytest.mark.parametrize("source", ["def make_executor():\n    return 3\n", "raise ValueError('no')\n", "x = 1\n"])
def test_a_file_that_makes_no_executor_is_explained(tmp_path: Path, source: str) -> None:
    (tmp_path / "pool.py").write_text(source)
    workers = read_executor(f"{tmp_path / 'pool.py'}:make_executor")
    with pytest.raises(SpecError, match="executor"):
        workers.submit(abs, 1)


def test_a_scheduler_of_dask_that_does_not_answer_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("molgen.workers.executor._CONNECT_S", 0.5)
    workers = read_executor("dask://127.0.0.1:9")
    with pytest.raises(SpecError, match="no scheduler of Dask answers"):
        workers.submit(abs, 1)


@pytest.mark.parametrize(
    "text", ["local", "local:0", "local:1025", "local:-1", "dask://host", "", "local:2 ", "none.py:make", "a.py:1"]
)
def test_what_is_no_executor_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="executor"):
        read_executor(text)
    assert read_executor("local:12").n_local == 12
