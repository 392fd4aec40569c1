"""Benchmark of predictors: the fitted predictor beside a random forest on Morgan fingerprints, on held-out scaffolds.

Notation: N molecules of an assay.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit.Chem.Scaffolds import MurckoScaffold

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.latent.space import LatentSpace
from molgen.metrics import Fit, measure_fit
from molgen.project.columns import CurationSpec
from molgen.project.curation import Compound, curate
from molgen.project.fit import measurements_of
from molgen.train.fit.forest import compute_fingerprints, fit_forest
from molgen.train.fit.molecule_process import fit_molecule_process

TEST_SHARE = 0.2


@dataclass(frozen=True)
class PredictorResult:
    """The result of one predictor on one split of one assay.

    Attributes:
        assay: Name of the file.
        predictor: `process` or `forest`.
        seed: Seed of the split and of the fit.
        n_train: Number of training compounds.
        fit: Scores on held-out compounds.
    """

    assay: str
    predictor: str
    seed: int
    n_train: int
    fit: Fit


def read_assay(path: Path, column: str | None, limit: int | None = None, seed: int = 0) -> tuple[str, list[Compound]]:
    """The property and the compounds with exact values of a file, or a random `limit` of them.

    Raises:
        FileError: The file cannot be used.
        SpecError: The column is ambiguous.
    """
    curation = curate(path, CurationSpec((column,) if column else ()))
    name = curation.properties[0]
    exact = [c for c in curation.compounds if name in c.labels and c.labels[name].relation in "=~"]
    chosen = sorted(np.random.default_rng(seed).permutation(len(exact))[:limit].tolist())
    return name, [exact[i] for i in chosen]


def compare_predictors(
    assay: str, name: str, compounds: list[Compound], space: LatentSpace, seed: int, n_trees: int
) -> list[PredictorResult]:
    """Process and forest, fitted to four fifths of the compounds and scored on the held-out scaffolds."""
    is_test = random_scaffold_split([compound.smiles for compound in compounds], seed)
    train = [compound for compound, out in zip(compounds, is_test, strict=True) if not out]
    test = [compound for compound, out in zip(compounds, is_test, strict=True) if out]
    y = np.array([compound.labels[name].value for compound in test])
    results = []
    for predictor, predict in (("process", _process), ("forest", _forest)):
        mean, std = predict(name, train, test, space, seed, n_trees)
        results.append(PredictorResult(assay, predictor, seed, len(train), measure_fit(name, y, mean, std)))
    return results


def random_scaffold_split(smiles: list[str], seed: int) -> NDArray[np.bool_]:
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


MeanAndStd = tuple[NDArray[np.float64], NDArray[np.float64]]


def _process(
    name: str, train: list[Compound], test: list[Compound], space: LatentSpace, seed: int, n_trees: int
) -> MeanAndStd:
    data = measurements_of(space, train, [name])
    process = fit_molecule_process((name,), data, space.model.vae.encoder.scale, seed)
    smiles = [compound.smiles for compound in test]
    z = torch.from_numpy(space.encode(smiles, AS_IT_IS, is_refined=False))
    mean, std = process.predict(z, [parse(text, AS_IT_IS).mol for text in smiles])
    return mean[:, 0].numpy(), std[:, 0].numpy()


def _forest(
    name: str, train: list[Compound], test: list[Compound], space: LatentSpace, seed: int, n_trees: int
) -> MeanAndStd:
    x, unseen = (compute_fingerprints([parse(c.smiles, AS_IT_IS).mol for c in part]) for part in (train, test))
    y = np.array([compound.labels[name].value for compound in train])
    return fit_forest(x, y, seed, n_trees).predict(unseen)
