"""Candidates say why: what changed, from which compound, and what is gained by it."""

import numpy as np
import pytest

from molgen.latent.space import LatentSpace
from molgen.project.explanation import NO_SERIES, explain
from molgen.project.forecast import Forecast, Known
from molgen.project.replicates import Label


def test_what_changed_and_what_is_gained() -> None:
    known = Known(("D1", "D2"), ("Cc1ccccc1Cl", "CCO"), ({"pKi": Label(7.1)}, {"pKi": Label(5.0, ">")}))
    mean = np.array([[7.8], [6.0]])
    said = Forecast(
        smiles=("Cc1ccccc1C(F)(F)F", "CCCO"),
        reasons=("", ""),
        properties=("pKi",),
        mean=mean,
        std=np.ones_like(mean),
        lower=mean - 0.8,
        upper=mean + 0.8,
        applicability=np.ones(2),
        nearest=np.array([0, 1]),
        similarity=np.array([0.6, 0.5]),
        known=known,
    )
    columns = explain(LatentSpace.load(), said)
    assert columns["change"][0] == "Cl to CF3"
    assert columns["pKi_gain"][0] == pytest.approx(0.7)
    assert columns["pKi_gain_lower"][0] == pytest.approx(-0.1)
    assert np.isnan(columns["pKi_gain"][1])  # the nearest is a bound
    assert columns["series"] == ["c1ccccc1", NO_SERIES]
    assert columns["explanation"][0] == "Cl to CF3 in D1 (7.10): 7.80 expected, +0.70 [-0.10, +1.50]"
    assert str(columns["explanation"][1]).endswith("in D2 (>5.00): 6.00 expected")
