"""The pool of judged children: who is picked, and in what order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from molgen.chem.molecule import Molecule, parse
from molgen.search.breeding import Child
from molgen.search.pool import Pool

Array = NDArray[np.float64]
CHILDREN = [Child(parse("C" * n), "", "") for n in range(1, 9)]


def size(child: Child) -> int:
    return child.molecule.mol.GetNumAtoms()


def judge(molecules: Sequence[Molecule]) -> tuple[Array, Array, Array]:
    """The larger the better; the larger half misses a constraint, by its size; the smallest is a riddle."""
    n = np.array([molecule.mol.GetNumAtoms() for molecule in molecules], dtype=np.float64)
    return np.maximum(0.0, n - 4), n[:, None] / 10, np.where(n == 1, 1.0, 0.0)[:, None]


def test_constraints_come_before_scores() -> None:
    pool = Pool(judge, confidence=0.0)
    pool.add(CHILDREN)
    assert [size(child) for child in pool.picks(8, np.random.default_rng(0))] == [4, 3, 2, 1, 5, 6, 7, 8]
    assert pool.share_kept() == 0.5


def test_doubt_is_worth_something_to_some_picks() -> None:
    pool = Pool(judge, confidence=2.0)
    pool.add(CHILDREN[:4])
    first = [size(pool.picks(1, np.random.default_rng(seed))[0]) for seed in range(60)]
    assert {1, 4} == set(first)


def test_children_are_judged_once_and_picked_once() -> None:
    asked: list[str] = []

    def counting(molecules: Sequence[Molecule]) -> tuple[Array, Array, Array]:
        asked.extend(molecule.smiles for molecule in molecules)
        return judge(molecules)

    pool = Pool(counting, confidence=1.0)
    pool.add(CHILDREN[:5])
    pool.add(CHILDREN[3:])
    pool.add([])
    assert sorted(asked) == sorted(child.molecule.smiles for child in CHILDREN)
    picks = pool.picks(100, np.random.default_rng(0))
    assert len(picks) == len({child.molecule.smiles for child in picks}) == 8


def test_weights_of_their_own_pick_both_ends_of_a_front() -> None:
    def two(molecules: Sequence[Molecule]) -> tuple[Array, Array, Array]:
        n = np.array([molecule.mol.GetNumAtoms() for molecule in molecules], dtype=np.float64)
        return np.zeros(len(n)), np.stack([n / 8, 1 - n / 8], axis=1), np.zeros((len(n), 2))

    pool = Pool(two, confidence=0.0)
    pool.add(CHILDREN)
    first = {size(pool.picks(1, np.random.default_rng(seed))[0]) for seed in range(100)}
    assert {1, 8} <= first
    assert len(first) > 4


def test_an_empty_pool_has_nothing_to_pick() -> None:
    assert Pool(judge, confidence=1.0).picks(3, np.random.default_rng(0)) == []
