"""A map of the molecules of files: read, encoded, projected and drawn.

Notation: N molecules, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molgen.arrays import Floats
from molgen.chem.sampling import draw_items
from molgen.chem.table import Rejection, Row, Tally, read_rows
from molgen.explore.colours import fill_in_values, find_columns, number_files
from molgen.explore.projection import Projection, project, require_method
from molgen.latent.encodable import keep_encodable
from molgen.latent.space import LatentSpace
from molgen.output.chart import Chart, draw_figure, require_chart, write_table
from molgen.output.map_page import write_page

StageWatch = Callable[[float | None, str], AbstractContextManager[Callable[[float], object]]]
"""From the total amount of work of a stage, None if unknown, and its name, to a context whose function takes the amount
that is done."""

TITLES: Mapping[str, str] = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MEANING = "whether neighbours in the picture are neighbours in the latent space: 1 at best, 0.5 by chance"
_CAUTION = "This picture preserves neighbourhoods; distances between groups and widths of groups mean little."


@dataclass(frozen=True)
class MapSpec:
    """What to draw.

    Attributes:
        data: Files of molecules.
        output: File for the map.
        method: `pca`, `tsne` or `umap`.
        colours: Columns of the files, or descriptors.
        limit: Number of random rows of each file; None for all.
        smiles_column: Column with the SMILES.
        seed: Seed of the rows and of the projection.
    """

    data: Sequence[Path]
    output: Path
    method: str = "pca"
    colours: Sequence[str] = ()
    limit: int | None = None
    smiles_column: str | None = None
    seed: int = 0

    def columns(self) -> list[dict[str, bool]]:
        """For each file, whether each colour is one of its columns.

        Raises:
            SpecError: A colour is unknown, or the method or the kind of output cannot be used.
            FileError: A file cannot be used.
        """
        require_chart(self.output)
        require_method(self.method)
        return find_columns(self.data, tuple(dict.fromkeys(self.colours)), self.smiles_column)


@dataclass(frozen=True)
class LatentMap:
    """A map that was drawn.

    Attributes:
        report: Facts by name, such as its trustworthiness.
        tallies: Of each file.
    """

    report: Mapping[str, Any]
    tallies: Sequence[Tally]


def draw_map(
    space: LatentSpace,
    spec: MapSpec,
    watch: StageWatch,
    on_rejection: Callable[[Rejection], object] | None = None,
) -> LatentMap:
    """Draws a map to the file of its specification, in one step.

    With several files, `file` is a further colour: the number of the file, from 1.

    Args:
        space: The latent space.
        spec: What to draw.
        watch: Told the progress of each stage.
        on_rejection: Called with each row that is left out.

    Raises:
        SpecError: The specification is wrong, or there are too few molecules.
        FileError: A file cannot be used, or no row of it.
        OSError: The map cannot be written.
    """
    tallies = [Tally(on_rejection=on_rejection) for _ in spec.data]
    files = [_read(space, spec, *each, watch) for each in zip(spec.data, spec.columns(), tallies, strict=True)]
    rows, colours = files[0][0], tuple(dict.fromkeys(spec.colours))
    if len(files) > 1:
        rows, colours = number_files([kept for kept, _ in files]), (*colours, "file")
    with watch(1.0, f"Projecting by {TITLES[spec.method]}") as advance:
        projection = project(np.concatenate([z for _, z in files]), spec.method, spec.seed, on_done=advance)
    report = _report(space, spec.data, projection)
    _write(spec.output, _chart(report, rows, colours, projection), watch)
    return LatentMap(report, tallies)


def _read(
    space: LatentSpace, spec: MapSpec, data: Path, is_column: Mapping[str, bool], tally: Tally, watch: StageWatch
) -> tuple[list[Row], Floats]:
    """The encodable rows of a file with the values to colour by, and their posterior means."""
    properties = [name for name, is_there in is_column.items() if is_there]
    with watch(1.0, "Reading") as advance:
        rows = read_rows(data, smiles_column=spec.smiles_column, properties=properties, on_share=advance)
        items = draw_items(rows, spec.limit, spec.seed)
    with watch(len(items), "Standardising") as advance:
        standard = list(tally.sift(fill_in_values(items, is_column, on_row=advance)))
    with watch(len(standard), "Encoding") as advance:
        kept, z = keep_encodable(space, standard, tally, on_row=advance)
    tally.require_kept(data)
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


def _chart(report: Mapping[str, Any], rows: Sequence[Row], colours: Sequence[str], projection: Projection) -> Chart:
    method = report["method"]
    axes = [f"PC {i} ({share:.1%} of the variance)" for i, share in enumerate(projection.explained, 1)] or ["", ""]
    shares = ", ".join(f"{value:.2f} (k = {k})" for k, value in report["trustworthiness"].items() if value is not None)
    judged = f"Trustworthiness {shares or 'unknown'} on {report['n_judged']:,} molecules: {MEANING}."
    return Chart(
        title=f"Map of {', '.join(Path(name).name for name in report['data'])}",
        subtitle=f"{report['n']:,} molecules, {TITLES[method]} of {report['dimensions']} latent dimensions",
        notes=(judged,) if projection.explained else (judged, _CAUTION),
        axes=(axes[0], axes[1]),
        points=projection.points,
        smiles=tuple(row.smiles for row in rows),
        names=tuple(row.name for row in rows),
        columns=dict(zip(colours, np.array([row.values for row in rows], dtype=np.float64).T, strict=True)),
    )


def _write(output: Path, chart: Chart, watch: StageWatch) -> None:
    if output.suffix == ".csv":
        write_table(output, chart)
    elif output.suffix == ".html":
        with watch(len(chart.smiles), "Drawing") as advance:
            write_page(output, chart, on_drawn=advance)
    else:
        draw_figure(output, chart)
