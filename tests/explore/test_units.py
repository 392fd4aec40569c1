"""What latent units mean: the score on made-up spaces, and the shipped one."""

import numpy as np
import pytest

from molgen.chem.sampling import draw_shipped_molecules
from molgen.errors import SpecError
from molgen.explore.units import decode_traversal, describe_units, measure_dci
from molgen.latent.space import LatentSpace


def test_units_that_are_the_descriptors_score_1_and_mixed_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 4))
    own = measure_dci(values[:, ::-1] * 3.0, values)
    assert (own.disentanglement, own.completeness, own.informativeness) == pytest.approx((1.0, 1.0, 1.0), abs=0.02)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    mixed = measure_dci(values @ turn, values)
    assert mixed.informativeness == pytest.approx(1.0, abs=0.02)
    assert mixed.disentanglement < 0.6
    assert mixed.completeness < 0.6


def test_points_that_hold_nothing_inform_of_nothing() -> None:
    rng = np.random.default_rng(1)
    assert abs(measure_dci(rng.normal(size=(300, 6)), rng.normal(size=(300, 3))).informativeness) < 0.1


def test_a_descriptor_that_is_constant_is_left_out() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(200, 3))
    with_constant = np.column_stack([values, np.ones(200)])
    assert measure_dci(values, with_constant) == measure_dci(values, values)


def test_units_of_the_shipped_space() -> None:
    space, molecules = LatentSpace.load(), draw_shipped_molecules(300)
    units = describe_units(space, molecules)
    assert sorted(unit.index for unit in units.units) == list(range(space.size))
    assert [unit.kl for unit in units.units] == sorted((unit.kl for unit in units.units), reverse=True)
    assert sum(unit.is_coarse for unit in units.units) == 32
    assert units.n_active > 90
    assert 0.0 < units.score.disentanglement < 1.0
    strengths = [abs(unit.correlations[0][1]) for unit in units.most_correlated(5)]
    assert strengths == sorted(strengths, reverse=True)
    again = describe_units(space, molecules[::-1])
    assert again.units[0].kl == pytest.approx(units.units[0].kl, rel=1e-4)
    point = space.encode([molecules[0].smiles])[0]
    places, decoded = decode_traversal(space, molecules[0].smiles, point, units.units[0].index, 3)
    assert (places[1], decoded[1]) == (0.0, molecules[0].smiles)
    assert -places[0] == places[2] > 0.0
    with pytest.raises(SpecError, match="50 or more"):
        describe_units(space, molecules[:10])
