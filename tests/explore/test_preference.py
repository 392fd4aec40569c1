"""Preference profiles: what they say of the labels, of the unknown, and what they lead to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from molgen.arrays import Doubles
from molgen.chem.formats import Row
from molgen.chem.molecule import Policy, fingerprint, parse, tanimoto
from molgen.chem.table import Tally
from molgen.errors import SpecError
from molgen.explore.index import Index
from molgen.explore.library import build_index
from molgen.explore.preference import (
    LATENT_SHARE,
    MAX_LABELS,
    NOISE,
    WIDTH,
    Labelled,
    Preference,
    propose,
    rank_library,
)
from molgen.latent.space import LatentSpace

LIKED = ["CC(=O)Nc1ccc(O)cc1", "CCC(=O)Nc1ccc(O)cc1", "COc1ccc(NC(C)=O)cc1"]
DISLIKED = ["CCCCCCCC", "CCCCCCCCO", "CCCCCCCCCC"]


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


def _labelled(space: LatentSpace, smiles: Sequence[str]) -> Labelled:
    return Labelled.of([parse(text) for text in smiles], space.encode(smiles, is_refined=False))


def _values(preference: Preference, labelled: Labelled) -> Doubles:
    return preference.of_molecules(labelled.z, labelled.bits)


def test_the_liked_are_liked_and_the_disliked_are_not(space: LatentSpace) -> None:
    liked, disliked = _labelled(space, LIKED), _labelled(space, DISLIKED)
    preference = Preference.of(space, liked, disliked)
    others = _labelled(space, ["CC(=O)Nc1ccc(F)cc1", "CCCCCCCCCO"])
    for of_liked, of_disliked, of_others in (
        [_values(preference, each) for each in (liked, disliked, others)],
        [preference.of_points(each.z) for each in (liked, disliked, others)],
    ):
        assert (of_liked > 0.8).all()
        assert (of_disliked < -0.8).all()
        assert of_others[0] > 0 > of_others[1]
    swapped = Preference.of(space, disliked, liked)
    np.testing.assert_allclose(_values(swapped, liked), -_values(preference, liked), atol=1e-6)


def test_one_label_has_the_value_that_follows_from_the_definition(space: LatentSpace) -> None:
    one = _labelled(space, LIKED[:1])
    preference = Preference.of(space, one, _labelled(space, []))
    step = np.zeros(space.size, dtype=np.float32)
    step[3] = 2.0 * space.prior_deviation[3]
    latent = np.exp(-2.0 / (WIDTH * np.sqrt(2 * space.size)))
    assert preference.of_points(one.z + step)[0] == pytest.approx(latent / (1.0 + NOISE), rel=1e-4)
    other = fingerprint(parse(LIKED[1]).mol)
    both = LATENT_SHARE * latent + (1 - LATENT_SHARE) * tanimoto(one.bits[0], other) ** 2
    assert preference.of_molecules(one.z + step, [other])[0] == pytest.approx(both / (1.0 + NOISE), rel=1e-4)


def test_what_is_unlike_all_labels_is_judged_as_labels_are_on_the_whole_but_never_liked(space: LatentSpace) -> None:
    far = np.full((1, space.size), 100.0, dtype=np.float32)
    for liked, disliked, wanted in ((LIKED[:1], DISLIKED, -0.5), (LIKED, DISLIKED[:1], 0.0), (LIKED, [], 0.0)):
        preference = Preference.of(space, _labelled(space, liked), _labelled(space, disliked))
        assert preference.of_points(far)[0] == pytest.approx(wanted)


def test_a_point_counts_for_itself_however_many_are_judged_and_whatever_the_order_of_labels(space: LatentSpace) -> None:
    z = space.sample_points(5000, seed=1, prior="gaussian")
    values = Preference.of(space, _labelled(space, LIKED), _labelled(space, DISLIKED)).of_points(z)
    turned = Preference.of(space, _labelled(space, LIKED[::-1]), _labelled(space, DISLIKED[::-1]))
    np.testing.assert_allclose(turned.of_points(z[4321:4325]), values[4321:4325])
    assert np.isnan(turned.of_points(np.full((2, space.size), np.nan, dtype=np.float32))).all()


def test_near_duplicates_speak_hardly_louder_than_one(space: LatentSpace) -> None:
    around = _labelled(space, LIKED[:1]).z + space.prior_deviation
    nothing = _labelled(space, [])
    one, many = (Preference.of(space, _labelled(space, LIKED[:1] * n), nothing).of_points(around)[0] for n in (1, 50))
    assert one < many < 1.01 * (1 + NOISE) * one


def test_a_profile_needs_something_liked_and_not_too_much(space: LatentSpace) -> None:
    with pytest.raises(SpecError, match="no liked molecule") as caught:
        Preference.of(space, _labelled(space, []), _labelled(space, DISLIKED))
    assert "at least one" in caught.value.remedy
    many = _labelled(space, LIKED[:1])
    with pytest.raises(SpecError, match=f"at most {MAX_LABELS}"):
        Preference.of(space, Labelled([*many.bits] * (MAX_LABELS + 1), many.z.repeat(MAX_LABELS + 1, axis=0)), many)
    with pytest.raises(ValueError, match="must have a point"):
        Labelled(many.bits, np.full((1, space.size), np.nan, dtype=np.float32))


def test_a_library_is_recommended_by_preference_without_what_is_excluded(space: LatentSpace, tmp_path: Path) -> None:
    smiles = [*LIKED, *DISLIKED, "CC(=O)Nc1ccc(F)cc1", "Fc1ccc(NC(C)=O)cc1", "CCN", "c1ccccc1"]
    path = tmp_path / "library.safetensors"
    build_index(space, (Row(i, text, "", ()) for i, text in enumerate(smiles)), path, Tally())
    preference = Preference.of(space, _labelled(space, LIKED), _labelled(space, DISLIKED))
    told: list[int] = []
    found = rank_library(preference, Index.open(path), 9, excluded=LIKED, on_rows=told.append)
    assert told == [len(smiles), 2 * len(smiles)]
    assert len(found) == len({each.molecule.smiles for each in found}) == len(smiles) - len(LIKED) - 1
    assert found[0].molecule.smiles == "CC(=O)Nc1ccc(F)cc1"
    assert {each.molecule.smiles for each in found[-3:]} == set(DISLIKED)
    wanted = _values(preference, _labelled(space, [each.molecule.smiles for each in found]))
    np.testing.assert_allclose([each.preference for each in found], wanted, atol=2e-3)
    assert (np.diff(wanted) < 2e-3).all()
    few = rank_library(preference, Index.open(path), 9, excluded=LIKED, n_shortlist=1)
    assert [each.molecule.smiles for each in few][:1] == ["CC(=O)Nc1ccc(F)cc1"]
    assert len(few) <= 1 + len(LIKED)


def test_proposals_are_different_new_and_like_what_is_liked(space: LatentSpace) -> None:
    liked = _labelled(space, LIKED)
    preference = Preference.of(space, liked, _labelled(space, DISLIKED))
    made = propose(space, preference, liked.z, 5, seed=0, excluded=LIKED)
    smiles = [each.molecule.smiles for each in made.molecules]
    assert len(set(smiles)) == 5
    assert not set(smiles) & set(LIKED)
    drawn = propose(space, preference, liked.z, 5, seed=0, excluded=[*LIKED, smiles[0]])
    assert smiles[0] not in {each.molecule.smiles for each in drawn.molecules}
    values = [each.preference for each in made.molecules]
    assert values == sorted(values, reverse=True)
    again = _labelled(space, smiles)
    np.testing.assert_allclose(_values(preference, again), values, atol=1e-4)
    assert np.mean([max(tanimoto(one, label) for label in liked.bits) for one in again.bits]) > 0.4
    assert propose(space, preference, liked.z, 5, seed=0, excluded=LIKED) == made


def test_stereo_isomers_of_what_is_known_are_not_new(space: LatentSpace) -> None:
    known = "C[C@@H](O)c1ccccc1"
    liked = _labelled(space, [known])
    preference = Preference.of(space, liked, _labelled(space, []))
    made = propose(space, preference, liked.z, 20, seed=0, excluded=[known])
    flat = [parse(each.molecule.smiles, Policy(stereo="drop")).smiles for each in made.molecules]
    assert "CC(O)c1ccccc1" not in flat
    assert len(set(flat)) == len(flat) > 10
