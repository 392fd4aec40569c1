"""Descriptors as vectors: published values, and distances that are those of the vectors."""

import numpy as np
import pytest
from rdkit import Chem

from molgen.chem.descriptor_vectors import SPREADS, compute_descriptors, descriptor_distances

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def test_values_are_those_that_are_known_of_aspirin() -> None:
    (vector,) = compute_descriptors([Chem.MolFromSmiles(ASPIRIN)])
    values = {name: x * spread for (name, spread), x in zip(SPREADS.items(), vector, strict=True)}
    assert values["tpsa"] == pytest.approx(63.6, abs=0.1)  # PubChem, CID 2244
    assert (values["NumHeavyAtoms"], values["NumHBD"], values["NumRings"]) == pytest.approx((13.0, 1.0, 1.0))


def test_distances_are_a_metric_of_the_vectors() -> None:
    vectors = compute_descriptors([Chem.MolFromSmiles(text) for text in (ASPIRIN, "CCO", "c1ccc2ccccc2c1")])
    distances = descriptor_distances(vectors, vectors)
    np.testing.assert_allclose(distances, distances.T)
    np.testing.assert_allclose(np.diag(distances), 0.0)
    rms = np.sqrt(np.square(vectors[0] - vectors[1]).mean() / 2.0)
    assert distances[0, 1] == pytest.approx(rms)
    assert compute_descriptors([]).shape == (0, len(SPREADS))
