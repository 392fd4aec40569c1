"""What is asked of molecules by default, as constraints: that they are familiar, stable and neutral."""

from __future__ import annotations

from collections.abc import Sequence

from molgen.chem.admission import AdmissionRules
from molgen.score.constraint import Constraint
from molgen.score.measure import CHARGE, UNFAMILIAR, UNSTABLE


def add_default_constraints(
    rules: AdmissionRules, constraints: Sequence[Constraint], *, has_reference: bool
) -> list[Constraint]:
    """The constraints, followed by those of the rules on measures that they do not name.

    Args:
        rules: The rules of admission.
        constraints: The user's constraints.
        has_reference: Whether the checkpoint holds the parts of its training molecules.
    """
    wanted = {
        UNFAMILIAR: has_reference and not rules.allow_unfamiliar,
        UNSTABLE: not rules.allow_unstable,
        CHARGE: rules.charge == "neutralise",
    }
    named = {constraint.name for constraint in constraints}
    added = [name for name, is_on in wanted.items() if is_on and name not in named]
    return [*constraints, *(Constraint(name, "==", 0.0) for name in added)]
