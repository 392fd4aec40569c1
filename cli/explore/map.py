"""The command `molgen explore map`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import options, show
from ..console.outputs import check_outputs
from ..console.quality import note_rows, number

if TYPE_CHECKING:
    from molgen.arrays import Floats
    from molgen.chem.table import Rejection, Row, Tally
    from molgen.explore.projection import Projection
    from molgen.latent.space import LatentSpace
    from molgen.output.chart import Chart

CHUNK = 1024
TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MEANING = "whether neighbours in the picture are neighbours in the latent space: 1 at best, 0.5 by chance"
CAUTION = "This picture preserves neighbourhoods; distances between groups and widths of groups mean little."


@dataclass(frozen=True)
class Located:
    """Molecules of a file that have a point.

    Attributes:
        rows: N rows with canonical SMILES, and a value for each name to colour by.
        z: (N, D).
    """

    rows: Sequence[Row]
    z: Floats


@check_outputs
def map_(  # noqa: PLR0913 - one parameter an option
    data: Annotated[list[Path], typer.Argument(help="Files of molecules: CSV, TSV, SMI or SDF, plain or .gz.")],
    output: Annotated[
        Path,
        typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the map: .html, .png, .svg or .csv."),
    ],
    method: Annotated[
        str, typer.Option(help="pca, tsne (of the extra molgen[map]) or umap (of the extra molgen[umap]).")
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

    For several files, `file`, the number of the file from 1, is a further colour.

    A .html file opens in a browser: point at a molecule to see it, draw a lasso around molecules to save them.
    docs/guides/explore.md explains how to read a map.

    Example: molgen explore map molecules.csv --method tsne --color qed -o map.html
    """
    from molgen.chem.table import Tally, write_rejections
    from molgen.device import resolve_device, use_threads
    from molgen.explore.projection import project, require_method
    from molgen.latent.space import LatentSpace
    from molgen.output.chart import require_chart

    require_chart(output)
    require_method(method)
    colours = tuple(dict.fromkeys(color or ()))
    columns = _collect_columns(data, colours, smiles_column)
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    with write_rejections(rejects) if rejects else nullcontext() as listing:
        parts = []
        for path, in_file in zip(data, columns, strict=True):
            tally = Tally(on_rejection=listing)
            parts.append(_locate(space, _read(path, in_file, smiles_column, limit, seed, tally), tally))
            tally.require_kept(path)
            note_rows(path, tally.kept, tally.read, tally.rejected)
    located = _join(parts)
    _require_enough(data, located)
    with show.progress(1.0, f"Projecting by {TITLES[method]}") as advance:
        projection = project(located.z, method, seed, on_done=advance)
    report = _report(space, data, projection)
    _write(output, _chart(report, located.rows, (*colours, *(["file"] if len(data) > 1 else [])), projection))
    show.note(f"The map is {output}")
    if is_json:
        show.as_json(report)
    else:
        _show(report)


def _join(parts: Sequence[Located]) -> Located:
    """The molecules of all files; for several files, the number of the file is a further value."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    rows = [replace(row, values=(*row.values, float(n))) for n, part in enumerate(parts, 1) for row in part.rows]
    return Located(rows, np.concatenate([part.z for part in parts]))


def _collect_columns(data: Sequence[Path], names: Sequence[str], smiles_column: str | None) -> list[dict[str, bool]]:
    """By file, whether each name is one of its columns; a name that is no column of any file is a descriptor.

    Raises:
        SpecError: A name is neither a column of any file nor a descriptor.
        FileError: The file cannot be used.
    """
    from molgen.chem.properties import DESCRIPTORS
    from molgen.chem.table import has_property
    from molgen.errors import SpecError

    columns = [{name: has_property(path, name, smiles_column) for name in names} for path in data]
    for name in names:
        if name not in DESCRIPTORS and not any(in_file[name] for in_file in columns):
            known, files = ", ".join(DESCRIPTORS), ", ".join(map(str, data))
            remedy = "Name a column that holds numbers, or one of these descriptors."
            raise SpecError("color", f"{files} has no column {name!r}, nor is it a descriptor: {known}", remedy=remedy)
    return columns


def _read(
    data: Path, in_file: Mapping[str, bool], smiles_column: str | None, limit: int | None, seed: int, tally: Tally
) -> list[Row]:
    """Rows with canonical SMILES and all values, without molecule objects, which would fill gigabytes."""
    from molgen.chem.sampling import draw_items
    from molgen.chem.table import Row, read_rows

    properties = [name for name, is_there in in_file.items() if is_there]
    with show.progress(1.0, "Reading") as advance:
        items = draw_items(
            read_rows(data, smiles_column=smiles_column, properties=properties, on_share=advance), limit, seed
        )
    rows = []
    with show.progress(len(items), "Standardising") as advance:
        for n_read, item in enumerate(items, 1):
            done = _fill_in(item, in_file) if isinstance(item, Row) else item
            tally.add(done)
            if isinstance(done, Row):
                rows.append(done)
            advance(n_read)
    return rows


def _fill_in(row: Row, in_file: Mapping[str, bool]) -> Row | Rejection:
    """The row with its canonical SMILES, and with values read or computed in the order of `in_file`."""
    from molgen.chem.molecule import parse
    from molgen.chem.properties import DESCRIPTORS
    from molgen.chem.table import Rejection, Row
    from molgen.errors import MoleculeError

    try:
        molecule = parse(row.smiles)
    except MoleculeError as error:
        return Rejection(row.line, error.text, error.reason)
    read = iter(row.values)
    values = [
        next(read) if is_there else DESCRIPTORS[name].function(molecule.mol) if name in DESCRIPTORS else math.nan
        for name, is_there in in_file.items()
    ]
    return Row(row.line, molecule.smiles, row.name, tuple(values))


def _locate(space: LatentSpace, rows: Sequence[Row], tally: Tally) -> Located:
    """The encodable rows and their posterior means, without refinement."""
    import numpy as np

    from molgen.chem.molecule import AS_IT_IS
    from molgen.chem.table import Rejection

    kept, points = [], [np.empty((0, space.size), dtype=np.float32)]
    with show.progress(len(rows), "Encoding") as advance:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            encoding = space.explain([row.smiles for row in chunk], AS_IT_IS, is_refined=False)
            points.append(encoding.z[[not reason for reason in encoding.reasons]])
            for row, reason in zip(chunk, encoding.reasons, strict=True):
                if reason:
                    tally.retract(Rejection(row.line, row.smiles, reason))
                else:
                    kept.append(row)
            advance(start + len(chunk))
    return Located(kept, np.concatenate(points))


def _require_enough(data: Sequence[Path], located: Located) -> None:
    from molgen.errors import FileError
    from molgen.explore.projection import MIN_POINTS

    if len(located.rows) < MIN_POINTS:
        message = f"only {len(located.rows)} molecules can be encoded, and a map needs {MIN_POINTS}"
        raise FileError(", ".join(map(str, data)), message, remedy="Give a file with more molecules.")


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
