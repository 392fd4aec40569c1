"""An assay with known measurements, as the benchmarks of predictors and of rounds use it.

Notation: N compounds of an assay, K of them known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.DataStructs import ExplicitBitVect

from molgen.arrays import Doubles, Floats
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, tanimoto_to_many
from molgen.latent.combined_model import stacking_share
from molgen.latent.space import LatentSpace
from molgen.model.molecule_process import KernelInputs, MoleculeProcess, compute_kernel_inputs
from molgen.project.columns import CurationSpec
from molgen.project.curation import Compound, curate
from molgen.train.fit.forest import MorganForest, compute_fingerprints, fit_forest
from molgen.train.fit.molecule_process import Measurements, fit_molecule_process

BEST_SHARE = 0.05
"""Share of the compounds of an assay that count as its best."""


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


@dataclass(frozen=True)
class MeasuredAssay:
    """An assay with known measurements, and the features of its compounds.

    Attributes:
        name: Name of the file.
        smiles: N, canonical.
        y: (N,), to be maximised.
        space: The latent space that encodes the compounds.
    """

    name: str
    smiles: tuple[str, ...]
    y: Doubles
    space: LatentSpace

    @classmethod
    def of(cls, name: str, compounds: Sequence[Compound], label: str, sign: float, space: LatentSpace) -> MeasuredAssay:
        """The assay of curated compounds by their values of `label`, times `sign`: -1 if they are to be minimised."""
        values = np.array([sign * compound.labels[label].value for compound in compounds])
        return cls(name, tuple(compound.smiles for compound in compounds), values, space)

    @cached_property
    def mols(self) -> list[Chem.Mol]:
        """N molecules."""
        return [parse(text, AS_IT_IS).mol for text in self.smiles]

    @cached_property
    def bits(self) -> list[ExplicitBitVect]:
        """N fingerprints, ECFP4."""
        return [fingerprint(mol) for mol in self.mols]

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Fingerprints (N, 2048), each bit 0 or 1, as forests take them."""
        return compute_fingerprints(self.mols)

    @cached_property
    def tanimoto(self) -> Doubles:
        """Tanimoto similarities (N, N) of the fingerprints."""
        return np.array([tanimoto_to_many(one, self.bits) for one in self.bits])

    @cached_property
    def kernel_inputs(self) -> KernelInputs:
        """Kernel inputs (N, N) of the compounds."""
        return compute_kernel_inputs(self.mols)

    @cached_property
    def z(self) -> Floats:
        """Points (N, D)."""
        return self.space.encode(list(self.smiles), AS_IT_IS, is_refined=False)

    @cached_property
    def best(self) -> NDArray[np.bool_]:
        """Whether each compound (N,) is among the best 5 %."""
        n = max(1, round(BEST_SHARE * len(self.y)))
        is_best = np.zeros(len(self.y), dtype=bool)
        is_best[np.argsort(-self.y, kind="stable")[:n]] = True
        return is_best

    def fit(self, known: NDArray[np.int64], seed: int, n_trees: int) -> FittedAssay:
        """A process and a forest fitted to the compounds `known` (K,)."""
        texts = [self.smiles[i] for i in known]
        data = Measurements.exact(texts, self.z[known], self.y[known][:, None])
        inputs = block(self.kernel_inputs, known, known)
        process = fit_molecule_process(("y",), data, self.space.model.vae.encoder.scale, seed, inputs)
        place = dict(zip(texts, known.tolist(), strict=True))
        rows = np.array([place[text] for text in process.smiles])
        forest = fit_forest(self.features[rows], self.y[rows], seed, n_trees)
        left_out = process.predict_left_out(0).numpy(), forest.predict_left_out(self.features[rows])
        return FittedAssay(self, process, rows, forest, stacking_share(self.y[rows], *left_out))


@dataclass(frozen=True)
class FittedAssay:
    """The two predictors of an assay.

    Attributes:
        assay: The assay.
        process: The Gaussian process.
        known: (K,), the compounds of the fit, in the order of the process.
        forest: The forest.
        share: Weight of the process in the weighted mean of both, in [0, 1].
    """

    assay: MeasuredAssay
    process: MoleculeProcess
    known: NDArray[np.int64]
    forest: MorganForest
    share: float

    def predict_by_process(self, rows: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
        """Mean and standard deviation by the process, of a measurement of the compounds `rows` (N,)."""
        z = torch.from_numpy(self.assay.z[rows])
        mean, std = self.process.predict_at(block(self.assay.kernel_inputs, rows, self.known), z)
        return mean[:, 0].numpy(), std[:, 0].numpy()

    def predict_by_forest(self, rows: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
        """The same by the forest; the standard deviation is that of its trees."""
        return self.forest.predict(self.assay.features[rows])

    def covariance(self, rows: NDArray[np.int64]) -> Doubles:
        """Covariance (N, N) by the process, without the noise of measurements."""
        near, among = (block(self.assay.kernel_inputs, rows, columns) for columns in (self.known, rows))
        _, covariance = self.process.joint_at(near, among, torch.from_numpy(self.assay.z[rows]), 0)
        return covariance.numpy()


def block(inputs: KernelInputs, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> KernelInputs:
    """The submatrices of these rows and columns."""
    return [one[rows][:, columns] for one in inputs]
