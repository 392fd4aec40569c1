"""Regions: after training, the coarse part of a latent vector alone says which molecule is meant."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import parse
from molgen.chem.table import Tally
from molgen.errors import CheckpointError, SpecError
from molgen.latent.space import LatentSpace
from molgen.model import checkpoint
from molgen.model.checkpoint import MolecularModel
from molgen.model.language_model import MAX_SURPRISE, SmilesLanguageModel, SmilesLanguageModelConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import Source, TokenSet, prepare
from molgen.train.fit.language_model import fit_language_model
from molgen.train.fit.regions import RegionConfig, fit_regions, make_conditional
from molgen.train.loop import make_model

MOLECULES = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "O=C(O)c1ccncc1", "CC(C)Cl"]
CONFIG = RegionConfig(
    400, coarse_size=4, batch_size=6, learning_rate=1e-2, coarse_weight=0.02, exact_share=1.0, geometry_weight=0.0
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Vocabulary, TokenSet]:
    path = tmp_path_factory.mktemp("regions") / "a.smi"
    path.write_text("\n".join(MOLECULES) + "\n", encoding="utf-8")
    vocabulary, data = prepare(Source((path,)), {path: Tally()}, min_count=1)
    data.is_validation[:] = False
    return vocabulary, data


@pytest.fixture(scope="module")
def start(prepared: tuple[Vocabulary, TokenSet]) -> MolecularModel:
    torch.manual_seed(0)
    vae = Vae(VaeConfig(len(prepared[0]), latent_size=8, encoder_size=24, decoder_size=48, coarse_size=2))
    model = make_model(prepared[0], vae, 60)
    model.priors = {"language": fit_language_model(MOLECULES, seed=0, hidden_size=32, n_steps=200)}
    return model


@pytest.fixture(scope="module")
def fitted(start: MolecularModel, prepared: tuple[Vocabulary, TokenSet]) -> MolecularModel:
    return fit_regions(start, prepared[1], CONFIG)


def test_the_region_of_a_molecule_says_which_it_is_and_its_point_gives_it_back(fitted: MolecularModel) -> None:
    space = LatentSpace(fitted)
    z = space.encode(MOLECULES, is_refined=False)
    assert space.has_regions
    assert space.decode_region(z) == MOLECULES
    assert space.decode(z) == MOLECULES
    fine = np.random.default_rng(0).standard_normal(z.shape).astype(np.float32)
    fine[:, :4] = 0.0
    assert space.decode_region(z + fine) == MOLECULES  # a region is all points of one coarse part


def test_without_a_condition_it_is_a_prior_and_the_language_model_stays(
    start: MolecularModel, fitted: MolecularModel
) -> None:
    assert fitted.region
    assert set(fitted.region.sample(60, torch.Generator().manual_seed(1))) & set(MOLECULES)
    assert fitted.priors["language"] is start.priors["language"]


def test_a_language_model_with_a_condition_of_another_size_keeps_its_other_weights() -> None:
    before = SmilesLanguageModel(SmilesLanguageModelConfig(("C", "O"), hidden_size=3, coarse_size=5))
    after = make_conditional(before, 4)
    assert torch.equal(after.logits.weight, before.logits.weight)
    assert torch.equal(after.recurrence.weight, before.recurrence.weight)
    assert after.first_state.weight.shape == (3, 4)
    after.logits.weight.data.zero_()
    assert before.logits.weight.any()  # a copy


def test_a_row_depends_on_itself_the_seed_and_its_number(fitted: MolecularModel) -> None:
    space = LatentSpace(fitted)
    z = 2.0 * np.random.default_rng(0).standard_normal((40, space.size)).astype(np.float32)
    drawn = space.vary(z, seed=3)
    z[5] = np.nan
    again = space.vary(z, seed=3)
    assert again[5] is None
    assert again[:5] == drawn[:5]
    assert again[6:] == drawn[6:]
    assert space.vary(z, seed=4) != again


def test_a_repair_keeps_the_likely_beginning_and_changes_the_rest(fitted: MolecularModel) -> None:
    space, model = LatentSpace(fitted), fitted.region
    assert model
    coarse = torch.from_numpy(space.encode(["c1ccccc1"], is_refined=False)[:, :4])
    drafts = [model.tokens.ids(text) for text in ("c1ccccc1", "c1cCCO", "O=C(O)c1ccncc1", "")]
    reading = model.read_drafts(drafts, coarse.expand(4, -1))
    assert model.repair(reading, 0.0, None) == 4 * ["c1ccccc1"]
    assert model.repair(reading.take(np.array([2, 1])), 0.0, None) == 2 * ["c1ccccc1"]


def test_a_variant_is_another_molecule_than_the_exact_one(fitted: MolecularModel) -> None:
    space = LatentSpace(fitted)
    z = np.repeat(space.encode(MOLECULES), 20, axis=0)
    varied = space.vary(z, seed=1)
    assert sum(text is not None for text in varied) > 30
    assert not any(text == exact for text, exact in zip(varied, space.decode(z), strict=True))


def test_an_unlikely_part_of_a_draft_is_kept_on_demand(fitted: MolecularModel) -> None:
    space, model = LatentSpace(fitted), fitted.region
    assert model
    coarse = torch.from_numpy(space.encode(["c1ccccc1"], is_refined=False)[:, :4])
    reading = model.read_drafts([model.tokens.ids("CCOCCOCCN")], coarse)
    assert reading.surprise.max() > MAX_SURPRISE
    uniforms = torch.full((1, 122), 0.9999, dtype=torch.float64)
    assert not model.vary(reading, uniforms)[0].startswith("CCOCCOCC")
    assert model.vary(reading, uniforms, max_surprise=math.inf)[0].startswith("CCOCCOCC")


def test_a_known_molecule_is_varied_in_place_of_the_decoded_one(fitted: MolecularModel) -> None:
    space = LatentSpace(fitted)
    z = np.repeat(space.encode(["CCO"]), 40, axis=0)
    varied = space.vary(z, seed=1, drafts=40 * ["OC(=O)c1ccncc1"])
    kept = [text for text in varied if text and parse(text).mol.HasSubstructMatch(Chem.MolFromSmarts("OC=O"))]
    assert len(kept) > 10
    assert not any(text and "C=O" in text for text in space.vary(z, seed=1))
    assert len(space.vary(z, seed=1, drafts=20 * ["C(", "[Fe]"])) == 40
    with pytest.raises(SpecError, match="must be 40 SMILES, but there are 1"):
        space.vary(z, drafts=["CCO"])


@pytest.mark.parametrize("draft", ["CC(C)Cl", "OCC(C)Cl"])
def test_variants_of_a_molecule_have_no_more_unfamiliar_parts_than_it(fitted: MolecularModel, draft: str) -> None:
    reference = Reference.of(map(Chem.MolFromSmiles, MOLECULES))
    space = LatentSpace(replace(fitted, familiarity=reference))
    z = np.repeat(space.encode(["CC(C)Cl"]), 60, axis=0)
    varied = {text for text in space.vary(z, seed=1, drafts=60 * [draft]) if text}
    allowed = reference.unfamiliar(Chem.MolFromSmiles(draft)).n_radius_1
    found = [reference.unfamiliar(Chem.MolFromSmiles(text)) for text in varied]
    assert found
    assert max(one.n_radius_1 for one in found) <= allowed
    free = {text for text in LatentSpace(fitted).vary(z, seed=1, drafts=60 * [draft]) if text}
    assert max(reference.unfamiliar(Chem.MolFromSmiles(text)).n_radius_1 for text in free) > allowed


def test_points_that_are_not_finite_give_nothing(fitted: MolecularModel) -> None:
    space = LatentSpace(fitted)
    nothing = np.full((2, space.size), np.inf, dtype=np.float32)
    assert space.vary(nothing) == space.decode_region(nothing) == [None, None]
    assert space.vary(nothing[:0]) == space.decode_region(nothing[:0]) == []


def test_without_regions_a_point_is_decoded_exactly(start: MolecularModel) -> None:
    space = LatentSpace(start)
    z = np.random.default_rng(0).standard_normal((20, space.size)).astype(np.float32)
    assert not space.has_regions
    assert space.decode_region(z) == space.decode(z)
    assert space.vary(z, seed=2) == space.decode(z, temperature=1.0, seed=2)
    assert space.vary(z, seed=2, drafts=20 * ["CCO"]) == space.vary(z, seed=2)


def test_it_is_a_function_of_its_arguments_and_leaves_the_model_alone(
    start: MolecularModel, prepared: tuple[Vocabulary, TokenSet]
) -> None:
    before = {name: value.clone() for name, value in start.vae.state_dict().items()}
    config = RegionConfig(3, coarse_size=4, batch_size=4)
    one, same = (fit_regions(start, prepared[1], config) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.vae.parameters(), same.vae.parameters(), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in start.vae.state_dict().items())
    assert not torch.equal(one.vae.encoder.posterior.weight, start.vae.encoder.posterior.weight)


def test_it_needs_a_language_model(start: MolecularModel, prepared: tuple[Vocabulary, TokenSet]) -> None:
    silent = make_model(prepared[0], start.vae, 60)
    with pytest.raises(SpecError, match="no language model"):
        fit_regions(silent, prepared[1], CONFIG)


def test_a_checkpoint_keeps_its_regions(fitted: MolecularModel, tmp_path: Path) -> None:
    fitted.save(tmp_path / "a.safetensors")
    space = LatentSpace.load(tmp_path / "a.safetensors")
    assert space.decode_region(space.encode(MOLECULES)) == MOLECULES


def test_a_coarse_size_that_is_not_the_autoencoders_is_refused(fitted: MolecularModel, tmp_path: Path) -> None:
    fitted.save(tmp_path / "a.safetensors")
    card = tmp_path / "a.json"
    description = json.loads(card.read_text())
    description["region"]["coarse_size"] = 3
    card.write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="coarse size"):
        checkpoint.load(tmp_path / "a.safetensors")
