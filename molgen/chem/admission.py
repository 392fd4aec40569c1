"""Admission: structural rules for plausible molecules.

A molecule is kept when it is familiar (no unknown atom environment of radius 1, no unknown ring system, at most one
unknown environment of radius 2: see `chem.familiarity`), stable (see `chem.stability`), and neutral after adding or
removing protons. Each rule can be switched off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rdkit import Chem

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import Molecule, Policy, parse
from molgen.chem.stability import find_unstable_groups

UNFAMILIAR, UNSTABLE, CHARGED = "unfamiliar", "unstable", "charged"
"""Reasons for which a molecule is removed."""
NO_REFERENCE = (
    "this checkpoint has no reference of familiar molecules, so unfamiliar ones are kept; "
    "`molgen familiarise` gives it one"
)
"""Message if unfamiliar molecules cannot be recognised."""


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """The rules.

    Attributes:
        allow_unfamiliar: Keep molecules with parts that the reference lacks.
        allow_unstable: Keep molecules with unstable groups.
        charge: `neutralise` to keep neutral forms only, `keep` to keep charges.
    """

    allow_unfamiliar: bool = False
    allow_unstable: bool = False
    charge: Literal["keep", "neutralise"] = "neutralise"

    @property
    def policy(self) -> Policy:
        """The standardisation of molecules: charges only."""
        return Policy(fragment="keep", charge=self.charge)


DEFAULT_RULES = AdmissionRules()


class Admission:
    """Applies the rules, and counts removed molecules.

    Attributes:
        n_checked: Number of distinct SMILES checked.
        removed: Number of these that were removed, by reason.
    """

    def __init__(self, rules: AdmissionRules, reference: Reference | None, given: Sequence[Molecule] = ()) -> None:
        """Starts with counts of 0.

        Args:
            rules: The rules.
            reference: Reference of familiar parts; without one, all are familiar.
            given: Molecules of the user, whose parts are added to the reference.
        """
        self._rules = rules
        self._reference = reference if rules.allow_unfamiliar else extend_reference(reference, given)
        self._kept: dict[str, str | None] = {}
        self.n_checked = 0
        self.removed: Counter[str] = Counter()

    def __call__(self, smiles: Sequence[str | None]) -> list[str | None]:
        """The admitted canonical SMILES of each of N texts; None if it is removed or None.

        Raises:
            MoleculeError: A text is no molecule.
        """
        return [self._admit(text) if text else None for text in smiles]

    def __str__(self) -> str:
        """The counts of removed molecules in words."""
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
        return next((reason for reason, n in count_flaws(mol, self._reference, self._rules) if n), "")


def count_flaws(
    mol: Chem.Mol, reference: Reference | None, rules: AdmissionRules = DEFAULT_RULES
) -> Iterator[tuple[str, int]]:
    """The number of flaws of each kind that the rules forbid, the kinds that are counted fastest first.

    A molecule without such flaws is kept.

    Args:
        mol: The molecule.
        reference: Reference of familiar parts; without one, all are familiar.
        rules: The rules.
    """
    if rules.charge == "neutralise":
        yield CHARGED, abs(Chem.GetFormalCharge(mol))
    if not rules.allow_unstable:
        yield UNSTABLE, len(find_unstable_groups(mol))
    if reference and not rules.allow_unfamiliar:
        yield UNFAMILIAR, reference.unfamiliar(mol).count


def extend_reference(reference: Reference | None, given: Sequence[Molecule]) -> Reference | None:
    """The reference with the parts of given molecules; None without a reference."""
    if reference is None or not given:
        return reference
    return reference.joined(Reference.of(molecule.mol for molecule in given))
