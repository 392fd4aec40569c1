"""Admission: what is familiar, stable and neutral is kept, and the user decides about each of the three."""

from __future__ import annotations

import pytest

from molgen.chem.admission import CHARGED, UNFAMILIAR, UNSTABLE, Admission, AdmissionRules
from molgen.chem.familiarity import Reference
from molgen.chem.molecule import parse

ANISOLE, CYCLOBUTADIENE, BETAINE = "COc1ccccc1", "C1=CC=C1", "C[N+](C)(C)CC(=O)[O-]"
CHOLINE, ZWITTERION = "C[N+](C)(C)CCO", "[NH3+]CC(=O)[O-]"
KNOWN = Reference.of(parse(text).mol for text in (ANISOLE, CHOLINE, BETAINE, ZWITTERION, "NCC(=O)O", "C1=CC=C1"))


def test_each_rule_removes_what_it_is_named_after_and_can_be_lifted() -> None:
    strict = Admission(AdmissionRules(), KNOWN)
    texts = [ANISOLE, None, "Cc1ccsc1", CYCLOBUTADIENE, CHOLINE]
    assert strict(texts) == [ANISOLE, None, None, None, None]
    assert strict.removed == {UNFAMILIAR: 1, UNSTABLE: 1, CHARGED: 1}
    for rules, kept in (
        (AdmissionRules(allow_unfamiliar=True), 2),
        (AdmissionRules(allow_unstable=True), 3),
        (AdmissionRules(charge="keep"), 4),
    ):
        assert [text for text in Admission(rules, KNOWN)(texts) if text] == [ANISOLE, texts[kept]]


def test_what_a_proton_makes_neutral_is_kept_as_neutral_and_inner_salts_stay() -> None:
    assert Admission(AdmissionRules(), KNOWN)([ZWITTERION, BETAINE]) == ["NCC(=O)O", BETAINE]
    assert Admission(AdmissionRules(charge="keep"), KNOWN)([ZWITTERION]) == [ZWITTERION]


def test_the_parts_of_given_molecules_are_familiar() -> None:
    own = parse("Cc1ccsc1")
    assert Admission(AdmissionRules(), KNOWN, [own])([own.smiles, "c1ccoc1"]) == [own.smiles, None]


def test_without_a_reference_nothing_is_unfamiliar() -> None:
    assert Admission(AdmissionRules(), None)(["C1CC12CC2", CYCLOBUTADIENE]) == ["C1CC12CC2", None]


@pytest.mark.parametrize("n", [1, 3])
def test_a_molecule_that_comes_again_counts_once(n: int) -> None:
    admission = Admission(AdmissionRules(), KNOWN)
    for _ in range(n):
        admission([CYCLOBUTADIENE, CYCLOBUTADIENE, ANISOLE])
    assert (admission.n_checked, admission.removed.total()) == (2, 1)
    assert str(admission) == "of 2 different molecules, 1 unstable removed"
