"""Alerts on molecules that are known to carry them, and on some known not to."""

from __future__ import annotations

import pytest

from molgen.chem.checks import CHECKS, check
from molgen.chem.molecule import parse


@pytest.mark.parametrize(
    ("smiles", "name", "alerts"),
    [
        # Baell and Holloway 2010: rhodanines, quinones, catechols and azo dyes are the archetypes of PAINS.
        ("O=C1NC(=S)SC1=Cc1ccccc1", "pains", ("ene_rhod_A(235)",)),
        ("O=C1CSC(=S)N1", "pains", ("rhod_sat_A(33)",)),
        ("O=C1C=CC(=O)C=C1", "pains", ("quinone_A(370)",)),
        ("Oc1ccccc1O", "pains", ("catechol_A(92)",)),
        ("c1ccc(N=Nc2ccccc2)cc1", "pains", ("azo_A(324)",)),
        # Brenk et al. 2008, supporting table: acyl halides, epoxides, thiocarbonyls, phenol esters.
        ("CC(=O)Cl", "brenk", ("acid_halide",)),
        ("C1CO1", "brenk", ("Three-membered_heterocycle",)),
        ("CC(=O)Oc1ccccc1C(=O)O", "brenk", ("phenol_ester",)),
        ("O=C1NC(=S)SC1=Cc1ccccc1", "brenk", ("Michael_acceptor_1", "Thiocarbonyl_group")),
    ],
)
def test_a_known_alert_fails_the_check_and_is_named(smiles: str, name: str, alerts: tuple[str, ...]) -> None:
    result = check(parse(smiles).mol, name)
    assert (result.name, result.passes, result.evidence) == (name, False, alerts)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("smiles", ["CCO", "CCOC(=O)c1ccccc1", "NC(=O)c1cccnc1"])
def test_plain_molecules_pass_without_evidence(smiles: str, name: str) -> None:
    result = check(parse(smiles).mol, name)
    assert result.passes
    assert result.evidence == ()


def test_the_checks_are_apart() -> None:
    aspirin = parse("CC(=O)Oc1ccccc1C(=O)O").mol
    assert check(aspirin, "pains").passes
    assert not check(aspirin, "brenk").passes


def test_an_unknown_check_is_an_error() -> None:
    with pytest.raises(KeyError):
        check(parse("CCO").mol, "none")
