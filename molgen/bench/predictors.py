"""Benchmark of predictors: the fitted predictor beside a random forest on Morgan fingerprints, on held-out scaffolds.

Notation: N molecules of an assay, T of them to learn from, U held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit.Chem.Scaffolds import MurckoScaffold

from molgen.arrays import Doubles
from molgen.bench.measured_assay import MeasuredAssay, block
from molgen.metrics import Fit, measure_fit
from molgen.project.combined_model import combine_means
from molgen.train.fit.forest import fit_forest

TEST_SHARE = 0.2


@dataclass(frozen=True)
class PredictorResult:
    """The result of one predictor on one split of one assay.

    Attributes:
        assay: Name of the file.
        predictor: `process`, `forest`, or `mean of both`.
        seed: Seed of the split and of the fit.
        n_train: Number of training compounds.
        fit: Scores on held-out compounds.
    """

    assay: str
    predictor: str
    seed: int
    n_train: int
    fit: Fit


class _Prediction(NamedTuple):
    """Mean and standard deviation of measurements, each (U,)."""

    mean: Doubles
    std: Doubles


def compare_predictors(assay: MeasuredAssay, seed: int, n_trees: int) -> list[PredictorResult]:
    """Process, forest and the mean of both, fitted to four fifths of the compounds and scored on held-out scaffolds."""
    is_test = random_scaffold_split(assay.smiles, seed)
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    process = _predict_by_process(assay, train, test, seed)
    forest = _Prediction(
        *fit_forest(assay.features[train], assay.y[train], seed, n_trees).predict(assay.features[test])
    )
    both = _Prediction(combine_means(process.mean, forest.mean), process.std)
    return [
        PredictorResult(assay.name, name, seed, len(train), measure_fit("y", assay.y[test], one.mean, one.std))
        for name, one in (("process", process), ("forest", forest), ("mean of both", both))
    ]


def random_scaffold_split(smiles: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Whether each molecule (N,) is held out: random whole scaffolds, up to a fifth of all.

    Source: Bemis & Murcko, J. Med. Chem. 1996, 39, 2887.
    """
    scaffolds = np.array([MurckoScaffold.MurckoScaffoldSmiles(text) for text in smiles], dtype=object)
    names = sorted(set(scaffolds))
    left_out, n = set(), 0
    for i in np.random.default_rng(seed).permutation(len(names)).tolist():
        size = int((scaffolds == names[i]).sum())
        if n + size <= TEST_SHARE * len(smiles):
            left_out.add(names[i])
            n += size
    return np.array([scaffold in left_out for scaffold in scaffolds], dtype=bool)


def _predict_by_process(
    assay: MeasuredAssay, train: NDArray[np.int64], test: NDArray[np.int64], seed: int
) -> _Prediction:
    process, columns = assay.fit_process(train, seed)
    mean, std = process.predict_at(block(assay.kernels, test, columns), torch.from_numpy(assay.z[test]))
    return _Prediction(mean[:, 0].numpy(), std[:, 0].numpy())
