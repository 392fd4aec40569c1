"""The gallery: every exhibit is shown, with its picture and its scores, and nothing of the machine it was made on."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]


@pytest.mark.slow
def test_every_instrument_is_shown(run_molgen: RunMolgen, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    line = {
        "instrument": "path",
        "measure": "between",
        "figure": 9.5,
        "control": "",
        "control_figure": None,
        "aim": None,
    }
    report.write_text(json.dumps({"lines": [line]}))
    result = run_molgen("benchmark", "gallery", "-o", tmp_path / "gallery", "--report", report)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "gallery" / "README.md").read_text()
    assert text.count("\n## ") == 10
    assert text.count("| between | 9.500 |") == 1
    pictures = {path.name for path in (tmp_path / "gallery").iterdir()} - {"README.md"}
    assert len(pictures) == 9
    assert all(f"]({name})" in text for name in pictures)
    assert str(find_shipped("data")) not in text
    assert "/tmp" not in text


def test_a_gallery_is_not_replaced_unasked_nor_made_of_another_report(run_molgen: RunMolgen, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    result = run_molgen("benchmark", "gallery", "-o", tmp_path)
    assert result.exit_code == 2
    assert "--force" in result.output
    (tmp_path / "other.json").write_text("[]")
    result = run_molgen("benchmark", "gallery", "-o", tmp_path / "new", "--report", tmp_path / "other.json")
    assert result.exit_code == 2
    assert "is no report on instruments" in result.output
    assert not (tmp_path / "new").exists()
