"""The page of a map: what is embedded comes back, nothing of a file becomes markup, and a browser can use it."""

import base64
import csv
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.errors import MoleculeError
from molgen.output.chart import Chart
from molgen.output.map_page import MAX_ATOMS, UNIT, StructureDrawings, pack, unpack, write_page

ParsePage = Callable[[str], Any]

# Stereo centres and double bonds (also unknown ones), charges, isotopes, radicals, hydrides, cages, several fragments.
REAL = (
    "CN1CC[C@]23c4c5ccc(O)c4O[C@H]2[C@@H](O)C=C[C@H]3[C@H]1C5",
    "CC(C)C[C@H](NC(=O)[C@@H](N)CCC(=O)O)C(=O)N[C@@H](Cc1ccccc1)C(=O)[O-]",
    "O=C(O)/C=C/C(=O)O",
    "CC=NN=C(C)CC",
    "[2H]C([2H])([2H])Oc1ccc([N+](=O)[O-])cc1",
    "C[CH]C",
    "[NH4+]",
    "C[N+]1(C)CCCC1.[O-]c1ccccc1.O=C([O-])CCC([O-])=O",
    "C[C@H]1CC[C@@H](C)CC1",
    "O=[n+]1cc[n-]cc1",
    "CCCc1nn(C)c2c(=O)[nH]c(-c3cc(S(=O)(=O)N4CCN(C)CC4)ccc3OCC)nc12",
    "F/C(Cl)=C(/F)C=C=CC#N",
    "NC12CC3CC(CC(C3)C1)C2",
    "C[SiH2][13CH3]",
    "CC(=O)N1CCN(c2ccc(OC[C@H]3CO[C@](Cn4ccnc4)(c4ccc(Cl)cc4Cl)O3)cc2)CC1",
)
SMILES = [parse(text, AS_IT_IS).smiles for text in REAL]
EVIL = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
NAMES = (EVIL, "$$$$", "two\nlines", "M  END", "> <x>", "\u202eright to left", "\ud800", "", "@@SCRIPT@@")


def chart() -> Chart:
    n = len(REAL)
    return Chart(
        title=f"Map {EVIL} \udcff",
        subtitle=EVIL,
        notes=(EVIL,),
        axes=("", ""),
        points=np.random.default_rng(0).normal(size=(n, 2)) * (5.0, 1.0) + 40.0,
        smiles=tuple(SMILES),
        names=(*NAMES, *[""] * (n - len(NAMES))),
        columns={
            EVIL: np.linspace(0.0, n - 1.0, n),
            "x>\n\n$$$$\n": np.where(np.arange(n) % 2, np.nan, 0.25),
        },
    )


def block_of(kinds: list[list[Any]], part: dict[str, NDArray[Any]], i: int) -> str:
    """A V2000 block of molecule `i`, made as the page's script makes it."""
    atoms, bonds = (slice(*np.cumsum([0, *part[name]])[i : i + 2]) for name in ("n_atoms", "n_bonds"))
    of = [kinds[number] for number in part["kind"][atoms]]
    places = np.cumsum(np.stack([part["step_x"][atoms], part["step_y"][atoms]], axis=1), axis=0) * UNIT
    ends = zip(part["begin"][bonds] + 1, part["end"][bonds] + 1, part["bond"][bonds], strict=True)
    lines = ["", "", "", f"{len(of):3}{part['n_bonds'][i]:3}  0  0  1  0  0  0  0  0999 V2000"]
    lines += [
        f"{x:10.4f}{y:10.4f}{0:10.4f} {kind[0]:3} 0  0  0  0  0{kind[4]:3}"
        for kind, (x, y) in zip(of, places, strict=True)
    ]
    lines += [f"{begin:3}{end:3}{bond >> 3:3}{bond & 7:3}" for begin, end, bond in ends]
    for code, place in (("CHG", 1), ("ISO", 3), ("RAD", 5)):
        lines += [f"M  {code}  1{a:4}{kind[place]:4}" for a, kind in enumerate(of, 1) if kind[place]]
    return "\n".join([*lines, "M  END"])


@given(
    st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.integers()),
    arrays(np.float32, st.integers(0, 5)),
    arrays(np.uint16, st.integers(0, 5)),
    arrays(np.uint8, st.integers(0, 5)),
)
def test_what_is_packed_comes_back(
    header: dict[str, Any], a: NDArray[np.float32], b: NDArray[np.uint16], c: NDArray[np.uint8]
) -> None:
    header.pop("arrays", None)
    again, parts = unpack(pack(header, {"a": a, "b": b, "c": c}))
    assert again == header
    for name, array in (("a", a), ("b", b), ("c", c)):
        np.testing.assert_array_equal(parts[name], array)
        assert parts[name].dtype == array.dtype


