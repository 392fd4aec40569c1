"""Candidates: the right ones, in the right order, each what its text says."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from molgen.chem.checks import CHECKS
from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.errors import NothingValidError, SpecError
from molgen.output.candidates import Pick, describe, keep_ids, pick_diverse, scaffold, select
from molgen.output.known import KnownCompounds
from molgen.search.ledger import Evaluation
from molgen.search.start import StartMolecule

SMILES = (
    "CCO",
    "CCN",
    "c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "CNC(C)=O",
    "O=C1CSC(=S)N1",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",
    "Oc1ccccc1O",
    "FC(F)(F)c1ccccc1",
    "C1CCNCC1",
    "O=C([O-])c1cccnc1",
    "CS(=O)(=O)N1CCOCC1",
    "Clc1ccc(Br)cc1",
    "C/C=C/C",
)
HOMOLOGUES = tuple("C" * n + "O" for n in range(1, 121))


def evaluation(index: int, smiles: str, total: float = 0.5, **more: object) -> Evaluation:
    fields: dict[str, object] = {
        "values": {"qed": total},
        "desirabilities": {"qed": total},
        "violation": 0.0,
        "hypervolume": math.nan,
        "parent": "",
    }
    return Evaluation(index=index, smiles=smiles, total=total, **(fields | more))  # type: ignore[arg-type]


def ledger(totals: Sequence[float], smiles: Sequence[str] = SMILES) -> list[Evaluation]:
    return [evaluation(i, smiles[i - 1], total) for i, total in enumerate(totals, 1)]


def indices(picks: Sequence[Pick]) -> list[int]:
    return [pick.evaluation.index for pick in picks]


def knows_nothing(smiles: Sequence[str]) -> NDArray[np.bool_]:
    return np.zeros(len(smiles), dtype=np.bool_)


few_values = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@given(totals=st.lists(few_values, min_size=1, max_size=len(SMILES)), top=st.integers(1, 20))
def test_the_largest_totals_come_first_and_the_earlier_of_equals(totals: list[float], top: int) -> None:
    best = sorted(range(len(totals)), key=lambda row: -totals[row])  # sorted() keeps the order of equals
    assert indices(select(ledger(totals), top).picks) == [row + 1 for row in best[:top]]


def test_what_misses_a_constraint_or_has_no_score_is_left_out() -> None:
    evaluations = [
        evaluation(1, "CCO", 0.9, violation=0.1),
        evaluation(2, "CCN", 0.8, violation=math.nan),
        evaluation(3, "CCC", math.nan),
        evaluation(4, "CCCl", 0.1),
    ]
    selection = select(evaluations, 10)
    assert indices(selection.picks) == [4]
    assert selection.left_out == {"a constraint is not met, or an objective has no value": 3}


@pytest.mark.parametrize("evaluations", [[], [evaluation(1, "CCO", violation=1.0)]])
def test_nothing_feasible_is_an_error_of_its_own(evaluations: list[Evaluation]) -> None:
    with pytest.raises(NothingValidError, match="meets all constraints"):
        select(evaluations, 10)


def test_nothing_readable_is_an_error_that_says_why() -> None:
    with pytest.raises(NothingValidError, match="not a SMILES"):
        select([evaluation(1, "C1CC(")], 10)


def test_an_error_names_the_reasons_of_feasible_molecules_with_their_remedies() -> None:
    evaluations = [
        evaluation(1, "CCO"),
        evaluation(2, "CCN"),
        evaluation(3, "C1CC("),
        evaluation(4, "CCC", violation=1),
    ]
    with pytest.raises(NothingValidError) as caught:
        select(evaluations, 1, is_novel=lambda molecule: molecule.smiles != "CCO", has_conformer=lambda molecule: False)
    reasons = "none of 3 feasible molecules can be used: 1 x not novel, 1 x no 3D conformer, 1 x not a SMILES"
    assert str(caught.value).startswith(reasons)
    assert caught.value.remedy == (
        "Export without --novel. Export with --2d. Export with the RDKit version that the run's manifest.json names."
    )


def test_lines_that_read_as_something_else_are_left_out_and_counted() -> None:
    texts = ["OCC", "CCO note", "C1CC", "", "C(C)(C)(C)(C)C", "CCN", "C" * 3000]
    selection = select([evaluation(i, text, 1 / i) for i, text in enumerate(texts, 1)], 10)
    assert indices(selection.picks) == [6]
    assert selection.left_out == {
        "not canonical for this version of RDKit": 2,
        "not a SMILES": 1,
        "empty": 1,
        "impossible valence or aromaticity": 1,
        "longer than 2000 characters": 1,
    }


def test_of_tautomers_that_share_an_inchikey_the_better_one_stays() -> None:
    selection = select([evaluation(1, "Oc1ccccn1", 0.4), evaluation(2, "O=c1cccc[nH]1", 0.6)], 10)
    assert [pick.molecule.smiles for pick in selection.picks] == ["O=c1cccc[nH]1"]
    assert selection.left_out == {"a better one has the same InChIKey": 1}


def test_several_fragments_stay_as_they_were_scored() -> None:
    (pick,) = select([evaluation(1, "C[NH3+].[Cl-]")], 1).picks
    assert pick.molecule.smiles == "C[NH3+].[Cl-]"


points = st.lists(st.tuples(few_values, few_values, few_values), min_size=1, max_size=len(SMILES))


@given(points=points)
def test_a_front_holds_what_nothing_dominates_and_comes_first(points: list[tuple[float, ...]]) -> None:
    evaluations = [
        evaluation(i, SMILES[i - 1], sum(point), desirabilities=dict(zip("abc", point, strict=True)), hypervolume=0.1)
        for i, point in enumerate(points, 1)
    ]

    def is_beaten(point: tuple[float, ...]) -> bool:
        return any(q != point and all(a >= b for a, b in zip(q, point, strict=True)) for q in points)

    picks = select(evaluations, len(points)).picks
    assert {pick.evaluation.index: pick.is_on_front for pick in picks} == {
        i: not is_beaten(point) for i, point in enumerate(points, 1)
    }
    expected = sorted(range(len(points)), key=lambda row: (is_beaten(points[row]), -sum(points[row])))
    assert indices(picks) == [row + 1 for row in expected]


def test_a_front_is_selected_whole() -> None:
    on_front = [(0.9, 0.1), (0.5, 0.5), (0.1, 0.9)]
    evaluations = [
        evaluation(i, SMILES[i - 1], 0.0, desirabilities=dict(zip("ab", point, strict=True)), hypervolume=0.1)
        for i, point in enumerate([*on_front, (0.1, 0.1)], 1)
    ]
    assert set(indices(select(evaluations, 1).picks)) == {1, 2, 3}


def test_without_hypervolumes_there_is_no_front() -> None:
    assert not any(pick.is_on_front for pick in select(ledger([0.1, 0.2]), 2).picks)


@settings(max_examples=25)
@given(order=st.permutations(SMILES), n=st.integers(1, 20))
def test_each_diverse_pick_is_the_farthest_of_its_turn_from_those_before(order: list[str], n: int) -> None:
    molecules = [parse(smiles) for smiles in order]
    bits = [fingerprint(molecule.mol) for molecule in molecules]
    distance = np.array([[1 - tanimoto(a, b) for b in bits] for a in bits])
    scaffolds = [scaffold(molecule) for molecule in molecules]
    turn = np.array([scaffolds[:row].count(scaffolds[row]) for row in range(len(order))])
    picked = pick_diverse(molecules, n)
    assert picked[0] == 0
    assert len(set(picked)) == len(picked) == min(n, len(order))
    assert turn[picked].tolist() == sorted(turn)[: len(picked)]
    for count in range(1, len(picked)):
        left = [row for row in np.flatnonzero(turn == turn[picked[count]]) if row not in picked[:count]]
        nearest = distance[:, picked[:count]].min(axis=1)
        assert nearest[picked[count]] == pytest.approx(nearest[left].max())


def test_one_series_does_not_fill_a_diverse_selection() -> None:
    series = [f"{'C' * n}Oc1ccc(cc1)C(=O)NC1CCCCC1" for n in range(1, 101)]
    others = ["c1ccsc1CC", "c1ccoc1CC", "C1CCOC1CC", "C1CCNC1CCC", "c1ccncc1CC"]
    for n_before, n_scaffolds in ((20, 6), (100, 4)):
        texts = [parse(text).smiles for text in (*series[:n_before], *others, *series[n_before:])]
        picks = select(ledger([1 - i / 1000 for i in range(len(texts))], texts), 6, is_diverse=True).picks
        assert len({scaffold(pick.molecule) for pick in picks}) == n_scaffolds


def test_a_diverse_selection_leaves_the_worse_half_out() -> None:
    totals = [1 - i / 1000 for i in range(60)]
    picks = select(ledger(totals, HOMOLOGUES[:60]), 20, is_diverse=True).picks
    assert max(indices(picks)) <= 30


def test_ids_name_lines_of_the_ledger() -> None:
    lines = ledger([0.1, 0.2, 0.3])
    assert keep_ids(lines, ["MG-000003", "MG-000001"]) == [lines[0], lines[2]]
    with pytest.raises(SpecError, match="MG-000004"):
        keep_ids(lines, ["MG-000004", "MG-000001"])
    with pytest.raises(SpecError, match="none is given"):
        keep_ids(lines, [])


def test_only_what_is_novel_is_selected() -> None:
    selection = select(ledger([0.9, 0.8, 0.7]), 2, is_novel=lambda molecule: molecule.smiles != SMILES[0])
    assert indices(selection.picks) == [2, 3]
    assert selection.left_out == {"not novel": 1}


def test_a_compound_that_the_campaign_began_with_is_not_novel() -> None:
    known = KnownCompounds([StartMolecule(parse(SMILES[0]), "ethanol"), StartMolecule(parse(SMILES[2]))])
    first, second = describe(select(ledger([0.9, 0.8]), 2).picks, was_trained_on=knows_nothing, start_compounds=known)
    assert (first.is_novel, first.name) == (False, "ethanol")
    assert (second.is_novel, second.name) == (True, "")
    assert second.nearest is not None
    assert second.nearest.known.name == "ethanol"


def test_a_diverse_selection_keeps_the_best_and_ranks_by_total() -> None:
    totals = list(np.linspace(0.1, 0.9, len(SMILES)))
    picks = select(ledger(totals), 5, is_diverse=True).picks
    assert len(picks) == 5
    assert indices(picks)[0] == len(SMILES)
    assert indices(picks) == sorted(indices(picks), reverse=True)


def test_a_diverse_selection_is_made_among_the_best_hundred() -> None:
    totals = [1 - i / 1000 for i in range(len(HOMOLOGUES))]
    picks = select(ledger(totals, HOMOLOGUES), 20, is_diverse=True).picks
    assert max(indices(picks)) <= 100


def test_an_id_is_that_of_the_line_whatever_is_selected() -> None:
    evaluations = ledger([0.1, 0.9, 0.5])
    for top, is_diverse in ((1, False), (2, False), (2, True), (3, False)):
        candidates = describe(select(evaluations, top, is_diverse=is_diverse).picks, was_trained_on=knows_nothing)
        assert [c.id for c in candidates] == [f"MG-{c.evaluation.index:06d}" for c in candidates]
        assert [c.rank for c in candidates] == list(range(1, top + 1))


def test_a_candidate_tells_of_checks_and_of_where_it_came_from() -> None:
    evaluations = [
        evaluation(1, "CC(=O)Oc1ccccc1C(=O)O", 0.9, parent="CC(=O)Oc1ccccc1C(=O)O"),
        evaluation(2, "O=C1CSC(=S)N1", 0.8, parent="CCO"),
        evaluation(3, "CCN", 0.7),
        evaluation(4, "CCC", 0.6, parent="no molecule"),
    ]

    def knows_amines(smiles: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([text == "CCN" for text in smiles])

    aspirin, rhodanine, amine, orphan = describe(select(evaluations, 9).picks, was_trained_on=knows_amines)
    assert aspirin.parent_similarity == 1.0
    assert [result.name for result in aspirin.checks] == list(CHECKS)
    assert dict(zip(CHECKS, rhodanine.checks, strict=True))["pains"].evidence == ("rhod_sat_A(33)",)
    assert rhodanine.parent == parse("CCO")
    assert 0 <= rhodanine.parent_similarity < 1
    assert (aspirin.is_novel, amine.is_novel) == (True, False)
    for candidate in (amine, orphan):
        assert candidate.parent is None
        assert math.isnan(candidate.parent_similarity)


def test_predictions_belong_to_their_molecules() -> None:
    def predict(smiles: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lengths = np.array([float(len(text)) for text in smiles])
        return np.stack([lengths, -lengths], axis=1), np.stack([lengths / 10, lengths / 100], axis=1)

    picks = select(ledger([0.2, 0.3, 0.9, 0.1]), 4).picks
    candidates = describe(picks, was_trained_on=knows_nothing, predict=predict, property_names=("length", "minus"))
    for candidate in candidates:
        n = float(len(candidate.molecule.smiles))
        assert candidate.predicted == {"length": (n, n / 10), "minus": (-n, n / 100)}


def test_trust_belongs_to_its_molecule_and_is_nothing_where_nobody_knows() -> None:
    def trust(smiles: Sequence[str]) -> NDArray[np.float64]:
        return np.array([1 / len(text) for text in smiles])

    picks = select(ledger([0.2, 0.3, 0.9, 0.1]), 4).picks
    for candidate in describe(picks, was_trained_on=knows_nothing, trust=trust):
        assert candidate.trust == 1 / len(candidate.molecule.smiles)
    assert all(math.isnan(candidate.trust) for candidate in describe(picks, was_trained_on=knows_nothing))
