"""PMO: oracles against reference values, the accounting against its definition, runs that resume."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.QED import qed
from typer.testing import Result

from molgen.bench.pmo import tasks as pmo
from molgen.bench.pmo.report import summarise_run, summarise_runs
from molgen.bench.pmo.rule_oracles import CELECOXIB, MESTRANOL, gaussian, match_formula
from molgen.bench.pmo.run import PmoRun, execute, require_tasks
from molgen.bench.pmo.tasks import PUBLISHED, auc, make_oracles, mean_of_best, score_file, self_test
from molgen.bench.proposer import require_reference
from molgen.chem.admission import Admission, AdmissionRules
from molgen.chem.checks import check
from molgen.chem.molecule import parse
from molgen.errors import FileError, MolgenError, RunError, SpecError
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def test_the_oracles_give_the_reference_values() -> None:
    assert len(make_oracles()) == 23
    assert self_test() < 1e-6


def test_every_oracle_is_compared_where_it_is_high() -> None:
    with (find_shipped("data") / "pmo_reference.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    highest = {name: max(float(row[name] or 0.0) for row in rows) for name in make_oracles()}
    assert min(highest, key=highest.__getitem__) == "median1"
    assert highest["median1"] > 0.1


def test_a_wrong_oracle_stops_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**make_oracles(), "qed": lambda mol: qed(mol) + 2e-6}
    monkeypatch.setattr(pmo, "make_oracles", lambda: wrong)
    with pytest.raises(MolgenError, match="oracle qed"):
        self_test()


@pytest.mark.parametrize(
    ("task", "smiles"),
    [
        ("celecoxib_rediscovery", CELECOXIB),
        ("mestranol_similarity", MESTRANOL),
        ("isomers_c7h8n2o2", "COc1ccc(cn1)C(N)=O"),
    ],
)
def test_the_molecule_that_is_asked_for_scores_one(task: str, smiles: str) -> None:
    assert make_oracles()[task](parse(smiles).mol) == 1.0


def test_an_isomer_score_is_the_mean_of_bells_around_the_counts() -> None:
    ethanol = Chem.MolFromSmiles("CCO")
    expected = gaussian(2, 1)(2) * gaussian(6, 1)(6) * gaussian(2, 1)(1) * gaussian(10, 2)(9)
    assert match_formula("C2H6O2")(ethanol) == pytest.approx(expected ** (1 / 4))


def test_oracles_do_not_depend_on_the_order_of_calls() -> None:
    """Those of PyTDC do: deco_hop and scaffold_hop share their state."""
    mols = [parse(text).mol for text in ("CCCOc1cc2ncnc(Nc3ccc4ncsc4c3)c2cc1S(=O)(=O)C(C)(C)C", "CCOc1ccccc1")]
    first = [(make_oracles()["deco_hop"](m), make_oracles()["scaffold_hop"](m)) for m in mols]
    again = [(make_oracles()["scaffold_hop"](m), make_oracles()["deco_hop"](m))[::-1] for m in mols[::-1]][::-1]
    assert first == again


def test_the_area_of_a_constant_misses_half_the_first_step() -> None:
    assert auc([1.0] * 1000, 1000) == pytest.approx(1 - 0.5 * 100 / 1000)


def test_an_early_end_is_extended_and_a_late_one_cut() -> None:
    assert auc([1.0] * 500, 1000) == pytest.approx(1 - 0.5 * 100 / 1000)
    assert auc([1.0] * 1000 + [5.0] * 500, 1000) == pytest.approx(0.95)
    assert auc([], 1000) == 0.0


@given(values=VALUES, budget=st.integers(1, 80), k=st.integers(1, 12), every=st.integers(1, 20))
def test_the_area_is_that_of_mol_opt(values: list[float], budget: int, k: int, every: int) -> None:
    """The sum as PMO's code takes it: trapezoids of `every` calls, then the rest, then the extension."""
    used = values[:budget]
    total = previous = 0.0
    called = 0
    for end in range(every, len(used), every):
        mean = float(np.mean(sorted(used[:end], reverse=True)[:k]))
        total += every * (mean + previous) / 2
        previous, called = mean, end
    mean = float(np.mean(sorted(used, reverse=True)[:k]))
    total += (len(used) - called) * (mean + previous) / 2 + (budget - len(used)) * mean
    assert auc(values, budget, k, every) == pytest.approx(total / budget)


@given(VALUES)
def test_the_curve_never_falls(values: list[float]) -> None:
    curve = mean_of_best(values, 1, 7)
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == max(values)


def test_published_sums_are_those_that_were_printed() -> None:
    printed = {"GP BO": 13.156, "NF-BO": 14.737, "REINVENT": 14.196, "Graph GA": 13.751}
    printed |= {"Genetic GFN": 16.213, "InVirtuoGen": 16.676, "Tanimoto BO": 16.303}
    for method, total in printed.items():
        assert set(PUBLISHED[method]) == set(make_oracles())
        assert sum(PUBLISHED[method].values()) == pytest.approx(total, abs=0.02)


def test_a_file_is_scored_row_by_row(tmp_path: Path) -> None:
    source = tmp_path / "in.smi"
    source.write_text("OCC\nnonsense\nc1ccccc1\n")
    assert score_file(source, tmp_path / "out.csv") == (2, 1)
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["smiles"] for row in rows] == ["OCC", "nonsense", "c1ccccc1"]
    assert float(rows[0]["qed"]) == pytest.approx(make_oracles()["qed"](Chem.MolFromSmiles("CCO")))
    assert rows[1]["qed"] == ""
    assert rows[1]["reason"]


