"""Each molecule of a map has one value for each colour, read or computed, in the order of the colours."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.chem.table import Rejection, Row, read_rows
from molgen.errors import SpecError
from molgen.explore.colours import fill_in_values, find_columns, number_files


def test_a_name_is_a_column_where_the_file_has_one_and_otherwise_a_descriptor(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("smiles,y,logp\nOCC,1,7\nC(,2,7\n")
    other.write_text("smiles\nCCN\n")
    names = ("logp", "y", "qed")
    columns = find_columns([one, other], names)
    assert columns == [{"logp": True, "y": True, "qed": False}, {"logp": False, "y": False, "qed": False}]
    good, bad = fill_in_values(read_rows(one, properties=["logp", "y"]), columns[0])
    assert good == Row(2, "CCO", "", (7.0, 1.0, DESCRIPTORS["qed"].function(parse("CCO").mol)))
    assert isinstance(bad, Rejection)
    (third,) = fill_in_values(read_rows(other), columns[1])
    assert isinstance(third, Row)
    assert third.values[0] == DESCRIPTORS["logp"].function(parse("CCN").mol)
    assert math.isnan(third.values[1])


def test_a_name_that_is_neither_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("smiles\nCCO\n")
    with pytest.raises(SpecError, match=r"one\.csv has no column 'nope', nor is it a descriptor: qed, logp"):
        find_columns([tmp_path / "one.csv"], ["nope"])


def test_the_number_of_the_file_is_a_further_value() -> None:
    files = [[Row(1, "CCO", "a", (3.0,))], [], [Row(1, "CCN", "b", (4.0,)), Row(2, "CCC", "c", (5.0,))]]
    assert [row.values for row in number_files(files)] == [(3.0, 1.0), (4.0, 3.0), (5.0, 3.0)]
