"""Reports: plots keep their numbers, drawings their lines, no text becomes markup, and a browser can use the page."""

import base64
import hashlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit.Chem.Draw import rdMolDraw2D

from molgen.chem.conformer import embed
from molgen.chem.molecule import parse
from molgen.output.candidates import describe, select
from molgen.output.drawing import HEIGHT_PX, WIDTH_PX, draw_slim
from molgen.output.report.campaign import describe_campaign
from molgen.output.report.content import Facts, Report, Table, flatten_entries, show_cell
from molgen.output.report.page import render_report_page, write_report_page
from molgen.output.report.plot import HEIGHT, N_INTERVALS, WIDTH, Axis, Line, Plot
from molgen.search.ledger import Evaluation
from molgen.search.spec import CampaignSpec

ParsePage = Callable[[str], Any]

EVIL = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{ 7 * 7 }}"
SMILES = [
    parse(text).smiles
    for text in (
        "CC(=O)Oc1ccccc1C(=O)O",
        "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
        "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
        "O=C1CSC(=S)N1",
        "Clc1ccccc1",
    )
]


def campaign(measure: str = "potency") -> Report:
    """Five molecules with two objectives; the first three do not dominate each other."""
    values = [(0.9, 3.0), (0.8, 2.0), (0.7, 1.0), (0.6, 2.5), (math.nan, 9.0)]
    evaluations = [
        Evaluation(
            index,
            smiles,
            {measure: one, "sa": other},
            {measure: one, "sa": 1 - other / 10},
            0.0 if math.isnan(one) else one,
            0.0 if index < 5 else 1.0,
            0.1 * index,
            SMILES[0] if index > 1 else "",
        )
        for index, (smiles, (one, other)) in enumerate(zip(SMILES, values, strict=True), 1)
    ]
    picks = select(evaluations, 10).picks
    candidates = describe(picks, was_trained_on=lambda smiles: np.zeros(len(smiles), dtype=np.bool_))
    spec = CampaignSpec(maximize=(measure,), minimize=("sa",), pareto=True)
    manifest = {"start": "2026-01-01", "end": "2026-01-02", "command": ["molgen", EVIL], "versions": {EVIL: "1"}}
    return describe_campaign(f"run {EVIL} \udcff", spec, manifest, evaluations, candidates, [parse("CCO")] * 3)


finite = st.floats(-1e12, 1e12)


@given(finite, finite)
def test_ticks_are_few_and_lie_within_the_axis(a: float, b: float) -> None:
    axis = Axis.around("x", [a, b, math.nan])
    places = [axis.share(value) for value, _ in axis.ticks()]
    assert len(places) <= N_INTERVALS + 1
    assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)
    assert 0 <= axis.share(a) <= 1
    assert 0 <= axis.share(b) <= 1


def test_ticks_are_round() -> None:
    assert [text for _, text in Axis("x", 0.0, 1.0).ticks()] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [text for _, text in Axis("x", -3.0, 47.0).ticks()] == ["0", "10", "20", "30", "40"]


def test_a_path_goes_through_its_points_and_an_area_ends_at_the_axis() -> None:
    plot = Plot("", Axis("x", 0.0, 10.0), Axis("y", 0.0, 1.0))
    points = [(0.0, 1.0), (10.0, 0.5)]
    line = plot.path(Line("", points))
    assert [tuple(map(float, place.split())) for place in line[1:].split("L")] == [
        (plot.across(x), plot.down(y)) for x, y in points
    ]
    area = plot.path(Line("", points, is_area=True))
    assert area.startswith(line)
    assert area.endswith(f"L{plot.across(10.0)} {plot.down(0.0)}L{plot.across(0.0)} {plot.down(0.0)}Z")
    assert 0 < plot.across(0.0) < plot.across(10.0) < WIDTH
    assert 0 < plot.down(1.0) < plot.down(0.0) < HEIGHT


@pytest.mark.parametrize("text", [*SMILES, "C[C@H](C#N)S(=O)(=O)[NH-].[2H]C[13CH2]", "C[CH]C", "C/C=C/C=NO"])
def test_a_slim_drawing_holds_every_line_of_rdkit_s(text: str) -> None:
    mol = parse(text).mol
    drawing = rdMolDraw2D.MolDraw2DSVG(WIDTH_PX, HEIGHT_PX)
    drawing.DrawMolecule(embed(mol, seed=0, dimensions=2))
    drawing.FinishDrawing()
    full, slim = drawing.GetDrawingText(), draw_slim(mol)
    started = sum(d.count("M") for d in re.findall(r" d='([^']*)'", full))
    assert sum(d.count("M") for d in re.findall(r' d="([^"]*)"', slim)) == started
    assert len(slim) < 0.6 * len(full)
    numbers = [float(number) for d in re.findall(r' d="([^"]*)"', slim) for number in re.findall(r"[\d.-]+", d)]
    assert max(numbers) <= max(WIDTH_PX, HEIGHT_PX)


