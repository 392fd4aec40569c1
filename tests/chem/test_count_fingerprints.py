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
    np.testing.assert_allclose(CountFingerprints(MOLS, "circular").among(), wanted)
    np.testing.assert_allclose(CountFingerprints(MOLS[:3], "circular").to(MOLS), np.array(wanted)[:, :3])


@pytest.mark.parametrize("kind", ["circular", "roles", "pairs"])
def test_a_kernel_is_symmetric_1_with_itself_and_not_negative(kind: FeatureKind) -> None:
    matrix = CountFingerprints(MOLS, kind).among()
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    assert ((matrix >= 0) & (matrix <= 1)).all()
