"""The command `molgen evaluate`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import options, show
from .console.outputs import check_outputs
from .console.quality import note_rows, number, show_fits, show_reconstruction


@check_outputs
def evaluate(  # noqa: PLR0913 - one parameter per option
    data: options.Molecules,
    checkpoint: options.Checkpoint = None,
    properties: Annotated[
        list[str] | None,
        typer.Option(
            "--property", help="Column to compare predictions with; by default, all that the checkpoint predicts."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Number of points of the prior to decode.")
    ] = 10_000,
    prior: options.Prior = None,
    fcd: Annotated[
        bool,
        typer.Option(
            "--fcd", help="Also compute the Frechet ChemNet distance of the samples to the file; takes minutes."
        ),
    ] = False,
    nearest: Annotated[
        bool,
        typer.Option("--nearest", help="Also measure decoding to the nearest molecules; takes about twenty minutes."),
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Number of random rows of the file.")] = None,
    figure: Annotated[
        Path | None,
        typer.Option(writable=True, dir_okay=False, help="File for a figure of the report: .svg, .png or .pdf."),
    ] = None,
    smiles_column: options.SmilesColumn = None,
    rejects: options.Rejects = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Measure a checkpoint on a file of molecules.

    Reports reconstruction, quality of samples, correlation of latent and structural distances, and errors of
    predictions. docs/reference/evaluation.md defines every number.

    Example: molgen evaluate molecules.csv --limit 1000 --figure report.svg
    """
    from molgen.chem.table import Tally, write_rejections
    from molgen.device import resolve_device, use_threads
    from molgen.evaluate.figure import draw_report, require_figure
    from molgen.evaluate.report import EvaluationConfig, evaluate_file
    from molgen.latent.space import LatentSpace

    if figure:
        require_figure(figure)
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    question = EvaluationConfig(data, tuple(properties or ()), samples, prior, fcd, limit, seed, smiles_column, nearest)
    with (
        write_rejections(rejects) if rejects else nullcontext() as listing,
        show.progress(1.0, "Measuring") as advance,
    ):
        tally = Tally(on_rejection=listing)
        report = evaluate_file(space, question, tally, advance)
    note_rows(data, tally.kept, tally.read, tally.rejected)
    if figure:
        draw_report(report, figure)
        show.note(f"The figure is {figure}")
    if is_json:
        show.as_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    measured = report["reconstruction"]
    show_reconstruction(f"{measured['n']} molecules, {_share(measured['encodable'])} of them encodable", measured)
    show.table(
        f"By length; exact for {_share(measured['exact_new'])} of the {measured['n_new']} new to the model, "
        f"and for {_share(measured['exact_unrefined'])} of all without refinement",
        ["SELFIES symbols", "molecules", "exact reconstruction", "token accuracy"],
        [
            [_band(band), str(band["n"]), _share(band["exact"]), _share(band["token_accuracy"])]
            for band in measured["by_length"]
        ],
    )
    _show_samples(report["samples"])
    _show_smoothness(report)
    if report["predictor"]:
        show_fits("Predictions", [("fitted predictor", fit) for fit in report["predictor"]])


def _show_samples(samples: dict[str, Any]) -> None:
    shares = ("validity", "uniqueness", "unique_at_10k", "novelty")
    show.table(
        f"{samples['n']} samples of the prior {samples['prior']}",
        ["valid", "unique", "unique@10k", "new", "internal diversity", "FCD"],
        [[*(_share(samples[key]) for key in shares), number(samples["internal_diversity"]), number(samples["fcd"])]],
    )


def _show_smoothness(report: dict[str, Any]) -> None:
    rows = []
    if geometry := report["geometry"]:
        about = f"{geometry['n']} molecules"
        rows.append(["Pearson, latent with Tanimoto distance", number(geometry["pearson"]), about])
        rows.append(["Spearman, the same", number(geometry["spearman"]), about])
        rows += [[f"trustworthiness@{k}", number(value), about] for k, value in geometry["trustworthiness"].items()]
    if nats := report["nats"]:
        rows.append(["excess nats", number(nats["excess"]), f"{nats['n']} molecules"])
    rows += _decoding_rows(report, "")
    if report["nearest"]:
        rows += _decoding_rows(report["nearest"], ", decoded to the nearest molecules")
    show.table("Latent and structural distances", ["measure", "value", "over"], rows)


def _decoding_rows(report: dict[str, Any], how: str) -> list[list[str]]:
    """Rows of the table for neighbourhoods and consistency; `how` says in words how points were decoded."""
    rows = []
    if around := report["neighbourhood"]:
        about = f"{around['n']} molecules, step of {around['radius']} standard deviations"
        rows.append([f"useful of 100 neighbours{how}", number(around["useful"]), about])
        if around["familiar"] is not None:
            rows.append([f"neighbours without an unknown environment{how}", _share(around["familiar"]), about])
        if around["sa_rise"] is not None:
            rows.append([f"their SA score above that of the molecule{how}", number(around["sa_rise"]), about])
    consistency = report["consistency"]
    about = f"{consistency['n']} points of the prior"
    rows.append([f"distance of a decoded molecule to its point{how}", number(consistency["distance"]), about])
    rows.append([f"changed by a second round trip{how}", _share(consistency["changed"]), about])
    return rows


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _band(band: dict[str, Any]) -> str:
    return f"{band['above'] + 1} to {band['up_to']}" if band["up_to"] else f"above {band['above']}"
