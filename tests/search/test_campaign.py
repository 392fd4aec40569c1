"""Campaigns on the shipped checkpoint: the budget, the ledger, and that stopping leaves no trace."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from typer.testing import Result

from molgen.chem.molecule import Molecule, parse
from molgen.errors import InterruptedRunError, NothingValidError, RunError, ScorerError
from molgen.interrupt import stop_requested
from molgen.latent.space import LatentSpace
from molgen.score.constraint import Constraint
from molgen.score.external.plugin import parse_python_scorer
from molgen.score.external.scorer import PythonScorer, Scorer
from molgen.score.measure import BuiltIn, MeasureContext
from molgen.score.objective import parse_objectives
from molgen.score.oracle import Oracle
from molgen.search import ledger
from molgen.search.campaign import CampaignLoop, CampaignStatus
from molgen.search.ledger import Evaluation, read_evaluations
from molgen.search.pareto import hypervolume
from molgen.search.spec import CampaignSpec
from molgen.search.start import StartMolecule

SPEC = CampaignSpec(maximize=("qed",), budget=40, batch=16, seed=3)
LEAD = "CC(C)NC(=O)N1CCCCC1"


@pytest.fixture(scope="module")
def space(few_prior_samples: None) -> LatentSpace:
    return LatentSpace.load()


def campaign(
    folder: Path,
    spec: CampaignSpec,
    space: LatentSpace,
    context: MeasureContext | None = None,
    extensions: Sequence[int] = (),
    labels: Mapping[str, Mapping[str, float]] | None = None,
) -> CampaignLoop:
    folder.mkdir(exist_ok=True)
    objectives = parse_objectives(maximize=spec.maximize, minimize=spec.minimize, target=spec.target, range_=spec.range)
    constraints = [one for text in spec.constraint for one in Constraint.parse(text)]
    start = [StartMolecule(parse(text), labels=(labels or {}).get(text, {})) for text in spec.start]
    reference = start[0].molecule if start else None
    oracle = Oracle(objectives, constraints, context or MeasureContext(reference=reference))
    return CampaignLoop(folder, spec, space, oracle, start, extensions)


def run(one: CampaignLoop, *, stop_after: int | None = None) -> list[Evaluation]:
    """Runs to the end, or until `stop_after` batches are done."""
    batches: list[CampaignStatus] = []
    one.run(batches.append, lambda: stop_after is not None and len(batches) >= stop_after)
    return one.evaluations


def ledger_bytes(folder: Path) -> bytes:
    return (folder / ledger.NAME).read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, space: LatentSpace) -> Path:
    """The folder of a campaign by SPEC that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run(campaign(folder, SPEC, space))
    return folder


def test_the_budget_is_unique_valid_canonical_molecules(tmp_path: Path, space: LatentSpace, whole: Path) -> None:
    evaluations = run(campaign(tmp_path, SPEC, space))
    smiles = [evaluation.smiles for evaluation in evaluations]
    assert len(smiles) == len(set(smiles)) == SPEC.budget
    assert [parse(text).smiles for text in smiles] == smiles
    assert list(map(repr, read_evaluations(whole / ledger.NAME))) == list(map(repr, evaluations))
    assert [evaluation.index for evaluation in evaluations] == list(range(1, SPEC.budget + 1))


@pytest.mark.parametrize("sampler", ["latent", "random", "cmaes", "tpe", "nsga2"])
def test_every_sampler_repeats_itself(tmp_path: Path, space: LatentSpace, sampler: str) -> None:
    spec = replace(SPEC, sampler=sampler, budget=30)
    run(campaign(tmp_path / "a", spec, space))
    run(campaign(tmp_path / "b", spec, space))
    assert ledger_bytes(tmp_path / "a") == ledger_bytes(tmp_path / "b")
    run(campaign(tmp_path / "c", replace(spec, seed=4), space))
    assert ledger_bytes(tmp_path / "c") != ledger_bytes(tmp_path / "a")


