"""Listings: what is written reads back; hostile texts stay data."""

import csv
import math
from html import escape
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from molgen.chem.table import Row, read_rows
from molgen.errors import SpecError
from molgen.output.listing import MAX_SHOWN, Listing, require_listing_file, write_listing

LISTING = Listing(
    ("CCO", "", "C[C@H](N)C(=O)[O-]"),
    {"similarity": (1.0, math.nan, 0.123456789), "reason": ('a,"b"', "unknown token", "")},
)


def test_csv_keeps_every_row_and_text(tmp_path: Path) -> None:
    write_listing(tmp_path / "a.csv", LISTING)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [row["smiles"] for row in rows] == list(LISTING.smiles)
    assert [row["similarity"] for row in rows] == ["1", "", "0.123457"]
    assert [row["reason"] for row in rows] == list(LISTING.columns["reason"])


def test_sdf_reads_back_to_the_same_molecules(tmp_path: Path) -> None:
    write_listing(tmp_path / "a.sdf", LISTING)
    mols = list(Chem.SDMolSupplier(str(tmp_path / "a.sdf")))
    assert [Chem.MolToSmiles(mol) for mol in mols] == ["CCO", "C[C@H](N)C(=O)[O-]"]
    assert [mol.GetProp("_Name") for mol in mols] == ["1", "3"]
    assert mols[0].GetProp("reason") == 'a,"b"'


def test_smi_holds_the_molecules_alone(tmp_path: Path) -> None:
    write_listing(tmp_path / "a.smi", LISTING)
    assert (tmp_path / "a.smi").read_text() == "CCO\nC[C@H](N)C(=O)[O-]\n"


def test_pictures_are_what_their_suffix_says(tmp_path: Path) -> None:
    for name in ("a.svg", "a.png", "empty.svg"):
        write_listing(tmp_path / name, LISTING if name[0] == "a" else Listing((), {}))
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "empty.svg").read_text()


def test_a_record_does_not_end_where_a_text_says_so(tmp_path: Path) -> None:
    write_listing(tmp_path / "a.sdf", Listing(("C", "CC"), {"name": ("x\n$$$$\ny", "z")}))
    assert len(list(Chem.SDMolSupplier(str(tmp_path / "a.sdf")))) == 2


def test_columns_must_fit_and_suffixes_be_known() -> None:
    with pytest.raises(ValueError, match="1 values for 2"):
        Listing(("C", "CC"), {"a": (1.0,)})
    with pytest.raises(SpecError, match=r"must end in one of \.csv"):
        require_listing_file(Path("a.docx"))


NASTY = [
    "$$$$",
    "a\n$$$$\nb",
    "x\n\n>  <qed>\n1.0\n",
    "M  END",
    "> <y>",
    "=1+1",
    "-OH",
    "+cmd|x",
    "@A1",
    "\x1b[2J",
    "plain",
]


def test_a_name_ends_no_record_and_reads_back(tmp_path: Path) -> None:
    listing = Listing(("CCO",) * len(NASTY), {"name": tuple(NASTY), "a > b\n$$$$": tuple(NASTY)})
    write_listing(tmp_path / "a.sdf", listing)
    mols = list(Chem.SDMolSupplier(str(tmp_path / "a.sdf")))
    assert [mol.GetProp("name").split() for mol in mols] == [name.split() for name in NASTY]
    assert all(len(list(mol.GetPropNames())) == 3 for mol in mols)


def test_no_cell_is_a_formula_and_names_read_back(tmp_path: Path) -> None:
    listing = Listing(("CCO",) * len(NASTY), {"name": tuple(NASTY), "=x": (-1.5,) * len(NASTY)})
    write_listing(tmp_path / "a.csv", listing)
    with (tmp_path / "a.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["smiles", "name", "'=x"]
    assert {row[2] for row in rows} == {"-1.5"}
    assert not [row for row in rows if row[1][0] in "=+-@"]
    names = [row.name for row in read_rows(tmp_path / "a.csv") if isinstance(row, Row)]
    assert names == [name.strip() for name in NASTY]


def test_samples_are_described_and_what_is_no_molecule_keeps_its_row() -> None:
    listing = Listing.of(["OCC", None, "C("], ["heavy_atoms"])
    assert listing.smiles == ("CCO", "", "")
    assert listing.columns["heavy_atoms"][0] == 3
    assert all(math.isnan(float(value)) for value in listing.columns["heavy_atoms"][1:])
    with pytest.raises(SpecError, match="unknown 'potency'"):
        Listing.of(["C"], ["potency"])


def test_a_notebook_shows_drawings_and_no_text_becomes_markup() -> None:
    evil = "<script>alert(1)</script>"
    many = Listing(("CCO",) * (MAX_SHOWN + 5), {evil: (evil,) * (MAX_SHOWN + 5)})
    shown = many._repr_html_()
    assert shown.count("<svg") == MAX_SHOWN
    assert f"{MAX_SHOWN} of {MAX_SHOWN + 5} rows" in shown
    assert "<script" not in shown
    assert escape(evil) in shown
    assert LISTING._repr_html_().count("<svg") == 2


def test_data_frames_go_in_and_out() -> None:
    pandas = pytest.importorskip("pandas")
    frame = LISTING.to_pandas()
    assert list(frame.columns) == ["smiles", "similarity", "reason"]
    again = Listing.from_pandas(frame)
    assert again.smiles == LISTING.smiles
    assert again.columns["reason"] == LISTING.columns["reason"]
    np.testing.assert_array_equal(again.columns["similarity"], LISTING.columns["similarity"])
    gaps = pandas.DataFrame(
        {"structure": ["OCC", None], "n": pandas.array([1, None], dtype="Int64"), "name": ["a", None]}
    )
    read = Listing.from_pandas(gaps, "structure")
    assert read.smiles == ("CCO", "")
    assert read.columns["name"] == ("a", "")
    np.testing.assert_array_equal(read.columns["n"], [1.0, math.nan])
    with pytest.raises(SpecError, match="no column 'smiles'"):
        Listing.from_pandas(gaps)
