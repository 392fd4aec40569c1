"""Processes of molecules: they are what the textbook says, take bounds and replicates, and survive a checkpoint."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chem.molecule import parse
from molgen.errors import CheckpointError
from molgen.model.checkpoint import MolecularModel, load
from molgen.model.molecule_process import ABOVE, BELOW, EXACT, MoleculeProcess, compute_kernel_inputs
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.fit.molecule_process import Measurements, fit_molecule_process
from molgen.train.loop import make_model

SCALE = torch.tensor([1.0, 1.0, 0.2, 0.2])
SMILES = [parse(f"{'C' * n}{end}").smiles for n in range(1, 13) for end in ("O", "N", "c1ccccc1", "C(=O)O")]
QUERIES = [parse(text).smiles for text in ("CCCCCCCF", "CC(C)CO", "CCc1ccc(O)cc1")]


def points(n: int, seed: int = 0) -> NDArray[np.float32]:
    drawn = (np.random.default_rng(seed).standard_normal((n, 4)) * SCALE.numpy()).astype(np.float32)
    return np.asarray(drawn, dtype=np.float32)


def values(noise: float = 0.1) -> NDArray[np.float64]:
    sizes = np.array([Chem.MolFromSmiles(text).GetNumHeavyAtoms() for text in SMILES], dtype=float)
    z = points(len(SMILES))
    y = np.stack([np.sqrt(sizes) + z[:, 0] + noise * np.random.default_rng(1).standard_normal(len(SMILES)), sizes], 1)
    y[::3, 1] = np.nan
    return y


def measured() -> Measurements:
    return Measurements.exact(SMILES, points(len(SMILES)), values())


def fit(data: Measurements | None = None, seed: int = 0) -> MoleculeProcess:
    return fit_molecule_process(("a", "b"), data or measured(), SCALE, seed)


def mols(texts: list[str]) -> list[Chem.Mol]:
    return [Chem.MolFromSmiles(text) for text in texts]


def queries() -> tuple[torch.Tensor, list[Chem.Mol]]:
    return torch.from_numpy(points(3, 7)), mols(QUERIES)


def test_what_is_left_out_is_predicted_by_the_others() -> None:
    process = fit()
    place, rows = 3, (process.relations[:, 1] == EXACT).nonzero()[:, 0]
    others = torch.cat([rows[:place], rows[place + 1 :]])
    z = process.points.double()
    covariance = process.kernel(compute_kernel_inputs(mols(list(process.smiles))), z, z, 1)
    own = covariance[others][:, others] + torch.diag(process.variances[others, 1].double())
    residual = process.labels[others, 1].double() - float(process.location[1])
    wanted = float(process.location[1]) + covariance[rows[place], others] @ torch.linalg.solve(own, residual)
    left_out = process.predict_left_out(1)
    torch.testing.assert_close(left_out[rows[place]], wanted)
    assert left_out.isfinite().sum() == len(rows)


def test_mean_and_covariance_are_those_of_the_joint_normal_distribution() -> None:
    process, (z, query) = fit(), queries()
    known = list(process.smiles)
    z_known = process.points.double()
    everything = compute_kernel_inputs([*query, *mols(known)])
    together = torch.cat([z.double(), z_known])
    for p in range(2):
        covariance = process.kernel(everything, together, together, p)
        rows = (process.relations[:, p] == EXACT).nonzero()[:, 0]
        own = covariance[3:, 3:][rows][:, rows] + torch.diag(process.variances[rows, p].double())
        near = covariance[:3, 3:][:, rows]
        residual = process.labels[rows, p].double() - float(process.location[p])
        mean, posterior = process.joint(z, query, p)
        torch.testing.assert_close(mean, float(process.location[p]) + near @ torch.linalg.solve(own, residual))
        torch.testing.assert_close(posterior, covariance[:3, :3] - near @ torch.linalg.solve(own, near.t()))
        marginal, std = process.predict(z, query)
        torch.testing.assert_close(marginal[:, p], mean)
        ratio = std[:, p] / (posterior.diagonal() + float(process.noise[p])).sqrt()
        torch.testing.assert_close(ratio, ratio[:1].expand(3))


def test_it_learns_what_follows_from_structure_and_point() -> None:
    process = fit()
    mean, _ = process.predict(torch.from_numpy(points(len(SMILES))), mols(SMILES))
    y = values(0.0)[:, 0]
    assert 1 - ((y - mean[:, 0].numpy()) ** 2).sum() / ((y - y.mean()) ** 2).sum() > 0.8


def test_90_percent_lie_within_the_interval_of_90_percent() -> None:
    process = fit()
    torch.testing.assert_close(process.half_width(0.9), torch.full((2,), 1.6449, dtype=torch.double))
    widths = torch.stack([process.half_width(share) for share in (0.1, 0.5, 0.9, 0.99)])
    assert (widths.diff(dim=0) >= 0).all()


@pytest.mark.parametrize(("relation", "bound", "sign"), [(ABOVE, 9.0, 1.0), (BELOW, 0.0, -1.0)])
def test_a_bound_moves_what_is_like_it_and_one_that_is_met_does_not(relation: int, bound: float, sign: float) -> None:
    data = measured()
    z, query = torch.from_numpy(data.z[20:21]), mols(SMILES[20:21])
    was, _ = fit(replace(data, values=np.delete(data.values, 20, 0), smiles=[*SMILES[:20], *SMILES[21:]],
                         z=np.delete(data.z, 20, 0), relations=np.delete(data.relations, 20, 0),
                         counts=np.delete(data.counts, 20, 0))).predict(z, query)  # fmt: skip
    for told, moves in ((bound, True), (-sign * 100.0, False)):
        relations, labels = data.relations.copy(), data.values.copy()
        relations[20, 0], labels[20, 0] = relation, told
        mean, _ = fit(replace(data, relations=relations, values=labels)).predict(z, query)
        change = sign * float(mean[0, 0] - was[0, 0])
        assert change > 0.3 if moves else abs(change) < 0.15


def test_a_value_measured_often_counts_more() -> None:
    data = measured()
    labels, counts = data.values.copy(), data.counts.copy()
    labels[20, 0] += 3.0
    noisy = replace(data, values=labels, replicate_variance=np.array([4.0, 0.0]))
    z, query = torch.from_numpy(data.z[20:21]), mols(SMILES[20:21])
    once, _ = fit(noisy).predict(z, query)
    counts[20, 0] = 100.0
    often, _ = fit(replace(noisy, counts=counts)).predict(z, query)
    assert often[0, 0] > once[0, 0]


def test_measurements_of_one_molecule_are_merged() -> None:
    y = np.array([[1.0], [3.0], [5.0], [2.0]])
    data = Measurements.exact(["CO", "CN", "CO", "CO"], points(4), y)
    assert list(data.smiles) == ["CO", "CN"]
    assert data.values[:, 0].tolist() == [2.0, 3.0]
    assert data.counts[:, 0].tolist() == [3.0, 1.0]
    assert data.replicate_variance[0] == pytest.approx(np.var([1.0, 5.0, 2.0], ddof=1))


def test_a_molecule_that_cannot_be_encoded_is_predicted_by_its_structure() -> None:
    mean, std = fit().predict(torch.full((1, 4), torch.nan), mols(["CCCCCCCCF"]))
    assert mean.isfinite().all()
    assert std.isfinite().all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_molecules_gives_finite_numbers(n: int) -> None:
    process = fit(Measurements.exact(SMILES[:n], points(n), values()[:n]))
    assert all(part.isfinite().all() for part in process.predict(*queries()))


def test_it_is_a_function_of_its_arguments() -> None:
    first, again, other = fit().state_dict(), fit().state_dict(), fit(seed=1).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["points"], other["points"])


def model_with(process: MoleculeProcess) -> MolecularModel:
    vocabulary = Vocabulary(("[C]", "[O]"))
    vae = Vae(VaeConfig(len(vocabulary), latent_size=4, encoder_size=8, decoder_size=8)).eval()
    return replace(make_model(vocabulary, vae, 8), predictor=process)


def test_it_survives_a_checkpoint(tmp_path: Path) -> None:
    process = fit()
    model_with(process).save(tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors").predictor
    assert isinstance(loaded, MoleculeProcess)
    assert loaded.smiles == process.smiles
    for ours, theirs in zip(loaded.predict(*queries()), process.predict(*queries()), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["shares", "lengths", "noise", "variances", "text"])
def test_a_process_with_impossible_numbers_is_refused(tmp_path: Path, name: str) -> None:
    process = fit()
    getattr(process, name)[:] = 10 if name == "text" else -1.0
    model_with(process).save(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="process"):
        load(tmp_path / "m.safetensors")
