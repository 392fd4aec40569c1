"""The picture of candidates holds every one of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from molgen.output.candidates import describe, select
from molgen.output.picture import CELL_PX, LINE_PX, write_picture
from molgen.search.ledger import Evaluation

SMILES = ["CCO", "Oc1ccccc1", "CC(N)=O", "CCN", "CCCl", "CCBr", "CC#N"]


def test_the_picture_is_xml_and_as_high_as_its_rows(tmp_path: Path) -> None:
    evaluations = [
        Evaluation(i, text, {"qed": 0.1 * i}, {"qed": 0.1 * i}, 0.1 * i, 0.0, float("nan"), "")
        for i, text in enumerate(SMILES, 1)
    ]
    picks = select(evaluations, 7).picks
    candidates = describe(picks, was_trained_on=lambda smiles: np.zeros(len(smiles), dtype=bool))
    write_picture(tmp_path / "grid.svg", candidates)
    root = ElementTree.fromstring((tmp_path / "grid.svg").read_text())
    assert root.tag.endswith("svg")
    assert root.attrib["height"] == f"{2 * (CELL_PX + 2 * LINE_PX)}px"
    assert root.attrib["width"] == "1200px"
