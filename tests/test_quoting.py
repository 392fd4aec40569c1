"""Text from outside: what is shown and written does no harm, and what can be read back is what it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from molgen.errors import MoleculeError, SpecError
from molgen.quoting import LONGEST_MESSAGE, csv_cell, from_csv_cell, printable, sdf_line, sdf_name, shortened

NASTY = st.text(st.sampled_from("=+-@\t\r\n'$>< M ENDab1.5e\x1b\x9b\u202e"), max_size=12) | st.text(max_size=12)


@given(NASTY)
def test_a_cell_reads_back(text: str) -> None:
    assert from_csv_cell(csv_cell(text)) == text


@given(NASTY)
def test_a_cell_is_no_formula_and_is_left_alone_where_it_was_none(text: str) -> None:
    cell = csv_cell(text)
    if len(cell) > 1 and cell[0] in "=+-@\t\r":
        float(cell)
    if text[:1] not in "=+-@\t\r'":
        assert cell == text


@pytest.mark.parametrize("text", ["-1.5", "+3", "-1e-7", "-inf", "0", "-", "=", "(-)-menthol", ""])
def test_numbers_signs_and_plain_names_stay_as_they_are(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize("formula", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1"])
def test_formulas_become_text(formula: str) -> None:
    assert csv_cell(formula) == f"'{formula}"


@given(NASTY)
def test_a_terminal_gets_only_what_it_can_show(text: str) -> None:
    shown = printable(text, keep="")
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@given(NASTY)
def test_what_is_escaped_in_json_is_still_that_json(text: str) -> None:
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


@given(NASTY, NASTY)
def test_a_text_ends_neither_a_field_nor_a_record_of_an_sdf(name: str, value: str) -> None:
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("C"))
    first = f">  <x{sdf_name(name)}>\n{sdf_line(value)}\n\n"
    supplier = Chem.SDMolSupplier()
    supplier.SetData(f"{block}{first}>  <last>\nhere\n\n$$$$\n")
    (mol,) = list(supplier)
    assert mol.GetProp("last") == "here"


@given(st.integers(0, 3 * LONGEST_MESSAGE))
def test_a_message_is_short_and_keeps_both_ends(n: int) -> None:
    text = "begin" + "x" * n + "end"
    short = shortened(text)
    assert len(short) <= LONGEST_MESSAGE + 60
    assert short.startswith("begin")
    assert short.endswith("end")
    assert (short == text) == (len(text) <= LONGEST_MESSAGE)


def test_errors_do_not_quote_a_hundred_thousand_characters() -> None:
    for error in (MoleculeError("C" * 100_000, "not a SMILES"), SpecError("start", "x", remedy="y" * 100_000)):
        assert len(str(error)) < 2 * LONGEST_MESSAGE
    assert str(MoleculeError("C" * 100_000, "not a SMILES")).endswith("not a SMILES")
