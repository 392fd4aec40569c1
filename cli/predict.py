"""The command `molgen predict`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import options, show
from .console.outputs import check_outputs

if TYPE_CHECKING:
    from molgen.chem.table import Rejection, Row
    from molgen.project.forecast import Forecast, Known

N_SHOWN = 10


@check_outputs
def predict(  # noqa: PLR0913 - one parameter per option
    data: options.Molecules,
    output: Annotated[
        Path, typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the predictions: .csv or .sdf.")
    ],
    checkpoint: options.Checkpoint = None,
    interval: Annotated[float, typer.Option(help="Coverage of the intervals, between 0 and 1.")] = 0.9,
    known: Annotated[
        Path | None,
        typer.Option("--known", help="File of measured compounds, as for `molgen curate`, to find the nearest one in."),
    ] = None,
    smiles_column: options.SmilesColumn = None,
    executor: options.Executor = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_forced: options.Force = False,
    is_json: options.Json = False,
) -> None:
    """Predict the properties that a checkpoint was fitted to, for every molecule of a file.

    Writes, for each property, the mean, standard deviation and interval of a new measurement, and for each molecule the
    trust in it (column `applicability`) and the nearest known compound with its values. Row i of a CSV belongs to row i
    of the input; a row without a prediction has a reason.

    Example: molgen predict ideas.smi --checkpoint runs/d3/model.safetensors -o forecasts.csv
    """
    from molgen.chem.table import Rejection, Row
    from molgen.device import resolve_device, use_threads
    from molgen.errors import NothingValidError, SpecError
    from molgen.latent.remote import open_workers
    from molgen.latent.space import LatentSpace
    from molgen.project.forecast import forecast

    if output.suffix.lower() not in (".csv", ".sdf"):
        raise SpecError("output", f"{output} must end in .csv or .sdf")
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    rows = _read(data, smiles_column)
    texts = [row.smiles if isinstance(row, Row) else "" for row in rows]
    compounds = _known(known, space.property_names)
    with (
        open_workers(executor, checkpoint, threads) as workers,
        show.progress(float(len(rows)), "Predicting") as advance,
    ):
        result = forecast(space, texts, compounds, interval, advance, workers)
    reasons = (
        row.reason if isinstance(row, Rejection) else told for row, told in zip(rows, result.reasons, strict=True)
    )
    result = replace(result, reasons=tuple(reasons))
    names = [row.name if isinstance(row, Row) else "" for row in rows]
    _write(output, names, result)
    if is_json:
        show.as_json({"name": names, **result.columns()})
    else:
        _show(output, result)
    if all(result.reasons):
        raise NothingValidError(f"{data}: no molecule of {len(rows)} rows has a forecast: {result.reasons[0]}")


def _read(data: Path, smiles_column: str | None) -> list[Row | Rejection]:
    from molgen.chem.table import read_rows
    from molgen.errors import FileError

    rows = list(read_rows(data, smiles_column=smiles_column))
    if not rows:
        raise FileError(data, "holds no rows", remedy="Give a file with at least one molecule.")
    return rows


def _known(path: Path | None, properties: tuple[str, ...]) -> Known | None:
    from molgen.project.columns import CurationSpec
    from molgen.project.curation import curate
    from molgen.project.forecast import Known

    return None if path is None else Known.of(curate(path, CurationSpec(properties)).compounds)


def _write(output: Path, names: list[str], result: Forecast) -> None:
    from molgen.output.listing import Listing, write_listing

    columns = {name: tuple(values) for name, values in result.columns().items() if name != "smiles"}
    write_listing(output, Listing(result.smiles, {"name": tuple(names), **columns}))


def _show(output: Path, result: Forecast) -> None:
    show.data(f"{output}: {sum(not reason for reason in result.reasons)} of {len(result.reasons)} molecules predicted")
    columns = ["SMILES", *(f"{name} [interval]" for name in result.properties), "trust"]
    rows = []
    for i in [i for i, reason in enumerate(result.reasons) if not reason][:N_SHOWN]:
        cells = [
            f"{result.mean[i, p]:.3g} [{result.lower[i, p]:.3g}, {result.upper[i, p]:.3g}]"
            for p in range(len(result.properties))
        ]
        rows.append([result.smiles[i], *cells, f"{result.applicability[i]:.2f}"])
    show.table("", columns, rows)
