"""Measures: what each kind of name stands for, on molecules whose values are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import DataStructs
from rdkit.Chem import rdFingerprintGenerator

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import ScorerError, SpecError
from molgen.renames import RenamedWarning
from molgen.score.measure import BuiltIn, MeasureContext, resolve

ASPIRIN, CAFFEINE, CATECHOL = (
    parse(smiles) for smiles in ("CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "Oc1ccccc1O")
)
MOLECULES = (ASPIRIN, CAFFEINE, CATECHOL)
EMPTY = MeasureContext()


class LengthPredictor:
    """Predicts `length` with standard deviation 1 and `half` with 0.5, and counts its calls."""

    def __init__(self) -> None:
        self.n_calls = 0

    def __call__(self, smiles: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        self.n_calls += 1
        mean = np.array([[len(text), len(text) / 2] for text in smiles], dtype=np.float32)
        return mean, np.broadcast_to(np.array([1, 0.5], dtype=np.float32), mean.shape)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_every_descriptor_is_a_cheap_measure_on_its_own_range(name: str) -> None:
    measure = resolve(name, EMPTY)
    assert (measure.name, measure.is_cheap) == (name, True)
    assert measure.default_scale == (DESCRIPTORS[name].low, DESCRIPTORS[name].high)
    assert measure(MOLECULES).tolist() == [DESCRIPTORS[name].function(m.mol) for m in MOLECULES]
    assert measure([]).shape == (0,)


def test_similarity_is_tanimoto_of_ecfp4_to_the_reference_or_the_written_molecule() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(m.mol) for m in MOLECULES]
    expected = [DataStructs.TanimotoSimilarity(prints[0], other) for other in prints]
    assert resolve("similarity", MeasureContext(reference=ASPIRIN))(MOLECULES).tolist() == expected
    assert resolve("similarity:OC(=O)c1ccccc1OC(C)=O", EMPTY)(MOLECULES).tolist() == expected
    assert expected[0] == 1


def test_unfamiliar_counts_what_the_reference_lacks() -> None:
    context = MeasureContext(familiarity=Reference.of([ASPIRIN.mol, CATECHOL.mol]))
    measure = resolve("unfamiliar", context)
    assert (measure.name, measure.is_cheap) == ("unfamiliar", True)
    aspirin, caffeine, catechol = measure(MOLECULES).tolist()
    assert (aspirin, catechol) == (0, 0)
    assert caffeine == context.familiarity.unfamiliar(CAFFEINE.mol).count > 0  # type: ignore[union-attr]
    assert measure([]).shape == (0,)


def test_without_a_reference_nothing_is_unfamiliar_and_that_is_said() -> None:
    with pytest.raises(SpecError, match="familiarity"):
        resolve("unfamiliar", EMPTY)


def test_unstable_counts_alerts() -> None:
    molecules = [parse(smiles) for smiles in ("CCO", "CC(O)NC", "CC(O)NCC(=O)Cl")]
    assert resolve("unstable", EMPTY)(molecules).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["similarity", "trust", "unfamiliar", "unstable", "qed"])
def test_a_scorer_cannot_take_the_name_of_a_measure(name: str) -> None:
    with pytest.raises(SpecError, match="of molgen's own"):
        MeasureContext(scorers={name: BuiltIn(name, lambda molecules: np.zeros(len(molecules)))})


def test_smarts_counts_unique_matches() -> None:
    assert resolve("smarts:[OX2H]", EMPTY)(MOLECULES).tolist() == [1, 0, 2]
    assert resolve("smarts:c1ccccc1", EMPTY)(MOLECULES).tolist() == [1, 0, 1]


def test_alerts_counts_what_matches() -> None:
    """Catechol is the PAINS alert catechol_A; aspirin is a phenol ester for BRENK."""
    assert resolve("alerts:pains", EMPTY)(MOLECULES).tolist() == [0, 0, 1]
    assert resolve("alerts:brenk", EMPTY)([ASPIRIN])[0] >= 1


def test_predictions_give_mean_bounds_and_deviation_of_the_named_property() -> None:
    context = MeasureContext(predict=LengthPredictor(), property_names=("length", "half"))
    n = len(ASPIRIN.smiles)
    expected = {"predicted": n / 2, "lcb": n / 2 - 0.5, "ucb": n / 2 + 0.5, "std": 0.5}
    for kind, value in expected.items():
        assert resolve(f"{kind}:half", context)([ASPIRIN]).tolist() == [value]


@pytest.mark.parametrize(("old", "new"), [("lower", "lcb"), ("upper", "ucb"), ("spread", "std")])
def test_the_old_name_of_a_prediction_gives_the_same_under_its_own_name(old: str, new: str) -> None:
    context = MeasureContext(predict=LengthPredictor(), property_names=("length", "half"))
    with pytest.warns(RenamedWarning, match=f"{old!r} is now called {new!r}"):
        measure = resolve(f"{old}:half", context)
    assert measure.name == f"{old}:half"  # as in the ledgers of old campaigns
    assert measure(MOLECULES).tolist() == resolve(f"{new}:half", context)(MOLECULES).tolist()


def test_measures_of_one_batch_share_one_prediction() -> None:
    predictor = LengthPredictor()
    context = MeasureContext(predict=predictor, property_names=("length", "half"))
    for name in ("lcb:half", "std:half", "predicted:length"):
        resolve(name, context)(MOLECULES)
    assert predictor.n_calls == 1
    resolve("lcb:half", context)([CAFFEINE])
    assert predictor.n_calls == 2


def test_predictions_of_a_wrong_shape_are_refused() -> None:
    context = MeasureContext(predict=LengthPredictor(), property_names=("length",))
    with pytest.raises(ScorerError, match=r"must be \(3, 1\)"):
        resolve("predicted:length", context)(MOLECULES)


def test_a_scorer_goes_by_its_name_and_may_not_hide_a_descriptor() -> None:
    mine = BuiltIn("mine", lambda molecules: np.zeros(len(molecules)), is_cheap=False)
    assert resolve("mine", MeasureContext(scorers={"mine": mine})) is mine
    with pytest.raises(SpecError, match="my_qed="):
        MeasureContext(scorers={"qed": mine})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("qde", "Did you mean qed"),
        ("alerts:pain", "Did you mean alerts:pains"),
        ("predicted:lenght", "Did you mean predicted:length"),
        ("similarty", "Did you mean similarity"),
        ("nonsense", "Known: qed, "),
        ("alerts:", "Known: "),
        ("smarts", "smarts:PATTERN"),
        ("qed:CC", "Known: "),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_all_names(name: str, hint: str) -> None:
    context = MeasureContext(predict=LengthPredictor(), property_names=("length",))
    with pytest.raises(SpecError) as caught:
        resolve(name, context, key="maximize")
    assert caught.value.key == "maximize"
    assert hint in caught.value.remedy


@pytest.mark.parametrize("name", ["similarity", "similarity:", "similarity:C(", "smarts:", "smarts:C(", "smarts:[#"])
def test_what_a_name_refers_to_must_be_there_and_readable(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolve(name, EMPTY)
    assert caught.value.remedy


@given(
    st.text()
    | st.tuples(st.sampled_from(["smarts:", "similarity:"]), st.text("CNO()[]=#:$1~*;!", max_size=9)).map("".join)
)
def test_no_name_causes_anything_but_a_spec_error(name: str) -> None:
    try:
        measure = resolve(name, EMPTY)
    except SpecError:
        return
    assert measure([ASPIRIN]).shape == (1,)


def test_a_scaffold_counts_its_places_whatever_hangs_on_it() -> None:
    measure = resolve("scaffold:c1cc[nH]c1", MeasureContext())
    assert measure([parse(text) for text in ("Cn1cccc1", "c1cc[nH]c1-c1ccc[nH]1", "c1ccoc1")]).tolist() == [1, 2, 0]
    with pytest.raises(SpecError, match="not a SMILES"):
        resolve("scaffold:c1((", MeasureContext())


def test_trust_is_what_the_checkpoint_says_of_each_molecule() -> None:
    context = MeasureContext(trust=lambda smiles: np.array([1 / len(text) for text in smiles]))
    measure = resolve("trust", context)
    assert (measure.name, measure.is_cheap, measure.default_scale) == ("trust", True, (0.0, 1.0))
    assert measure(MOLECULES).tolist() == [1 / len(m.smiles) for m in MOLECULES]
    with pytest.raises(SpecError, match="has no applicability domain") as caught:
        resolve("trust", EMPTY, key="constraint")
    assert caught.value.key == "constraint"
    assert "--epochs 0" in caught.value.remedy
    with pytest.raises(SpecError, match="trust is a measure of molgen's own"):
        MeasureContext(scorers={"trust": BuiltIn("trust", lambda molecules: np.zeros(len(molecules)))})
