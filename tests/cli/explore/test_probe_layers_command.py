import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

RunMolgen = Callable[..., Result]


def test_the_shipped_assay_is_looked_at_by_default(run_molgen: RunMolgen, tmp_path: Path) -> None:
    figure = tmp_path / "layers.svg"
    result = run_molgen("explore", "probe-layers", "--limit", 80, "-o", figure, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["n"] <= 80
    assert "y" in report["depths"][0]["scores"]
    assert report["depths"][-1]["name"] == "shuffled labels"
    assert "Probes of layers" in figure.read_text()


def test_a_file_without_labels_will_do(run_molgen: RunMolgen, tmp_path: Path) -> None:
    path = tmp_path / "m.smi"
    path.write_text("".join(f"{'C' * n}{end}\n" for n in range(1, 11) for end in ("O", "N", "F", "Cl", "C=O", "C#N")))
    table = tmp_path / "layers.csv"
    result = run_molgen("explore", "probe-layers", path, "-o", table)
    assert result.exit_code == 0, result.stderr
    assert "Morgan fingerprint" in result.stdout
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows[0]["depth"] == "embedding"
    assert 0 <= float(rows[0]["tokens"]) <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("few.smi",), "need 50"),
        (("few.smi", "-o", "x.docx"), "must end in"),
        (("missing.smi",), "missing.smi"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(
    run_molgen: RunMolgen,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("few.smi").write_text("CCO\nCCN\n")
    result = run_molgen("explore", "probe-layers", *arguments)
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
