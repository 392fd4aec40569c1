"""The score of steering."""

import numpy as np
import pytest

from molgen.bench.instruments.steering import monotonicity, score_steering
from molgen.chem.sampling import draw_shipped_molecules
from molgen.latent.space import LatentSpace


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1.0, 2.0, 3.0, 5.0], 1.0),
        ([5.0, 3.0, 2.0, 1.0], -1.0),
        ([2.0, 2.0, 2.0, 2.0], 0.0),
        ([1.0, np.nan, np.nan, 2.0], 0.0),
    ],
)
def test_monotonicity_counts_ties_and_leaves_out_what_is_missing(values: list[float], wanted: float) -> None:
    assert monotonicity((-1.0, 0.0, 1.0, 2.0), np.array(values)) == pytest.approx(wanted)


def test_missing_steps_do_not_break_the_order() -> None:
    assert monotonicity((0.0, 1.0, 2.0, 3.0), np.array([1.0, np.nan, 2.0, 3.0])) == pytest.approx(1.0)


@pytest.mark.usefixtures("few_scouts")
def test_size_can_be_steered_and_random_directions_do_not_steer_it() -> None:
    told: list[float] = []
    smiles = [molecule.smiles for molecule in draw_shipped_molecules(6, seed=5)]
    score = score_steering(LatentSpace.load(), smiles, 0, told.append, names=("heavy_atoms",), n_fit=400)
    (size,) = score.properties
    assert (score.n, size.name, told[-1]) == (6, "heavy_atoms", 1.0)
    assert size.along.monotonicity > 0.6 > abs(size.control.monotonicity)
    assert size.along.change > 2
    assert size.along.kept_half >= size.along.kept_end
