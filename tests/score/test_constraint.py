"""Constraints: texts, violations against plain comparison, and contradictions against brute force."""

from __future__ import annotations

import math
import operator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.errors import SpecError
from molgen.score.constraint import Constraint, Operator, require_consistent

COMPARE = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
operators: st.SearchStrategy[Operator] = st.sampled_from(["<=", ">=", "<", ">", "==", "!="])
names = st.sampled_from(["logp", "similarity:CC(=O)O", "smarts:[#6]=[#8]", "predicted:log D  7.4", "smarts:C>>C"])
bounds = st.floats(-1e100, 1e100)
words = st.sampled_from(["logp", "<", "<=", ">", ">=", "==", "!=", "=", "2", "-1e3", "nan", "inf", "", "\x00", "²"])


@given(names, operators, bounds)
def test_what_is_written_reads_back(name: str, sign: Operator, bound: float) -> None:
    constraint = Constraint(name, sign, bound)
    assert Constraint.parse(str(constraint)) == (constraint,)


def test_a_bound_may_stand_on_the_left_or_on_both_sides() -> None:
    assert Constraint.parse("0.4 <= similarity") == Constraint.parse("similarity >= 0.4")
    assert Constraint.parse("2 <= logp < 3") == (Constraint("logp", ">=", 2), Constraint("logp", "<", 3))
    assert Constraint.parse("3 > logp >= 2") == (Constraint("logp", "<", 3), Constraint("logp", ">=", 2))
    assert Constraint.parse("0 == alerts:pains") == (Constraint("alerts:pains", "==", 0),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "logp",
        "logp <=",
        "logp<=2",
        "logp <= two",
        "logp <= nan",
        "logp => 2",
        "logp = 2",
        "2 <= logp >= 1",
        "2 != logp != 3",
        "2 == logp == 3",
        "1 < logp < 2 < 3",
        "2 <= 3",
        "<= <= 3",
        "a < b < 3",
    ],
)
def test_another_form_is_refused_with_the_form_as_remedy(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        Constraint.parse(text)
    assert caught.value.key == "constraint"
    assert "with blanks around the operators" in caught.value.remedy


@given(st.text() | st.lists(words, max_size=7).map(" ".join))
def test_no_text_causes_anything_but_a_spec_error(text: str) -> None:
    try:
        constraints = Constraint.parse(text)
    except SpecError:
        return
    assert len(constraints) in (1, 2)


@given(operators, st.integers(-3, 3), st.lists(st.integers(-4, 4) | st.floats(allow_nan=False)))
def test_violation_is_0_exactly_where_the_comparison_holds(sign: Operator, bound: int, values: list[float]) -> None:
    violation = Constraint("x", sign, bound).violation(values)
    assert (violation >= 0).all()
    assert (violation == 0).tolist() == [COMPARE[sign](value, bound) for value in values]


def test_violation_is_the_distance_to_the_bound() -> None:
    assert Constraint("x", "<=", 2).violation([1, 2, 5]).tolist() == [0, 0, 3]
    assert Constraint("x", ">", 2).violation([-1, 3]).tolist() == [3, 0]
    assert Constraint("x", "==", 2).violation([1, 2, 5]).tolist() == [1, 0, 3]
    assert Constraint("x", "!=", 2).violation([1, 2, 5]).tolist() == [0, 1, 0]


@pytest.mark.parametrize("sign", COMPARE)
def test_what_is_not_known_keeps_no_bound(sign: Operator) -> None:
    assert Constraint("x", sign, 0).violation([math.nan]).tolist() == [math.inf]


def test_every_contradiction_of_three_is_found_and_nothing_else() -> None:
    """Brute force: with bounds 1 and 2, a value that keeps all is among these, or there is none."""
    candidates = [0.5, 1, 1.5, 2, 2.5]
    single = [Constraint("x", sign, bound) for sign in COMPARE for bound in (1.0, 2.0)]  # type: ignore[arg-type]
    for group in product(single, repeat=3):
        is_possible = any(all(COMPARE[c.operator](value, c.bound) for c in group) for value in candidates)
        assert _is_consistent(*group) == is_possible, [str(c) for c in group]


def test_a_contradiction_names_both_and_spares_other_measures() -> None:
    logp_low, logp_high, qed = (Constraint.parse(t)[0] for t in ("logp <= 1", "logp >= 2", "qed >= 2"))
    require_consistent([logp_low, qed])
    with pytest.raises(SpecError, match=r'"logp >= 2\.0" and "logp <= 1\.0"'):
        require_consistent([logp_low, qed, logp_high])


def test_a_range_turned_round_contradicts_itself() -> None:
    with pytest.raises(SpecError, match="no value can satisfy"):
        require_consistent(Constraint.parse("3 <= logp <= 2"))


def _is_consistent(*constraints: Constraint) -> bool:
    try:
        require_consistent(constraints)
    except SpecError:
        return False
    return True
