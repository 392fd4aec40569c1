"""The oracle: totals restated by hand, raw values kept apart, scorers called exactly as often as needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from molgen.chem.molecule import Molecule, parse
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import ScorerError, SpecError
from molgen.score.constraint import Constraint
from molgen.score.measure import MeasureContext
from molgen.score.objective import Objective, parse_objectives
from molgen.score.oracle import Oracle, Score

ASPIRIN, CAFFEINE, IBUPROFEN = MOLECULES = [
    parse(smiles) for smiles in ("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CC(C)Cc1ccc(C(C)C(=O)O)cc1")
]


class CountedScorer:
    """A user's scorer: the number of characters of the SMILES, and a record of every batch."""

    name = "length"
    is_cheap = False
    default_scale = None

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, molecules: Sequence[Molecule], /) -> npt.NDArray[np.float64]:
        self.batches.append([molecule.smiles for molecule in molecules])
        return np.array([len(molecule.smiles) for molecule in molecules], dtype=np.float64)


class FailingScorer(CountedScorer):
    def __call__(self, molecules: Sequence[Molecule], /) -> npt.NDArray[np.float64]:
        raise ScorerError("length", "is broken")


def descriptor(name: str) -> npt.NDArray[np.float64]:
    return np.array([DESCRIPTORS[name].function(molecule.mol) for molecule in MOLECULES])


