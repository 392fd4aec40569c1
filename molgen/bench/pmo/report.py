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
"""A task on which several methods score 0; sums are also given without it."""


@dataclass(frozen=True)
class RunResult:
    """The figures of one run.

    Attributes:
        task: Name of the oracle.
        seed: Seed of the run.
        n_calls: Number of calls, N.
        auc_top_1: Area under the curve of the best value, divided by the budget.
        auc_top_10: The same for the mean of the 10 best values: PMO's own measure.
        auc_top_100: The same for the mean of the 100 best values.
        auc_1k: `auc_top_10` for a budget of 1,000 calls.
        top_10_after_100: Mean of the 10 best values of the first 100 calls.
        top_10_after_300: Mean of the 10 best values of the first 300 calls.
        final_top_10: Mean of the 10 best values of all calls.
        best: SMILES of the best molecule.
        diversity: Internal diversity of the 100 best molecules; see `molgen.evaluate.samples.internal_diversity`.
        sa: Mean SA score of the 100 best, 1 (easy to make) to 10.
        novelty: Share of the 100 best that the checkpoint was not trained on.
        passes_pains: Share of the 100 best without a PAINS alert.
        passes_brenk: Share of the 100 best without a BRENK alert.
        kept: Share of the 100 best that are familiar, stable and neutral, which only runs with `--kept` require.
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

    Sums over tasks are of the means over seeds: one sum of all tasks, and one without `SET_APART`.
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
    """Sums over tasks, and their standard deviation over seeds; None if a seed lacks a task, or for a single seed."""
    tasks, seeds = ({getattr(result, name) for result in results} for name in ("task", "seed"))
    is_full = len(results) == len(tasks) * len(seeds) and len(seeds) > 1
    sums: dict[str, dict[str, float | None]] = {}
    for name in SUMMED:
        by_seed = [sum(getattr(r, name) for r in results if r.seed == seed) for seed in seeds]
        total = sum(float(np.mean([getattr(r, name) for r in results if r.task == task])) for task in sorted(tasks))
        sums[name] = {"mean": total, "deviation": float(np.std(by_seed, ddof=1)) if is_full else None}
    return sums


def _summarise_seeds(results: Sequence[RunResult]) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation of every figure over seeds; None for the deviation of a single seed."""
    figures: dict[str, dict[str, float | None]] = {}
    for name in asdict(results[0]):
        if name not in ("task", "seed", "best"):
            values = [getattr(result, name) for result in results]
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
            figures[name] = {"mean": float(np.mean(values)), "deviation": deviation}
    return figures


def _mean(values: Sequence[float] | np.ndarray[Any, Any]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
