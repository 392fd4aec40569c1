"""Files of molecules, as users have them: many layouts, and many ways to be broken."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molgen.chem.molecule import Policy
from molgen.chem.table import (
    SUFFIXES,
    Record,
    Rejection,
    Row,
    Tally,
    read_molecules,
    read_rows,
    write_rejections,
)
from molgen.errors import FileError

MOLECULES = (("CCO", "ethanol", "1.5"), ("c1ccccc1", "benzene", "-2"), ("CC(=O)[O-].[Na+]", "acetate", ""))


def write(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def delimited(delimiter: str) -> str:
    lines = [("smiles", "name", "y"), *MOLECULES]
    return "".join(delimiter.join(fields) + "\n" for fields in lines)


def sdf() -> str:
    records = []
    for smiles, name, y in MOLECULES:
        mol = Chem.MolFromSmiles(smiles)
        mol.SetProp("_Name", name)
        records.append(f"{Chem.MolToMolBlock(mol)}>  <y>  (1) \n{y}\n\n$$$$\n")
    return "".join(records)


CONTENT = {
    ".csv": delimited(","),
    ".tsv": delimited("\t"),
    ".tab": delimited("\t"),
    ".txt": delimited(";"),
    ".sdf": sdf(),
    ".sd": sdf(),
}


def rows(path: Path, **options: object) -> list[Row | Rejection]:
    return list(read_rows(path, **options))  # type: ignore[arg-type]


def failure(path: Path, **options: object) -> FileError:
    with pytest.raises(FileError) as caught:
        rows(path, **options)
    return caught.value


@pytest.mark.parametrize("suffix", CONTENT)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_every_format_says_the_same(tmp_path: Path, suffix: str, packed: str) -> None:
    path = write(tmp_path / f"DATA{suffix.upper()}{packed}", CONTENT[suffix])
    records = list(read_molecules(path, properties=["y"]))
    assert all(isinstance(record, Record) for record in records)
    kept = [record for record in records if isinstance(record, Record)]
    assert [record.name for record in kept] == ["ethanol", "benzene", "acetate"]
    assert [record.molecule.smiles for record in kept] == ["CCO", "c1ccccc1", "CC(=O)[O-]"]
    assert [record.values for record in kept[:2]] == [(1.5,), (-2.0,)]
    assert math.isnan(kept[2].values[0])


@pytest.mark.parametrize("suffix", [".smi", ".smiles", ".txt", ".smi.gz"])
@pytest.mark.parametrize("header", ["", "SMILES\n", "smiles name\n"])
def test_smiles_lines_with_or_without_header(tmp_path: Path, suffix: str, header: str) -> None:
    path = write(tmp_path / f"data{suffix}", header + "CCO  ethyl alcohol\n\nCCN\n")
    first = 2 if header else 1
    assert rows(path) == [Row(first, "CCO", "ethyl alcohol", ()), Row(first + 2, "CCN", "", ())]


@pytest.mark.parametrize(
    "header",
    [
        "SMILES",
        "Canonical SMILES",
        "isomeric_smiles",
        "IsomericSMILES",
        "Structure",
        "mol",
        "Molecule",
        "Drug",
    ],
)
def test_the_smiles_column_is_found_by_the_names_in_use(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "data.csv", f"Molecule ChEMBL ID;{header};x\nCHEMBL545; OCC ;1\n")
    assert rows(path) == [Row(2, "OCC", "CHEMBL545", ())]


def test_smiles_goes_before_other_names_and_a_given_column_before_all(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", "mol,smiles,other\nC,CC,CCC\n")
    assert [row.smiles for row in rows(path) if isinstance(row, Row)] == ["CC"]
    assert [row.smiles for row in rows(path, smiles_column="Other") if isinstance(row, Row)] == ["CCC"]


def test_quotes_byte_order_marks_blank_lines_and_windows_line_ends(tmp_path: Path) -> None:
    text = '\ufeff"smiles","name"\r\n"CCO","ethanol, ""absolute""\nor not"\r\n\r\nCCN,\r\n'
    path = write(tmp_path / "data.csv", text)
    assert rows(path) == [Row(2, "CCO", 'ethanol, "absolute"\nor not', ()), Row(5, "CCN", "", ())]


@pytest.mark.parametrize("text", ["", "nan", "NA", "Null", "none", " "])
def test_missing_numbers_are_nan(tmp_path: Path, text: str) -> None:
    (row,) = rows(write(tmp_path / "data.csv", f"smiles,y\nC,{text}\n"), properties=["y"])
    assert isinstance(row, Row)
    assert math.isnan(row.values[0])


@pytest.mark.parametrize("text", ["high", "inf", "-inf", "1e999", "1_000", "0x1F", ">10", "<= 5", "1.5 nM", "12,5"])
def test_what_is_not_a_number_rejects_the_row_and_says_what_it_looks_like(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "data.csv", f'smiles,y\nC,"{text}"\nCC,1\n')
    rejection, row = rows(path, properties=["y"])
    assert row == Row(3, "CC", "", (1.0,))
    assert isinstance(rejection, Rejection)
    assert (rejection.line, rejection.text) == (2, text)
    looks = {">10": "is a bound", "<= 5": "is a bound", "1.5 nM": "has a unit", "12,5": "has a decimal comma"}
    told = looks.get(text, "is not a number")
    assert rejection.reason.startswith(f"property y {told}")
    assert ("molgen curate" in rejection.reason) == (text in looks)


def test_rows_of_another_width_than_the_header_are_rejected(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", "smiles,name,y\nC,methane,1,2-dimethyl\nCC\nCCC,propane,1,,\n")
    assert rows(path) == [
        Rejection(2, "C,methane,1,2-dimethyl", "more fields than the header has columns"),
        Rejection(3, "CC", "fewer fields than the header has columns"),
        Row(4, "CCC", "propane", ()),
    ]


def test_a_bad_molecule_is_a_rejection_and_reading_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "data.smi", "CCO\nbutter\nC.C\nCCN\n")
    items = list(read_molecules(path, Policy(fragment="reject")))
    assert [item.line for item in items] == [1, 2, 3, 4]
    assert items[1:3] == [Rejection(2, "butter", "not a SMILES"), Rejection(3, "C.C", "several fragments")]


def test_a_bad_sdf_record_is_rejected_by_its_title_and_first_line(tmp_path: Path) -> None:
    path = write(tmp_path / "data.sdf", sdf() + "broken\njunk\n$$$$\n" + sdf().removesuffix("$$$$\n"))
    items = rows(path)
    (bad,) = (item for item in items if isinstance(item, Rejection))
    assert (bad.text, bad.reason) == ("broken", "not a mol block")
    assert path.read_text().splitlines()[bad.line - 1] == "broken"
    assert len(items) == 2 * len(MOLECULES) + 1


def test_an_sdf_property_may_be_missing_from_some_records_but_not_from_all(tmp_path: Path) -> None:
    path = write(tmp_path / "data.sdf", sdf().replace("<y>", "<x>", 1))
    values = [row.values[0] for row in rows(path, properties=["y"]) if isinstance(row, Row)]
    assert values[1] == -2.0
    assert math.isnan(values[0])
    assert "no data field 'z'; saw: x, y" in str(failure(path, properties=["z"]))


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", "a,b\n1,2\n", {}, "no SMILES column; saw: a, b"),
        ("a.csv", "a,b\n1,2\n", {}, "--smiles-column"),
        ("a.csv", "smiles,b\nC,2\n", {"smiles_column": "struct"}, "no column 'struct'; saw: smiles, b"),
        ("a.csv", "smiles,b\nC,2\n", {"properties": ["pKi"]}, "no column 'pKi'; saw: smiles, b"),
        ("a.smi", "C\n", {"properties": ["pKi"]}, "no column 'pKi'"),
        ("a.csv", "", {}, "is empty"),
        ("a.sdf.gz", "", {}, "is empty"),
        ("a.csv", b"smiles\nC\n\xff\xfe\n", {}, "line 3: not UTF-8 text"),
        ("a.smi", b"C\nC\0\n", {}, "line 2: not UTF-8 text"),
        ("a.csv", "smiles\nC\n".encode("utf-16"), {}, "line 1: not UTF-8 text"),
        ("a.csv", gzip.compress(b"smiles\nC\n", mtime=0), {}, "must end in .gz"),
        ("a.smi", "C\n" + "C" * 1_000_001, {}, "line 2: more than 1,000,000 characters"),
        ("a.csv", 'smiles,name\nC,x\nC,"' + "x" * 200_000, {}, "line 3: broken row"),
        ("a.csv", 'smiles,name\nC,x\nC,"open\n' + "C,x\n" * 100, {}, "Is a quote left open?"),
        ("a.xlsx", "PK", {}, "unknown kind of file '.xlsx'"),
        ("a.pt.gz", "PK", {}, ", ".join(SUFFIXES)),
    ],
)
def test_a_broken_file_is_an_error_with_line_and_remedy(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, object], message: str
) -> None:
    path = write(tmp_path / name, content)
    error = failure(path, **options)
    assert message in str(error)
    assert str(path) in str(error)
    assert error.path == path


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    assert "No such file" in str(failure(tmp_path / "none.csv"))
    (tmp_path / "folder.csv").mkdir()
    assert "Is a directory" in str(failure(tmp_path / "folder.csv"))


def test_a_truncated_or_false_gzip_file_is_an_error_near_its_line(tmp_path: Path) -> None:
    packed = gzip.compress("".join(f"{'C' * (i % 50 + 1)} name{i * 7919}\n" for i in range(5000)).encode())
    (tmp_path / "cut.smi.gz").write_bytes(packed[: len(packed) // 2])
    error = failure(tmp_path / "cut.smi.gz")
    assert "compressed data are damaged" in str(error)
    assert error.line is not None
    assert 1 < error.line < 5000
    (tmp_path / "plain.smi.gz").write_text("CCO\n")
    assert "compressed data are damaged" in str(failure(tmp_path / "plain.smi.gz"))
    (tmp_path / "flipped.smi.gz").write_bytes(packed[:2000] + b"\x00\xff\x00" + packed[2003:])
    assert failure(tmp_path / "flipped.smi.gz").line is not None


def test_rows_come_while_the_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "data.smi", b"CCO\n" * 100_000 + b"\0")
    stream: Iterator[Row | Rejection] = read_rows(path)
    assert next(stream) == Row(1, "CCO", "", ())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    suffix=st.sampled_from([*SUFFIXES, ".csv.gz", ".sdf.gz"]),
    content=st.binary(max_size=200) | st.text("smiles,;\t\n\r\"'CNO1()>$<M END", max_size=200).map(str.encode),
    properties=st.sampled_from([(), ("s",)]),
)
def test_any_bytes_are_rows_rejections_or_one_file_error(
    tmp_path: Path, suffix: str, content: bytes, properties: tuple[str, ...]
) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_bytes(content)
    items: list[Record | Rejection] = []
    with suppress(FileError):
        items.extend(read_molecules(path, properties=properties))
    lines = [item.line for item in items]
    assert lines == sorted(set(lines))
    assert all(line >= 1 for line in lines)


def test_the_tally_counts_and_lists_rejections(tmp_path: Path) -> None:
    path = write(tmp_path / "data.smi", "CCO\nbutter\n[H][H]\noil\n")
    with write_rejections(tmp_path / "rejects.csv") as write_one:
        tally = Tally(on_rejection=write_one)
        assert [record.molecule.smiles for record in tally.sift(read_molecules(path))] == ["CCO"]
    assert (tally.read, tally.kept) == (4, 1)
    assert tally.rejected == {"not a SMILES": 2, "no heavy atom": 1}
    tally.require_kept(path)
    with (tmp_path / "rejects.csv").open(newline="") as handle:
        assert list(csv.reader(handle)) == [
            ["line", "text", "reason"],
            ["2", "butter", "not a SMILES"],
            ["3", "[H][H]", "no heavy atom"],
            ["4", "oil", "not a SMILES"],
        ]


def test_rejections_stay_listed_when_reading_fails(tmp_path: Path) -> None:
    path = write(tmp_path / "data.smi", "butter\n\0\n")
    with pytest.raises(FileError), write_rejections(tmp_path / "rejects.csv") as write_one:
        list(Tally(on_rejection=write_one).sift(read_molecules(path)))
    assert (tmp_path / "rejects.csv").read_text() == "line,text,reason\n1,butter,not a SMILES\n"


def test_nothing_kept_is_an_error_that_counts_the_reasons(tmp_path: Path) -> None:
    tally = Tally()
    with pytest.raises(FileError, match="holds no rows"):
        tally.require_kept("data.csv")
    list(tally.sift(read_molecules(write(tmp_path / "data.smi", "butter\noil\n[H][H]\n"))))
    with pytest.raises(FileError, match="none of 3 rows can be used: 2 x not a SMILES, 1 x no heavy atom"):
        tally.require_kept("data.smi")
