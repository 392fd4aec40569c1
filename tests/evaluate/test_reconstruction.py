import math

import numpy as np
import pytest
import torch

from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto
from molgen.evaluate.reconstruction import Reconstruction, evaluate_reconstruction, token_accuracy
from molgen.evaluate.samples import internal_diversity, measure_samples
from molgen.latent.space import LatentSpace
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary, split, to_selfies
from molgen.tokens.tokenisation import hash_key
from molgen.train.loop import make_model

SMILES = ["CCO", "CCCO", "CCCCO", "CCN", "CCCN", "CC(C)O", "OCCO", "NCCO"]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    """A model that has learnt SMILES by heart."""
    vocabulary = Vocabulary(tuple(sorted({token for text in SMILES for token in split(to_selfies(text))})))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        vae = Vae(VaeConfig(len(vocabulary), latent_size=8, encoder_size=24, decoder_size=48))
    model = make_model(vocabulary, vae, 20)
    model.known = np.sort(np.array([hash_key(text) >> 32 for text in SMILES], dtype=np.uint32))
    space = LatentSpace(model)
    ids = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(vocabulary.tokenise(text).astype(np.int64)) for text in SMILES], batch_first=True
    )
    lengths = (ids > 0).sum(dim=1)
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-2)
    for _ in range(150):
        nll, _, _ = vae(ids, lengths, torch.zeros(len(ids), 8), torch.zeros_like(ids, dtype=torch.bool))
        optimiser.zero_grad()
        nll.mean().backward()
        optimiser.step()
    vae.eval()
    return space


def measured_on(space: LatentSpace, smiles: list[str]) -> Reconstruction:
    return evaluate_reconstruction(space, smiles, space.encode(smiles, AS_IT_IS))


def test_what_was_learnt_by_heart_comes_back(space: LatentSpace) -> None:
    measured = measured_on(space, SMILES)
    assert (measured.n, measured.encodable, measured.exact) == (len(SMILES), 1.0, 1.0)
    assert measured.nll < 1.0
    assert measured.latent_size == 8


def test_what_cannot_be_encoded_did_not_come_back(space: LatentSpace) -> None:
    measured = measured_on(space, [*SMILES, "CCBr", "c1ccccc1", "C" * 21, "[Xe]"])
    assert measured.encodable == measured.exact == len(SMILES) / (len(SMILES) + 4)


def test_numbers_do_not_depend_on_order(space: LatentSpace) -> None:
    a, b = measured_on(space, SMILES), measured_on(space, SMILES[::-1])
    assert a.nll == pytest.approx(b.nll, rel=1e-5)
    assert a.kl == pytest.approx(b.kl, rel=1e-5)
    assert (a.exact, a.active_units) == (b.exact, b.active_units)


def test_one_molecule_has_no_active_units_and_none_at_all_no_likelihood(space: LatentSpace) -> None:
    assert measured_on(space, ["CCO"]).active_units == 0
    nothing = measured_on(space, ["[Xe]"])
    assert (nothing.encodable, nothing.exact) == (0.0, 0.0)
    assert math.isnan(nothing.nll)


def test_shares_of_samples_are_those_of_moses(space: LatentSpace) -> None:
    quality = measure_samples(space, ["CCO", "CCO", "CCCCCC", None, "CCCCC"])
    assert (quality.n, quality.validity, quality.uniqueness) == (5, 4 / 5, 3 / 4)
    assert quality.novelty == pytest.approx(2 / 3)  # CCO was in the training data
    assert quality.unique_at_10k is None
    assert measure_samples(space, ["CCO", "CCN"], reference=["CCO"]).fcd is None
    nothing = measure_samples(space, [None])
    assert (nothing.n, nothing.validity, nothing.uniqueness, nothing.novelty) == (1, 0.0, 0.0, 0.0)


def test_internal_diversity_is_that_of_all_pairs() -> None:
    assert internal_diversity(["CCO"]) == 0.0
    pair = ["c1ccccc1O", "CCCCCCN"]
    similarity = tanimoto(*(fingerprint(parse(text).mol) for text in pair))
    assert internal_diversity(pair) == pytest.approx(1 - (2 + 2 * similarity) / 4)


def test_token_accuracy_counts_symbols_at_their_place() -> None:
    assert token_accuracy("CCO", "CCO") == 1.0
    assert token_accuracy("CCO", "CCN") == pytest.approx(2 / 3)
    assert token_accuracy("CCO", "CCOC") == pytest.approx(3 / 4)
    assert token_accuracy("CCO", None) == 0.0


def test_bands_of_length_hold_every_molecule(space: LatentSpace) -> None:
    bands = measured_on(space, [*SMILES, "C" * 25, "C" * 100]).by_length
    assert [(band.above, band.up_to, band.n) for band in bands] == [(0, 20, len(SMILES)), (20, 30, 1), (80, None, 1)]
    assert [band.exact for band in bands] == [1.0, 0.0, 0.0]


def test_samples_are_the_seed_s(space: LatentSpace) -> None:
    assert space.sample(40, seed=1) == space.sample(40, seed=1)
