"""The loss on distances: right numbers, a gradient everywhere, and points that come to lie as molecules do."""

import numpy as np
import pytest
import torch
from rdkit.Chem import rdFingerprintGenerator

from molgen.chem.molecule import fingerprint, parse, tanimoto
from molgen.tokens.tokenisation import pack_fingerprint
from molgen.train.distance_loss import euclidean_distances, geometry_loss, tanimoto_distances

SMILES = ["c1ccccc1O", "c1ccccc1N", "CCCCCCO", "CCCCCCN", "C1CCNCC1", "C1CCOCC1", "CC(=O)Oc1ccccc1"]


def fingerprints() -> torch.Tensor:
    return torch.from_numpy(np.stack([pack_fingerprint(fingerprint(parse(text).mol)) for text in SMILES]))


def test_tanimoto_distances_are_those_of_rdkit_at_1024_bits() -> None:
    morgan = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    bits = [morgan.GetFingerprint(parse(text).mol) for text in SMILES]
    wanted = [[1 - tanimoto(a, b) for b in bits] for a in bits]
    assert tanimoto_distances(fingerprints()).numpy() == pytest.approx(np.array(wanted), abs=1e-6)


def test_molecules_without_any_bit_are_alike() -> None:
    assert tanimoto_distances(torch.zeros(2, 4, dtype=torch.uint8)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_loss_is_nought_where_distances_agree_and_two_where_they_are_opposed() -> None:
    bits = torch.tensor([[0b0001], [0b0011], [0b1111]], dtype=torch.uint8)
    distances = tanimoto_distances(bits)  # 1/2, 3/4, 1/2
    assert distances[0, 1] == 0.5
    line = torch.tensor([[0.0], [1.0], [2.0]])
    assert geometry_loss(line, bits) == pytest.approx(0.0, abs=1e-3)
    assert geometry_loss(torch.tensor([[0.0], [2.0], [1e-3]]), bits) > 1.0


def test_equal_points_have_a_gradient() -> None:
    points = torch.zeros(len(SMILES), 3, requires_grad=True)
    geometry_loss(points, fingerprints()).backward()
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()


def test_euclidean_distances_are_those_of_torch() -> None:
    points = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    assert euclidean_distances(points).numpy() == pytest.approx(torch.cdist(points, points).numpy(), abs=2e-3)


def test_points_that_descend_it_come_to_lie_as_molecules_do() -> None:
    points = torch.randn(len(SMILES), 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimiser = torch.optim.Adam([points], lr=0.05)
    before = geometry_loss(points, fingerprints()).item()
    for _ in range(200):
        loss = geometry_loss(points, fingerprints())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05 < before
