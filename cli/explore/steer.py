"""The command `molgen explore steer`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..console import options, show
from ..console.admission import AllowUnfamiliar, AllowUnstable, filter_space, note_removed
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs


@check_outputs
def steer(  # noqa: PLR0913 - one parameter per option
    molecule: Annotated[str, typer.Argument(help="A SMILES.")],
    along: Annotated[
        str, typer.Option(help="File of `molgen explore direction` (.json), or a descriptor such as logp.")
    ],
    steps: Annotated[int, typer.Option(min=1, max=100, help="Number of steps on each side.")] = 12,
    reach: Annotated[
        float | None,
        typer.Option(
            help="Length of each side, in standard deviations of the prior; by default slightly more than the length "
            "over which molecules stay similar to the start."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, max=1000, help="Number of points decoded at each step.")] = 12,
    allow_unfamiliar: AllowUnfamiliar = False,
    allow_unstable: AllowUnstable = False,
    charge: options.Charge = "neutralise",
    output: Output = None,
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Walk from a molecule along the direction of a concept and against it.

    Each row is a molecule decoded at position t, where t = 0 is the molecule itself: the value of the concept, the
    similarity to the molecule at t = 0, and other properties. A concept that is no descriptor is predicted by the probe
    of the direction. The direction of a descriptor is fitted to shipped molecules.

    Example: molgen explore steer "CC(=O)Nc1ccc(O)cc1" --along logp -o walk.svg
    """
    from molgen.chem.admission import AdmissionRules
    from molgen.chem.molecule import Policy
    from molgen.device import use_threads
    from molgen.explore.direction import choose_walk_length, describe_walk, find_direction
    from molgen.explore.walk import WalkConfig
    from molgen.explore.walk import steer as walk_of
    from molgen.latent.encodable import encode_named
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import Listing

    require_output(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    (start,), z = encode_named(space, [molecule], Policy(charge=charge))
    with show.progress(None, "Reading the direction"):
        direction = find_direction(space, along, seed)
    length = choose_walk_length(space, direction, start, z[0]) if reach is None else reach
    walk = WalkConfig(length, steps, draws, seed)
    filtered = filter_space(space, AdmissionRules(allow_unfamiliar, allow_unstable, charge), [start])
    series = walk_of(filtered, start, z[0], direction.vector, walk).different()
    note_removed(filtered.admission)
    title = (
        f"{direction.name} along its direction (probe score {direction.strength.plain:.2f}); "
        "t in standard deviations of the prior"
    )
    report = {"start": start.smiles, "concept": direction.name, "strength": direction.strength.plain}
    columns = describe_walk(space, start, direction, series)
    show_listing(title, Listing(tuple(text or "" for text in series.smiles), columns), report, output, is_json)
