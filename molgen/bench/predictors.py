"""Benchmark of predictors: the fitted predictor beside a random forest on Morgan fingerprints, on held-out scaffolds.

Notation: N molecules of an assay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem.Scaffolds import MurckoScaffold

from molgen.bench.measured_assay import MeasuredAssay
from molgen.latent.combined_model import combine_means
from molgen.metrics import Fit, measure_fit

TEST_SHARE = 0.2


@dataclass(frozen=True)
class PredictorResult:
    """The result of one predictor on one split of one assay.

    Attributes:
        assay: Name of the file.
        predictor: `process`, `forest`, or `mean of both` (see `latent.combined_model`).
        seed: Seed of the split and of the fit.
        n_train: Number of training compounds.
        fit: Scores on held-out compounds.
    """

    assay: str
    predictor: str
    seed: int
    n_train: int
    fit: Fit


def compare_predictors(assay: MeasuredAssay, seed: int, n_trees: int) -> list[PredictorResult]:
    """Process, forest and their weighted mean: fitted to about 80 % of the compounds, scored on held-out scaffolds."""
    is_test = random_scaffold_split(assay.smiles, seed)
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    fitted = assay.fit(train, seed, n_trees)
    process, forest = fitted.predict_by_process(test), fitted.predict_by_forest(test)
    both = combine_means(fitted.share, process[0], forest[0]), process[1]
    return [
        PredictorResult(assay.name, name, seed, len(train), measure_fit("y", assay.y[test], mean, std))
        for name, (mean, std) in (("process", process), ("forest", forest), ("mean of both", both))
    ]


def random_scaffold_split(smiles: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Whether each molecule (N,) is held out: those of random scaffolds, at most 20 % of the molecules.

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
