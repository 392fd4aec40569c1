"""The command `molgen explore neighbours`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..console import options, show
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs
from ..index import Library, open_library

MAX_NEIGHBOURS = 100_000


@check_outputs
def neighbours(  # noqa: PLR0913 - one parameter per option
    query: Annotated[str, typer.Argument(help="A SMILES.")],
    library: Library = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, max=MAX_NEIGHBOURS, help="Number of neighbours.")] = 10,
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

    The search is exact. Distances are Euclidean; two random molecules are 4 to 7 apart.

    Example: molgen explore neighbours "CC(=O)Nc1ccc(O)cc1" --library library.safetensors -n 20
    """
    from molgen.device import use_threads
    from molgen.errors import NothingValidError, SpecError
    from molgen.explore.neighbours import MAX_EXAMINED, find_neighbours, tabulate_neighbours
    from molgen.latent.encodable import encode_named
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import Listing
    from molgen.sample.conditional import SampleRequest

    require_output(output)
    if library is None:
        raise SpecError("library", "nothing to search is given", remedy="Name an index or a file of molecules.")
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    (molecule,), _ = encode_named(space, [query])
    point = space.encode([molecule.smiles], is_refined=False)[0]
    request = SampleRequest(where, space) if where else None
    with open_library(library, space, smiles_column) as index, show.progress(top, "Searching") as advance:
        found = find_neighbours(index, point, top, request, advance)
        n_rows = len(index)
    if not found:
        raise NothingValidError(f"none of the {min(n_rows, MAX_EXAMINED)} nearest molecules satisfies all bounds")
    title = f"{len(found)} molecules nearest to {molecule.smiles}, of {n_rows}"
    listing = Listing(tuple(each.smiles for each, _ in found), tabulate_neighbours(molecule, found))
    show_listing(title, listing, {"query": molecule.smiles, "n_library": n_rows}, output, is_json)
    if len(found) < top and where:
        show.note(f"Only {len(found)} of the {min(n_rows, MAX_EXAMINED)} nearest molecules satisfy all bounds")
