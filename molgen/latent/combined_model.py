"""The predictor of searches: the mean of a Gaussian process and a random forest, weighted by their errors.

Both are fitted to the same compounds. Their errors are partly independent, so a mean of them can have a smaller error
than either. The weight of the process minimises the squared error of the mean for left-out compounds, from
leave-one-out predictions of the process and out-of-bag predictions of the forest. Variances and covariances
are those of the process.

Notation: N molecules, P properties.
Source: Breiman 1996, Stacked regressions, Machine Learning 24, 49.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, Molecule, parse
from molgen.latent.space import LatentSpace
from molgen.model.molecule_process import EXACT, MoleculeProcess
from molgen.train.fit.forest import MorganForest, compute_fingerprints, fit_forest

N_TREES_RANKING = 100


@dataclass(frozen=True)
class CombinedModel:
    """A process, and for each property a forest of its exact values.

    Attributes:
        space: A space whose predictor is the process.
        process: The process.
        forests: P forests; None for a property without exact values.
        shares: (P,), the share of the process in the mean, in [0, 1].
    """

    space: LatentSpace
    process: MoleculeProcess
    forests: tuple[MorganForest | None, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, space: LatentSpace, seed: int) -> CombinedModel:
        """The model of a space whose predictor is a process, with forests of the same compounds.

        Raises:
            TypeError: The predictor is not a `MoleculeProcess`.
        """
        process = space.model.predictor
        if not isinstance(process, MoleculeProcess):
            raise TypeError("the predictor of the space is no process of molecules")
        x = compute_fingerprints([parse(text, AS_IT_IS).mol for text in process.smiles])
        forests: list[MorganForest | None] = []
        shares = []
        for p in range(len(process.config.properties)):
            rows = (process.relations[:, p].cpu() == EXACT).numpy()
            y = process.labels[:, p].cpu().double().numpy()[rows]
            forest = fit_forest(x[rows], y, seed, N_TREES_RANKING) if rows.any() else None
            left_out = forest.predict_left_out(x[rows]) if forest else y
            forests.append(forest)
            shares.append(stacking_share(y, process.predict_left_out(p).numpy()[rows], left_out) if forest else 1.0)
        return cls(space, process, tuple(forests), tuple(shares))

    def predict(self, smiles: Sequence[str]) -> tuple[Doubles, Doubles]:
        """Mean and standard deviation (N, P) of a measurement of canonical SMILES; NaN where there is no prediction."""
        mean, std = self.space.predict_molecules(smiles)
        if smiles:
            x = compute_fingerprints([parse(text, AS_IT_IS).mol for text in smiles])
            mean = np.stack([self._combine(mean[:, p], x, p) for p in range(mean.shape[1])], axis=1)
        return mean, std

    def joint(self, molecules: Sequence[Molecule]) -> tuple[Doubles, Doubles]:
        """Mean (N,) and covariance (N, N) of the first property, without the noise of measurements."""
        z = self.space.encode([molecule.smiles for molecule in molecules], AS_IT_IS, is_refined=False)
        mols = [molecule.mol for molecule in molecules]
        mean, covariance = self.process.joint(torch.from_numpy(z), mols, 0)
        return self._combine(mean.numpy(), compute_fingerprints(mols), 0), covariance.numpy()

    def _combine(self, mean: Doubles, x: Floats, p: int) -> Doubles:
        forest = self.forests[p]
        return combine_means(self.shares[p], mean, forest.predict(x)[0]) if forest else mean


def combine_means(share: float, of_process: Doubles, of_forest: Doubles) -> Doubles:
    """The weighted mean (N,) of two predictions (N,); `share` is the weight of the process."""
    return share * of_process + (1.0 - share) * of_forest


def stacking_share(y: Doubles, of_process: Doubles, of_forest: Doubles) -> float:
    """The share of the process, in [0, 1], with the smallest squared error for values (N,); 0.5 if both agree.

    Args:
        y: Measured values.
        of_process: Leave-one-out predictions.
        of_forest: Out-of-bag predictions; NaN where there is none.
    """
    has_both = np.isfinite(of_forest)
    apart, missed = (of_process - of_forest)[has_both], (y - of_forest)[has_both]
    square = float(apart @ apart)
    return float(np.clip(apart @ missed / square, 0.0, 1.0)) if square > 0.0 else 0.5


def make_predict_function(
    space: LatentSpace,
) -> Callable[[Sequence[str]], tuple[Doubles, Doubles]] | None:
    """The predictor by which a search ranks N molecules, in the form of `LatentSpace.predict_molecules`.

    For a Gaussian process of molecules, that is its `CombinedModel`, made at the first call; any other predictor is
    used as it is. None if the checkpoint predicts nothing.
    """
    if not space.property_names:
        return None
    if not isinstance(space.model.predictor, MoleculeProcess):
        return space.predict_molecules
    model = cache(lambda: CombinedModel.of(space, seed=0))
    return lambda smiles: model().predict(smiles)
