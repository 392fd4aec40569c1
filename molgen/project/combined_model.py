"""The ranking model of candidates: the mean of a Gaussian process and a random forest on the same compounds.

Their errors are partly independent, so their mean has a smaller error than either. Variances and covariances are those
of the process.

Notation: N candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from molgen.arrays import Doubles
from molgen.chem.molecule import AS_IT_IS, Molecule, parse
from molgen.latent.space import LatentSpace
from molgen.model.molecule_process import MoleculeProcess
from molgen.project.curation import Compound
from molgen.train.fit.forest import MorganForest, compute_fingerprints, fit_forest

FOREST_SHARE = 0.5
N_TREES_RANKING = 100


@dataclass(frozen=True)
class CombinedModel:
    """A process and a forest.

    Attributes:
        space: A space whose predictor is the process, for the first property.
        process: The process.
        forest: Fitted to the compounds with exact values.
    """

    space: LatentSpace
    process: MoleculeProcess
    forest: MorganForest

    def predict(self, smiles: Sequence[str]) -> tuple[Doubles, Doubles]:
        """Mean and standard deviation (N,) of a measurement of canonical SMILES; NaN where there is no forecast."""
        if not smiles:
            return np.zeros(0), np.zeros(0)
        mean, std = self.space.predict_molecules(smiles)
        return self._combined(mean[:, 0], [parse(text, AS_IT_IS) for text in smiles]), std[:, 0]

    def joint(self, molecules: Sequence[Molecule]) -> tuple[Doubles, Doubles]:
        """Mean (N,) and covariance (N, N), without the noise of measurements."""
        z = self.space.encode([molecule.smiles for molecule in molecules], AS_IT_IS, is_refined=False)
        mean, covariance = self.process.joint(torch.from_numpy(z), [molecule.mol for molecule in molecules], 0)
        return self._combined(mean.numpy(), molecules), covariance.numpy()

    def _combined(self, mean: Doubles, molecules: Sequence[Molecule]) -> Doubles:
        of_forest, _ = self.forest.predict(compute_fingerprints([molecule.mol for molecule in molecules]))
        return combine_means(mean, of_forest)


def combine_means(of_process: Doubles, of_forest: Doubles) -> Doubles:
    """The ranking value (N,) of candidates, from two means (N,)."""
    return (1.0 - FOREST_SHARE) * of_process + FOREST_SHARE * of_forest


def fit_combined_model(space: LatentSpace, compounds: Sequence[Compound], name: str, seed: int) -> CombinedModel:
    """The model of a space fitted to compounds, with a forest of their exact values, at least one.

    Raises:
        TypeError: The space was not fitted.
    """
    process = space.model.predictor
    if not isinstance(process, MoleculeProcess):
        raise TypeError("the space was not fitted")
    exact = [one for one in compounds if name in one.labels and one.labels[name].relation in "=~"]
    x = compute_fingerprints([parse(one.smiles, AS_IT_IS).mol for one in exact])
    y = np.array([one.labels[name].value for one in exact])
    return CombinedModel(space, process, fit_forest(x, y, seed, N_TREES_RANKING))
