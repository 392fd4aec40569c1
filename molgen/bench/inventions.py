"""New molecules for an assay, judged by a model of the whole assay that the search never sees.

The search knows the measurements of a few compounds and proposes one batch of new molecules. The judge is a random
forest on fingerprints, fitted to all compounds; the forecasts of the search itself do not count. The control is random
edits of the best known compounds that meet the same constraints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from rdkit import Chem

from molgen.arrays import Doubles
from molgen.bench.measured_assay import MeasuredAssay
from molgen.bench.rounds import RoundsSpec, begin
from molgen.chem.graph_edits import cross, mutate
from molgen.chem.molecule import Molecule, parse, parse_or_none
from molgen.errors import NothingValidError
from molgen.latent.combined_model import CombinedModel
from molgen.latent.space import LatentSpace
from molgen.project.batch import NEW_EXPLORATION
from molgen.project.candidate_pool import new_molecules, pick_jointly, read_constraints, value_by_forecast
from molgen.project.curation import Compound
from molgen.project.fit import fitted_space
from molgen.project.replicates import Label
from molgen.train.fit.forest import N_TREES, compute_fingerprints, fit_forest

N_PARENTS = 10
"""Number of best known compounds that are edited."""
CROSS_SHARE = 0.3
"""Share of the edits that cross two compounds."""
LABEL = "y"


@dataclass(frozen=True)
class Inventions:
    """The new molecules of one proposer for an assay, and their values by the judge.

    Attributes:
        assay: Name of the file.
        proposer: One of `INVENTORS`.
        seed: Seed of the known compounds and of the proposer.
        best_known: Highest value of a known compound.
        n_better: Number of proposals with a higher value than `best_known`.
        mean: Mean value of the proposals.
        best: Highest value of a proposal.
        smiles: The proposals.
    """

    assay: str
    proposer: str
    seed: int
    best_known: float
    n_better: int
    mean: float
    best: float
    smiles: tuple[str, ...]


def invent(assay: MeasuredAssay, proposer: str, spec: RoundsSpec, seed: int) -> Inventions:
    """One batch of new molecules by a proposer of `INVENTORS`, judged.

    Raises:
        NothingValidError: No new molecule that meets the constraints was found.
    """
    judge = fit_judge(assay, seed)
    known = begin(assay, spec, seed)
    compounds = [Compound(str(i), assay.smiles[i], (), {LABEL: Label(float(assay.y[i]))}) for i in known.tolist()]
    proposed = INVENTORS[proposer](assay.space, compounds, spec.batch, seed)
    if not proposed:
        raise NothingValidError(f"{proposer} found no new molecule for {assay.name} that meets the constraints")
    values, before = (judge([parse(text).mol for text in texts]) for texts in (proposed, [c.smiles for c in compounds]))
    best_known = float(before.max())
    return Inventions(
        assay.name,
        proposer,
        seed,
        best_known,
        int((values > best_known).sum()),
        float(values.mean()),
        float(values.max()),
        tuple(proposed),
    )


def fit_judge(assay: MeasuredAssay, seed: int) -> Callable[[Sequence[Chem.Mol]], Doubles]:
    """The judge: a function from molecules to the values of a forest that is fitted to the whole assay."""
    forest = fit_forest(assay.features, assay.y, seed, N_TREES)
    return lambda mols: forest.predict(compute_fingerprints(mols))[0]


Inventor = Callable[[LatentSpace, Sequence[Compound], int, int], list[str]]
"""From a space, the known compounds, a number n and a seed to n SMILES of new molecules."""


def _propose(space: LatentSpace, compounds: Sequence[Compound], n: int, seed: int) -> list[str]:
    """The batch that `molgen propose` would propose."""
    fitted = fitted_space(space, compounds, [LABEL], seed)
    start = [compound.smiles for compound in compounds]
    model = CombinedModel.of(fitted, seed)
    worth = value_by_forecast(model, 1.0, NEW_EXPLORATION)
    request = read_constraints(fitted, (), [parse(text) for text in start])
    candidates = new_molecules(fitted, start, worth, lambda molecule: molecule.smiles not in start, request, seed)
    return [molecule.smiles for molecule in pick_jointly(model, candidates, (), n, NEW_EXPLORATION, 1.0)]


def _edit(space: LatentSpace, compounds: Sequence[Compound], n: int, seed: int) -> list[str]:
    """Random edits of the best compounds that meet the default constraints of `molgen propose`."""
    rng = np.random.default_rng(seed)
    best = sorted(compounds, key=lambda compound: -compound.labels[LABEL].value)[:N_PARENTS]
    parents = [compound.smiles for compound in best]
    known = {compound.smiles for compound in compounds}
    request = read_constraints(space, (), [parse(compound.smiles) for compound in compounds])
    made: dict[str, Molecule] = {}
    while len(made) < n:
        one, other = (parents[int(rng.integers(len(parents)))] for _ in range(2))
        mol = cross(rng, one, other) if rng.random() < CROSS_SHARE else mutate(rng, one)
        child = _read(mol)
        is_new = child is not None and child.smiles not in made.keys() | known
        if child and is_new and request.is_met(request.values([child]))[0]:
            made[child.smiles] = child
    return list(made)


def _read(mol: Chem.Mol | None) -> Molecule | None:
    return parse_or_none(Chem.MolToSmiles(mol)) if mol is not None else None


INVENTORS: Mapping[str, Inventor] = MappingProxyType({"molgen": _propose, "edits": _edit})
"""Proposers of new molecules by name: `molgen propose`, and its control."""
