"""Comparisons: their file comes back, and the utilities explain them and rank other molecules alike."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_ndtr
from scipy.stats import spearmanr

from molgen.arrays import Doubles, Integers
from molgen.chem.molecule import parse
from molgen.chem.properties import DESCRIPTORS
from molgen.chem.table import Record, read_molecules
from molgen.errors import FileError, SpecError
from molgen.explore.comparisons import fit_comparisons, holds_comparisons, read_comparisons, write_comparisons
from molgen.explore.liked import read_liking
from molgen.explore.preference import MAX_LABELS, Labelled, Preference
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

PAIRS = [("CCO", "CCN"), ("c1ccccc1", "CCN"), ("C[C@H](N)C(=O)O", "CCO"), ("CC(=O)[O-].[Na+]", "CCO"), ("CCN", "CCO")]
NOISE = 0.1


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.load()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "choices.csv"


def make_problem(seed: int, n: int, m: int) -> tuple[Doubles, Integers]:
    """The covariance of `m` utilities, two of them equal, and `n` random comparisons, which contradict each other."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, 3))
    x[1] = x[0]
    covariance = np.exp(-0.5 * np.square(x[:, None] - x[None]).sum(axis=2))
    first = rng.integers(m, size=n)
    return covariance, np.stack([first, (first + rng.integers(1, m, size=n)) % m], axis=1)


def test_what_is_written_comes_back_in_order_with_its_repetitions(path: Path) -> None:
    for pairs in (PAIRS, PAIRS * 2, []):
        write_comparisons(path, pairs)
        assert holds_comparisons(path)
        assert read_comparisons(path) == pairs
    path.write_text("better,worse\nOCC,NCC\n")
    assert read_comparisons(path) == PAIRS[:1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("better,worse\nCCO,CCN\nCCO,C(\n", "line 3: worse: 'C\\('"),
        ("better,worse\nCCO,CCN\n,CCN\n", "line 3: better"),
        ("better,worse\nCCO,CCN\nCCO\n", "line 3: fewer fields"),
        ("better,worse\nCCO,CCN,CC\n", "line 2: more fields"),
        ("better,worse\nCCO,OCC\n", "line 2: CCO is compared with itself"),
        ('better,worse\n"CCO,CCN\n' + "C,CC\n" * 30, "broken row"),
        ("better,worse,note\nCCO,CCN,mine\n", "must begin with the line better,worse"),
        ("worse,better\nCCO,CCN\n", "must begin with the line better,worse"),
        ("smiles,liked\nCCO,1\n", "must begin with the line better,worse"),
        ("", "is empty"),
        ("better,worse\n\0\0\0", "line 2"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(FileError, match=message):
        read_comparisons(path)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("pipe.csv", "absent.csv", "."):
        with pytest.raises(FileError):
            read_comparisons(tmp_path / name)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (40, 8), (400, 30)])
def test_the_utilities_are_the_most_probable_ones(n: int, m: int) -> None:
    covariance, pairs = make_problem(n, n, m)

    def loss(weights: Doubles) -> float:
        z = np.diff((covariance @ weights)[pairs[:, ::-1]], axis=1) / np.sqrt(2 * NOISE)
        return float(0.5 * weights @ covariance @ weights - log_ndtr(z).sum())

    found = fit_comparisons(covariance, pairs, NOISE)
    slow = minimize(loss, np.zeros(m), method="BFGS", options={"gtol": 1e-6, "maxiter": 5000})
    assert loss(found) <= slow.fun + 1e-9
    np.testing.assert_allclose(covariance @ found, covariance @ slow.x, atol=1e-3)


def test_turned_comparisons_turn_the_utilities_whatever_the_order() -> None:
    covariance, pairs = make_problem(3, 60, 12)
    found = fit_comparisons(covariance, pairs, NOISE)
    np.testing.assert_allclose(fit_comparisons(covariance, pairs[:, ::-1], NOISE), -found, atol=1e-8)
    np.testing.assert_allclose(fit_comparisons(covariance, pairs[::-1], NOISE), found, atol=1e-8)


