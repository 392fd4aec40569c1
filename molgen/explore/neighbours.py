"""Neighbours of a molecule in a library: the molecules with the nearest latent vectors, optionally under bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from molgen.arrays import Floats
from molgen.chem.molecule import Molecule, fingerprint, parse, tanimoto
from molgen.chem.properties import DESCRIPTORS
from molgen.explore.index import Index
from molgen.sample.conditional import SampleRequest

SHOWN = ("qed", "logp", "mw")
"""Properties of neighbours that are always shown."""
BATCH_SIZE = 64
"""Number of neighbours measured at once."""
MAX_LOOKED = 100_000
"""Maximum number of the nearest molecules that are examined."""

Neighbour = tuple[Molecule, dict[str, float | str]]
"""A molecule with its latent distance, its name if the library has names, and the measures of a request."""


def find_neighbours(
    index: Index,
    point: Floats,
    n: int,
    request: SampleRequest | None = None,
    on_found: Callable[[int], object] = lambda n_found: None,
) -> list[Neighbour]:
    """At most `n` distinct molecules of an index, nearest first, which meet a request if there is one.

    Args:
        index: The library.
        point: (D,).
        n: Number of molecules.
        request: Bounds on measures; of the nearest molecules, at most `MAX_LOOKED` are examined.
        on_found: Called with the number found so far, at most `n`.
    """
    found: list[Neighbour] = []
    nearest = islice(_order_molecules(index, point), MAX_LOOKED)
    while len(found) < n and (batch := list(islice(nearest, BATCH_SIZE))):
        found += _filter(batch, request) if request else batch
        on_found(min(n, len(found)))
    return found[:n]


def tabulate_neighbours(query: Molecule, found: Sequence[Neighbour]) -> dict[str, tuple[float | str, ...]]:
    """Columns for at least one neighbour: distance, Tanimoto similarity (ECFP4) to `query`, `SHOWN`, others."""
    own = fingerprint(query.mol)
    rows = [
        {"distance": told["distance"], "tanimoto": tanimoto(own, fingerprint(molecule.mol))}
        | {name: DESCRIPTORS[name].function(molecule.mol) for name in SHOWN}
        | told
        for molecule, told in found
    ]
    return {name: tuple(row[name] for row in rows) for name in rows[0]}


def _filter(batch: Sequence[Neighbour], request: SampleRequest) -> list[Neighbour]:
    values = request.values([molecule for molecule, _ in batch])
    return [
        (molecule, told | dict(zip(request.measures, measured, strict=True)))
        for (molecule, told), measured, is_met in zip(batch, values.tolist(), request.is_met(values), strict=True)
        if is_met
    ]


def _order_molecules(index: Index, point: Floats) -> Iterator[Neighbour]:
    """All distinct molecules of an index, nearest first."""
    seen = set()
    for row, distance in index.in_order(point):
        molecule = parse(index.smiles[row])
        if molecule.smiles not in seen:
            seen.add(molecule.smiles)
            yield molecule, {"distance": distance} | ({"name": index.names[row]} if index.names else {})
