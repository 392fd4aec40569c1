"""The campaign on half an assay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from typer.testing import Result

from molgen.bench.assay import N_TOP, Assay, search_assay
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 120 measurements of D3."""
    path = tmp_path_factory.mktemp("assay") / "few.csv"
    path.write_text("".join((find_shipped("data") / "d3_ki.csv").read_text().splitlines(keepends=True)[:121]))
    return path


def test_halves_share_no_molecule_and_hold_all(few: Path) -> None:
    assay = Assay.read(few, "y", 0)
    assert not set(assay.known) & set(assay.hidden)
    assert abs(len(assay.known) - len(assay.hidden)) <= 1
    assert len(assay.known) + len(assay.hidden) == 120
    assert set(Assay.read(few, "y", 1).known) != set(assay.known)


def test_the_oracle_knows_the_hidden_half_better(few: Path) -> None:
    assay = Assay.read(few, "y", 0)

    def error(smiles: list[str], measured: np.ndarray) -> float:
        return float(np.abs(assay.oracle([Chem.MolFromSmiles(text) for text in smiles]) - measured).mean())

    assert error(list(assay.hidden), assay.hidden_measured) < 0.7 * error(list(assay.known), assay.measured)


@pytest.mark.usefixtures("few_prior_samples")
def test_a_search_begins_at_what_is_known_and_repeats_itself(few: Path) -> None:
    space, assay = LatentSpace.load(), Assay.read(few, "y", 0)
    result = search_assay(assay, space, "latent", 20)
    assert len(result.smiles) == N_TOP
    assert not set(result.smiles) & set(assay.known)
    assert result == search_assay(assay, space, "latent", 20)
    assert result.mean_top > search_assay(assay, space, "random", 20).mean_top


@pytest.mark.usefixtures("few_prior_samples")
def test_the_command_compares_searches(few: Path, run_molgen: Callable[..., Result]) -> None:
    done = run_molgen("benchmark", "assay", few, "--budget", 20, "--seeds", 1, "--json")
    assert done.exit_code == 0, done.output
    assert {row["search"] for row in json.loads(done.stdout)} >= {"latent", "random"}
