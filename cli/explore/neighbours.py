"""The command `molgen explore neighbours`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import options, show
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs
from ..index import Library, open_library

if TYPE_CHECKING:
    from molgen.arrays import Floats
    from molgen.chem.molecule import Molecule
    from molgen.explore.index import Index
    from molgen.latent.space import LatentSpace
    from molgen.sample.conditional import SampleRequest

    Neighbour = tuple[Molecule, dict[str, float | str]]

SHOWN = ("qed", "logp", "mw")
"""Properties of neighbours that are always shown."""
BATCH_SIZE = 64
"""Number of neighbours measured at once."""
MAX_LOOKED = 100_000
"""Maximum number of neighbours examined for the bounds."""


@check_outputs
def neighbours(  # noqa: PLR0913 - one parameter an option
    query: Annotated[str, typer.Argument(help="A SMILES.")],
    library: Library = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, max=MAX_LOOKED, help="Number of neighbours.")] = 10,
    where: Annotated[
        list[str] | None,
        typer.Option(help='Bound on neighbours, such as "qed > 0.8" or "2 < logp < 3"; repeatable.'),
    ] = None,
    smiles_column: options.SmilesColumn = None,
    checkpoint: options.Checkpoint = None,
    output: Output = None,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Find the molecules of a library nearest to a molecule in the latent space.

    The search is exact. Distances are Euclidean; two random molecules are 4 to 5 apart.

    Example: molgen explore neighbours "CC(=O)Nc1ccc(O)cc1" --library library.safetensors -n 20
    """
    from molgen.device import use_threads
    from molgen.errors import NothingValidError, SpecError
    from molgen.latent.encodable import encode_named
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import Listing

    require_output(output)
    if library is None:
        raise SpecError("library", "nothing to search is given", remedy="Name an index or a file of molecules.")
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    (molecule,), _ = encode_named(space, [query])
    point = space.encode([molecule.smiles], is_refined=False)[0]
    with open_library(library, space, smiles_column) as index:
        found = _find(index, point, top, where or [], space)
        n_rows = len(index)
    if not found:
        raise NothingValidError(f"none of the {min(n_rows, MAX_LOOKED)} nearest molecules satisfies all bounds")
    title = f"{len(found)} molecules nearest to {molecule.smiles}, of {n_rows}"
    listing = Listing(tuple(each.smiles for each, _ in found), _columns(molecule, found))
    show_listing(title, listing, {"query": molecule.smiles, "n_library": n_rows}, output, is_json)
    if len(found) < top and where:
        show.note(f"Only {len(found)} of the {min(n_rows, MAX_LOOKED)} nearest molecules satisfy all bounds")


def _find(index: Index, point: Floats, k: int, where: Sequence[str], space: LatentSpace) -> list[Neighbour]:
    """At most `k` distinct molecules that satisfy all bounds, nearest first."""
    from molgen.sample.conditional import SampleRequest

    request = SampleRequest(where, space) if where else None
    found: list[Neighbour] = []
    with show.progress(k, "Searching") as advance:
        nearest = islice(_nearest(index, point), MAX_LOOKED)
        while len(found) < k and (batch := list(islice(nearest, BATCH_SIZE))):
            found += _keep(batch, request) if request else batch
            advance(min(k, len(found)))
    return found[:k]


def _keep(batch: Sequence[Neighbour], request: SampleRequest) -> list[Neighbour]:
    values = request.values([molecule for molecule, _ in batch])
    return [
        (molecule, told | dict(zip(request.measures, measured, strict=True)))
        for (molecule, told), measured, is_met in zip(batch, values.tolist(), request.is_met(values), strict=True)
        if is_met
    ]


def _nearest(index: Index, point: Floats) -> Iterator[Neighbour]:
    """All distinct molecules of an index, nearest first."""
    from molgen.chem.molecule import parse

    seen = set()
    for row, distance in index.in_order(point):
        molecule = parse(index.smiles[row])
        if molecule.smiles not in seen:
            seen.add(molecule.smiles)
            yield molecule, {"distance": distance} | ({"name": index.names[row]} if index.names else {})


def _columns(query: Molecule, found: Sequence[Neighbour]) -> dict[str, tuple[float | str, ...]]:
    from molgen.chem.molecule import fingerprint, tanimoto
    from molgen.chem.properties import DESCRIPTORS

    own = fingerprint(query.mol)
    rows = [
        {"distance": told["distance"], "tanimoto": tanimoto(own, fingerprint(molecule.mol))}
        | {name: DESCRIPTORS[name].function(molecule.mol) for name in SHOWN}
        | told
        for molecule, told in found
    ]
    return {name: tuple(row[name] for row in rows) for name in rows[0]}
