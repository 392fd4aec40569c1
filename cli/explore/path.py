"""The command `molgen explore path`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import options
from ..console.admission import AllowUnfamiliar, AllowUnstable, filter_space, note_removed
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs

if TYPE_CHECKING:
    from rdkit.Chem import Mol

    from molgen.chem.admission import AdmissionRules
    from molgen.explore.path import Path as Way
    from molgen.explore.path import PathConfig
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import Listing

PROPERTIES = ("qed", "logp", "sa", "mw")


@check_outputs
def path(  # noqa: PLR0913 - one parameter per option
    start: Annotated[str, typer.Argument(metavar="A", help="SMILES of the first molecule.")],
    end: Annotated[str, typer.Argument(metavar="B", help="SMILES of the last molecule.")],
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Number of points on the line between them.")] = 24,
    draws: Annotated[
        int, typer.Option(min=1, max=256, help="Number of points decoded at each step, on and around the line.")
    ] = 16,
    kind: Annotated[
        Literal["linear", "spherical"], typer.Option(help="A straight line, or an arc about the mean of the prior.")
    ] = "linear",
    scaffold: Annotated[
        str | None, typer.Option(help="SMILES of a substructure that every molecule on the way must contain.")
    ] = None,
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
    """Find a path of molecules that become less similar to the first and more similar to the last.

    Example: molgen explore path "CC(=O)Oc1ccccc1C(=O)O" "CC(C)Cc1ccc(C(C)C(=O)O)cc1" -o path.svg
    """
    from molgen.chem.admission import AdmissionRules
    from molgen.device import use_threads
    from molgen.explore.path import PathConfig
    from molgen.latent.space import LatentSpace

    require_output(output)
    use_threads(threads)
    core = None if scaffold is None else _scaffold(scaffold)
    route = PathConfig(kind=kind, n_steps=steps, n_draws=draws, scaffold=core, seed=seed)
    rules = AdmissionRules(allow_unfamiliar, allow_unstable, charge)
    way = _find_path(LatentSpace.load(checkpoint), (start, end), route, rules)
    leaving, coming = way.monotonicity
    report = {
        "kind": kind,
        "between": way.n_between,
        "leaves_a": leaving,
        "nears_b": coming,
        "worst_confidence": way.worst_confidence,
        "largest_leap": way.largest_leap,
    }
    title = (
        f"A {kind} path: {way.n_between} molecules between A and B; "
        f"Spearman of t with dissimilarity to A {leaving:.2f}, with similarity to B {coming:.2f}; "
        f"confidence at least {way.worst_confidence:.2f}"
    )
    show_listing(
        title if way.n_between else "No molecule lies between A and B", _make_listing(way), report, output, is_json
    )


def _scaffold(text: str) -> Mol:
    from molgen.chem.molecule import parse

    return parse(text).mol


def _find_path(space: LatentSpace, texts: tuple[str, str], route: PathConfig, rules: AdmissionRules) -> Way:
    from molgen.chem.molecule import Policy
    from molgen.errors import NothingValidError
    from molgen.explore.path import find_path
    from molgen.latent.encodable import encode_named

    (start, end), points = encode_named(space, texts, Policy(charge=rules.charge))
    filtered = filter_space(space, rules, (start, end))
    way = find_path(filtered, (start, end), points, route)
    note_removed(filtered.admission)
    if route.scaffold is not None and not way.n_between:
        remedy = "Raise --draws or --steps, or ask for a smaller scaffold."
        raise NothingValidError("no molecule between A and B contains the scaffold", remedy=remedy)
    return way


def _make_listing(way: Way) -> Listing:
    from molgen.chem.molecule import parse
    from molgen.chem.properties import DESCRIPTORS
    from molgen.output.listing import Listing

    mols = [parse(stop.smiles).mol for stop in way.stops]
    columns = {
        "t": tuple(stop.t for stop in way.stops),
        "to A": tuple(stop.to_start for stop in way.stops),
        "to B": tuple(stop.to_end for stop in way.stops),
        "confidence": tuple(stop.confidence for stop in way.stops),
        **{name: tuple(map(DESCRIPTORS[name].function, mols)) for name in PROPERTIES},
    }
    return Listing(tuple(stop.smiles for stop in way.stops), columns)
