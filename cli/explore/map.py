"""The command `molgen explore map`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import options, show
from ..console.outputs import check_outputs
from ..console.quality import note_rows, number

if TYPE_CHECKING:
    from molgen.arrays import Floats
    from molgen.chem.table import Rejection, Row
    from molgen.explore.projection import Projection
    from molgen.latent.space import LatentSpace
    from molgen.output.chart import Chart

TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MEANING = "whether neighbours in the picture are neighbours in the latent space: 1 at best, 0.5 by chance"
CAUTION = "This picture preserves neighbourhoods; distances between groups and widths of groups mean little."


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
    import numpy as np

    from molgen.chem.table import write_rejections
    from molgen.device import resolve_device, use_threads
    from molgen.explore.colours import find_columns, number_files
    from molgen.explore.projection import project, require_method
    from molgen.latent.space import LatentSpace
    from molgen.output.chart import require_chart

    require_chart(output)
    require_method(method)
    colours = tuple(dict.fromkeys(color or ()))
    columns = find_columns(data, colours, smiles_column)
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    with write_rejections(rejects) if rejects else nullcontext() as listing:
        files = [
            _read(space, path, is_column, smiles_column, limit, seed, listing)
            for path, is_column in zip(data, columns, strict=True)
        ]
    rows = files[0][0]
    if len(files) > 1:
        rows, colours = number_files([kept for kept, _ in files]), (*colours, "file")
    with show.progress(1.0, f"Projecting by {TITLES[method]}") as advance:
        projection = project(np.concatenate([z for _, z in files]), method, seed, on_done=advance)
    report = _report(space, data, projection)
    _write(output, _chart(report, rows, colours, projection))
    show.note(f"The map is {output}")
    if is_json:
        show.as_json(report)
    else:
        _show(report)


def _read(
    space: LatentSpace,
    data: Path,
    is_column: Mapping[str, bool],
    smiles_column: str | None,
    limit: int | None,
    seed: int,
    listing: Callable[[Rejection], object] | None,
) -> tuple[list[Row], Floats]:
    """The encodable rows of a file with the values to colour by, and their posterior means."""
    from molgen.chem.sampling import draw_items
    from molgen.chem.table import Tally, read_rows
    from molgen.explore.colours import fill_in_values
    from molgen.latent.encodable import keep_encodable

    tally = Tally(on_rejection=listing)
    properties = [name for name, is_there in is_column.items() if is_there]
    with show.progress(1.0, "Reading") as advance:
        items = draw_items(
            read_rows(data, smiles_column=smiles_column, properties=properties, on_share=advance), limit, seed
        )
    with show.progress(len(items), "Standardising") as advance:
        rows = list(tally.sift(fill_in_values(items, is_column, on_row=advance)))
    with show.progress(len(rows), "Encoding") as advance:
        kept, z = keep_encodable(space, rows, tally, on_row=advance)
    tally.require_kept(data)
    note_rows(data, tally.kept, tally.read, tally.rejected)
    return kept, z


def _report(space: LatentSpace, data: Sequence[Path], projection: Projection) -> dict[str, Any]:
    return {
        "data": [str(path) for path in data],
        "checkpoint_sha256": space.model.digest,
        "method": projection.method,
        "n": len(projection.points),
        "dimensions": space.size,
        "explained_variance": list(projection.explained) or None,
        "n_judged": projection.n_judged,
        "trustworthiness": dict(projection.trustworthiness),
    }


def _chart(report: dict[str, Any], rows: Sequence[Row], colours: Sequence[str], projection: Projection) -> Chart:
    import numpy as np

    from molgen.output.chart import Chart

    method = report["method"]
    axes = [f"PC {i} ({share:.1%} of the variance)" for i, share in enumerate(projection.explained, 1)] or ["", ""]
    shares = ", ".join(f"{value:.2f} (k = {k})" for k, value in report["trustworthiness"].items() if value is not None)
    judged = f"Trustworthiness {shares or 'unknown'} on {report['n_judged']:,} molecules: {MEANING}."
    return Chart(
        title=f"Map of {', '.join(Path(name).name for name in report['data'])}",
        subtitle=f"{report['n']:,} molecules, {TITLES[method]} of {report['dimensions']} latent dimensions",
        notes=(judged,) if projection.explained else (judged, CAUTION),
        axes=(axes[0], axes[1]),
        points=projection.points,
        smiles=tuple(row.smiles for row in rows),
        names=tuple(row.name for row in rows),
        columns=dict(zip(colours, np.array([row.values for row in rows], dtype=np.float64).T, strict=True)),
    )


def _write(output: Path, chart: Chart) -> None:
    from molgen.output.chart import draw_figure, write_table
    from molgen.output.map_page import write_page

    if output.suffix == ".csv":
        write_table(output, chart)
    elif output.suffix == ".html":
        with show.progress(len(chart.smiles), "Drawing") as advance:
            write_page(output, chart, on_drawn=advance)
    else:
        draw_figure(output, chart)


def _show(report: dict[str, Any]) -> None:
    rows = [[f"trustworthiness@{k}", number(value), MEANING] for k, value in report["trustworthiness"].items()]
    for i, share in enumerate(report["explained_variance"] or (), 1):
        rows.append([f"axis {i}", f"{share:.3f}", "share of the variance in the latent space"])
    title = f"{report['n']:,} molecules, {TITLES[report['method']]} of {report['dimensions']} latent dimensions"
    show.table(f"{title}, judged on {report['n_judged']:,}", ["measure", "value", "meaning"], rows)
