"""Familiarity of a model: collects the parts of its training molecules, or of a reference set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.chem.familiarity import Reference
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.chem.table import Tally, read_molecules
from molgen.errors import MoleculeError
from molgen.model.checkpoint import MolecularModel
from molgen.train.data.dataset import TokenSet

MIN_MOLECULES = 20_000
"""Minimum number of molecules; fewer lack too many parts of real molecules."""
N_WATCHED = 256
"""Number of molecules between two calls of `watch`."""


def gather_familiarity(
    model: MolecularModel, data: TokenSet, *, is_new: bool, watch: Callable[[float], object] = lambda _: None
) -> MolecularModel:
    """The model with the parts of its training molecules added to its reference.

    A new model of fewer than 20,000 molecules gets no reference, nor does one initialised from a model without one,
    since most of its training molecules are unknown.

    Args:
        model: Its vocabulary is that of `data`.
        data: Molecules, as tokens of the model; validation molecules are not used.
        is_new: Whether the model was trained on nothing else.
        watch: Called with the share done, in [0, 1].
    """
    rows = np.flatnonzero(~data.is_validation)
    if model.familiarity is None and (not is_new or len(rows) < MIN_MOLECULES):
        return model
    reference = Reference.of(_mols(model, data, rows, watch))
    return replace(model, familiarity=model.familiarity.joined(reference) if model.familiarity else reference)


def read_reference(
    paths: Sequence[Path],
    *,
    min_count: int = 1,
    smiles_column: str | None = None,
    on_file: Callable[[Path, Tally], object] = lambda _path, _tally: None,
    watch: Callable[[float], object] = lambda _: None,
) -> Reference:
    """The parts that at least `min_count` molecules of files have; charged ones also contribute their neutral form.

    Args:
        paths: Files of molecules.
        min_count: At least 1.
        smiles_column: Column of tables; see `read_rows`.
        on_file: Called after each file was read, with its tally.
        watch: Called with the share done, in [0, 1].

    Raises:
        FileError: A file cannot be used, or holds no molecule.
    """

    def mols() -> Iterator[Chem.Mol]:
        for number, path in enumerate(paths):
            tally = Tally()
            on_share = partial(_watch_part, watch, number, len(paths))
            for record in tally.sift(read_molecules(path, smiles_column=smiles_column, on_share=on_share)):
                yield record.molecule.mol
            tally.require_kept(path)
            on_file(path, tally)

    return Reference.of(mols(), min_count)


def _watch_part(watch: Callable[[float], object], number: int, n_parts: int, share: float) -> None:
    watch((number + share) / n_parts)


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
