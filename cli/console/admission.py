"""Options of commands that make molecules: rules of admission, and the report on removed molecules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from . import show

if TYPE_CHECKING:
    from molgen.chem.admission import Admission, AdmissionRules
    from molgen.chem.molecule import Molecule
    from molgen.latent.filtered_space import FilteredSpace
    from molgen.latent.space import LatentSpace

AllowUnfamiliar = Annotated[
    bool,
    typer.Option(
        "--allow-unfamiliar",
        help="Keep molecules with atom environments or ring systems that the checkpoint's training data lack.",
    ),
]
AllowUnstable = Annotated[
    bool,
    typer.Option("--allow-unstable", help="Keep molecules with groups that rearrange, dimerise, oxidise or hydrolyse."),
]


def filter_space(space: LatentSpace, rules: AdmissionRules, given: Sequence[Molecule]) -> FilteredSpace:
    """The space, which then gives only molecules that the rules admit; parts of `given` molecules are familiar.

    Notes a missing reference.
    """
    from molgen.chem.admission import NO_REFERENCE, Admission
    from molgen.latent.filtered_space import FilteredSpace

    reference = space.model.familiarity
    if reference is None and not rules.allow_unfamiliar:
        show.note(NO_REFERENCE)
    return FilteredSpace(space, Admission(rules, reference, given))


def note_removed(admission: Admission) -> None:
    """Reports how many molecules were removed, if any."""
    if admission.removed:
        show.note(f"{admission}; --allow-unfamiliar, --allow-unstable and --charge keep would keep them")
