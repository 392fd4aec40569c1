"""Curated compounds in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from molgen.errors import FileError
from molgen.project.columns import CurationSpec
from molgen.project.curated_file import read_compounds, write_compounds
from molgen.project.curation import Compound, curate

ROWS = """smiles,name,pKi
CC(=O)Nc1ccc(O)cc1,=1+1,5.2
CC(=O)Nc1ccc(O)cc1,paracetamol,5.4
CCN,"amine, small",<4
CCO.Cl,,>7
c1ccccc1,benzene,~6.25
"""


def compounds_of(path: Path) -> list[Compound]:
    """Compounds without their lines, which differ between a file and the one written from it."""
    return [replace(compound, lines=()) for compound in curate(path, CurationSpec(("pKi",))).compounds]


def test_what_is_written_is_read_back_by_either_reader(tmp_path: Path) -> None:
    raw, curated = tmp_path / "raw.csv", tmp_path / "curated.csv"
    raw.write_text(ROWS)
    known = compounds_of(raw)
    write_compounds(curated, known, ["pKi"])
    read = [replace(compound, lines=()) for compound in read_compounds(curated, "pKi")]
    assert list(map(repr, read)) == list(map(repr, compounds_of(curated)))  # NaN = NaN
    assert [(one.id, one.smiles) for one in read] == [(one.id, one.smiles) for one in known]
    assert {label.relation for compound in read for label in compound.labels.values()} == set("=<>~")


def test_a_compound_without_the_property_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "curated.csv"
    raw = tmp_path / "raw.csv"
    raw.write_text(ROWS)
    first, *others = compounds_of(raw)
    write_compounds(path, [replace(first, labels={}), *others], ["pKi"])
    assert [compound.id for compound in read_compounds(path, "pKi")] == [compound.id for compound in others]


@pytest.mark.parametrize(
    "content",
    ["", "id,smiles\nx,CC\n", "id,smiles,pKi,pKi_relation,pKi_n,pKi_std\nx,CC,5,?,1,\n"]
    + [f"id,smiles,pKi,pKi_relation,pKi_n,pKi_std\nx,CC,{rest}\n" for rest in ("much,=,1,", "5,=,one,", "5,=")],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "curated.csv"
    path.write_text(content)
    if content:
        with pytest.raises(FileError, match="no table of curated compounds"):
            read_compounds(path, "pKi")
    else:
        assert read_compounds(path, "pKi") == []
    with pytest.raises(FileError, match="no table of curated compounds"):
        read_compounds(tmp_path / "none.csv", "pKi")