def run_of(folder: Path, **changes: object) -> PmoRun:
    options = {"task": "median1", "seed": 0, "budget": 24, "sampler": "latent", "checkpoint": None, "folder": folder}
    return PmoRun(**{**options, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, few_prior_samples: None) -> PmoRun:
    """A run that was never stopped."""
    run = run_of(tmp_path_factory.mktemp("whole"))
    execute(run)
    return run


def test_a_run_calls_the_oracle_once_for_each_of_its_unique_molecules(whole: PmoRun) -> None:
    calls = whole.calls()
    assert len(calls) == 24 == len({smiles for smiles, _ in calls})
    assert all(parse(smiles).smiles == smiles for smiles, _ in calls)
    assert all(value == make_oracles()["median1"](parse(smiles).mol) for smiles, value in calls)


@pytest.mark.parametrize("cut", [0, 1, 300, 900])
def test_a_run_cut_anywhere_ends_as_if_it_had_not_been(tmp_path: Path, whole: PmoRun, cut: int) -> None:
    run = run_of(tmp_path)
    run.path.write_bytes(whole.path.read_bytes()[:cut])
    execute(run)
    assert run.path.read_bytes() == whole.path.read_bytes()


@pytest.mark.usefixtures("few_prior_samples")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", ["random", "perturb", "cmaes", "tpe", "gp"])
def test_every_baseline_spends_the_same_budget(tmp_path: Path, sampler: str) -> None:
    run = run_of(tmp_path, sampler=sampler)
    execute(run)
    assert len(run.calls()) == 24


@pytest.mark.usefixtures("few_prior_samples")
def test_a_kept_run_scores_only_plausible_molecules(tmp_path: Path) -> None:
    run = run_of(tmp_path, budget=20, is_filtered=True)
    execute(run)
    molecules = [parse(smiles) for smiles, _ in run.calls()]
    space = LatentSpace.load()
    assert len(molecules) == 20
    assert Admission(AdmissionRules(), space.model.familiarity)([m.smiles for m in molecules]) == [
        m.smiles for m in molecules
    ]
    assert all(check(molecule.mol, "brenk").passes for molecule in molecules)


def test_a_sampler_without_constraints_has_no_kept_runs() -> None:
    with pytest.raises(SpecError, match="takes no constraints"):
        require_reference(LatentSpace.load(), "cmaes")


@pytest.mark.usefixtures("few_prior_samples")
def test_a_file_of_another_search_is_not_continued(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.path.write_text("call,smiles,value\n1,CCO,0.5\n")
    with pytest.raises(RunError, match="the search proposes"):
        execute(run)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.path.write_text("call,smiles,value\n1,CCO,high\n")
    with pytest.raises(FileError, match=r"median1-0\.csv"):
        run.calls()


def test_unknown_tasks_are_refused_with_a_hint() -> None:
    assert require_tasks(["all"]) == list(make_oracles())
    with pytest.raises(SpecError, match="celecoxib"):
        require_tasks(["celecoxib"])


def test_a_report_sums_means_over_seeds(tmp_path: Path) -> None:
    space = LatentSpace.load()
    runs = [run_of(tmp_path, task=task, seed=seed, budget=4) for task in ("qed", "median1") for seed in (0, 1)]
    for run in runs:
        run.path.write_text("call,smiles,value\n" + "".join(f"{i},{'C' * i}O,{run.seed}\n" for i in range(1, 5)))
    results = [summarise_run(run, space) for run in runs]
    report = summarise_runs(results, 4)
    assert report["tasks"]["qed"]["final_top_10"] == {"mean": 0.5, "deviation": pytest.approx(0.5**0.5)}
    assert report["sums"]["final_top_10"] == {"mean": 1.0, "deviation": pytest.approx(2**0.5)}
    assert report["sums"]["auc_top_10"]["mean"] == pytest.approx(0.5)
    assert results[0].passes_pains == 1.0


def test_a_report_also_sums_without_the_task_that_few_methods_begin_to_solve(tmp_path: Path) -> None:
    results = []
    for task, value in (("qed", 0.5), ("valsartan_smarts", 0.25)):
        run = run_of(tmp_path, task=task, budget=4)
        run.path.write_text("call,smiles,value\n" + "".join(f"{i},{'C' * i}O,{value}\n" for i in range(1, 5)))
        results.append(summarise_run(run, LatentSpace.load()))
    report = summarise_runs(results, 4)
    assert report["sums"]["final_top_10"]["mean"] == 0.75
    assert report["sums_without_valsartan_smarts"]["final_top_10"]["mean"] == 0.5


def test_the_command_runs_goes_on_and_refuses(tmp_path: Path, run_molgen: Callable[..., Result]) -> None:
    out = tmp_path / "runs"
    options = ["benchmark", "pmo", "--tasks", "qed", "--budget", 20, "--seeds", 1, "--sampler", "cmaes", "--out", out]
    first = run_molgen(*options, "--json")
    assert first.exit_code == 0, first.output
    report = json.loads((out / "report.json").read_text())
    assert report["tasks"]["qed"]["n_calls"]["mean"] == 20
    before = (out / "qed-0.csv").read_bytes()
    again = run_molgen(*options)
    assert again.exit_code == 0
    assert again.stdout.count("NF-BO") == 1
    assert (out / "qed-0.csv").read_bytes() == before
    assert run_molgen(*options[:5], 30, *options[6:]).exit_code == 2
    assert run_molgen("benchmark", "pmo").exit_code == 2
