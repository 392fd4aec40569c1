"""Known compounds: the nearest is the nearest, and the same compound is known as itself."""

from __future__ import annotations

import math

from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.output.known import KnownCompounds
from molgen.search.start import StartMolecule

TEXTS = ("CCOc1ccccc1Cl", "CCNc1ccccc1Cl", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "Oc1ccccn1")
KNOWN = KnownCompounds([StartMolecule(parse(text), f"K-{i}", {"pKi": float(i)}) for i, text in enumerate(TEXTS)])


def test_the_nearest_known_compound_is_told_with_its_name_its_value_and_what_changed() -> None:
    molecule = parse("CCOc1ccccc1C#N")
    found = KNOWN.nearest(molecule)
    assert found is not None
    assert found.similarity == max(tanimoto(fingerprint(molecule.mol), fingerprint(parse(t).mol)) for t in TEXTS) < 1.0
    assert (found.known.name, found.known.labels, found.change, found.is_same) == (
        "K-0",
        {"pKi": 0.0},
        "Cl to CN",
        False,
    )


def test_all_known_compounds_have_the_same_labels() -> None:
    measured, unmeasured = StartMolecule(parse(TEXTS[0]), "", {"pKi": 1.0}), StartMolecule(parse(TEXTS[2]))
    found = KnownCompounds([measured, unmeasured]).nearest(parse(TEXTS[2]))
    assert found is not None
    assert math.isnan(found.known.labels["pKi"])


def test_a_known_compound_is_known_and_its_homologue_is_not() -> None:
    assert KNOWN.holds(parse("CCOc1ccccc1Cl"))
    assert not KNOWN.holds(parse("CCCOc1ccccc1Cl"))
    same = KNOWN.nearest(parse("CCNc1ccccc1Cl"))
    assert same is not None
    assert (same.is_same, same.change, same.known.name) == (True, "", "K-1")


def test_among_none_there_is_no_nearest() -> None:
    assert KnownCompounds([]).nearest(parse("CCO")) is None
    assert not KnownCompounds([]).holds(parse("CCO"))
