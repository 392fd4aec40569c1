"""Inversion moves points a little, to where they decode to their molecules, and leaves alone what does already."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molgen.chem.sampling import read_sample
from molgen.latent.space import LatentSpace
from molgen.model.refinement import refine, to_double
from molgen.paths import find_shipped
from molgen.tokens.selfies_vocabulary import pad

SENSITIVE = (
    "Cc1ccc2c(-c3nnc(SCCCN4CCc5cc6nc(C(C)(C)C)oc6c(Br)c5CC4)n3C)cccc2n1",
    "O=C(N[C@H]1CC[C@H](CCN2CCC(c3coc4ccccc34)CC2)CC1)c1ccc(N2CCOCC2)nc1",
    "COc1cc(CN2CCN(c3ccccc3OC)CC2)ccc1OCc1cn(CCOCCOCCn2cc(COc3ccc(CN4CCN(c5ccccc5OC)CC4)cc3OC)nn2)nn1",
)
"""Molecules whose descent, without the grid, makes 0.06 to 0.1 of a difference of 1e-13."""


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture(scope="module")
def molecules(space: LatentSpace) -> list[str]:
    """The longest of some assay molecules, which the encoder places worst."""
    drawn = read_sample(find_shipped("data") / "d3_ki.csv", 150)
    return sorted((text for text in drawn if not space.explain([text], is_refined=False).reasons[0]), key=len)[-60:]


@pytest.fixture(scope="module")
def points(space: LatentSpace, molecules: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Where the encoder puts them, and where inversion does."""
    return space.encode(molecules, is_refined=False), space.encode(molecules)


def came_back(space: LatentSpace, z: np.ndarray, molecules: list[str]) -> float:
    return float(np.mean([a == b for a, b in zip(molecules, space.decode(z), strict=True)]))


def test_more_molecules_come_back(
    space: LatentSpace, molecules: list[str], points: tuple[np.ndarray, np.ndarray]
) -> None:
    before, after = (came_back(space, z, molecules) for z in points)
    assert after > 0.85
    assert 1 - after < 0.5 * (1 - before)


def test_points_are_moved_as_little_as_need_be(
    space: LatentSpace, molecules: list[str], points: tuple[np.ndarray, np.ndarray]
) -> None:
    plain, refined = points
    is_back = np.array([text is not None for text in space.decode(plain)])
    moved = np.linalg.norm((refined - plain) / space.prior_deviation, axis=1)
    assert is_back.all()
    is_exact = np.array([a == b for a, b in zip(space.decode(plain), molecules, strict=True)])
    assert (moved[is_exact] == 0).all()
    assert 0 < moved.max() < 25
    assert np.median(moved) < 2.0  # two points of the prior are some 14 apart


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_batch_changes_nothing(
    space: LatentSpace, molecules: list[str], points: tuple[np.ndarray, np.ndarray], n: int
) -> None:
    rows = np.random.default_rng(n).permutation(len(molecules))[:n]
    np.testing.assert_allclose(space.encode([molecules[row] for row in rows]), points[1][rows], atol=1e-5)


def test_a_descent_does_not_multiply_rounding_errors(space: LatentSpace) -> None:
    model = to_double(space.model.vae)
    tokens, lengths = map(torch.from_numpy, pad([space.model.vocabulary.tokenise(text) for text in SENSITIVE]))
    mean = model.encoder(tokens, lengths)[0].double()
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plain, shaken = (refine(model.decoder, z, tokens, lengths) for z in (mean, mean + 1e-13 * noise))
    torch.testing.assert_close(shaken, plain, atol=1e-9, rtol=0.0)


def test_no_steps_leave_the_likeliest_point_which_is_the_first(space: LatentSpace, molecules: list[str]) -> None:
    ids, lengths = pad([space.model.vocabulary.tokenise(text) for text in molecules[:5]])
    z = torch.from_numpy(space.encode(molecules[:5], is_refined=False))
    batch = torch.from_numpy(ids), torch.from_numpy(lengths)
    assert torch.equal(refine(space.model.vae.decoder, z, *batch, n_steps=0), z)
    assert refine(space.model.vae.decoder, z[:0], batch[0][:0], batch[1][:0]).shape == (0, space.size)
