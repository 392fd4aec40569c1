"""What is familiar to a model: the parts of the molecules that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.errors import MoleculeError
from molgen.model.checkpoint import MolecularModel
from molgen.train.data.dataset import TokenSet

MIN_MOLECULES = 20_000
"""Fewer leave too many parts of real molecules out."""
N_WATCHED = 256
"""Molecules between two calls of `watch`."""


def gather_familiarity(
    model: MolecularModel, data: TokenSet, *, is_new: bool, watch: Callable[[float], object] = lambda _: None
) -> MolecularModel:
    """The same model with the parts of its training molecules added to what it holds.

    A new model of fewer than 20,000 molecules holds none, and so does one that goes on from a model without any, since
    most of what that was trained on is not at hand.

    Args:
        model: Its vocabulary is that of `data`.
        data: Molecules, as its tokens; those of validation are not looked at.
        is_new: Whether the model was trained on nothing else.
        watch: Called with the share that is done, in [0, 1].
    """
    rows = np.flatnonzero(~data.is_validation)
    if model.familiarity is None and (not is_new or len(rows) < MIN_MOLECULES):
        return model
    reference = Reference.of(_mols(model, data, rows, watch))
    return replace(model, familiarity=model.familiarity.joined(reference) if model.familiarity else reference)


def _mols(
    model: MolecularModel, data: TokenSet, rows: NDArray[np.int64], watch: Callable[[float], object]
) -> Iterator[Chem.Mol]:
    for done, row in enumerate(rows):
        if done % N_WATCHED == 0:
            watch(done / len(rows))
        try:
            yield parse(model.vocabulary.to_smiles(data[row], model.max_tokens), AS_IT_IS).mol
        except MoleculeError:
            continue