@pytest.mark.parametrize("is_overlapped", [False, True])
def test_an_overlapped_batch_knows_all_scores_but_those_of_the_batch_before(
    tmp_path: Path, space: LatentSpace, is_overlapped: bool
) -> None:
    spec = replace(SPEC, maximize=(), minimize=("length",), batch=10, overlap=is_overlapped)
    batches: list[CampaignStatus] = []
    one = campaign(tmp_path / "a", spec, space, counting([]))
    one.run(batches.append, lambda: False)
    *_, before_last_but_one, before_last, _ = (status.n_scored for status in batches)
    assert before_last_but_one > 0
    other = run(campaign(tmp_path / "b", spec, space, counting([], negative_after=before_last_but_one)))
    last, other_last = ({e.smiles for e in evaluations[before_last:]} for evaluations in (one.evaluations, other))
    assert (last == other_last) == is_overlapped


class QueueingScorer(Scorer):
    """The length of the SMILES; keeps what it was sent ahead, and what it was called with."""

    def __init__(self) -> None:
        super().__init__("length")
        self.sent: list[str] = []
        self.called: list[str] = []

    def send_ahead(self, molecules: Sequence[Molecule], /) -> None:
        self.sent += [molecule.smiles for molecule in molecules]

    def _answers(self, smiles: Sequence[str]) -> list[float]:
        self.called += smiles
        return [float(len(text)) for text in smiles]

    def _last_words(self) -> str:
        return ""


@pytest.mark.parametrize("sampler", ["latent", "tpe"])
def test_exactly_what_is_scored_later_is_sent_ahead(tmp_path: Path, space: LatentSpace, sampler: str) -> None:
    bounded = replace(SPEC, maximize=(), minimize=("length",), constraint=("logp < 4",))
    spec = replace(bounded, batch=8, budget=36, overlap=True, sampler=sampler)
    scorer = QueueingScorer()
    context = MeasureContext(scorers={"length": scorer})
    run(campaign(tmp_path, spec, space, context))
    n_first = len(scorer.called) - len(scorer.sent)
    assert 0 < n_first <= 16
    assert scorer.sent == scorer.called[n_first:]
    alone = QueueingScorer()
    run(campaign(tmp_path / "b", replace(spec, overlap=False), space, MeasureContext(scorers={"length": alone})))
    assert not alone.sent


def test_an_overlapped_campaign_is_resumed_and_extended_to_the_same(tmp_path: Path, space: LatentSpace) -> None:
    spec = replace(SPEC, maximize=(), minimize=("length",), batch=8, budget=28, overlap=True)
    run(campaign(tmp_path / "whole", spec, space, counting([]), [40]))
    run(campaign(tmp_path / "cut", spec, space, counting([])))
    for stop_after in (2, 4):
        with pytest.raises(InterruptedRunError):
            run(campaign(tmp_path / "cut", spec, space, counting([]), [40]), stop_after=stop_after)
    run(campaign(tmp_path / "cut", spec, space, counting([]), [40]))
    assert ledger_bytes(tmp_path / "cut") == ledger_bytes(tmp_path / "whole")


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_a_stopped_and_resumed_campaign_leaves_the_same_ledger(
    tmp_path: Path, space: LatentSpace, whole: Path, stop_after: int
) -> None:
    with pytest.raises(InterruptedRunError):
        run(campaign(tmp_path, SPEC, space), stop_after=stop_after)
    run(campaign(tmp_path, SPEC, space))
    assert ledger_bytes(tmp_path) == ledger_bytes(whole)


