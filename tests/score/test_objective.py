"""Objectives: what their texts mean, what they refuse, and which way is up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.errors import SpecError
from molgen.score.desirability import Goal
from molgen.score.objective import Objective, parse_objectives

texts = st.text() | st.from_regex(r"[a-z:=()]{0,6} ?(=|<=)? ?-?[0-9a-z.]{0,6}(\.\.)?-?[0-9.einf]{0,6}", fullmatch=True)


def test_all_options_together_in_stable_order() -> None:
    found = parse_objectives(
        maximize=["qed"],
        minimize=[" sa "],
        target=["logp = 2.5"],
        range_=["mw = 300..450"],
        weight=["qed = 2"],
        scale=["logp = -5..5"],
    )
    assert found == (
        Objective("qed", "maximize", weight=2),
        Objective("sa", "minimize"),
        Objective("logp", "target", scale=(-5, 5), wanted=(2.5, 2.5)),
        Objective("mw", "range", wanted=(300, 450)),
    )


def test_names_may_hold_the_signs_that_texts_are_split_at() -> None:
    (objective,) = parse_objectives(target=["similarity:CC(=O)O = 0.4"])
    assert (objective.name, objective.wanted) == ("similarity:CC(=O)O", (0.4, 0.4))
    (objective,) = parse_objectives(range_=["predicted:log D  pH 7 = -1e-1..+2"])
    assert (objective.name, objective.wanted) == ("predicted:log D  pH 7", (-0.1, 2.0))


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("target", "logp=2.5"),
        ("target", "logp = x"),
        ("target", "logp = nan"),
        ("target", "logp = inf"),
        ("target", "logp"),
        ("target", "= 2"),
        ("target", "a = b = 2"),
        ("range_", "mw = 300"),
        ("range_", "mw = 450..300"),
        ("range_", "mw = 300..300"),
        ("range_", "mw = 300..inf"),
        ("range_", "mw = 1...2..3"),
        ("weight", "qed = 0"),
        ("weight", "qed = -1"),
        ("scale", "qed = 1..0"),
        ("maximize", "qed = 2"),
        ("maximize", ""),
        ("maximize", "a\nb"),
        ("minimize", "sa <= 2"),
    ],
)
def test_a_text_of_another_form_is_refused_with_the_form_as_remedy(option: str, text: str) -> None:
    stated = {"maximize": ["qed"], option: [text]}
    with pytest.raises(SpecError) as caught:
        parse_objectives(**stated)
    assert caught.value.key == option.rstrip("_")
    assert caught.value.remedy.startswith("Write it like ")


@pytest.mark.parametrize(
    "stated",
    [
        {"maximize": ["qed", "qed"]},
        {"maximize": ["qed"], "minimize": ["qed"]},
        {"target": ["logp = 1"], "range_": ["logp = 1..2"]},
        {"maximize": ["qed"], "weight": ["qed = 1", "qed = 2"]},
    ],
)
def test_what_is_given_twice_is_refused_by_name(stated: dict[str, list[str]]) -> None:
    with pytest.raises(SpecError, match="given twice"):
        parse_objectives(**stated)


def test_a_weight_of_no_objective_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match="Did you mean 'logp'"):
        parse_objectives(maximize=["logp"], weight=["lopg = 2"])


@given(
    st.lists(texts, max_size=2),
    st.sampled_from(["maximize", "minimize", "target", "range_", "weight", "scale"]),
)
def test_no_text_causes_anything_but_a_spec_error(hostile: list[str], option: str) -> None:
    try:
        objectives = parse_objectives(**{option: hostile})
    except SpecError:
        return
    assert len(objectives) == len(hostile)


@given(
    goal=st.sampled_from(["maximize", "minimize", "target", "range"]),
    numbers=st.lists(st.floats(), min_size=5, max_size=5),
)
def test_no_numbers_make_an_objective_that_cannot_be_used(goal: Goal, numbers: list[float]) -> None:
    weight, low, high, first, last = numbers
    try:
        wanted = {"target": (first, first), "range": (first, last)}.get(goal)
        objective = Objective("x", goal, weight, (low, high), wanted)
    except SpecError:
        return
    desirability = objective.desirability(None)([-1e300, -1.0, 0.0, 2.5, 1e300])
    assert ((desirability >= 0) & (desirability <= 1)).all()


def test_signed_values_are_larger_where_better() -> None:
    raw = [1.0, 2.0, 5.0]
    assert Objective("x", "maximize").signed(raw).tolist() == [1, 2, 5]
    assert Objective("x", "minimize").signed(raw).tolist() == [-1, -2, -5]
    assert Objective("x", "target", wanted=(2, 2)).signed(raw).tolist() == [-1, 0, -3]
    assert Objective("x", "range", wanted=(2, 4)).signed(raw).tolist() == [-1, 0, -1]
    assert math.isnan(Objective("x", "target", wanted=(2, 2)).signed([math.nan])[0])


@given(values=st.lists(st.floats(-20, 20), min_size=2, max_size=2))
@pytest.mark.parametrize(
    "objective",
    [
        Objective("x", "maximize", scale=(-5, 5)),
        Objective("x", "minimize", scale=(-5, 5)),
        Objective("x", "target", scale=(-5, 5), wanted=(1, 1)),
        Objective("x", "range", scale=(-5, 5), wanted=(1, 3)),
    ],
    ids=lambda objective: objective.goal,
)
def test_desirability_never_contradicts_the_signed_value(objective: Objective, values: list[float]) -> None:
    signed, desired = objective.signed(values), objective.desirability(None)(values)
    assert np.sign(desired[0] - desired[1]) in (0, np.sign(signed[0] - signed[1]))


def test_its_own_scale_wins_and_no_scale_is_refused_with_the_option_that_gives_one() -> None:
    assert Objective("x", "maximize", scale=(0, 4)).desirability((0, 1))(1.0) == 0.25
    assert Objective("x", "maximize").desirability((0, 4))(1.0) == 0.25
    with pytest.raises(SpecError, match=r'--scale "x = low\.\.high"'):
        Objective("x", "maximize").desirability(None)


def test_half_the_scale_is_the_tolerance_of_a_target() -> None:
    objective = Objective("logp", "target", scale=(0, 10), wanted=(2, 2))
    assert objective.desirability(None)([2, 4.5, 7, -3]).tolist() == [1, 0.5, 0, 0]
