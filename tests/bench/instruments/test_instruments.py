"""The benchmark of the instruments: figures beside controls, the same for the same seed, written where asked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from molgen.bench.instruments.suite import INSTRUMENTS, SuiteConfig, score_instruments
from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]
SAMPLE = find_shipped("data") / "moses_sample.csv"


def test_a_report_is_what_the_seed_makes_it_and_names_its_inputs() -> None:
    space = LatentSpace.load()
    inputs = SuiteConfig(SAMPLE, (find_shipped("data") / "d3_ki.csv",), limit=300)
    report, lines = score_instruments(space, inputs, ("map", "units"))
    assert [line.instrument for line in lines].count("map") == 3
    assert all(line.figure > line.control_figure for line in lines if line.instrument == "map")
    assert report["molecules"] == SAMPLE.name
    assert report["checkpoint_sha256"] == space.model.digest
    assert score_instruments(space, inputs, ("map", "units"))[0]["scores"] == report["scores"]


def test_an_unknown_instrument_is_refused() -> None:
    with pytest.raises(SpecError, match="there is no instrument 'sonar'"):
        score_instruments(LatentSpace.load(), SuiteConfig(SAMPLE, ()), ("sonar",))


def test_the_command_writes_what_it_prints(run_molgen: RunMolgen, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    result = run_molgen("benchmark", "instruments", "--only", "map", "--limit", 200, "-o", output, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads(output.read_text())
    again = run_molgen("benchmark", "instruments", "--only", "map", "-o", output)
    assert again.exit_code == 2
    assert "--force" in again.output


def test_every_command_of_explore_has_a_score_or_is_part_of_one(run_molgen: RunMolgen) -> None:
    text = run_molgen("explore", "--help").stdout
    assert {name for name in INSTRUMENTS if name != "sample"} <= set(text.split())
