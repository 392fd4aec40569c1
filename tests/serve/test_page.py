"""The page of the workbench, by real clicks: from an upload to an SDF, in two browsers at once, over a reload."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rdkit import Chem

from molgen.chem.molecule import parse
from molgen.chem.table import Tally, read_molecules
from molgen.search.ledger import read_evaluations


def attach(page: Any, field: str, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.click(field)
    chooser.value.set_files(file)


def test_clicks_lead_from_an_upload_to_an_sdf(workbench: Any, visit: Callable[[], Any], tmp_path: Path) -> None:
    page, other = visit(), visit()
    attach(page, "#upload", workbench.folder / "assay.csv")
    page.wait_for_selector("#uploaded:has-text('8 molecules, 1 x not a SMILES')")
    page.fill("#new [name=name]", "clicked")
    page.fill("#new [name=budget]", "60")
    page.click("#new [type=submit]")
    page.wait_for_selector("#new ~ .note:has-text('molgen campaign --maximize qed')")
    other.wait_for_selector("[data-name=clicked] button:has-text('Stop')")
    workbench.wait("clicked", n_scored=10)

    page.reload()
    page.click("[data-name=clicked] button:has-text('Stop')")
    other.wait_for_selector("[data-name=clicked] .state:text-is('stopped')")
    ledger = workbench.folder / "bench" / "runs" / "clicked" / "evaluations.csv"
    before = ledger.read_bytes()
    assert 10 <= len(read_evaluations(ledger)) < 60

    other.reload()
    assert other.locator("[data-name=clicked] button:has-text('Stop')").count() == 0
    other.click("[data-name=clicked] button:has-text('Resume')")
    page.wait_for_selector("[data-name=clicked] .state:text-is('finished')")
    assert page.locator("[data-name=clicked] button").all_inner_texts() == ["Candidates"]
    assert ledger.read_bytes().startswith(before)
    assert len(read_evaluations(ledger)) == 60

    page.click("[data-name=clicked] button:has-text('Candidates')")
    page.click("#candidates .card:nth-child(1) button:text-is('Like')")
    other.click("[data-name=clicked] button:has-text('Candidates')")
    other.wait_for_selector("#candidates .card:nth-child(1) button:text-is('Like')[aria-pressed=true]")
    other.wait_for_selector("#liked:has-text('1 liked, 0 disliked')")
    page.check("#candidates .card:nth-child(1) input")
    page.check("#candidates .card:nth-child(2) input")
    chosen = page.locator("#candidates .card.chosen .name").all_inner_texts()
    with page.expect_download() as download:
        page.click("#candidates .export")
    sdf = tmp_path / download.value.suggested_filename
    download.value.save_as(sdf)
    read = [mol.GetProp("_Name") for mol in Chem.SDMolSupplier(str(sdf))]
    assert len(read) == 2
    assert sorted(read) == sorted(text.strip() for text in chosen)
    page.uncheck("#candidates .card:nth-child(1) input")
    with page.expect_download() as download:
        page.click("#candidates .export")
    assert download.value.suggested_filename == "clicked-2.sdf"
    assert sdf.read_bytes() == (workbench.folder / "bench" / "exports" / sdf.name).read_bytes()


def test_a_lasso_in_a_map_leads_to_cards_and_files(workbench: Any, visit: Callable[[], Any], tmp_path: Path) -> None:
    workbench.upload("lasso.smi", "\n".join(workbench.smiles).encode())
    page = visit()
    page.click("nav [data-view=map]")
    page.select_option("#draw [name=file]", "lasso.smi")
    page.click("#draw [type=submit]")
    page.click("[data-map='lasso.smi'] button:has-text('Open')")
    drawn = page.frame_locator("#frame")
    drawn.locator("#lasso").click()
    box = drawn.locator("#overlay").bounding_box()
    corners = [(0.02, 0.1), (0.98, 0.1), (0.98, 0.98), (0.02, 0.98)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in (*places[1:], places[0]):
        page.mouse.move(*place, steps=4)
    page.mouse.up()
    assert drawn.locator("#count").inner_text() == "8"
    page.click("#show-selected")
    page.wait_for_selector("#selected .card:nth-child(8)")
    for kind in ("csv", "sdf"):
        with page.expect_download() as download:
            drawn.locator(f"#{kind}").click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
    wanted = {parse(text).smiles for text in workbench.smiles}
    rows = Tally().sift(read_molecules(tmp_path / "selection.csv", properties=["logp"]))
    read = {record.molecule.smiles for record in rows}
    assert read == wanted == {Chem.MolToSmiles(mol) for mol in Chem.SDMolSupplier(str(tmp_path / "selection.sdf"))}


def test_rounds_of_a_project(workbench: Any, visit: Callable[[], Any], tmp_path: Path) -> None:
    rows = [f"{smiles},{4 + 0.4 * i}" for i, smiles in enumerate(workbench.smiles)]
    workbench.upload("measured.csv", "\n".join(["smiles,pKi", *rows, "C(,5"]).encode())
    catalogue = ["CC(=O)Nc1ccc(C)cc1", "Cc1ccc(O)cc1", "CC(C)Cc1ccccc1", "Cc1ccc(C(=O)O)cc1", "CCN(CC)CC"]
    workbench.upload("stock.smi", "\n".join(catalogue).encode())
    page = visit()
    page.click("nav [data-view=projects]")
    page.fill("#new-project [name=name]", "rounds")
    page.select_option("#new-project [name=file]", "measured.csv")
    page.click("#new-project [type=submit]")
    page.wait_for_selector("#projects-note:has-text('8 compounds of 9 rows')")
    page.wait_for_selector("#figures:has-text('maximize pKi')")
    page.fill("#propose [name=n]", "2")
    page.select_option("#propose [name=library]", "stock.smi")
    page.click("#propose [type=submit]")
    page.wait_for_selector("#sections h3:has-text('waiting for a result')")
    with page.expect_download() as download:
        page.click("#rounds a:has-text('round 1')")
    download.value.save_as(tmp_path / "proposals.csv")
    proposed = [line.split(",") for line in (tmp_path / "proposals.csv").read_text().splitlines()[1:]]
    assert {row[1] for row in proposed} < {parse(text).smiles for text in catalogue}
    told = "\n".join(["id,smiles,pKi", *(f"{row[0]},{row[1]},{row[3]}" for row in proposed)])
    assert workbench.upload("results.csv", told.encode())[0] == 200
    page.select_option("#tell [name=file]", "results.csv")
    page.click("#tell [type=submit]")
    page.wait_for_selector("#sections h3:has-text('Proposals measured')")
    page.wait_for_selector("#told:has-text('molgen tell')")
    measured = page.locator("#sections > div", has_text="Proposals measured").locator(".card .name")
    assert measured.all_inner_texts() == ["R1-01", "R1-02"]


def test_a_slider_walks_a_direction(visit: Callable[[], Any]) -> None:
    page = visit()
    page.click("nav [data-view=path]")
    page.fill("#walk [name=steps]", "3")
    page.click("#walk [type=submit]")
    page.wait_for_selector("#walk ~ .grid .card:nth-child(3)")
    middle = page.locator("#walk ~ .grid .card:nth-child(2)")
    assert middle.get_attribute("title") == page.input_value("#walk [name=smiles]")
    slider = page.locator("#walk ~ p .slider")
    slider.focus()
    slider.press("End")
    last = page.locator("#walk ~ .grid .card:nth-child(3)")
    assert middle.get_attribute("title") == last.get_attribute("title")


def test_a_direction_is_learned_from_a_column_and_walked(workbench: Any, visit: Callable[[], Any]) -> None:
    smiles = [f"{'C' * n}c1ccc({rest})cc1" for n in range(1, 8) for rest in ("O", "N", "F", "C#N")]
    rows = [f"{text},{len(text)}" for text in smiles]
    assert workbench.upload("lengths.csv", "\n".join(["smiles,length", *rows]).encode())[0] == 200
    page = visit()
    page.click("nav [data-view=path]")
    page.select_option("#learn [name=file]", "lengths.csv")
    page.fill("#learn [name=property]", "length")
    page.fill("#learn [name=name]", "longer")
    page.click("#learn [type=submit]")
    page.wait_for_selector("#learn-note:has-text('molgen explore direction')")
    assert page.input_value("#walk [name=along]") == "longer.json"
    page.fill("#walk [name=steps]", "3")
    page.click("#walk [type=submit]")
    page.wait_for_selector("#walk ~ .grid .card:nth-child(3)")
    asked = b'{"name": "longer", "file": "lengths.csv", "property": "length"}'
    status, _, answer = workbench.request("POST", "/api/learn_direction", asked, Cookie=workbench.cookie)
    assert status == 400
    assert "already" in json.loads(answer)["error"]


def test_what_is_drawn_is_described(visit: Callable[[], Any]) -> None:
    page = visit()
    page.click("nav [data-view=molecule]")
    page.fill("#ask [name=smiles]", "CC")
    page.click("#sketch")
    box = page.locator("#editor").bounding_box()
    page.wait_for_selector("#editor canvas")
    page.wait_for_timeout(1000)  # until the molecule is drawn, which leaves no trace outside the canvas
    tools = 44  # px
    page.mouse.click(box["x"] + (box["width"] + tools) / 2, box["y"] + box["height"] / 2)  # on the bond
    page.wait_for_selector("#ask ~ .grid .card[title='C=C']")
    assert page.input_value("#ask [name=smiles]") == "C=C"


@pytest.mark.parametrize("path", ["", "?token=guessed", "api/state"])
def test_a_browser_without_the_token_is_refused(workbench: Any, driven: Any, path: str) -> None:
    context = driven.new_context()
    answer = context.new_page().goto(f"http://{workbench.host}/{path}")
    assert answer.status == 403
    context.close()
