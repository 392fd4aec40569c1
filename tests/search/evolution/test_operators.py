"""The choice of parents."""

from __future__ import annotations

import numpy as np
import pytest

from molgen.search.evolution.operators import draw_ranks


@pytest.mark.parametrize("n", [1, 2, 5, 400])
def test_every_parent_is_drawn_uniformly_in_the_logarithm_of_its_rank(n: int) -> None:
    ranks = draw_ranks(np.random.default_rng(0), n, (200_000,))
    share = np.bincount(ranks, minlength=n) / len(ranks)
    assert len(share) == n
    rank = np.arange(1, n + 1)
    np.testing.assert_allclose(share, np.log1p(1 / rank) / np.log(n + 1), atol=4e-3)
    assert share.min() > 0.0
