"""What is asked by default, and how it is lifted."""

from __future__ import annotations

from dataclasses import replace

from molgen.chem.admission import AdmissionRules
from molgen.score.constraint import Constraint
from molgen.score.defaults import add_default_constraints

STRICT = AdmissionRules()


def added(rules: AdmissionRules, *texts: str, has_reference: bool = True) -> list[str]:
    own = [one for text in texts for one in Constraint.parse(text)]
    return [str(one) for one in add_default_constraints(rules, own, has_reference=has_reference)]


def test_molecules_are_familiar_stable_and_neutral_unless_that_is_lifted() -> None:
    everything = ["unfamiliar == 0.0", "unstable == 0.0", "charge == 0.0"]
    assert added(STRICT) == everything
    assert added(replace(STRICT, allow_unfamiliar=True)) == added(STRICT, has_reference=False) == everything[1:]
    assert added(replace(STRICT, allow_unstable=True, charge="keep")) == everything[:1]


def test_a_bound_of_the_users_own_stands_in_for_the_default() -> None:
    assert added(STRICT, "unfamiliar <= 3", "sa < 4") == [
        "unfamiliar <= 3.0",
        "sa < 4.0",
        "unstable == 0.0",
        "charge == 0.0",
    ]
