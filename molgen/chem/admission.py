"""Admission: which molecules a chemist would keep, as far as structures alone can tell.

A molecule is kept when it is familiar (no unknown atom environment of radius 1, no unknown ring system, at most one
unknown environment of radius 2: see `chem.familiarity`), stable (see `chem.stability`), and neutral once protons were
added and removed. Each of the three can be switched off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rdkit import Chem

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import Molecule, Policy, parse
from molgen.chem.stability import find_unstable_groups

UNFAMILIAR, UNSTABLE, CHARGED = "unfamiliar", "unstable", "charged"
"""Why a molecule is removed."""
NO_REFERENCE = (
    "this checkpoint has no reference of familiar molecules, so unfamiliar ones are kept; "
    "`molgen familiarise` gives it one"
)
"""What the user is told once where unfamiliar molecules cannot be told."""


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """What is asked of molecules.

    Attributes:
        allow_unfamiliar: Keep molecules with parts that the reference lacks.
        allow_unstable: Keep molecules with groups that do not last.
        charge: `neutralise` to keep molecules in their neutral form only, `keep` for charges as they come.
    """

    allow_unfamiliar: bool = False
    allow_unstable: bool = False
    charge: Literal["keep", "neutralise"] = "neutralise"

    @property
    def policy(self) -> Policy:
        """The standardisation that molecules get: of charges, since all else is as it was decoded."""
        return Policy(fragment="keep", charge=self.charge)


class Admission:
    """Keeps the molecules that rules ask for, and counts what it removes.

    Attributes:
        n_checked: Different molecules that were checked.
        removed: How many of these were removed, by reason.
    """

    def __init__(self, rules: AdmissionRules, reference: Reference | None, given: Sequence[Molecule] = ()) -> None:
        """Nothing was checked yet.

        Args:
            rules: What is asked.
            reference: What is familiar; without one, everything is.
            given: Molecules of the user, whose parts are familiar.
        """
        self._rules = rules
        self._reference = None if rules.allow_unfamiliar else extend_reference(reference, given)
        self._kept: dict[str, str | None] = {}
        self.n_checked = 0
        self.removed: Counter[str] = Counter()

    def __call__(self, smiles: Sequence[str | None]) -> list[str | None]:
        """The canonical SMILES that each of N texts is kept as; None where it is removed, or was None.

        Raises:
            MoleculeError: A text is no molecule.
        """
        return [self._admit(text) if text else None for text in smiles]

    def __str__(self) -> str:
        """How many different molecules were removed for which reason."""
        parts = [f"{n} {reason}" for reason, n in self.removed.most_common()]
        return f"of {self.n_checked} different molecules, {', '.join(parts) or 'none'} removed"

    def _admit(self, text: str) -> str | None:
        if text not in self._kept:
            molecule = parse(text, self._rules.policy)
            reason = self._reason(molecule.mol)
            self.n_checked += 1
            self.removed.update([reason] if reason else [])
            self._kept[text] = None if reason else molecule.smiles
        return self._kept[text]

    def _reason(self, mol: Chem.Mol) -> str:
        """Why a molecule is removed, or ""."""
        if self._rules.charge == "neutralise" and Chem.GetFormalCharge(mol):
            return CHARGED
        if not self._rules.allow_unstable and find_unstable_groups(mol):
            return UNSTABLE
        if self._reference and self._reference.unfamiliar(mol).count:
            return UNFAMILIAR
        return ""


def extend_reference(reference: Reference | None, given: Sequence[Molecule]) -> Reference | None:
    """The reference with the parts of given molecules; None where there is none."""
    if reference is None or not given:
        return reference
    return reference.joined(Reference.of(molecule.mol for molecule in given))
