"""The command `molgen explore map`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import options, show
from ..console.outputs import check_outputs
from ..console.quality import note_rows, number


@check_outputs
def map_(  # noqa: PLR0913 - one parameter per option
    data: options.MoleculeFiles,
    output: Annotated[
        Path,
        typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the map: .html, .png, .svg or .csv."),
    ],
    method: Annotated[
        str,
        typer.Option(
            help="pca, tsne (of the extra molgen-workbench[map]) or umap (of the extra molgen-workbench[umap])."
        ),
    ] = "pca",
    color: Annotated[
        list[str] | None,
        typer.Option(help="Column of a file, or descriptor such as qed, to colour by; repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=3, help="Number of random rows of each file.")] = None,
    checkpoint: options.Checkpoint = None,
    smiles_column: options.SmilesColumn = None,
    rejects: options.Rejects = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Draw the molecules of files as a map of the latent space, and report its trustworthiness.

    With several files, molecules can also be coloured by `file`, the number of their file from 1.

    A .html file opens in a browser: point at a molecule to see it, draw a lasso around molecules to save them.
    docs/guides/explore.md explains how to read a map.

    Example: molgen explore map molecules.csv --method tsne --color qed -o map.html
    """
    from molgen.chem.table import write_rejections
    from molgen.device import resolve_device, use_threads
    from molgen.latent.space import LatentSpace
    from molgen.output.latent_map import MapSpec, draw_map

    spec = MapSpec(data, output, method, tuple(color or ()), limit, smiles_column, seed)
    spec.columns()  # mistakes are found before the checkpoint is read
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    with write_rejections(rejects) if rejects else nullcontext() as listing:
        drawn = draw_map(space, spec, show.progress, listing)
    for path, tally in zip(data, drawn.tallies, strict=True):
        note_rows(path, tally.kept, tally.read, tally.rejected)
    show.note(f"The map is {output}")
    if is_json:
        show.as_json(dict(drawn.report))
    else:
        _show(drawn.report)


def _show(report: Mapping[str, Any]) -> None:
    from molgen.output.latent_map import MEANING, TITLES

    rows = [[f"trustworthiness@{k}", number(value), MEANING] for k, value in report["trustworthiness"].items()]
    for i, share in enumerate(report["explained_variance"] or (), 1):
        rows.append([f"axis {i}", f"{share:.3f}", "share of the variance in the latent space"])
    title = f"{report['n']:,} molecules, {TITLES[report['method']]} of {report['dimensions']} latent dimensions"
    show.table(f"{title}, judged on {report['n_judged']:,}", ["measure", "value", "meaning"], rows)
