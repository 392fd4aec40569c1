"""The command `molgen benchmark instruments`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..console import options, show
from ..console.outputs import check_outputs
from ..console.quality import number


@check_outputs
def instruments(  # noqa: PLR0913 - one parameter per option
    data: Annotated[
        Path | None, typer.Argument(help="File of molecules; by default, the shipped sample of MOSES.")
    ] = None,
    assay: Annotated[
        list[Path] | None,
        typer.Option(help="File of measured molecules; repeatable; by default, the shipped D3 assay."),
    ] = None,
    column: Annotated[str, typer.Option("--property", help="Column of the measurements; larger is better.")] = "y",
    only: Annotated[str, typer.Option(help="Instruments, separated by commas, or `all`.")] = "all",
    limit: Annotated[int, typer.Option(min=100, help="Number of random molecules of the file.")] = 6000,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the report: .json."),
    ] = None,
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Score the instruments of `molgen explore`, each beside a control.

    Example: molgen benchmark instruments --only outliers,recommend
    """
    from molgen.bench.instruments.suite import INSTRUMENTS, SuiteConfig, score_instruments
    from molgen.device import use_threads
    from molgen.latent.space import LatentSpace
    from molgen.paths import find_shipped, write_text
    from molgen.renames import COMMANDS, current_name

    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    inputs = SuiteConfig(
        data or find_shipped("data") / "moses_sample.csv",
        tuple(assay or [find_shipped("data") / "d3_ki.csv"]),
        column,
        limit,
        seed,
    )
    asked = tuple(current_name(name, COMMANDS) for name in only.split(","))
    names = tuple(INSTRUMENTS) if only == "all" else asked
    with show.progress(1.0, "Scoring") as advance:
        report, _ = score_instruments(space, inputs, names, advance)
    if output:
        write_text(output, json.dumps(report, indent=1, allow_nan=False) + "\n")
        show.note(f"The report is {output}")
    if is_json:
        show.as_json(report)
        return
    show.table(
        f"{report['molecules']}, {report['n']} molecules, seed {seed}",
        ["instrument", "measure", "figure", "control", "its figure", "aim"],
        [
            [
                *(line["instrument"], line["measure"], number(line["figure"])),
                *(line["control"], number(line["control_figure"]), number(line["aim"])),
            ]
            for line in report["lines"]
        ],
    )
