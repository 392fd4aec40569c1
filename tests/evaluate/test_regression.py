import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from molgen.evaluate.regression import evaluate_forest, evaluate_predictor, row_fingerprints
from molgen.latent.space import LatentSpace
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary, split, to_selfies
from molgen.tokens.tokenisation import hash_key
from molgen.train.data.dataset import TokenSet
from molgen.train.loop import make_model

SMILES = [f"{'C' * n}{end}" for n in range(1, 21) for end in ("O", "N", "C(=O)[O-].[Na+]")]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(tuple(sorted({token for text in SMILES for token in split(to_selfies(text))})))


def token_set(vocabulary: Vocabulary, y: NDArray[np.float64]) -> TokenSet:
    """SMILES with labels `y` (N,), every fourth one kept out of training."""
    ids = [vocabulary.tokenise(text) for text in SMILES]
    return TokenSet(
        tokens=np.concatenate(ids),
        offsets=np.cumsum([0, *map(len, ids)], dtype=np.int64),
        labels=y[:, None].astype(np.float32),
        keys=np.array([hash_key(text) for text in SMILES], dtype=np.uint64),
        fingerprints=np.zeros((len(SMILES), 0), dtype=np.uint8),
        is_validation=np.arange(len(SMILES)) % 4 == 0,
    )


def test_fingerprints_are_those_of_the_molecules_all_fragments_included(vocabulary: Vocabulary) -> None:
    rows = np.array([5, 1, 3])
    bits = row_fingerprints(token_set(vocabulary, np.zeros(len(SMILES))), vocabulary, rows)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    wanted = [generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(SMILES[row])) for row in rows]
    np.testing.assert_array_equal(bits, wanted)


def test_the_forest_learns_what_the_fingerprint_shows_and_only_that(vocabulary: Vocabulary) -> None:
    groups = np.array([sum(text.endswith(end) * i for i, end in enumerate(("O", "N", "]"))) for text in SMILES])
    (seen,) = evaluate_forest(token_set(vocabulary, groups.astype(float)), vocabulary, ["group"], seed=0)
    noise = np.random.default_rng(0).standard_normal(len(SMILES))
    (unseen,) = evaluate_forest(token_set(vocabulary, noise), vocabulary, ["noise"], seed=0)
    assert (seen.name, seen.n) == ("group", 15)
    assert seen.r2 > 0.9 > 0.3 > unseen.r2


def test_molecules_without_a_label_are_neither_learnt_nor_judged(vocabulary: Vocabulary) -> None:
    y = np.arange(len(SMILES), dtype=float)
    y[8:] = np.nan
    data = token_set(vocabulary, y)
    (fit,) = evaluate_forest(data, vocabulary, ["y"], seed=0)
    assert fit.n == 2
    assert evaluate_forest(token_set(vocabulary, np.full(len(SMILES), np.nan)), vocabulary, ["y"], seed=0) == []


def test_a_predictor_is_judged_on_what_it_says_property_by_property(vocabulary: Vocabulary) -> None:
    vae = Vae(VaeConfig(len(vocabulary), latent_size=4, encoder_size=8, decoder_size=8)).eval()
    predictor = Predictor(PredictorConfig(("a", "b"), latent_size=4))
    space = LatentSpace(make_model(vocabulary, vae, 40, predictor))
    texts = [*SMILES[:5], "[Xe]"]
    mean, _ = space.predict_molecules(texts)
    y = np.stack([mean[:, 1], mean[:, 0] + 1.0], axis=1)
    y[0, 1] = np.nan
    b, a = evaluate_predictor(space, ["b", "a"], texts, y)
    assert [(fit.name, fit.n) for fit in (b, a)] == [("b", 5), ("a", 4)]
    assert b.rmse == pytest.approx(0.0, abs=1e-6)
    assert a.mae == pytest.approx(1.0, abs=1e-6)


def test_nothing_random_is_left_to_torch(vocabulary: Vocabulary) -> None:
    data = token_set(vocabulary, np.arange(len(SMILES), dtype=float))
    torch.manual_seed(1)
    first = evaluate_forest(data, vocabulary, ["y"], seed=3)
    torch.manual_seed(2)
    assert first == evaluate_forest(data, vocabulary, ["y"], seed=3)