def cannot_encode_caffeine(smiles: Sequence[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    mean = np.array([[math.nan if text == CAFFEINE.smiles else 7.0] for text in smiles])
    return mean, mean / 7


def constraints(*texts: str) -> list[Constraint]:
    return [constraint for text in texts for constraint in Constraint.parse(text)]


def test_a_single_objective_keeps_its_raw_value_and_needs_no_scale() -> None:
    up = Oracle(parse_objectives(maximize=["length"]), context=MeasureContext(scorers={"length": CountedScorer()}))
    score = up.score(MOLECULES)
    assert score.total.tolist() == [len(molecule.smiles) for molecule in MOLECULES]
    assert score.desirabilities == {}
    assert score.feasible.all()


@pytest.mark.parametrize(("objective", "sign"), [(Objective("sa", "maximize"), 1), (Objective("sa", "minimize"), -1)])
def test_a_single_objective_is_signed_so_that_larger_is_better(objective: Objective, sign: int) -> None:
    np.testing.assert_array_equal(Oracle([objective]).score(MOLECULES).total, sign * descriptor("sa"))


def test_several_objectives_weigh_their_desirabilities() -> None:
    objectives = parse_objectives(
        maximize=["qed"], minimize=["mw"], target=["logp = 1"], weight=["qed = 2"], scale=["mw = 100..300"]
    )
    score = Oracle(objectives).score(MOLECULES)
    qed = np.clip(descriptor("qed"), 0, 1)
    mw = np.clip((300 - descriptor("mw")) / 200, 0, 1)
    tolerance = (DESCRIPTORS["logp"].high - DESCRIPTORS["logp"].low) / 2
    logp = np.clip(1 - abs(descriptor("logp") - 1) / tolerance, 0, 1)
    np.testing.assert_allclose(score.total, (qed**2 * mw * logp) ** (1 / 4))
    np.testing.assert_array_equal(score.values["mw"], descriptor("mw"))
    np.testing.assert_allclose(Oracle(objectives).objective_matrix(score), np.column_stack([qed, mw, logp]))


def test_several_objectives_need_a_scale_each() -> None:
    context = MeasureContext(scorers={"length": CountedScorer()})
    with pytest.raises(SpecError, match=r'--scale "length = low\.\.high"'):
        Oracle(parse_objectives(maximize=["qed", "length"]), context=context)
    Oracle(parse_objectives(maximize=["qed", "length"], scale=["length = 0..50"]), context=context)


def test_a_matrix_of_a_single_objective_needs_its_scale_too() -> None:
    oracle = Oracle(parse_objectives(maximize=["length"]), context=MeasureContext(scorers={"length": CountedScorer()}))
    with pytest.raises(SpecError, match="--scale"):
        oracle.objective_matrix(oracle.score(MOLECULES))


def test_measures_are_named_once_in_the_order_of_objectives_constraints_extras() -> None:
    oracle = Oracle(
        parse_objectives(maximize=["qed"], minimize=["sa"]),
        constraints("2 <= logp <= 3", "sa <= 4", "alerts:pains == 0"),
        extra=["mw", "qed"],
    )
    assert oracle.measure_names == ("qed", "sa", "logp", "alerts:pains", "mw")
    assert tuple(oracle.score(MOLECULES).values) == oracle.measure_names


def test_constraints_are_violated_in_widths_of_the_measures_scale() -> None:
    oracle = Oracle(parse_objectives(maximize=["qed"]), constraints("mw <= 190", "smarts:C(=O)[OH] >= 1"))
    score = oracle.score(MOLECULES)
    mw = DESCRIPTORS["mw"]
    expected = np.maximum(descriptor("mw") - 190, 0) / (mw.high - mw.low) + [0, 1, 0]
    np.testing.assert_allclose(score.violation, expected)
    assert score.feasible.tolist() == [True, False, False]


def test_each_scorer_is_called_once_a_batch_and_counted() -> None:
    scorer = CountedScorer()
    oracle = Oracle(
        parse_objectives(maximize=["length"]),
        constraints("20 <= length <= 30"),
        MeasureContext(scorers={"length": scorer}),
        extra=["length"],
    )
    oracle.score(MOLECULES)
    oracle.score(MOLECULES[:1])
    assert scorer.batches == [[molecule.smiles for molecule in MOLECULES], [ASPIRIN.smiles]]
    assert oracle.n_calls == 4


def test_cheap_violations_call_no_scorer_and_agree_with_the_score() -> None:
    scorer = CountedScorer()
    context = MeasureContext(reference=ASPIRIN, scorers={"length": scorer})
    texts = ("similarity >= 0.4", "mw <= 190")
    oracle = Oracle(parse_objectives(maximize=["length"]), constraints(*texts, "length <= 1"), context)
    violation = sum(oracle.cheap_violations(MOLECULES).values(), np.zeros(len(MOLECULES)))
    assert (scorer.batches, oracle.n_calls) == ([], 0)
    without = Oracle(parse_objectives(maximize=["qed"]), constraints(*texts), context)
    np.testing.assert_array_equal(violation, without.score(MOLECULES).violation)
    assert violation[0] == 0


@given(order=st.permutations(range(3)))
def test_a_molecule_scores_the_same_in_any_batch(order: list[int]) -> None:
    oracle = Oracle(parse_objectives(maximize=["qed"], minimize=["sa"]), constraints("logp <= 2"))
    batch, alone = oracle.score([MOLECULES[i] for i in order]), [oracle.score([m]) for m in MOLECULES]
    assert batch.total.tolist() == [alone[i].total[0] for i in order]
    assert batch.violation.tolist() == [alone[i].violation[0] for i in order]


def test_restoring_raw_values_gives_the_same_score_without_a_call() -> None:
    scorer = CountedScorer()
    oracle = Oracle(
        parse_objectives(maximize=["qed", "predicted:pKi", "length"], scale=["length = 0..50", "predicted:pKi = 5..9"]),
        constraints("length <= 22", "sa < 3"),
        MeasureContext(predict=cannot_encode_caffeine, property_names=("pKi",), scorers={"length": scorer}),
    )
    score = oracle.score(MOLECULES)
    restored = oracle.restore({**score.values, "more": np.zeros(3)})
    for name in oracle.measure_names:
        np.testing.assert_array_equal(restored.values[name], score.values[name])
    for name in score.desirabilities:
        np.testing.assert_array_equal(restored.desirabilities[name], score.desirabilities[name])
    np.testing.assert_array_equal(restored.total, score.total)
    np.testing.assert_array_equal(restored.violation, score.violation)
    assert len(scorer.batches) == 1
    assert oracle.n_calls == 3


def test_restoring_needs_every_measure() -> None:
    with pytest.raises(ValueError, match="missing: sa"):
        Oracle(parse_objectives(maximize=["qed", "sa"])).restore({"qed": [0.5]})


@pytest.mark.parametrize("maximize", [["predicted:pKi"], ["qed", "predicted:pKi"]])
def test_what_cannot_be_encoded_is_worst_and_infeasible_never_nan(maximize: list[str]) -> None:
    context = MeasureContext(predict=cannot_encode_caffeine, property_names=("pKi",))
    oracle = Oracle(parse_objectives(maximize=maximize, scale=["predicted:pKi = 5..9"]), context=context)
    score = oracle.score(MOLECULES)
    assert np.isnan(score.values["predicted:pKi"]).tolist() == [False, True, False]
    assert score.desirabilities["predicted:pKi"].tolist() == [0.5, 0, 0.5]
    assert score.total[1] == -math.inf
    assert score.violation.tolist() == [0, math.inf, 0]
    assert score.feasible.tolist() == [True, False, True]
    assert not np.isnan(oracle.objective_matrix(score)).any()


def test_an_extra_measure_that_is_missing_costs_nothing() -> None:
    context = MeasureContext(predict=cannot_encode_caffeine, property_names=("pKi",))
    oracle = Oracle(parse_objectives(maximize=["qed"]), context=context, extra=["predicted:pKi"])
    assert oracle.score(MOLECULES).feasible.all()


def test_no_molecules_have_an_empty_score() -> None:
    oracle = Oracle(parse_objectives(maximize=["qed", "similarity:CCO"]), constraints("alerts:pains == 0"))
    score = oracle.score([])
    assert score.total.shape == score.violation.shape == score.feasible.shape == (0,)
    assert all(violation.shape == (0,) for violation in oracle.cheap_violations([]).values())
    assert oracle.objective_matrix(score).shape == (0, 2)


def test_errors_of_a_scorer_reach_the_caller() -> None:
    context = MeasureContext(scorers={"length": FailingScorer()})
    with pytest.raises(ScorerError, match="is broken"):
        Oracle(parse_objectives(maximize=["length"]), context=context).score(MOLECULES)


def test_an_infinite_prediction_is_refused() -> None:
    context = MeasureContext(
        predict=lambda smiles: (np.full((len(smiles), 1), math.inf), np.ones((len(smiles), 1))),
        property_names=("pKi",),
    )
    with pytest.raises(ScorerError, match="infinite"):
        Oracle(parse_objectives(maximize=["predicted:pKi"]), context=context).score(MOLECULES)


@pytest.mark.parametrize(
    ("objectives", "limits", "message"),
    [
        ([], [], "there is none"),
        ([Objective("qed", "maximize"), Objective("qed", "minimize")], [], "given twice"),
        ([Objective("qde", "maximize")], [], "no measure 'qde'"),
        ([Objective("qed", "maximize")], constraints("qde > 0"), "no measure 'qde'"),
        ([Objective("qed", "maximize")], constraints("logp <= 1", "logp >= 2"), "no value can satisfy"),
    ],
)
def test_a_specification_that_cannot_be_scored_is_refused_before_any_call(
    objectives: list[Objective], limits: list[Constraint], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Oracle(objectives, limits)


def test_a_score_cannot_be_built_with_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"must all be \(N,\)"):
        Score(values={"qed": np.zeros(2)}, desirabilities={}, total=np.zeros(3), violation=np.zeros(3))
