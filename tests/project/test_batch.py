import numpy as np
import pytest

from molgen.chem.molecule import fingerprint, parse
from molgen.project.batch import MAX_SIMILARITY, pick_batch

SMILES = ["CCO", "c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "CCN(CC)CC", "O=C(O)c1ccccc1", "C1CCNCC1"]
BITS = [fingerprint(parse(text).mol) for text in SMILES]


def test_after_each_pick_the_variance_is_that_given_it() -> None:
    """Brute force: the posterior covariance is worked out anew, by inversion, for each pick."""
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((6, 6))
    covariance, mean, noise = factor @ factor.T, rng.standard_normal(6), 0.3
    wanted: list[int] = []
    given = [5]
    while len(wanted) < 4:
        inverse = np.linalg.inv(covariance[np.ix_(given, given)] + noise * np.eye(len(given)))
        left = covariance - covariance[:, given] @ inverse @ covariance[given]
        score = mean + 2.0 * np.sqrt(np.diag(left))
        score[given] = -np.inf
        wanted.append(int(score.argmax()))
        given.append(wanted[-1])
    assert pick_batch(mean, covariance, noise, BITS, 4, 2.0, pending=[5]) == wanted


def test_the_bold_go_where_nothing_is_known() -> None:
    mean, covariance = np.array([1.0, 0.0]), np.diag([0.01, 4.0])
    assert pick_batch(mean, covariance, 0.1, BITS[:2], 1, -0.5) == [0]
    assert pick_batch(mean, covariance, 0.1, BITS[:2], 1, 2.0) == [1]


def test_twins_are_picked_only_when_nothing_else_is_left() -> None:
    bits = [BITS[0], BITS[0], BITS[1]]
    mean = np.array([3.0, 2.9, 0.0])
    assert pick_batch(mean, np.eye(3) * 1e-6, 0.1, bits, 3, 0.5) == [0, 2, 1]
    assert MAX_SIMILARITY < 1.0


@pytest.mark.parametrize("n", [0, 3, 9])
def test_a_batch_is_no_larger_than_what_there_is(n: int) -> None:
    assert len(pick_batch(np.zeros(6), np.eye(6), 0.1, BITS, n, 0.5)) == min(n, 6)