def test_thousands_of_one_choice_stay_finite_and_contradictions_cancel() -> None:
    covariance = np.eye(2)
    once, often = (covariance @ fit_comparisons(covariance, np.array([[0, 1]] * n), NOISE) for n in (1, 5000))
    assert 0 < once[0] < often[0] < 3
    both = fit_comparisons(covariance, np.array([[0, 1], [1, 0]] * 50), NOISE)
    np.testing.assert_allclose(both, 0, atol=1e-8)


def choose_worst(values: Doubles, n: int) -> Integers:
    """Comparisons (5 n, 2) of a user who names the worst of six `n` times; each worst is replaced by the next."""
    shown, pairs = list(range(6)), []
    for coming in range(6, 6 + n):
        worst = min(shown, key=lambda row: values[row])
        shown.remove(worst)
        pairs += [(better, worst) for better in shown]
        shown.append(coming)
    return np.array(pairs)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("taste", "least"), [("mw", 0.5), ("affinity", 0.12)])
def test_molecules_that_were_not_compared_are_ranked_in_the_direction_of_the_choices(
    space: LatentSpace, taste: str, least: float, sign: float
) -> None:
    items = islice(read_molecules(find_shipped("data") / "d3_ki.csv", properties=("y",)), 400)
    records = [item for item in items if isinstance(item, Record)]
    z = space.encode([record.molecule.smiles for record in records], is_refined=False)
    kept = np.flatnonzero(np.isfinite(z).all(axis=1))
    molecules = Labelled.of([records[row].molecule for row in kept], z[kept])
    mass = DESCRIPTORS["mw"].function
    values = [mass(record.molecule.mol) if taste == "mw" else record.values[0] for record in records]
    wanted, n = sign * np.array(values)[kept], 106
    compared = Labelled(molecules.bits[:n], molecules.z[:n])
    others = Labelled(molecules.bits[n:], molecules.z[n:])
    preference = Preference.of_comparisons(space, compared, choose_worst(wanted, n - 6))
    for found in (preference.of_molecules(others.z, others.bits), preference.of_points(others.z)):
        assert spearmanr(found, wanted[n:]).statistic > least  # two standard errors of chance are 0.12
    assert np.abs(preference.of_molecules(compared.z, compared.bits)).max() < 3
    far = np.full((1, space.size), 100.0, dtype=np.float32)
    assert preference.of_points(far)[0] == pytest.approx(0.0)


def test_a_file_of_comparisons_is_a_preference_without_what_cannot_be_encoded(
    tiny_checkpoint: Path, path: Path
) -> None:
    space = LatentSpace.load(tiny_checkpoint)
    better, worse = "CC(=O)Nc1ccc(O)cc1", "CCCCCCCC"
    write_comparisons(path, [(better, worse), ("[U]", better), (worse, "[U]")])
    liking = read_liking(space, path)
    values = liking([better, worse, "[U]"])
    assert values[0] > 0.2
    assert values[1] < -0.2
    assert np.isnan(values[2])
    np.testing.assert_allclose(liking([worse]), values[1:2])
    write_comparisons(path, [("[U]", better)])
    with pytest.raises(SpecError, match="no comparison"):
        read_liking(space, path)


def test_no_comparison_and_too_many_molecules_are_refused(space: LatentSpace) -> None:
    one = parse("CCO")
    z = space.encode([one.smiles], is_refined=False)
    with pytest.raises(SpecError, match="no comparison"):
        Preference.of_comparisons(space, Labelled.of([one], z), np.empty((0, 2), dtype=np.int64))
    many = Labelled.of([one] * (MAX_LABELS + 1), z.repeat(MAX_LABELS + 1, axis=0))
    with pytest.raises(SpecError, match=f"at most {MAX_LABELS}"):
        Preference.of_comparisons(space, many, np.array([[0, 1]]))
