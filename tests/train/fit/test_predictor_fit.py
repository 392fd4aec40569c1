import numpy as np
import pytest
import torch

from molgen.chem.molecule import parse
from molgen.metrics import measure_fit
from molgen.model.molecule_process import MoleculeProcess
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import TokenSet
from molgen.train.fit import predictor as refitting
from molgen.train.fit.predictor import fit_ensemble, fit_predictor
from molgen.train.loop import make_model
from molgen.train.step import TrainingConfig, TrainingStep

CONFIG = PredictorConfig(("a", "b"), latent_size=6, hidden_size=32, n_members=8)


def draw(n: int, seed: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (n, 6) with two properties: one smooth with noise, one known for every third point only."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 6)).astype(np.float32)
    a = 5.0 + 2.0 * np.sin(z[:, 0]) + z[:, 1] + noise * rng.standard_normal(n)
    b = np.where(np.arange(n) % 3, np.nan, 100.0 * z[:, 2])
    return torch.from_numpy(z), torch.from_numpy(np.stack([a, b], axis=1).astype(np.float32))


@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_it_learns_and_knows_how_wrong_it_is(noise: float) -> None:
    predictor = fit_ensemble(CONFIG, *draw(1500, 0, noise), seed=0)
    z, y = draw(1500, 1, noise)
    mean, std = (part.double().numpy() for part in predictor.predict(z))
    known = ~np.isnan(y.numpy())
    a, b = (
        measure_fit(name, y[known[:, p], p].double().numpy(), mean[known[:, p], p], std[known[:, p], p])
        for p, name in enumerate("ab")
    )
    ceiling = 1.0 - noise**2 / float(y[:, 0].var())
    assert a.r2 > ceiling - 0.1
    assert b.r2 > 0.95
    assert 0.85 < a.coverage < 0.97


def test_it_is_a_function_of_its_arguments() -> None:
    z, y = draw(200, 0, 0.2)
    torch.manual_seed(1)
    first = fit_ensemble(CONFIG, z, y, seed=3).state_dict()
    torch.manual_seed(2)
    again, other = fit_ensemble(CONFIG, z, y, seed=3).state_dict(), fit_ensemble(CONFIG, z, y, seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["hidden"], other["hidden"])


def test_it_leaves_the_randomness_of_others_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    fit_ensemble(CONFIG, *draw(100, 0, 0.2), seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_molecules_gives_finite_numbers(n: int) -> None:
    z, y = draw(n, 0, 0.2)
    predictor = fit_ensemble(CONFIG, z, y, seed=0)
    assert all(part.isfinite().all() for part in predictor.predict(z))


def words(n: int) -> TokenSet:
    """Molecules of random tokens, with their share of the first one as label; every fifth is kept out."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(3, 5, size=(n, 8)).astype(np.uint16)
    return TokenSet(
        tokens=tokens.reshape(-1),
        offsets=np.arange(n + 1) * 8,
        labels=(tokens == 3).mean(axis=1, dtype=np.float32)[:, None],
        keys=np.arange(n, dtype=np.uint64),
        fingerprints=np.zeros((n, 0), dtype=np.uint8),
        is_validation=np.arange(n) % 5 == 0,
    )


def test_few_molecules_are_for_a_process_and_many_for_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    vocabulary = Vocabulary(("[C]", "[N]"))
    vae = Vae(VaeConfig(len(vocabulary), latent_size=6, encoder_size=8, decoder_size=8)).eval()
    model = make_model(vocabulary, vae, 8, Predictor(PredictorConfig(("share",), 6, 32, 2)))
    data = words(100)
    few = fit_predictor(model, data, seed=0)
    assert isinstance(few.predictor, MoleculeProcess)
    known = {parse(vocabulary.to_smiles(data[row])).smiles for row in range(100)}
    assert set(few.predictor.smiles) == known  # those kept out too, once they were predicted
    assert few.card["validation_fits"][0]["n"] == 20
    monkeypatch.setattr(refitting, "MAX_MOLECULES", 99)
    assert isinstance(fit_predictor(model, data, seed=0).predictor, Predictor)
    with pytest.raises(ValueError, match="trained with it"):
        fit_predictor(few, data, seed=0)
    with pytest.raises(ValueError, match="in steps"):
        TrainingStep(TrainingConfig(epochs=1.0), data, few)
