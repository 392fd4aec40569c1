"""What the depths of the shipped encoder know."""

import numpy as np
import pytest
from rdkit import Chem

from molgen.chem.molecule import parse
from molgen.chem.sampling import draw_shipped_molecules
from molgen.errors import SpecError
from molgen.explore.probe import FINGERPRINT, GROUPS, SHUFFLED, encode_layers, make_targets, probe_layers
from molgen.latent.space import LatentSpace


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_depths_end_in_the_points_and_do_not_depend_on_the_batch(space: LatentSpace) -> None:
    smiles = [molecule.smiles for molecule in draw_shipped_molecules(20)]
    layers = encode_layers(space, smiles)
    points = space.encode(smiles, is_refined=False)
    assert layers["posterior mean"] == pytest.approx(points, abs=1e-5)
    assert layers["coarse part"] == pytest.approx(points[:, : space.model.vae.config.coarse_size], abs=1e-5)
    alone = encode_layers(space, smiles[3:4])
    for name, values in layers.items():
        assert values[3] == pytest.approx(alone[name][0], abs=1e-4), name


def test_the_embedding_knows_no_order(space: LatentSpace) -> None:
    layers = encode_layers(space, ["OCCN", "NCCO"])
    a, b = (sorted(space.model.vocabulary.tokenise(text).tolist()) for text in ("OCCN", "NCCO"))
    if a == b:
        assert layers["embedding"][0] == pytest.approx(layers["embedding"][1], abs=1e-6)
    assert not np.allclose(layers["forward last"][0], layers["forward last"][1])


def test_surface_knows_tokens_meaning_is_learned_and_shuffled_labels_teach_nothing(space: LatentSpace) -> None:
    molecules = draw_shipped_molecules(250)
    atoms = [float(molecule.mol.GetNumHeavyAtoms()) for molecule in molecules]
    told: list[float] = []
    layers = {d.name: d for d in probe_layers(space, molecules, {"atoms": atoms}, 0, told.append)}
    assert next(iter(layers)) == "embedding"
    assert list(layers)[-2:] == [FINGERPRINT, SHUFFLED]
    assert layers["embedding"].scores["tokens"] > 0.95
    assert layers["forward last"].scores["heavy_atoms"] > layers["embedding"].scores["heavy_atoms"]
    assert abs(layers[SHUFFLED].scores["tokens"] - 0.5) < 0.1
    assert layers[SHUFFLED].scores["logp"] < 0.1
    assert layers["posterior mean"].scores["atoms"] == layers["posterior mean"].scores["heavy_atoms"]
    assert told == sorted(told)


def test_labels_that_are_missing_are_left_out_and_too_few_give_no_score(space: LatentSpace) -> None:
    molecules = draw_shipped_molecules(60)
    labels = {"few": [1.0, 2.0] + [float("nan")] * 58}
    layers = probe_layers(space, molecules, labels)
    assert all(np.isnan(depth.scores["few"]) for depth in layers)
    with pytest.raises(SpecError, match="need 50"):
        probe_layers(space, molecules[:10], {})


def test_rare_tokens_and_groups_are_not_asked_for(space: LatentSpace) -> None:
    targets = {t.name: t.labels for t in make_targets(space, [parse("CCO"), parse("CCN")] * 30, {})}
    assert ((targets["tokens"].mean(axis=0) > 0.01) & (targets["tokens"].mean(axis=0) < 0.99)).all()
    assert targets["functional groups"].shape == (60, 2)  # alcohol, amine


@pytest.mark.parametrize(
    ("group", "has", "lacks"),
    [
        ("carboxylic acid", "CC(=O)O", "CC(=O)OC"),
        ("amide", "CC(=O)NC", "CC(=O)OC"),
        ("sulfonamide", "CS(=O)(=O)NC", "CS(=O)(=O)C"),
        ("ester", "CC(=O)OC", "CC(=O)O"),
        ("nitrile", "CC#N", "CCN"),
        ("alcohol", "CCO", "Oc1ccccc1"),
        ("ether", "COC", "CC(=O)OC"),
        ("primary or secondary amine", "CCN", "CC(=O)NC"),
        ("aryl halide", "Clc1ccccc1", "CCCl"),
        ("pyridine", "c1ccncc1", "c1ccccc1"),
    ],
)
def test_groups_are_what_their_names_say(group: str, has: str, lacks: str) -> None:
    pattern = Chem.MolFromSmarts(GROUPS[group])
    assert parse(has).mol.HasSubstructMatch(pattern)
    assert not parse(lacks).mol.HasSubstructMatch(pattern)