@pytest.mark.parametrize("sampler", ["latent", "tpe"])
def test_an_extended_campaign_keeps_what_it_was_and_goes_on_the_same_however_often_it_stops(
    tmp_path: Path, space: LatentSpace, sampler: str
) -> None:
    spec = replace(SPEC, sampler=sampler, budget=15, batch=10)  # the last batch of the first budget is cut
    run(campaign(tmp_path / "cut", spec, space))
    before = ledger_bytes(tmp_path / "cut")
    run(campaign(tmp_path / "whole", spec, space, extensions=[27, 40]))
    whole = ledger_bytes(tmp_path / "whole")
    assert whole.startswith(before)
    assert len(read_evaluations(tmp_path / "whole" / ledger.NAME)) == 40
    for stop_after in (3, 4):
        with pytest.raises(InterruptedRunError):
            run(campaign(tmp_path / "cut", spec, space, extensions=[27, 40]), stop_after=stop_after)
        assert whole.startswith(ledger_bytes(tmp_path / "cut"))
    run(campaign(tmp_path / "cut", spec, space, extensions=[27, 40]))
    assert ledger_bytes(tmp_path / "cut") == whole


def test_a_ledger_cut_anywhere_is_completed_to_the_same(tmp_path: Path, space: LatentSpace, whole: Path) -> None:
    lines = ledger_bytes(whole)
    for share in (0.02, 0.6, 0.999):
        (tmp_path / ledger.NAME).write_bytes(lines[: int(share * len(lines))])
        run(campaign(tmp_path, SPEC, space))
        assert ledger_bytes(tmp_path) == lines


def counting(calls: list[str], *, fail_after: int | None = None, negative_after: int | None = None) -> MeasureContext:
    """A measure that costs calls, notes what it is asked, and may fail or change its sign after some calls."""

    def length(molecules: Sequence[Molecule]) -> NDArray[np.float64]:
        if fail_after is not None and len(calls) + len(molecules) > fail_after:
            raise ScorerError("length", "is tired")
        sign = 1.0 if negative_after is None or len(calls) < negative_after else -1.0
        calls.extend(molecule.smiles for molecule in molecules)
        return np.array([sign * len(molecule.smiles) for molecule in molecules])

    return MeasureContext(scorers={"length": BuiltIn("length", length, is_cheap=False)})


@pytest.mark.parametrize("is_overlapped", [False, True])
def test_a_scorer_that_fails_loses_nothing_and_is_asked_nothing_twice(
    tmp_path: Path, space: LatentSpace, is_overlapped: bool
) -> None:
    spec = replace(SPEC, maximize=("length",), sampler="random", overlap=is_overlapped)
    calls: list[str] = []
    with pytest.raises(ScorerError, match="tired"):
        run(campaign(tmp_path, spec, space, counting(calls, fail_after=30)))
    n_saved = len(read_evaluations(tmp_path / ledger.NAME))
    assert n_saved == len(calls) > 0
    run(campaign(tmp_path, spec, space, counting(calls)))
    assert len(calls) == len(set(calls)) == spec.budget


def journal_values(folder: Path) -> dict[str, float | None]:
    """What the trials in the journal were worth by SMILES, in order."""
    return {trial.user_attrs["smiles"]: trial.value for trial in journal_trials(folder)}


