"""The ledger: what was appended reads back, whatever a crash or a stranger did to the file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molgen.errors import RunError
from molgen.search.ledger import Evaluation, Ledger, read_evaluations

numbers = st.floats(allow_infinity=False)
smiles = st.text("CNOclns()[]=#@+-/\\1234567890.%H", min_size=1)
measures = st.lists(
    st.sampled_from(["qed", "similarity:CC(=O)O", "smarts:[C,N]", 'a "b"', "predicted:pKi, nM", "溶解度"]),
    unique=True,
)
failures = st.just("") | st.text(st.characters(codec="ascii", exclude_categories=["C"]))
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def ledgers(draw: st.DrawFn, *, has_failures: bool = False) -> tuple[list[str], list[str], list[Evaluation]]:
    """Names of measures, those of them that are objectives, and evaluations of them."""
    names = draw(measures)
    objectives = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    evaluations = [
        Evaluation(
            index=index,
            smiles=draw(smiles),
            values={name: draw(numbers) for name in names},
            desirabilities={name: draw(numbers) for name in objectives},
            total=draw(numbers),
            violation=draw(numbers),
            hypervolume=draw(numbers),
            parent=draw(st.just("") | smiles),
            failure=draw(failures) if has_failures else "",
        )
        for index in range(1, draw(st.integers(0, 4)) + 1)
    ]
    return names, objectives, evaluations


def texts(evaluations: list[Evaluation]) -> list[str]:
    """Evaluations in a form in which NaN equals NaN, and 0 differs from -0."""
    return [repr(evaluation) for evaluation in evaluations]


@same_folder
@given(ledger=ledgers(), n_first=st.integers(0, 4))
def test_what_is_written_reads_back_to_the_last_bit(
    tmp_path: Path, ledger: tuple[list[str], list[str], list[Evaluation]], n_first: int
) -> None:
    names, objectives, evaluations = ledger
    file = Ledger(tmp_path / "evaluations.csv", names, objectives)
    file.begin(evaluations[:n_first])
    file.append(evaluations[n_first:])
    assert texts(read_evaluations(file.path)) == texts(evaluations)


@same_folder
@given(ledger=ledgers(has_failures=True))
def test_failures_read_back_too(tmp_path: Path, ledger: tuple[list[str], list[str], list[Evaluation]]) -> None:
    names, objectives, evaluations = ledger
    file = Ledger(tmp_path / "evaluations.csv", names, objectives, has_failures=True)
    file.begin(evaluations)
    assert texts(read_evaluations(file.path)) == texts(evaluations)


def test_a_file_cut_off_anywhere_holds_the_lines_before_the_cut(tmp_path: Path) -> None:
    nan = math.nan
    evaluations = [
        Evaluation(1, "CCO", {'a,"b"': 1.5, "qed": nan}, {"qed": 0.0}, 0.25, 0.0, nan, ""),
        Evaluation(2, "CCN", {'a,"b"': -1e-300, "qed": 0.5}, {"qed": 0.5}, 1e22, 0.0, nan, "CCO"),
        Evaluation(3, "CC", {'a,"b"': nan, "qed": 1.0}, {"qed": nan}, nan, 2.5, nan, "CCN"),
    ]
    file = Ledger(tmp_path / "evaluations.csv", ['a,"b"', "qed"], ["qed"])
    file.begin(evaluations)
    whole = file.path.read_bytes()
    header_end = whole.index(b"\n") + 1
    for cut in range(len(whole) + 1):
        file.path.write_bytes(whole[:cut])
        if cut < header_end:
            with pytest.raises(RunError):
                read_evaluations(file.path)
        else:
            n_whole = whole[:cut].count(b"\n") - 1
            assert texts(read_evaluations(file.path)) == texts(evaluations[:n_whole])


HEADER = "index,smiles,qed,desirability qed,total,violation,hypervolume,parent\n"
cells = st.sampled_from(["1", "2", "CCO", "", "nan", "inf", "1e999", "-", '"', '""', '"\n', "\x00", "1_0", "é", "\x85"])
lines = st.lists(st.lists(cells | st.text(max_size=5), max_size=9).map(",".join), max_size=4).map("\n".join)


def read_or_refuse(path: Path) -> list[Evaluation]:
    """Evaluations; none where the file is refused as it should be."""
    try:
        return read_evaluations(path)
    except RunError:
        return []


@same_folder
@given(content=st.binary() | lines.map(str.encode) | lines.map(lambda text: (HEADER + text + "\n").encode()))
def test_a_strange_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "evaluations.csv"
    path.write_bytes(content)
    evaluations = read_or_refuse(path)
    assert [evaluation.index for evaluation in evaluations] == list(range(1, len(evaluations) + 1))


def test_a_cell_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.csv"
    path.write_text(HEADER + "1," + "C" * 200_000 + ",0.5,0.5,0.5,0.0,,\n", encoding="utf-8")
    with pytest.raises(RunError):
        read_evaluations(path)


@pytest.mark.parametrize("line", ["1,CCO,0.5,0.5,0.5,0.0,", "1,CCO,half,0.5,0.5,0.0,,", "3,CCO,0.5,0.5,0.5,0.0,,", ""])
def test_damage_in_the_middle_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "evaluations.csv"
    path.write_text(f"{HEADER}1,CC,0.5,0.5,0.5,0.0,,\n{line}\n3,CN,0.5,0.5,0.5,0.0,,\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"evaluations.csv, line 3: is damaged\nCut the file"):
        read_evaluations(path)


def test_a_missing_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        read_evaluations(tmp_path / "evaluations.csv")


@pytest.mark.parametrize(("violation", "is_feasible"), [(0.0, True), (-0.0, True), (1e-9, False), (math.nan, False)])
def test_feasible_is_without_any_violation(violation: float, is_feasible: bool) -> None:
    assert Evaluation(1, "C", {}, {}, 1.0, violation, math.nan, "").is_feasible is is_feasible
