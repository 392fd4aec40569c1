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
MAX_EXAMINED = 100_000
"""Maximum number of the nearest molecules that are examined."""

Neighbour = tuple[Molecule, dict[str, float | str]]
"""A molecule with facts: latent distance, name if the library has names, and the measures of a request."""


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
        request: Bounds on measures, as for samples; at most the `MAX_EXAMINED` nearest molecules are examined.
        on_found: Called with the number found so far, at most `n`.
    """
    found: list[Neighbour] = []
    nearest = islice(_order_molecules(index, point), MAX_EXAMINED)
    while len(found) < n and (batch := list(islice(nearest, BATCH_SIZE))):
        found += _filter(batch, request) if request else batch
        on_found(min(n, len(found)))
    return found[:n]


def tabulate_neighbours(query: Molecule, found: Sequence[Neighbour]) -> dict[str, tuple[float | str, ...]]:
    """Columns of a table of neighbours, at least one.

    They are the distance, the Tanimoto similarity (ECFP4) to `query`, `SHOWN`, then the name and requested measures.
    """
    own = fingerprint(query.mol)
    rows = [
        {"distance": facts["distance"], "tanimoto": tanimoto(own, fingerprint(molecule.mol))}
        | {name: DESCRIPTORS[name].function(molecule.mol) for name in SHOWN}
        | facts
        for molecule, facts in found
    ]
    return {name: tuple(row[name] for row in rows) for name in rows[0]}


def _filter(batch: Sequence[Neighbour], request: SampleRequest) -> list[Neighbour]:
    """Those that meet a request, each with its measures added."""
    values = request.values([molecule for molecule, _ in batch])
    return [
        (molecule, facts | dict(zip(request.measures, measured, strict=True)))
        for (molecule, facts), measured, is_met in zip(batch, values.tolist(), request.is_met(values), strict=True)
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
