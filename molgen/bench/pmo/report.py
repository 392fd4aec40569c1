"""The report on runs of PMO: areas under the curve, properties of the best molecules, and published results.

Notation: R runs, N calls, K molecules at the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from molgen.bench.pmo.run import PmoRun
from molgen.bench.pmo.tasks import PUBLISHED, auc
from molgen.chem.admission import Admission, AdmissionRules
from molgen.chem.checks import check
from molgen.chem.molecule import parse
from molgen.chem.properties import synthetic_accessibility
from molgen.evaluate.samples import internal_diversity
from molgen.latent.space import LatentSpace

SHORT_BUDGET = 1000
N_TOP = 100
SUMMED = (
    "auc_top_1",
    "auc_top_10",
    "auc_top_100",
    "auc_1k",
    "top_10_after_100",
    "top_10_after_300",
    "final_top_10",
)
SET_APART = "valsartan_smarts"
"""The task that most methods do not begin to solve: sums are told without it too."""


@dataclass(frozen=True)
class RunResult:
    """One run's figures.

    Attributes:
        task: Name of the oracle.
        seed: Of the run.
        n_calls: N.
        auc_top_1: Area under the curve of the best, over the budget.
        auc_top_10: Of the mean of the 10 best: PMO's own measure.
        auc_top_100: Of the mean of the 100 best.
        auc_1k: `auc_top_10` of the first 1,000 calls alone.
        top_10_after_100: Mean of the 10 best of the first 100 calls.
        top_10_after_300: Of the first 300.
        final_top_10: Of all.
        best: The best molecule.
        diversity: Of the 100 best: see `molgen.evaluate.samples.internal_diversity`.
        sa: Their mean SA score, 1 (easy to make) to 10.
        novelty: Share of them that the checkpoint was not trained on.
        passes_pains: Share of them without a PAINS alert.
        passes_brenk: Share of them without a BRENK alert.
        kept: Share of them that are familiar, stable and neutral, which runs do not ask for.
    """

    task: str
    seed: int
    n_calls: int
    auc_top_1: float
    auc_top_10: float
    auc_top_100: float
    auc_1k: float
    top_10_after_100: float
    top_10_after_300: float
    final_top_10: float
    best: str
    diversity: float
    sa: float
    novelty: float
    passes_pains: float
    passes_brenk: float
    kept: float


def summarise_run(run: PmoRun, space: LatentSpace) -> RunResult:
    """The figures of a run, finished or not.

    Raises:
        FileError: Its file is damaged.
    """
    calls = run.calls()
    values = [value for _, value in calls]
    top = [smiles for smiles, _ in sorted(calls, key=lambda call: -call[1])[:N_TOP]]
    mols = [parse(smiles).mol for smiles in top]
    return RunResult(
        task=run.task,
        seed=run.seed,
        n_calls=len(calls),
        auc_top_1=auc(values, run.budget, 1),
        auc_top_10=auc(values, run.budget, 10),
        auc_top_100=auc(values, run.budget, 100),
        auc_1k=auc(values[:SHORT_BUDGET], min(SHORT_BUDGET, run.budget), 10),
        top_10_after_100=_mean(sorted(values[:100])[-10:]),
        top_10_after_300=_mean(sorted(values[:300])[-10:]),
        final_top_10=_mean(sorted(values)[-10:]),
        best=top[0] if top else "",
        diversity=internal_diversity(top) if top else 0.0,
        sa=_mean([synthetic_accessibility(mol) for mol in mols]),
        novelty=_mean(~space.knows(top)),
        passes_pains=_mean([check(mol, "pains").passes for mol in mols]),
        passes_brenk=_mean([check(mol, "brenk").passes for mol in mols]),
        kept=_mean([text is not None for text in Admission(AdmissionRules(), space.model.familiarity)(top)]),
    )


def summarise_runs(results: Sequence[RunResult], budget: int) -> dict[str, Any]:
    """Results by run and by task, their sums, and published results of the same tasks, for JSON.

    A sum is over tasks, of the means over seeds, once of all and once without `SET_APART`.
    """
    tasks = list(dict.fromkeys(result.task for result in results))
    by_task = {task: _summarise_seeds([r for r in results if r.task == task]) for task in tasks}
    return {
        "budget": budget,
        "seeds": list(dict.fromkeys(result.seed for result in results)),
        "tasks": by_task,
        "sums": _sum_tasks(results),
        f"sums_without_{SET_APART}": _sum_tasks([result for result in results if result.task != SET_APART]),
        "published": {name: {task: table[task] for task in tasks} for name, table in PUBLISHED.items()},
        "runs": [asdict(result) for result in results],
    }


def _sum_tasks(results: Sequence[RunResult]) -> dict[str, dict[str, float | None]]:
    """Sums over tasks, and their deviation over seeds: None where a seed lacks a task, or there is one seed."""
    tasks, seeds = ({getattr(result, name) for result in results} for name in ("task", "seed"))
    is_full = len(results) == len(tasks) * len(seeds) and len(seeds) > 1
    sums: dict[str, dict[str, float | None]] = {}
    for name in SUMMED:
        by_seed = [sum(getattr(r, name) for r in results if r.seed == seed) for seed in seeds]
        total = sum(float(np.mean([getattr(r, name) for r in results if r.task == task])) for task in sorted(tasks))
        sums[name] = {"mean": total, "deviation": float(np.std(by_seed, ddof=1)) if is_full else None}
    return sums


def _summarise_seeds(results: Sequence[RunResult]) -> dict[str, dict[str, float | None]]:
    """Mean of every figure, and deviation over several seeds."""
    figures: dict[str, dict[str, float | None]] = {}
    for name in asdict(results[0]):
        if name not in ("task", "seed", "best"):
            values = [getattr(result, name) for result in results]
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
            figures[name] = {"mean": float(np.mean(values)), "deviation": deviation}
    return figures


def _mean(values: Sequence[float] | np.ndarray[Any, Any]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
