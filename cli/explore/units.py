"""The command `molgen explore units`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import options, show
from ..console.listing import Output, require_output
from ..console.outputs import check_outputs
from .probe_layers import read_encodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molgen.explore.units import Traversal, Units
    from molgen.output.listing import Listing

SHIPPED = "moses_sample.csv"
N_CORRELATIONS = 3


@check_outputs
def units(  # noqa: PLR0913 - one parameter per option
    data: Annotated[
        Path | None, typer.Argument(help="File of molecules; by default, the shipped sample of MOSES.")
    ] = None,
    top: Annotated[
        int,
        typer.Option("--top", "-n", min=1, max=100, help="Units to traverse: those most correlated with a descriptor."),
    ] = 6,
    start: Annotated[
        str | None,
        typer.Option(help="SMILES of the molecule to change; by default the one nearest to the mean."),
    ] = None,
    limit: Annotated[int, typer.Option(min=50, help="Number of random rows of the file.")] = 2000,
    output: Output = None,
    checkpoint: options.Checkpoint = None,
    smiles_column: options.SmilesColumn = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Measure the meaning of each latent unit, with random rotations of the space as control.

    Lists for each unit its information (KL) and the descriptors that correlate with it. If the scores of the space
    equal those of its random rotations, single units have no meaning; use directions (`molgen explore direction`).
    With --out, also draws molecules decoded while one unit moves and the others are fixed, five per row.

    Example: molgen explore units --top 4 -o units.svg
    """
    from molgen.device import use_threads
    from molgen.explore.units import describe_units, traverse_units
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import write_listing
    from molgen.paths import find_shipped

    require_output(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    records = read_encodable(space, data or find_shipped("data") / SHIPPED, (), smiles_column, limit, seed)
    molecules = [record.molecule for record in records]
    with show.progress(None, "Measuring"):
        units = describe_units(space, molecules, seed)
        traversals = traverse_units(space, units.most_correlated(top), molecules, start)
    grid = _make_listing(traversals)
    if output:
        write_listing(output, grid)
        show.note(f"The traversals are in {output}")
    if is_json:
        show.as_json({**asdict(units), "active": units.n_active, "traversals": _plain(grid)})
    else:
        _show(units)


def _make_listing(traversals: Sequence[Traversal]) -> Listing:
    """The molecules of all traversals: for each its unit, the shift of the unit, and the descriptor most correlated."""
    from molgen.output.listing import Listing

    rows = [(one, *at) for one in traversals for at in zip(one.shifts.tolist(), one.smiles, strict=True)]
    columns: dict[str, tuple[float | str, ...]] = {
        "unit": tuple(float(one.unit.index) for one, _, _ in rows),
        "place": tuple(shift for _, shift, _ in rows),
        "like": tuple(one.unit.correlations[0][0] for one, _, _ in rows),
    }
    return Listing(tuple(smiles or "" for _, _, smiles in rows), columns)


def _plain(grid: Listing) -> list[dict[str, object]]:
    return [{"smiles": smiles or None, **values} for smiles, values in grid.rows()]


def _show(units: Units) -> None:
    rows = [
        [
            str(unit.index),
            "coarse" if unit.is_coarse else "fine",
            f"{unit.kl:.2f}",
            "yes" if unit.is_active else "no",
            ", ".join(f"{name} {value:+.2f}" for name, value in unit.correlations[:N_CORRELATIONS]),
        ]
        for unit in units.units
    ]
    title = f"{units.n_active} of {len(units.units)} units are active, on {units.n} molecules"
    show.table(title, ["unit", "part", "KL, nats", "active", "correlates with (Spearman)"], rows)
    scores = [("as it is", units.score), ("turned at random", units.rotated)]
    columns = ["space", "disentanglement", "completeness", "informativeness"]
    show.table(
        "Disentanglement",
        columns,
        [[name, *(f"{value:.3f}" for value in asdict(score).values())] for name, score in scores],
    )
