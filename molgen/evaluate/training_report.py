"""The report of a finished training on its held-out molecules: `report.json` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from molgen.evaluate.regression import evaluate_forest
from molgen.json_values import replace_non_finite
from molgen.model import checkpoint
from molgen.paths import write_text
from molgen.train.run import TrainingRun
from molgen.train.validation import measure_reconstruction

REPORT = "report.json"


def write_training_report(experiment: TrainingRun) -> dict[str, Any]:
    """Measures the best checkpoint of a finished training, writes the report and returns it, with None for NaN.

    Raises:
        CheckpointError: The checkpoint is missing or damaged.
    """
    spec, data = experiment.spec, experiment.data
    model = checkpoint.load(experiment.model_path, spec.device)
    kept_out = np.arange(len(data)) if spec.only_calibrates() else np.flatnonzero(data.is_validation)
    measured = kept_out if len(kept_out) else np.arange(len(data))
    report: dict[str, Any] = {
        "checkpoint": str(experiment.model_path),
        "sha256": model.digest,
        "steps": model.card["steps"],
        "molecules_seen": model.card["molecules_seen"],
        "minutes": model.card["minutes"],
        "training_molecules": len(data) - len(kept_out),
        "validation_molecules": len(kept_out),
        "applicability_molecules": model.applicability.n if model.applicability else 0,
        "split": spec.split,
        "measured_on": "molecules kept out" if len(kept_out) else "training molecules, too few to hold some out",
        "reconstruction": asdict(measure_reconstruction(model.vae, data, measured)),
        "predictor": [],
    }
    if model.predictor and spec.property:
        report["predictor"] = model.card["validation_fits"]
    if spec.baseline:
        fits = evaluate_forest(data, experiment.vocabulary, spec.property, seed=spec.seed, threads=spec.threads or 1)
        report["baseline"] = [asdict(fit) for fit in fits]
    report = replace_non_finite(report)
    write_text(experiment.run.path / REPORT, json.dumps(report, indent=1, allow_nan=False) + "\n")
    return report
