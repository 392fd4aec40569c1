"""What a model is familiar with after its training: the parts of the molecules that it saw, and of those before."""

import numpy as np
import pytest
import torch

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import parse
from molgen.model.checkpoint import MolecularModel
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import TokenSet
from molgen.train.fit import familiarity
from molgen.train.fit.familiarity import gather_familiarity

SMILES = ("CCO", "CCN", "CC=O", "NCCO", "OCCO", "CCCN")
VALIDATION = "NCCO"


@pytest.fixture
def model() -> MolecularModel:
    vocabulary = Vocabulary(("[=O]", "[C]", "[N]", "[O]"))
    vae = Vae(VaeConfig(len(vocabulary), latent_size=4, encoder_size=3, decoder_size=5))
    return MolecularModel(vocabulary, vae, 9, prior_mean=torch.zeros(4), prior_factor=torch.eye(4))


@pytest.fixture
def data(model: MolecularModel) -> TokenSet:
    sequences = [model.vocabulary.tokenise(text) for text in SMILES]
    n = len(SMILES)
    return TokenSet(
        tokens=np.concatenate(sequences),
        offsets=np.cumsum([0, *map(len, sequences)], dtype=np.int64),
        labels=np.zeros((n, 0), dtype=np.float32),
        keys=np.arange(n, dtype=np.uint64),
        fingerprints=np.zeros((n, 0), dtype=np.uint8),
        is_validation=np.array([text == VALIDATION for text in SMILES]),
    )


def parts(*smiles: str) -> Reference:
    return Reference.of(parse(text).mol for text in smiles)


def test_a_new_model_is_familiar_with_its_training_molecules(
    model: MolecularModel, data: TokenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familiarity, "MIN_MOLECULES", 5)
    shares: list[float] = []
    found = gather_familiarity(model, data, is_new=True, watch=shares.append).familiarity
    assert found is not None
    assert found.digest == parts(*(text for text in SMILES if text != VALIDATION)).digest
    assert shares == [0.0]


def test_too_few_molecules_make_nothing_familiar(model: MolecularModel, data: TokenSet) -> None:
    assert gather_familiarity(model, data, is_new=True).familiarity is None


def test_a_model_that_goes_on_keeps_what_it_was_familiar_with(model: MolecularModel, data: TokenSet) -> None:
    model.familiarity = parts("c1ccccc1")
    found = gather_familiarity(model, data, is_new=False).familiarity
    assert found is not None
    assert found.digest == parts("c1ccccc1", *(text for text in SMILES if text != VALIDATION)).digest


def test_what_an_earlier_training_left_out_is_not_made_up_for(
    model: MolecularModel, data: TokenSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familiarity, "MIN_MOLECULES", 1)
    assert gather_familiarity(model, data, is_new=False).familiarity is None
