"""Two messy files, curated row by row to what a chemist would have typed."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rdkit import Chem
from typer.testing import Result

from molgen.project.columns import CurationSpec, split_unit
from molgen.project.curation import curate

RunMolgen = Callable[..., Result]

EXCEL = (
    "\ufeffCompound;SMILES;IC50 (nM);Operator;Comment\r\n"
    "A-1;CC(=O)Nc1ccc(O)cc1;12,5;=;first\r\n"
    "A-2;CC(=O)Nc1ccc(OC)cc1.Cl;>10000;;hydrochloride\r\n"
    "A-3;CC(=O)Nc1ccc([O-])cc1.[Na+];14,5;=;A-1 again, as its salt\r\n"
    "A-4;c1ccccc1C(;5;=;broken\r\n"
    ";CC(=O)Nc1ccc(F)cc1;1.250,75;~;no name\r\n"
    "A-6;O=c1cc[nH]cc1;30;;\r\n"
    "A-7;Oc1ccncc1;3000;;tautomer of A-6, a hundred times weaker\r\n"
    "A-8;C[C@H](N)C(=O)O;7;;\r\n"
    "A-9;C[C@@H](N)C(=O)O;700;;\r\n"
    "A-10;CCO;n.d.;;\r\n"
    "A-11;CCN;0;;\r\n"
    'A-12;CCC;"5 µM";;\r\n'
    "A-13;CCCC;;;not measured\r\n"
    ";;;;\r\n"
    "A-1;CC(=O)Nc1ccc(O)cc1;<20;;agrees\r\n"
    "A-15;CCOC(=O)C;<1;;too good to measure\r\n"
)
EXCEL_COMPOUNDS = [
    ["A-1", "CC(=O)Nc1ccc(O)cc1", "7.87086", "=", "2", "0.0455787"],
    ["A-2", "COc1ccc(NC(C)=O)cc1", "5", "<", "1", ""],
    ["line6", "CC(=O)Nc1ccc(F)cc1", "5.90283", "~", "1", ""],
    ["A-6", "O=c1cc[nH]cc1", "6.52288", "=", "2", "1.41421"],
    ["A-8", "C[C@H](N)C(=O)O", "8.1549", "=", "1", ""],
    ["A-9", "C[C@@H](N)C(=O)O", "6.1549", "=", "1", ""],
    ["A-12", "CCC", "5.30103", "=", "1", ""],
    ["A-15", "CCOC(C)=O", "9", ">", "1", ""],
]
EXCEL_ROWS = {  # line: outcome, compound, what is told
    2: ("kept", "A-1", "median 7.871 of 2 values, 1 bound(s) of pIC50 agree"),
    3: ("kept", "A-2", "fragments removed: Cl"),
    4: ("merged", "A-1", "fragments removed: [Na+]; charges neutralised"),
    5: ("rejected", "", "not a SMILES"),
    6: ("kept", "line6", ""),
    7: ("kept", "A-6", "contradictory: from 5.523 to 7.523"),
    8: ("merged", "A-6", "a tautomer of A-6, whose structure is taken from line 7"),
    9: ("kept", "A-8", "same constitution as A-9: a stereoisomer"),
    10: ("kept", "A-9", "activity cliff: 1.00 similar to A-8, pIC50 differs by 2.0 steps"),
    11: ("rejected", "", "IC50: not a number"),
    12: ("rejected", "", "IC50: a concentration is not above 0"),
    13: ("kept", "A-12", ""),
    14: ("rejected", "", "no value"),
    16: ("merged", "A-1", "1 bound(s) of pIC50 agree with 7.871"),
    17: ("kept", "A-15", ""),
}

RECORDS = [
    ("B-1", "CN1CCC[C@H]1c1cccnc1", {"Ki": "0,8", "Units": "uM", "logD": "0.4"}),
    ("B-2", "C[N+](C)(C)CC(=O)[O-]", {"Ki": "> 100", "Units": "µM", "logD": "-3,1"}),
    ("B-3", "c1ccc2[nH]ccc2c1", {"Ki": "about 35", "Units": "mg/L"}),
    ("B-4", "O=C(O)c1ccccc1.CCN(CC)CC", {"Ki": "inactive", "Units": "nM", "logD": "-1.2"}),
    ("", "Clc1ccccc1", {"Ki": "2", "Units": "bananas", "logD": "nan"}),
    ("B-1", "CN1CCC[C@H]1c1cccnc1", {"Ki": "900", "Units": "nM", "logD": "0.6"}),
]
SDF_COMPOUNDS = [
    ["B-1", "CN1CCC[C@H]1c1cccnc1", "6.07133", "=", "2", "0.0361703", "0.5", "=", "2", "0.141421"],
    ["B-2", "C[N+](C)(C)CC(=O)[O-]", "4", "<", "1", "", "-3.1", "=", "1", ""],
    ["B-3", "c1ccc2[nH]ccc2c1", "3.52468", "~", "1", "", "", "", "", ""],
    ["B-4", "O=C(O)c1ccccc1", "", "", "", "", "-1.2", "=", "1", ""],
]


def write_sdf(path: Path) -> Path:
    blocks = []
    for name, smiles, tags in RECORDS:
        mol = Chem.MolFromSmiles(smiles)
        mol.SetProp("_Name", name)
        fields = "".join(f">  <{tag}>  (1)\n{text}\n\n" for tag, text in tags.items())
        blocks.append(f"{Chem.MolToMolBlock(mol)}{fields}$$$$\n")
    path.write_text("".join(blocks), encoding="utf-8")
    return path


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


@pytest.fixture
def excel(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_bytes(EXCEL.encode("utf-8"))
    return path


def test_an_excel_export_is_curated_row_by_row(run_molgen: RunMolgen, tmp_path: Path, excel: Path) -> None:
    output = tmp_path / "clean.csv"
    result = run_molgen("curate", excel, "-o", output, "--to-p")
    assert result.exit_code == 0, result.stderr
    header, *compounds = read_csv(output)
    assert header == ["id", "smiles", "pIC50", "pIC50_relation", "pIC50_n", "pIC50_std"]
    assert compounds == EXCEL_COMPOUNDS
    _, *rows = read_csv(tmp_path / "clean.report.csv")
    assert {int(row[0]) for row in rows} == set(EXCEL_ROWS)
    for line, _, _, _, outcome, compound, notes in rows:
        wanted_outcome, wanted_compound, told = EXCEL_ROWS[int(line)]
        assert (outcome, compound) == (wanted_outcome, wanted_compound), line
        assert told in notes if told else not notes, line
    assert "commas are decimal" in result.stderr
    assert "line 5 left out: not a SMILES" in result.stderr


def test_an_sdf_with_tags_is_curated_row_by_row(run_molgen: RunMolgen, tmp_path: Path) -> None:
    data, output = write_sdf(tmp_path / "assay.sdf"), tmp_path / "clean.csv"
    options = ("--property", "Ki", "--unit-column", "Units")
    result = run_molgen("curate", data, "-o", output, *options, "--to-p", "--json")
    assert result.exit_code == 0, result.stderr
    assert [row[:6] for row in read_csv(output)[1:]] == [row[:6] for row in SDF_COMPOUNDS if row[2]]
    summary = json.loads(result.stdout)
    assert summary["outcomes"] == {"kept": 3, "merged": 1, "rejected": 2}
    told = {note for row in summary["changed"] for note in row["notes"] if row["outcome"] == "rejected"}
    assert {"Ki: not a number", "Ki: unknown unit bananas"} <= told


def test_several_properties_stand_side_by_side(tmp_path: Path) -> None:
    data = write_sdf(tmp_path / "assay.sdf")
    curation = curate(data, CurationSpec(("logD",)))
    labels = [(compound.id, compound.labels["logD"].value) for compound in curation.compounds]
    assert labels == [(row[0], float(row[6])) for row in SDF_COMPOUNDS if row[6]]


def test_a_rejected_row_has_a_reason_beside_the_changes_of_its_structure(tmp_path: Path) -> None:
    path = tmp_path / "assay.csv"
    path.write_text("smiles,pKi\nCCO,5\nCCN.Cl,\nCCCN.Cl,n.d.\n")
    _, empty, unreadable = curate(path, CurationSpec(("pKi",))).rows
    assert empty.notes == ["fragments removed: Cl", "no value"]
    assert unreadable.notes == ["fragments removed: Cl", "pKi: not a number"]


def test_the_steepest_cliff_of_a_compound_is_that_of_all_properties(tmp_path: Path) -> None:
    path = tmp_path / "assay.csv"
    path.write_text("smiles,pKi,pIC50\nCC(=O)Nc1ccc(OC)cc1,5,5\nCC(=O)Nc1ccc(OCC)cc1,7.5,9\n")
    curation = curate(path, CurationSpec(("pKi", "pIC50")))
    assert [(cliff.property, cliff.difference) for cliff in curation.cliffs] == [("pKi", 2.5), ("pIC50", 4.0)]
    assert all("pIC50 differs by 4.0 steps" in row.notes[-1] for row in curation.rows)


def test_compounds_of_one_name_get_ids_that_no_other_compound_has(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("name,smiles,logD\nA,CCO,1\nA,CCN,2\nA-2,CCC,3\nA,CCCC,4\n", encoding="utf-8")
    curation = curate(path, CurationSpec())
    assert [compound.id for compound in curation.compounds] == ["A", "A-2", "A-2-2", "A-3"]
    assert [row.compound for row in curation.rows] == ["A", "A-2", "A-2-2", "A-3"]


def test_what_was_curated_is_curated_to_itself(run_molgen: RunMolgen, tmp_path: Path, excel: Path) -> None:
    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    assert run_molgen("curate", excel, "-o", once, "--to-p").exit_code == 0
    assert run_molgen("curate", once, "-o", twice).exit_code == 0
    assert once.read_bytes() == twice.read_bytes()


def test_a_bound_survives_the_round_trip_of_the_scale(tmp_path: Path) -> None:
    data = tmp_path / "a.csv"
    data.write_text("smiles,IC50_uM,relation\nCCO,10,>\nCCN,1,=\n")
    linear, logarithm = (curate(data, CurationSpec(to_p=to_p)) for to_p in (False, True))
    assert [c.labels["IC50_uM"].relation for c in linear.compounds] == [">", "="]
    assert [(c.labels["pIC50"].value, c.labels["pIC50"].relation) for c in logarithm.compounds] == [(5, "<"), (6, "=")]


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("smiles,Ki\nCCO,5 nM\nCCN,7\n", (), "line 3: Ki '7' states no unit, but other rows say nM"),
        ("smiles,Ki\nCCO,5\nCCN,7\n", ("--to-p",), "states no unit, which --to-p needs"),
        ("smiles,pKi\nCCO,5\n", ("--to-p",), "negative logarithm already"),
        ("smiles,a,b\nCCO,5,6\n", (), "2 columns hold numbers: a, b"),
        ("smiles,a\nCCO,x\n", (), "no column holds numbers"),
        ("smiles,a\nCCO,5\n", ("--property", "c"), "no column 'c'; saw: smiles, a"),
        ("smiles,a\nC(,5\n", (), "none of 1 rows can be used"),
        ("smiles,a (nM)\nCCO,5\n", ("--unit", "uM"), "says nM, but --unit says uM"),
        ("smiles,a\nCCO,5\n", ("--unit", "stone"), "unknown unit stone"),
    ],
)
def test_bad_input_gets_a_message_with_a_remedy(
    run_molgen: RunMolgen, tmp_path: Path, text: str, options: tuple[str, ...], told: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    result = run_molgen("curate", tmp_path / "bad.csv", "-o", tmp_path / "clean.csv", *options)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "clean.csv").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("smiles,a\nCCO,5\n", "1 compound(s) with a"),
        ("smiles,a\nCCO,>5\nCCN,>6\n", "all 2 values of a are bounds, such as >5"),
        ("smiles,a\nCCO,5\nCCN,5\n", "all values of a are 5"),
    ],
)
def test_what_nothing_can_be_learned_from_is_said(run_molgen: RunMolgen, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "few.csv").write_text(text)
    result = run_molgen("curate", tmp_path / "few.csv", "-o", tmp_path / "clean.csv")
    assert result.exit_code == 0
    assert told in result.stderr


def test_columns_say_their_unit() -> None:
    assert split_unit("IC50 (nM)") == ("IC50", "nM")
    assert split_unit("Ki_uM") == ("Ki", "uM")
    assert split_unit("exp_mean [nM]") == ("exp_mean", "nM")
    assert split_unit("K_m") == ("K_m", "")
    assert split_unit("logD") == ("logD", "")