def journal_trials(folder: Path) -> list[FrozenTrial]:
    """The trials in the journal, all of them complete."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal")))
    trials = optuna.load_study(study_name="campaign", storage=storage).trials
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    return trials


FAILING = """
import zlib
def is_bad(text): return zlib.crc32(text.encode()) % 5 == 0
def score(smiles): return [None if is_bad(s) else float(len(s)) for s in smiles]
def raising(smiles): return [1 / (not is_bad(s)) * len(s) for s in smiles]
"""


def failing(folder: Path, function: str, *, is_tolerant: bool = True) -> PythonScorer:
    """A scorer of the length of the SMILES, with no value for a fifth of all molecules."""
    (folder / "failing.py").write_text(FAILING)
    return parse_python_scorer(f"length={folder / 'failing.py'}:{function}", is_tolerant=is_tolerant)


def is_bad(smiles: str) -> bool:
    return zlib.crc32(smiles.encode()) % 5 == 0


@pytest.mark.parametrize(
    ("policy", "function", "sampler"), [("skip", "raising", "random"), ("penalise", "score", "latent")]
)
def test_a_fifth_of_all_molecules_may_fail(
    tmp_path: Path, space: LatentSpace, policy: str, function: str, sampler: str
) -> None:
    spec = replace(SPEC, maximize=("length",), budget=20, batch=10, on_failure=policy, sampler=sampler)
    with failing(tmp_path, function) as scorer:
        context = MeasureContext(scorers={"length": scorer})
        one = campaign(tmp_path, spec, space, context)
        evaluations = run(one)
        whole = ledger_bytes(tmp_path)
        (tmp_path / ledger.NAME).write_bytes(whole[: len(whole) * 2 // 3])
        assert list(map(repr, run(campaign(tmp_path, spec, space, context)))) == list(map(repr, evaluations))
    assert ledger_bytes(tmp_path) == whole
    assert len(evaluations) == spec.budget
    failed = [evaluation for evaluation in evaluations if evaluation.failure]
    assert [evaluation.smiles for evaluation in failed] == [e.smiles for e in evaluations if is_bad(e.smiles)]
    assert len(failed) == one.status().n_failed > 0
    assert all(e.failure.startswith("length ") and math.isnan(e.values["length"]) for e in failed)
    assert not any(evaluation.is_feasible for evaluation in failed)
    require_told(journal_values(tmp_path), evaluations, is_penalised=policy == "penalise")


def require_told(outcome: Mapping[str, float | None], evaluations: Sequence[Evaluation], *, is_penalised: bool) -> None:
    """The search was told every total, and of a failure nothing, or the worst total before it."""
    for evaluation in evaluations:
        if evaluation.failure:
            before = [e.total for e in evaluations[: evaluation.index - 1] if not e.failure]
            assert outcome.get(evaluation.smiles) == (min(before, default=None) if is_penalised else None)
        else:
            assert outcome[evaluation.smiles] == evaluation.total


def test_a_failure_ends_a_campaign_that_is_not_told_to_go_on(tmp_path: Path, space: LatentSpace) -> None:
    spec = replace(SPEC, maximize=("length",))
    with (
        failing(tmp_path, "score", is_tolerant=False) as scorer,
        pytest.raises(ScorerError, match=r"gave None for .*\n.*--on-failure skip"),
    ):
        run(campaign(tmp_path / "run", spec, space, MeasureContext(scorers={"length": scorer})))


def test_a_stop_in_a_long_call_saves_all_that_was_scored_before(tmp_path: Path, space: LatentSpace) -> None:
    spec = replace(SPEC, maximize=("length",), budget=24, batch=8, sampler="random")
    path = tmp_path / "slow.py"
    path.write_text(
        "import os, time\n"
        "n = 0\n"
        "def score(smiles):\n"
        "    global n\n"
        "    n += 1\n"
        f"    if n == 2 and not os.path.exists({str(tmp_path / 'begun')!r}):\n"
        f"        open({str(tmp_path / 'begun')!r}, 'w').close()\n"
        "        time.sleep(60)\n"
        "    return [float(len(s)) for s in smiles]\n"
    )

    def stop_when_begun() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    def context(scorer: PythonScorer) -> MeasureContext:
        return MeasureContext(scorers={"length": scorer})

    Thread(target=stop_when_begun, daemon=True).start()
    with (
        parse_python_scorer(f"{path}:score") as scorer,
        stop_requested() as is_stop_requested,
        pytest.raises(InterruptedRunError, match="stopped after 8 calls"),
    ):
        campaign(tmp_path / "cut", spec, space, context(scorer)).run(lambda _: None, is_stop_requested)
    assert len(read_evaluations(tmp_path / "cut" / ledger.NAME)) == 8
    for name in ("cut", "whole"):
        with parse_python_scorer(f"{path}:score") as scorer:
            run(campaign(tmp_path / name, spec, space, context(scorer)))
    assert ledger_bytes(tmp_path / "cut") == ledger_bytes(tmp_path / "whole")


def test_a_ledger_of_another_search_is_not_continued(tmp_path: Path, space: LatentSpace, whole: Path) -> None:
    shutil.copy(whole / ledger.NAME, tmp_path)
    with pytest.raises(RunError, match="the search proposes"):
        run(campaign(tmp_path, replace(SPEC, seed=9), space))


def test_the_lead_comes_first_and_all_that_follow_are_like_it(tmp_path: Path, space: LatentSpace) -> None:
    spec = replace(SPEC, start=(LEAD,), constraint=("similarity >= 0.3",))
    evaluations = run(campaign(tmp_path, spec, space))
    assert evaluations[0].smiles == parse(LEAD).smiles
    assert all(evaluation.values["similarity"] >= 0.3 for evaluation in evaluations)
    assert all(evaluation.parent for evaluation in evaluations[1:])  # none from the prior
    assert max(e.total for e in evaluations) > evaluations[0].total


def test_a_front_grows_and_its_hypervolume_is_that_of_its_points(tmp_path: Path, space: LatentSpace) -> None:
    spec = replace(SPEC, minimize=("sa",), pareto=True)
    evaluations = run(campaign(tmp_path, spec, space))
    volumes = [evaluation.hypervolume for evaluation in evaluations]
    assert volumes == sorted(volumes)
    points = np.array([list(evaluation.desirabilities.values()) for evaluation in evaluations])
    assert volumes[-1] == pytest.approx(hypervolume(points))


def test_the_journal_holds_the_same_trials_as_the_ledger(whole: Path) -> None:
    evaluations = read_evaluations(whole / ledger.NAME)
    assert list(journal_values(whole).items()) == [(e.smiles, e.total) for e in evaluations]


@pytest.mark.parametrize("is_pareto", [False, True])
def test_the_journal_shows_the_raw_values_of_each_trial(tmp_path: Path, space: LatentSpace, is_pareto: bool) -> None:
    spec = replace(SPEC, maximize=("qed", "mw"), constraint=("sa <= 6",), budget=20, pareto=is_pareto)
    evaluations = run(campaign(tmp_path, spec, space))
    assert set(evaluations[0].values) == {"qed", "mw", "sa"}
    assert [trial.user_attrs for trial in journal_trials(tmp_path)] == [
        {"smiles": evaluation.smiles, **evaluation.values} for evaluation in evaluations
    ]


def test_constraints_that_nothing_keeps_are_reported(
    tmp_path: Path, space: LatentSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.search.feasibility.PATIENCE", 300)
    spec = replace(SPEC, constraint=("heavy_atoms <= 0", "mw <= 2000"))
    with pytest.raises(NothingValidError, match=r'of [\d,]+ molecules checked, "heavy_atoms <= 0.0" removed') as caught:
        run(campaign(tmp_path, spec, space))
    assert "mw" not in str(caught.value)


def test_start_molecules_that_miss_a_constraint_take_no_call(tmp_path: Path, space: LatentSpace) -> None:
    calls: list[str] = []
    large = ("CC(C)NC(=O)N1CCCCC1CCCCCCCC", "CCCCCCCCCCCCCCCC(=O)NC1CCCCC1")
    spec = replace(SPEC, maximize=("length",), budget=20, batch=10, start=(*large, LEAD), constraint=("mw <= 250",))
    one = campaign(tmp_path, spec, space, counting(calls))
    evaluations = run(one)
    assert evaluations[0].smiles == LEAD
    assert len(calls) == spec.budget
    assert all(evaluation.violation == 0.0 for evaluation in evaluations)
    assert not {parse(text).smiles for text in large} & set(calls)
    assert one.status().n_filtered >= len(large)


def test_known_start_molecules_are_told_to_the_search_without_a_call(tmp_path: Path, space: LatentSpace) -> None:
    calls: list[str] = []
    known = {LEAD: {"length": 100.0}, "CCCCCCCC(=O)NC": {"length": 50.0}, "CCC(=O)Nc1ccccc1": {"other": 3.0}}
    spec = replace(SPEC, maximize=("length",), budget=20, batch=10, start=tuple(known))
    one = campaign(tmp_path, spec, space, counting(calls), labels=known)
    evaluations = run(one)
    assert len(calls) == len(evaluations) == spec.budget
    assert calls[0] == parse("CCC(=O)Nc1ccccc1").smiles
    assert not {parse(LEAD).smiles, parse("CCCCCCCC(=O)NC").smiles} & set(calls)
    assert one.status().n_known == 2
    assert any(evaluation.parent == LEAD for evaluation in evaluations)
    before = ledger_bytes(tmp_path)
    run(campaign(tmp_path, spec, space, counting([]), labels=known))
    assert ledger_bytes(tmp_path) == before


def test_proposals_are_scored_in_their_neutral_form_unless_charges_are_kept(tmp_path: Path, space: LatentSpace) -> None:
    spec = replace(SPEC, sampler="random", budget=60)
    neutral = run(campaign(tmp_path / "neutral", spec, space))
    as_drawn = run(campaign(tmp_path / "kept", replace(spec, charge="keep"), space))
    assert any("H+]" in evaluation.smiles for evaluation in as_drawn)
    assert not any("H+]" in evaluation.smiles for evaluation in neutral)


def test_constraints_that_no_start_keeps_are_reported(
    tmp_path: Path, space: LatentSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molgen.search.feasibility.PATIENCE", 300)
    spec = replace(SPEC, constraint=("heavy_atoms <= 0",), start=(LEAD,))
    with pytest.raises(NothingValidError, match="no molecule satisfies all constraints"):
        run(campaign(tmp_path, spec, space))
    assert not read_evaluations(tmp_path / ledger.NAME)


def test_a_status_counts_every_proposal_once(tmp_path: Path, space: LatentSpace) -> None:
    one = campaign(tmp_path, SPEC, space)
    run(one)
    status = one.status()
    assert status.n_scored == SPEC.budget
    overshoot = status.n_proposed - status.n_invalid - status.n_duplicate - status.n_filtered - status.n_scored
    assert 0 <= overshoot < 256
    assert status.best >= status.top_10
    assert math.isnan(status.hypervolume)


def test_the_command_runs_resumes_and_refuses(tmp_path: Path, run_molgen: Callable[..., Result]) -> None:
    out = tmp_path / "run"
    flags = ("--maximize", "qed", "--budget", 20, "--seed", 1, "--threads", 1, "--out", out)
    first = run_molgen("campaign", *flags, "--json")
    assert first.exit_code == 0, first.stderr
    report = json.loads(first.stdout)
    assert report["n_scored"] == 20
    assert len(report["best_10"]) == 10
    before = ledger_bytes(out)
    assert run_molgen("campaign", *flags).exit_code == 2
    assert ledger_bytes(out) == before
    assert run_molgen("campaign", "--resume", out).exit_code == 0
    assert ledger_bytes(out) == before
    (out / "spec.toml").write_text((out / "spec.toml").read_text().replace("20", "30"))
    changed = run_molgen("campaign", "--resume", out)
    assert changed.exit_code == 2
    assert "spec" in changed.stderr


def test_a_constraint_that_few_molecules_keep_is_no_reason_to_give_up(tmp_path: Path, space: LatentSpace) -> None:
    spec = replace(SPEC, constraint=("rings == 7",), budget=3)
    one = campaign(tmp_path, spec, space)
    one.feasibility.probe(["c1ccccc1", "C1CC1", "CCO"], 0, lambda: False)
    assert one.feasibility.is_met
    assert not one.feasibility.is_hopeless
