"""The command `molgen explore path`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import options, show
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs

if TYPE_CHECKING:
    from rdkit.Chem import Mol

    from molgen.explore.path import Path as Way
    from molgen.explore.path import PathConfig
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import Listing

PROPERTIES = ("qed", "logp", "sa", "mw")


@check_outputs
def path(  # noqa: PLR0913 - one parameter an option
    start: Annotated[str | None, typer.Argument(metavar="A", help="SMILES of the molecule to start from.")] = None,
    end: Annotated[str | None, typer.Argument(metavar="B", help="SMILES of the molecule to reach.")] = None,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Points on the line between them.")] = 24,
    draws: Annotated[
        int, typer.Option(min=1, max=256, help="Points decoded at each step, on and around the line.")
    ] = 16,
    kind: Annotated[
        Literal["linear", "spherical"], typer.Option(help="A straight line, or an arc about the prior's mean.")
    ] = "linear",
    scaffold: Annotated[
        str | None, typer.Option(help="SMILES of a substructure that every molecule on the way must hold.")
    ] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(help="Compare both kinds on the pairs of a file (columns smiles_a, smiles_b), or on random ones."),
    ] = None,
    limit: Annotated[int, typer.Option(min=2, max=10_000, help="With --benchmark, pairs to take.")] = 100,
    output: Output = None,
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Go from one molecule to another by molecules that become less like the first and more like the second.

    Example: molgen explore path "CC(=O)Oc1ccccc1C(=O)O" "CC(C)Cc1ccc(C(C)C(=O)O)cc1" -o path.svg
    """
    from molgen.device import use_threads
    from molgen.explore.path import PathConfig
    from molgen.latent.space import LatentSpace

    require_output(output)
    use_threads(threads)
    core = None if scaffold is None else _scaffold(scaffold)
    route = PathConfig(kind=kind, n_steps=steps, n_draws=draws, scaffold=core, seed=seed)
    if benchmark is not None:
        _require_no_ends(start, end)
        _compare(LatentSpace.load(checkpoint), benchmark, route, limit, is_json)
        return
    way = _find_path(LatentSpace.load(checkpoint), _both(start, end), route)
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
        f"A {kind} path: {way.n_between} molecules between A and B; Spearman of t with unlikeness to A {leaving:.2f}, "
        f"with likeness to B {coming:.2f}; confidence at least {way.worst_confidence:.2f}"
    )
    show_listing(
        title if way.n_between else "Nothing lies between A and B", _make_listing(way), report, output, is_json
    )


def _both(start: str | None, end: str | None) -> tuple[str, str]:
    from molgen.errors import SpecError

    if start is None or end is None:
        remedy = "Write `molgen explore path A B`, both as SMILES in quotes; or name a file of pairs by --benchmark."
        raise SpecError("path", "needs two molecules", remedy=remedy)
    return start, end


def _require_no_ends(start: str | None, end: str | None) -> None:
    from molgen.errors import SpecError

    if start is not None or end is not None:
        remedy = "Leave out the molecules, or leave out --benchmark."
        raise SpecError("benchmark", "takes its molecules from the file, not from the command line", remedy=remedy)


def _scaffold(text: str) -> Mol:
    from molgen.chem.molecule import parse

    return parse(text).mol


def _find_path(space: LatentSpace, texts: tuple[str, str], route: PathConfig) -> Way:
    from molgen.errors import NothingValidError
    from molgen.explore.path import find_path
    from molgen.latent.encodable import encode_named

    (start, end), points = encode_named(space, texts)
    way = find_path(space, (start, end), points, route)
    if route.scaffold is not None and not way.n_between:
        remedy = "Raise --draws or --steps, or ask for a smaller scaffold."
        raise NothingValidError("no molecule between A and B holds the scaffold", remedy=remedy)
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


def _compare(space: LatentSpace, file: Path, route: PathConfig, n_pairs: int, is_json: bool) -> None:
    from molgen.bench.instruments.interpolation import compare_paths, read_pairs_or_draw

    pairs = read_pairs_or_draw(file, n_pairs, route.seed)
    with show.progress(1.0, "Walking") as advance:
        score = compare_paths(space, pairs, route, advance)
    if is_json:
        show.as_json(asdict(score))
        return
    rows = [[way, *(f"{value:.3f}" for value in asdict(figures).values())] for way, figures in score.means.items()]
    rows.append(["p, linear against spherical", *(f"{value:.2g}" for value in score.p_values.values())])
    columns = ["between", "leaves A", "nears B", "worst confidence", "largest leap"]
    show.table(f"Paths of {score.n} pairs: means, and p of Wilcoxon's paired test", ["way", *columns], rows)
