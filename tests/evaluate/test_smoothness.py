"""Measures of a latent space against brute force, special cases, and other libraries."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molgen.arrays import Floats
from molgen.chem.molecule import DEFAULT_POLICY, Policy, fingerprint, parse, tanimoto
from molgen.evaluate.smoothness import (
    RADII,
    count_neighbourhood_steps,
    measure_consistency,
    measure_geometry,
    measure_nearest_neighbourhood,
    measure_neighbourhood,
)
from molgen.latent.nearest import nearest_molecules
from molgen.latent.space import LatentSpace, SmilesList
from molgen.model.checkpoint import MolecularModel

ALCOHOLS = [f"{'C' * n}O" for n in range(1, 9)]
SMILES = [*ALCOHOLS, "c1ccccc1", "Cc1ccccc1", "CCc1ccccc1", "NCCO", "NCCCO", "O=C(O)CC", "CC(C)O", "CCOCC"]


class Ladder(LatentSpace):
    """A space of one dimension in which the point n is the alcohol of n carbons; nothing lies beyond the last."""

    def __init__(self) -> None:
        self.prior_deviation = np.ones(1, dtype=np.float32)
        self.model = cast("MolecularModel", SimpleNamespace(familiarity=None))

    @property
    def size(self) -> int:
        return 1

    def encode(self, smiles: SmilesList, policy: Policy = DEFAULT_POLICY, *, is_refined: bool = True) -> Floats:
        return np.array([[ALCOHOLS.index(text) if text in ALCOHOLS else np.nan] for text in smiles], dtype=np.float32)

    def decode(
        self, z: ArrayLike, *, temperature: ArrayLike = 0.0, seed: int = 0, first_row: int = 0
    ) -> list[str | None]:
        numbers = np.rint(np.asarray(z)[:, 0]).astype(int)
        return [ALCOHOLS[i] if 0 <= i < len(ALCOHOLS) else None for i in numbers]

    def vary(self, z: ArrayLike, *, seed: int = 0, drafts: Sequence[str] | None = None) -> list[str | None]:
        return self.decode(z)

    def sample_points(self, n: int, seed: int = 0, *, prior: str | None = None) -> Floats:
        return np.random.default_rng(seed).uniform(0, 7, (n, 1)).astype(np.float32)


def chemical_distances(smiles: Sequence[str]) -> NDArray[np.float64]:
    bits = [fingerprint(parse(text).mol) for text in smiles]
    return np.array([[1 - tanimoto(a, b) for b in bits] for a in bits])


def test_points_that_lie_as_molecules_do_have_the_best_geometry() -> None:
    values, vectors = np.linalg.eigh(-0.5 * _centred(chemical_distances(SMILES) ** 2))
    z = (vectors * np.sqrt(np.clip(values, 0, None))).astype(np.float32)
    measured = measure_geometry(z, SMILES)
    assert measured.pearson > 0.95
    assert measured.trustworthiness["5"] is not None
    assert measured.trustworthiness["5"] > 0.97
    assert measured.trustworthiness["10"] is None  # of 16 molecules
    assert sum(tenth.n for tenth in measured.profile) == 16 * 15 // 2
    shuffled = measure_geometry(np.random.default_rng(0).permutation(z), SMILES)
    assert abs(shuffled.pearson) < 0.4


def _centred(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = squares - squares.mean(axis=0) - squares.mean(axis=1)[:, None] + squares.mean()
    return centred


def test_useful_neighbours_are_different_molecules_neither_too_near_nor_too_far() -> None:
    found = measure_neighbourhood(Ladder(), ["CCCCO"], seed=0)
    near = {text for text in ALCOHOLS if 0.5 <= 1 - chemical_distances(["CCCCO", text])[0, 1] <= 0.95}
    assert 1 <= found.useful <= len(near)
    assert found.radius in RADII
    assert found.familiar is None
    assert found.sa_rise is not None
    assert -1.0 < found.sa_rise < 1.0  # alcohols are as easy to make as each other
    assert measure_neighbourhood(Ladder(), ["CCCCO"], seed=0) == found


def test_each_centre_and_step_is_told() -> None:
    told: list[None] = []
    measure_neighbourhood(Ladder(), ALCOHOLS[:3], 0, lambda: told.append(None))
    assert len(told) == count_neighbourhood_steps(3)


def test_a_space_that_undoes_itself_is_consistent() -> None:
    measured = measure_consistency(Ladder(), 200, seed=0)
    assert (measured.n, measured.changed) == (200, 0.0)
    assert measured.distance < 0.2  # a quarter of a rung, of two and a third between two points


def test_where_a_point_is_the_nearest_molecule_s_all_that_is_there_is_found() -> None:
    space = Ladder()
    places = np.linspace(-0.9, 8.2, 50, dtype=np.float32)[:, None]  # beyond either end, greedy decoding gives none
    wanted = [ALCOHOLS[int(np.abs(np.arange(len(ALCOHOLS)) - place).argmin())] for place in places[:, 0]]
    assert nearest_molecules(space, places) == wanted
    assert measure_consistency(space, 50, 0, lambda points: nearest_molecules(space, points)).changed == 0.0


def test_neighbourhoods_of_nearest_molecules_tell_each_centre() -> None:
    told: list[None] = []
    found = measure_nearest_neighbourhood(Ladder(), ["CCCCO", "CCCO"], 0, lambda: told.append(None))
    assert (found.n, len(told)) == (2, 2)
    assert found.useful >= 1
