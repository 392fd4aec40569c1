"""What the depths of the shipped encoder know."""

import numpy as np
import pytest
from rdkit import Chem

from molgen.chem.molecule import parse
from molgen.errors import SpecError
from molgen.explore.direction import shipped_molecules
from molgen.explore.probe import FINGERPRINT, GROUPS, SHUFFLED, depths_of, probe_depths, targets_of
from molgen.latent.space import LatentSpace


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def test_depths_end_in_the_points_and_do_not_depend_on_the_batch(space: LatentSpace) -> None:
    smiles = [molecule.smiles for molecule in shipped_molecules(20)]
    depths = depths_of(space, smiles)
    points = space.encode(smiles, is_refined=False)
    assert depths["posterior mean"] == pytest.approx(points, abs=1e-5)
    assert depths["coarse part"] == pytest.approx(points[:, :16], abs=1e-5)
    alone = depths_of(space, smiles[3:4])
    for name, values in depths.items():
        assert values[3] == pytest.approx(alone[name][0], abs=1e-4), name


def test_the_embedding_knows_no_order(space: LatentSpace) -> None:
    depths = depths_of(space, ["OCCN", "NCCO"])
    a, b = (sorted(space.model.vocabulary.tokenise(text).tolist()) for text in ("OCCN", "NCCO"))
    if a == b:
        assert depths["embedding"][0] == pytest.approx(depths["embedding"][1], abs=1e-6)
    assert not np.allclose(depths["forward last"][0], depths["forward last"][1])


def test_surface_knows_tokens_meaning_is_learned_and_shuffled_labels_teach_nothing(space: LatentSpace) -> None:
    molecules = shipped_molecules(250)
    atoms = [float(molecule.mol.GetNumHeavyAtoms()) for molecule in molecules]
    told: list[float] = []
    depths = {d.name: d for d in probe_depths(space, molecules, {"atoms": atoms}, 0, told.append)}
    assert next(iter(depths)) == "embedding"
    assert list(depths)[-2:] == [FINGERPRINT, SHUFFLED]
    assert depths["embedding"].scores["tokens"] > 0.95
    assert depths["forward last"].scores["heavy_atoms"] > depths["embedding"].scores["heavy_atoms"]
    assert abs(depths[SHUFFLED].scores["tokens"] - 0.5) < 0.1
    assert depths[SHUFFLED].scores["logp"] < 0.1
    assert depths["posterior mean"].scores["atoms"] == depths["posterior mean"].scores["heavy_atoms"]
    assert told == sorted(told)


def test_labels_that_are_missing_are_left_out_and_too_few_give_no_score(space: LatentSpace) -> None:
    molecules = shipped_molecules(60)
    labels = {"few": [1.0, 2.0] + [float("nan")] * 58}
    depths = probe_depths(space, molecules, labels)
    assert all(np.isnan(depth.scores["few"]) for depth in depths)
    with pytest.raises(SpecError, match="need 50"):
        probe_depths(space, molecules[:10], {})


def test_rare_tokens_and_groups_are_not_asked_for(space: LatentSpace) -> None:
    targets = {t.name: t.labels for t in targets_of(space, [parse("CCO"), parse("CCN")] * 30, {})}
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
