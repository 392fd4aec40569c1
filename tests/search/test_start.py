"""Start molecules: what is known of them is read, the best known come first, and all of it can be written and read."""

from __future__ import annotations

from pathlib import Path

from molgen.chem.molecule import Policy, parse
from molgen.score.objective import labelled_property, parse_objectives
from molgen.search.start import StartMolecule, limit_start, read_start, start_molecules, write_start


def test_names_and_known_values_are_read_where_a_file_has_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("smiles,id,pKi,other\nCCO,one,5.5,1\nCCN,two,,2\n")
    (tmp_path / "b.smi").write_text("CCO again\nCCCC four\n")
    found, tallies = start_molecules([str(tmp_path / "a.csv"), str(tmp_path / "b.smi"), "CCS"], labels=["pKi", "dock"])
    assert [(one.molecule.smiles, one.name, dict(one.labels)) for one in found] == [
        ("CCO", "one", {"pKi": 5.5}),
        ("CCN", "two", {}),
        ("CCCC", "four", {}),
        ("CCS", "", {}),
    ]
    assert [tally.kept for tally in tallies.values()] == [2, 2]


def test_start_molecules_are_taken_in_the_form_that_is_asked_for() -> None:
    (neutral,), _ = start_molecules(["CC[NH3+]"], Policy(charge="neutralise"))
    (as_drawn,), _ = start_molecules(["CC[NH3+]"])
    assert (neutral.molecule.smiles, as_drawn.molecule.smiles) == ("CCN", "CC[NH3+]")


def test_the_best_known_come_first_and_the_others_by_chance() -> None:
    known = [StartMolecule(parse("C" * n), labels={"pKi": float(n % 7)}) for n in range(1, 7)]
    unknown = [StartMolecule(parse("C" * n + "O")) for n in range(1, 20)]
    most, least = parse_objectives(maximize=["lcb:pKi"]), parse_objectives(minimize=["pKi"])
    assert limit_start([*unknown, *known], 3, most, 0) == known[:-4:-1]
    assert limit_start([*unknown, *known], 3, least, 0) == known[:3]
    drawn = [limit_start([*unknown, *known], 10, most, seed)[6:] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert limit_start(unknown, 50, most, 0) == unknown


def test_the_property_of_a_measure_is_what_stands_after_its_kind() -> None:
    assert [labelled_property(name) for name in ("predicted:pKi", "lcb:pKi", "dock")] == ["pKi", "pKi", "dock"]


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    start = [
        StartMolecule(parse("CCO"), "=1+1", {"pKi": 0.1 + 0.2, "-log D": -1.0}),
        StartMolecule(parse("CC[NH3+].[Cl-]", Policy(fragment="keep")), 'a "b", c'),
    ]
    write_start(tmp_path / "start.csv", start)
    assert read_start(tmp_path / "start.csv") == start
    assert read_start(tmp_path / "none.csv") == []
