"""Named structural checks, with the alerts that matched as evidence.

Sources: PAINS, Baell and Holloway, J. Med. Chem. 2010, 53, 2719, families A, B and C;
BRENK, Brenk et al., ChemMedChem 2008, 3, 435; both in the encoding of RDKit's FilterCatalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from rdkit import Chem
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "pains": "no substructure that disturbs many assays (PAINS A, B and C, 480 alerts)",
        "brenk": "no reactive, toxic or unstable group (BRENK, 105 alerts)",
    }
)
"""The meaning of a pass, by the name of the check."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        name: The check's name.
        passes: Whether no alert matched.
        evidence: Names of the alerts that matched, in the catalogue's order; empty if and only if it passes.
    """

    name: str
    passes: bool
    evidence: tuple[str, ...]


def check(mol: Chem.Mol, name: str) -> CheckResult:
    """The outcome of the check `name`, one of `CHECKS`, on a molecule.

    Raises:
        KeyError: There is no such check.
    """
    alerts = tuple(entry.GetDescription() for entry in _catalogue(name).GetMatches(mol))
    return CheckResult(name, passes=not alerts, evidence=alerts)


@cache
def _catalogue(name: str) -> FilterCatalog:
    catalogues = FilterCatalogParams.FilterCatalogs
    kinds = {"pains": catalogues.PAINS, "brenk": catalogues.BRENK}  # PAINS is A, B and C together
    return FilterCatalog(FilterCatalogParams(kinds[name]))
