"""Several processes of a scorer give what one gives, in the same order, at once, and end together."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from molgen.chem.molecule import parse
from molgen.errors import ScorerError
from molgen.score.external.parallel import ParallelScorer
from molgen.score.external.plugin import parse_python_scorer

MOLECULES = [parse("C" * n) for n in range(1, 9)]


@pytest.fixture
def scorer_of(tmp_path: Path) -> Callable[..., ParallelScorer]:
    def make(source: str, n: int = 3, *, is_tolerant: bool = False) -> ParallelScorer:
        (tmp_path / "mine.py").write_text(dedent(source))
        one = parse_python_scorer(f"{tmp_path / 'mine.py'}:score", 60, is_tolerant=is_tolerant)
        return ParallelScorer(one, n)

    return make


MEETING = """
    import os, time
    from pathlib import Path

    def score(smiles):
        (Path(__file__).parent / f"here-{os.getpid()}").touch()
        ends = time.monotonic() + 50
        while len(list(Path(__file__).parent.glob("here-*"))) < 3 and time.monotonic() < ends:
            time.sleep(0.01)
        time.sleep(0.02 * (9 - len(smiles[0])))  # the last is the first to end
        return [len(list(Path(__file__).parent.glob("here-*"))) * 100 + len(text) for text in smiles]
"""


def test_processes_work_at_once_and_values_come_in_order(scorer_of: Callable[..., ParallelScorer]) -> None:
    with scorer_of(MEETING) as scorer:
        assert scorer(MOLECULES).tolist() == [300 + n for n in range(1, 9)]
        assert scorer(MOLECULES[::-1]).tolist() == [300 + n for n in range(8, 0, -1)]
        assert scorer([]).shape == (0,)


def test_failures_are_those_of_their_molecules(scorer_of: Callable[..., ParallelScorer], partly_failing: str) -> None:
    with scorer_of(partly_failing, is_tolerant=True) as scorer:
        values = scorer(MOLECULES)
        assert [n for n, value in enumerate(values, 1) if value == n] == [1, 5, 6, 7, 8]
        assert set(scorer.failures) == {"CC", "CCC", "CCCC"}
        assert "too long" in scorer.failures["CCCC"]
        assert scorer(MOLECULES[4:]).tolist() == [5, 6, 7, 8]
        assert scorer.failures == {}


def test_the_first_failure_in_order_ends_an_intolerant_one(scorer_of: Callable[..., ParallelScorer]) -> None:
    source = """
        import time

        def score(smiles):
            if len(smiles[0]) in (2, 7):
                time.sleep(0.5 if len(smiles[0]) == 2 else 0)
                raise ValueError(f"no {smiles[0]}")
            return [1.0]
    """
    with scorer_of(source) as scorer, pytest.raises(ScorerError, match=r"no CC[^C]"):
        scorer(MOLECULES)


def test_closing_ends_every_process(scorer_of: Callable[..., ParallelScorer], tmp_path: Path) -> None:
    with scorer_of(MEETING) as scorer:
        scorer(MOLECULES)
    pids = [int(path.name.removeprefix("here-")) for path in tmp_path.glob("here-*")]
    assert len(pids) == 3
    ends = time.monotonic() + 20
    while any(is_running(pid) for pid in pids) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False
