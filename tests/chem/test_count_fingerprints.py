import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molgen.chem.count_fingerprints import RADIUS, CountFingerprints, FeatureKind

SMILES = ["CCO", "CCCCCO", "c1ccccc1CCN", "CC(=O)Nc1ccc(O)cc1", "C", "O=C(O)c1ccccc1C(=O)O"]
MOLS = [Chem.MolFromSmiles(text) for text in SMILES]


def test_similarities_are_those_of_rdkit() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS)
    counts = [generator.GetSparseCountFingerprint(mol) for mol in MOLS]
    wanted = [[DataStructs.TanimotoSimilarity(a, b) for b in counts] for a in counts]
    fingerprints = CountFingerprints.of(MOLS, "circular")
    np.testing.assert_allclose(fingerprints.similarities(fingerprints), wanted)


@pytest.mark.parametrize("kind", ["circular", "roles", "pairs", "composition"])
def test_a_kernel_is_symmetric_1_with_itself_and_not_negative(kind: FeatureKind) -> None:
    fingerprints = CountFingerprints.of(MOLS, kind)
    matrix = fingerprints.similarities(fingerprints)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    assert ((matrix >= 0) & (matrix <= 1)).all()


def test_molecules_taken_and_joined_have_the_similarities_they_had() -> None:
    whole = CountFingerprints.of(MOLS, "pairs")
    rows = np.array([4, 0, 5])
    np.testing.assert_array_equal(whole.take(rows).similarities(whole), whole.similarities(whole)[rows])
    joined = CountFingerprints.concatenate([whole.take(rows), whole.take(rows[:1])])
    np.testing.assert_array_equal(whole.similarities(joined), whole.similarities(whole)[:, [4, 0, 5, 4]])


def test_composition_tells_formula_and_rings() -> None:
    def similarity(one: str, other: str) -> float:
        pair = [CountFingerprints.of([Chem.MolFromSmiles(text)], "composition") for text in (one, other)]
        return float(pair[0].similarities(pair[1])[0, 0])

    assert similarity("CCCO", "CCOC") == 1.0
    assert similarity("CCCO", "CC(C)N") == pytest.approx((3 + 8) / (3 + 1 + 1 + 9))
    assert similarity("C1CCCCC1", "CC1CCCC1") == pytest.approx((6 + 12) / (6 + 12 + 2))
    assert similarity("c1ccccc1", "C1=CC=CCC1") < similarity("c1ccccc1", "c1ccccc1") == 1.0


def test_molecules_without_features_are_alike() -> None:
    nothing = CountFingerprints.of([Chem.MolFromSmiles("C")], "pairs")
    some = CountFingerprints.of(MOLS, "pairs")
    assert nothing.similarities(nothing) == [[1.0]]
    np.testing.assert_array_equal(some.similarities(nothing)[:, 0], [0, 0, 0, 0, 1, 0])