def test_nested_entries_are_named_by_the_way_to_them() -> None:
    entries = {"versions": {"rdkit": "1"}, "inputs": [{"path": "a"}, {"path": "b"}], "tasks": ["x", "y"], "n": None}
    assert flatten_entries(entries) == [
        ("versions.rdkit", "1"),
        ("inputs.1.path", "a"),
        ("inputs.2.path", "b"),
        ("tasks", "x; y"),
        ("n", "None"),
    ]


def test_numbers_are_shown_with_four_digits() -> None:
    assert [show_cell(cell) for cell in (0.123456, 12345.0, -2.0, math.nan, "x")] == ["0.1235", "12345", "-2", "", "x"]


def test_no_text_becomes_markup_and_only_the_page_s_script_may_run(parse_page: ParsePage) -> None:
    extra = (Facts(EVIL, [(EVIL, EVIL)]), Table(EVIL, [EVIL], [[EVIL]], EVIL))
    report = campaign(f"potency {EVIL}")
    page = render_report_page(Report(report.title, EVIL, [(EVIL, EVIL)], [*report.sections, *extra]))
    parsed = parse_page(page)
    assert page.isascii()
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert not {"img", "link", "iframe", "object", "image", "use"} & {tag for tag, _ in parsed.tags}
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href", "xlink:href"}
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (a["content"] for tag, a in parsed.tags if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert EVIL in parsed.text
    assert "url(" not in page
    assert "@import" not in page


def test_a_campaign_shows_its_molecules_its_front_and_its_provenance(parse_page: ParsePage) -> None:
    page = render_report_page(campaign())
    parsed = parse_page(page)
    cards = [a["id"] for tag, a in parsed.tags if tag == "article"]
    assert cards == ["MG-000001", "MG-000002", "MG-000003", "MG-000004"]
    marks = [a for tag, a in parsed.tags if tag == "circle"]
    assert [a["data-card"] for a in marks if "data-card" in a] == cards[:3]
    assert len([a for a in marks if "data-card" not in a]) == 4
    for text in ("Pareto front", "potency", "Best candidates", "2026-01-01 to 2026-01-02", *SMILES[:4]):
        assert text in parsed.text
    assert page == render_report_page(campaign())


def test_a_browser_sorts_filters_and_shows_the_molecule_of_a_mark(tmp_path: Path, browser: Any) -> None:
    write_report_page(tmp_path / "report.html", campaign())
    browser.open((tmp_path / "report.html").as_uri())
    while not browser.value("document.querySelector('.count')?.textContent"):
        sleep(0.05)
    shown = "[...document.querySelectorAll('.grid .card:not([hidden])')].map((card) => card.id.at(-1)).join('')"
    assert browser.value(shown) == "1234"

    def choose(control: str, value: object) -> str:
        browser.value(
            f"{{ const control = document.querySelector('.{control}'); control.value = {value!r};"
            "control.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        return str(browser.value(shown))

    columns = "[...document.querySelector('.sort').options].map((option) => option.textContent)"
    column = browser.value(columns).index("sa") - 1
    assert choose("sort", column) == "3241"
    browser.value("document.querySelector('.turn').click()")
    assert browser.value(shown) == "1423"
    choose("bound", column)
    assert choose("low", 2) == "142"
    assert choose("high", 2.5) == "42"
    assert browser.value("document.querySelector('.count').textContent") == "2 of 4"
    choose("low", "")
    choose("high", "")
    assert choose("text", "cn1c(=o)") == "2"

    mark = "document.querySelector('[data-card=\"MG-000003\"]')"
    browser.value(f"{mark}.dispatchEvent(new PointerEvent('pointerover', {{ bubbles: true }}))")
    pointer = "document.getElementById('pointer')"
    assert browser.value(f"{pointer}.hidden") is False
    assert SMILES[2] in browser.value(f"{pointer}.textContent")
    assert browser.value(f"{pointer}.querySelectorAll('svg path').length") > 1
    assert browser.value("document.title").startswith(f"run {EVIL}")
    assert browser.complaints == []
