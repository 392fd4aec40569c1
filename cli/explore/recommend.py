"""The command `molgen explore recommend`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import options, show
from ..console.admission import AllowUnfamiliar, AllowUnstable, filter_space, note_removed
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs
from ..console.quality import note_rows
from ..index import Library, open_library

if TYPE_CHECKING:
    from molgen.arrays import Floats
    from molgen.chem.molecule import Molecule
    from molgen.explore.preference import ScoredMolecule
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import Listing


@check_outputs
def recommend(  # noqa: PLR0913 - one parameter per option
    like: Annotated[Path, typer.Option("--like", help="File of liked molecules.")],
    dislike: Annotated[Path | None, typer.Option("--dislike", help="File of disliked molecules.")] = None,
    library: Library = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, max=10_000, help="Number of molecules.")] = 20,
    shortlist: Annotated[
        int,
        typer.Option(
            min=1, help="Rows of a large library that are also ranked by fingerprints, after the latent vectors."
        ),
    ] = 20_000,
    smiles_column: options.SmilesColumn = None,
    checkpoint: options.Checkpoint = None,
    allow_unfamiliar: AllowUnfamiliar = False,
    allow_unstable: AllowUnstable = False,
    charge: options.Charge = "neutralise",
    output: Output = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Recommend molecules of a library, or new ones, from liked and disliked molecules.

    The preference is near 1 for molecules similar to liked ones, near -1 for those similar to disliked ones. Without
    --library, new molecules are decoded around the liked ones; only familiar, stable and neutral ones are kept. The
    liked and disliked molecules themselves are never recommended.

    Example: molgen explore recommend --like hits.smi --dislike misses.smi --library library.safetensors -n 50
    """
    from molgen.chem.admission import AdmissionRules
    from molgen.device import use_threads
    from molgen.errors import NothingValidError
    from molgen.explore.preference import Labelled, Preference, propose, rank_library
    from molgen.latent.space import LatentSpace

    require_output(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    liked, z = _read_labelled(like, space, smiles_column)
    disliked, far = _read_labelled(dislike, space, smiles_column) if dislike else ([], z[:0])
    preference = Preference.of(space, Labelled.of(liked, z), Labelled.of(disliked, far))
    given = {molecule.smiles for molecule in (*liked, *disliked)}
    if library:
        title = f"From {library}"
        with open_library(library, space, smiles_column) as index:
            total = len(index) + min(len(index), shortlist + len(given))
            with show.progress(total, "Ranking") as advance:
                n_shortlist = max(top, shortlist)
                found = rank_library(preference, index, top, n_shortlist=n_shortlist, excluded=given, on_rows=advance)
    else:
        filtered = filter_space(space, AdmissionRules(allow_unfamiliar, allow_unstable, charge), liked)
        with show.progress(top, "Decoding") as advance:
            made = propose(filtered, preference, z, top, seed, excluded=given, on_found=advance)
        note_removed(filtered.admission)
        found, title = list(made.molecules), f"New, from {made.n_decoded} points decoded around the liked ones"
    if not found:
        raise NothingValidError("only the given molecules were found")
    report = {"n_liked": len(liked), "n_disliked": len(disliked)}
    show_listing(title, _make_listing(found, liked), report, output, is_json)


def _read_labelled(path: Path, space: LatentSpace, smiles_column: str | None) -> tuple[list[Molecule], Floats]:
    """The distinct encodable molecules of a file and their points (M, D), possibly none."""
    from molgen.chem.table import Tally, read_molecules
    from molgen.latent.encodable import keep_encodable

    tally = Tally()
    with show.progress(1.0, "Reading") as advance:
        records = tally.sift(read_molecules(path, smiles_column=smiles_column, on_share=advance))
        distinct = {record.molecule.smiles: record for record in records}
    kept, z = keep_encodable(space, list(distinct.values()), tally)
    note_rows(path, tally.kept, tally.read, tally.rejected)
    return [record.molecule for record in kept], z


def _make_listing(found: Sequence[ScoredMolecule], liked: Sequence[Molecule]) -> Listing:
    """The molecules with their preference, most similar liked molecule, and the similarity to it."""
    from molgen.explore.preference import find_nearest_liked
    from molgen.output.listing import Listing

    nearest = find_nearest_liked(found, liked)
    columns: dict[str, tuple[float | str, ...]] = {
        "preference": tuple(each.preference for each in found),
        "tanimoto": tuple(similarity for _, similarity in nearest),
        "nearest liked": tuple(molecule.smiles for molecule, _ in nearest),
    }
    return Listing(tuple(each.molecule.smiles for each in found), columns)
