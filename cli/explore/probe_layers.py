"""The command `molgen explore probe-layers`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import options, show
from ..console.outputs import check_outputs
from ..console.quality import note_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molgen.chem.table import Record
    from molgen.explore.probe import Layer
    from molgen.latent.space import LatentSpace

SHIPPED, SHIPPED_PROPERTY = "d3_ki.csv", "y"
"""Molecules with their affinity to the dopamine D3 receptor, -log10 of Ki in nM."""


@check_outputs
def probe_layers(  # noqa: PLR0913 - one parameter per option
    data: Annotated[
        Path | None,
        typer.Argument(help="File of molecules; by default, the shipped assay of the dopamine D3 receptor."),
    ] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--property", help="Column of measured values or labels 0 and 1; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=50, help="Number of random rows of the file.")] = 1500,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            writable=True,
            dir_okay=False,
            help="File for the table (.csv) or a figure (.svg, .png or .pdf).",
        ),
    ] = None,
    checkpoint: options.Checkpoint = None,
    smiles_column: options.SmilesColumn = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Fit linear probes to each layer of the encoder, for targets from tokens to activity.

    Scores are for held-out molecules: AUROC (0.5 by chance) for tokens, functional groups and labels 0 and 1, otherwise
    R2 (0 by chance). The controls are shuffled labels and a Morgan fingerprint.

    Example: molgen explore probe-layers assay.csv --property pKi -o layers.svg
    """
    from molgen.device import use_threads
    from molgen.explore import probe
    from molgen.latent.space import LatentSpace
    from molgen.paths import find_shipped

    if output:
        _require_kind(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    names = properties or ([SHIPPED_PROPERTY] if data is None else [])
    records = read_encodable(space, data or find_shipped("data") / SHIPPED, names, smiles_column, limit, seed)
    labels = {name: [record.values[i] for record in records] for i, name in enumerate(names)}
    with show.progress(1.0, "Probing") as advance:
        depths = probe.probe_layers(space, [record.molecule for record in records], labels, seed, advance)
    if output:
        _write(output, depths)
        show.note(f"The {'table' if output.suffix == '.csv' else 'figure'} is in {output}")
    if is_json:
        show.as_json({"n": len(records), "depths": [asdict(depth) for depth in depths]})
    else:
        _show(depths, len(records))


def read_encodable(
    space: LatentSpace, data: Path, properties: Sequence[str], smiles_column: str | None, limit: int, seed: int
) -> list[Record]:
    """Encodable molecules of at most `limit` random valid rows of a file; reports invalid and unencodable rows."""
    from molgen.chem.sampling import draw_items
    from molgen.chem.table import Tally, read_molecules
    from molgen.latent.encodable import keep_encodable

    tally = Tally()
    with show.progress(1.0, "Reading") as advance:
        rows = read_molecules(data, smiles_column=smiles_column, properties=properties, on_share=advance)
        records, _ = keep_encodable(space, draw_items(tally.sift(rows), limit, seed), tally)
    note_rows(data, tally.kept, tally.read, tally.rejected)
    tally.require_kept(data)
    return records


def _require_kind(output: Path) -> None:
    from molgen.evaluate.figure import require_figure

    if output.suffix != ".csv":
        require_figure(output)


def _write(output: Path, depths: Sequence[Layer]) -> None:
    from molgen.bench.instruments.probing import draw_layers, write_layers

    write = write_layers if output.suffix == ".csv" else draw_layers
    write(depths, output)


def _show(depths: Sequence[Layer], n: int) -> None:
    columns = ["layer", "size", *depths[0].scores]
    rows = [[d.name, str(d.size), *(f"{v:.2f}" if v == v else "" for v in d.scores.values())] for d in depths]
    title = f"Probes on {n} molecules: AUROC for tokens, groups and labels 0 and 1, otherwise R2"
    show.table(title, columns, rows)
