"""A campaign on half of an assay, judged by the other half.

The measured molecules are halved at random. The search knows the measurements of one half; the oracle is a random
forest fitted to the other half, which the search may call a few hundred times. Its score is how many of its 20 best
molecules the oracle values above every known molecule.

Notation: N molecules of a half, B the budget, F bits of a fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.bench.proposer import SEARCHES
from molgen.chem.checks import check
from molgen.chem.properties import synthetic_accessibility
from molgen.chem.table import Tally, read_molecules
from molgen.latent.space import LatentSpace
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.study import search_config
from molgen.train.fit.forest import compute_fingerprints, fit_forest

N_TOP = 20
BATCH_SIZE = 10

COMPARED = ("latent", "latent-moves-only", "edits-only", "tanimoto-bo", "perturb", "random")
"""Names in `proposer.SEARCHES`: the search, its parts, a published optimiser, random moves, the prior."""


@dataclass(frozen=True)
class Assay:
    """The two halves of an assay.

    Attributes:
        known: Canonical SMILES of the half that the search knows.
        measured: (N,) measurements of `known`.
        hidden: Canonical SMILES of the other half.
        hidden_measured: Measurements of `hidden`.
        seed: Seed of the split.
    """

    known: Sequence[str]
    measured: NDArray[np.float64]
    hidden: Sequence[str]
    hidden_measured: NDArray[np.float64]
    seed: int

    @classmethod
    def read(cls, path: Path, column: str, seed: int) -> Assay:
        """The assay of a file with measurements in `column`; of repeated molecules, the first measurement counts.

        Raises:
            FileError: The file cannot be used.
        """
        tally = Tally()
        found: dict[str, float] = {}
        for record in tally.sift(read_molecules(path, properties=(column,))):
            if np.isfinite(record.values[0]):
                found.setdefault(record.molecule.smiles, record.values[0])
        tally.require_kept(path)
        order = np.random.default_rng(seed).permutation(len(found))
        texts, values = np.array(list(found), dtype=object), np.array(list(found.values()))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        return cls(list(texts[first]), values[first], list(texts[second]), values[second], seed)

    @cached_property
    def oracle(self) -> Callable[[Sequence[Chem.Mol]], NDArray[np.float64]]:
        """A function from molecules to the values of a forest that is fitted to the hidden half."""
        hidden = compute_fingerprints([Chem.MolFromSmiles(text) for text in self.hidden])
        forest = fit_forest(hidden, self.hidden_measured, self.seed)
        return lambda mols: forest.predict(compute_fingerprints(mols))[0]


@dataclass(frozen=True)
class AssayResult:
    """The result of one search on an assay.

    Attributes:
        search: One of `COMPARED`.
        seed: Seed of the split and of the search.
        best_known: The highest value of the oracle for a known molecule.
        n_above: Number of the 20 best molecules with a higher value than `best_known`.
        best: The highest value found.
        mean_top: Mean value of the 20 best molecules.
        sa: Mean SA score of the 20 best, 1 (easy to make) to 10.
        passes_brenk: Share of the 20 best without a BRENK alert.
        smiles: The 20 best, best first.
    """

    search: str
    seed: int
    best_known: float
    n_above: int
    best: float
    mean_top: float
    sa: float
    passes_brenk: float
    smiles: tuple[str, ...]


def search_assay(assay: Assay, space: LatentSpace, search: str, budget: int) -> AssayResult:
    """The result of a search that knows the measurements of one half and may call the oracle `budget` times."""
    n_calls = len(assay.known) + budget
    config = replace(search_config(search, n_calls, has_start=search != "random"), **SEARCHES[search])
    latent = LatentSearch(space, seed=assay.seed, config=config)
    latent.tell(assay.known, [(value,) for value in assay.measured.tolist()], [0.0] * len(assay.known))
    found: dict[str, float] = {}
    while len(found) < budget:
        molecules = [child.molecule for child in latent.ask(min(BATCH_SIZE, budget - len(found)))]
        if not molecules:
            break
        values = assay.oracle([molecule.mol for molecule in molecules]).tolist()
        smiles = [molecule.smiles for molecule in molecules]
        found |= zip(smiles, values, strict=True)
        latent.tell(smiles, [(value,) for value in values], [0.0] * len(values))
    best_known = float(assay.oracle([Chem.MolFromSmiles(text) for text in assay.known]).max())
    top = sorted(found, key=found.__getitem__, reverse=True)[:N_TOP]
    mols = [Chem.MolFromSmiles(text) for text in top]
    return AssayResult(
        search=search,
        seed=assay.seed,
        best_known=best_known,
        n_above=sum(found[text] > best_known for text in top),
        best=found[top[0]],
        mean_top=float(np.mean([found[text] for text in top])),
        sa=float(np.mean([synthetic_accessibility(mol) for mol in mols])),
        passes_brenk=float(np.mean([check(mol, "brenk").passes for mol in mols])),
        smiles=tuple(top),
    )