def test_embedded_structures_are_the_molecules_with_stereo_charges_isotopes_and_radicals() -> None:
    structures = StructureDrawings()
    for smiles in SMILES:
        structures.add(parse(smiles, AS_IT_IS))
    header, part = unpack(pack({"kinds": structures.kinds}, structures.arrays()))
    for i, smiles in enumerate(SMILES):
        assert Chem.MolToSmiles(Chem.MolFromMolBlock(block_of(header["kinds"], part, i))) == smiles


def test_a_molecule_that_no_v2000_block_holds_is_refused() -> None:
    with pytest.raises(MoleculeError, match="more than 999 atoms"):
        StructureDrawings().add(parse("C" * (MAX_ATOMS + 1)))


def test_nothing_of_a_file_becomes_markup_and_only_the_page_s_script_may_run(
    tmp_path: Path, parse_page: ParsePage
) -> None:
    write_page(tmp_path / "map.html", chart())
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    tags = parse_page(page).tags
    assert [tag for tag, _ in tags].count("script") == 3
    assert "img" not in {tag for tag, _ in tags}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "src"]
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (a["content"] for tag, a in tags if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_a_page_holds_names_and_places_and_is_the_same_each_time(tmp_path: Path) -> None:
    drawn: list[int] = []
    for name in ("a.html", "b.html"):
        write_page(tmp_path / name, chart(), on_drawn=drawn.append)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert drawn == [*range(1, len(REAL) + 1)] * 2
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    view, parts = unpack(re.findall(r'id="view-data">([^<]*)<', page)[0])
    texts, _ = unpack(re.findall(r'id="molecule-data">([^<]*)<', page)[0])
    assert texts["smiles"] == SMILES
    assert tuple(texts["names"][: len(NAMES)]) == NAMES
    xy = parts["xy"].reshape(-1, 2)
    assert np.abs(xy).max() == pytest.approx(1.0)
    spans = np.ptp(chart().points, axis=0)
    np.testing.assert_allclose(np.ptp(xy, axis=0), 2 * spans / spans.max(), rtol=1e-5)
    assert [each["name"] for each in view["columns"]] == list(chart().columns)
    np.testing.assert_array_equal(parts["values"].reshape(2, -1), list(chart().columns.values()))


def test_a_browser_shows_selects_and_exports(tmp_path: Path, browser: Any) -> None:
    write_page(tmp_path / "map.html", chart())
    browser.open((tmp_path / "map.html").as_uri())
    while not browser.value("performance.getEntriesByName('molecules read').length"):
        sleep(0.05)
    assert browser.value("document.title").startswith(f"Map {EVIL}")
    assert browser.value("document.querySelectorAll('img').length") == 0
    browser.value("hover(0)")
    assert browser.value("card.hidden") is False
    assert browser.value("card.querySelector('.name').textContent") == EVIL
    found = "[0, 3, 7].map((i) => nearest(map.xy[2 * i], map.xy[2 * i + 1], 0.01))"
    assert browser.value(found) == [0, 3, 7]
    browser.value("selectLasso([[-2, -2], [2, -2], [2, 2], [-2, 2]], {})")
    assert browser.value("document.getElementById('count').textContent") == str(len(REAL))
    sdf = browser.value("new Blob(chosen.map(sdfRecord)).text()")
    smi = browser.value("new Blob(chosen.map(smilesLine)).text()")
    table = list(csv.reader(browser.value("new Blob([csvHeader(), ...chosen.map(csvLine)]).text()").splitlines()))
    browser.value("select((i) => i === 2, { altKey: true })")
    assert browser.value("chosen.length") == len(REAL) - 1
    supplier = Chem.SDMolSupplier()
    supplier.SetData(sdf)
    assert [Chem.MolToSmiles(mol) for mol in supplier] == SMILES
    assert [mol.GetProp("SMILES") for mol in supplier] == SMILES
    assert [line.split(" ")[0] for line in smi.splitlines()] == SMILES
    assert [row[0] for row in table] == ["smiles", *SMILES]
    assert [len(row) for row in table] == [4] * len(table)
    cells = ["=1+1", "-1.5", 'a,"b', "'@x"]
    assert browser.value(f"{json.dumps(cells)}.map(csvCell)") == ["'=1+1", "-1.5", '"a,""b"', "''@x"]
