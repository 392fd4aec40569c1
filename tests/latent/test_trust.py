"""Trust on the shipped checkpoint: the same in any company, low for what drugs are not, and 0 for what has no point."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.latent.trust import make_trust_function, measure_trust, require_applicability
from molgen.paths import find_shipped

RunMolgen = Callable[..., Result]

USUAL = ["CC(=O)Nc1ccc(O)cc1", "O=C(NCc1ccccc1)c1ccc2c(c1)OCO2", "CCOC(=O)c1ccc(NC(=O)c2ccccc2)cc1"]
BETA_CAROTENE = "CC(C=CC=C(C)C=CC1=C(C)CCCC1(C)C)=CC=CC=C(C)C=CC=C(C)C=CC1=C(C)CCCC1(C)C"
BORON = "OB(O)c1ccccc1"


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture(scope="module")
def samples() -> list[str]:
    with (find_shipped("data") / "moses_sample.csv").open() as handle:
        return [row["SMILES"] for _, row in zip(range(300), csv.DictReader(handle), strict=False)]


def test_molecules_are_trusted_alike_in_any_company(space: LatentSpace, samples: list[str]) -> None:
    texts = [*samples[:40], BETA_CAROTENE]
    together = measure_trust(space, texts)
    alone = [measure_trust(space, [text]) for text in texts]
    assert together.values == pytest.approx([one.values[0] for one in alone], abs=2e-3)
    backwards = measure_trust(space, texts[::-1])
    assert together.parts == pytest.approx(backwards.parts[::-1], abs=2e-3)


def test_what_is_usual_is_trusted_as_often_as_it_should(space: LatentSpace, samples: list[str]) -> None:
    trust = measure_trust(space, samples).values
    assert (trust < 0.05).mean() < 0.1
    assert 0.3 < np.median(trust) < 0.9
    usual = measure_trust(space, USUAL).values
    assert usual.min() > 0.04
    assert np.median(usual) > 0.5


def test_what_has_no_point_has_no_trust_and_comes_first(space: LatentSpace) -> None:
    trust = measure_trust(space, [*USUAL, BETA_CAROTENE, BORON, "C(C"])
    assert trust.values[-2:].tolist() == [0.0, 0.0]
    assert trust.reasons == ("", "", "", "", "unknown token [B]", "not a SMILES")
    assert np.isnan(trust.parts[-2:]).all()
    assert trust.values[3] < 0.01
    assert trust.order()[:3].tolist() == [4, 5, 3]
    assert (trust.parts[:4] > 0).all()


def test_nothing_is_judged_as_nothing(space: LatentSpace) -> None:
    trust = measure_trust(space, [])
    assert (len(trust.values), trust.parts.shape, trust.reasons) == (0, (0, 3), ())
    assert measure_trust(space, [BORON]).values.tolist() == [0.0]


def test_every_molecule_is_told(space: LatentSpace, samples: list[str]) -> None:
    told: list[int] = []
    measure_trust(space, samples, on_done=told.append)
    assert told == sorted(told)
    assert told[-1] == len(samples)


def test_a_checkpoint_that_does_not_know_says_how_to_tell_it(space: LatentSpace) -> None:
    ignorant = LatentSpace(replace(space.model, applicability=None))
    assert make_trust_function(ignorant) is None
    with pytest.raises(SpecError, match="has no applicability domain") as caught:
        require_applicability(ignorant)
    assert "--epochs 0" in caught.value.remedy
    judge = make_trust_function(space)
    assert judge is not None
    assert judge(USUAL).tolist() == measure_trust(space, USUAL).values.tolist()


@pytest.mark.usefixtures("few_prior_samples")
def test_a_campaign_keeps_to_what_is_trusted_and_candidates_tell_of_it(run_molgen: RunMolgen, tmp_path: Path) -> None:
    asked = ("--maximize", "qed", "--budget", 24, "--threads", 1)
    result = run_molgen("campaign", *asked, "--constraint", "trust >= 0.2", "--out", tmp_path / "kept")
    assert result.exit_code == 0, result.stderr
    assert run_molgen("campaign", *asked, "--out", tmp_path / "free").exit_code == 0
    for name in ("kept", "free"):
        output = tmp_path / f"{name}.csv"
        assert run_molgen("export", tmp_path / name, "-o", output).exit_code == 0
        with output.open() as handle:
            rows = list(csv.DictReader(handle))
        told = [float(row["trust"]) for row in rows]
        assert told == pytest.approx(
            measure_trust(LatentSpace.load(), [row["smiles"] for row in rows]).values, abs=2e-3
        )
        assert (min(told) >= 0.2) == (name == "kept")
