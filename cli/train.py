"""The command `molgen train`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .console import options, show
from .console.outputs import check_outputs
from .console.quality import note_rows, show_fits, show_reconstruction

if TYPE_CHECKING:
    from molgen.train.loop import TrainingStatus
    from molgen.train.run import TrainingRun

_FIT_INSTEAD = "`molgen fit` fits a predictor on a fixed space; the next release refuses --property with --epochs 0"


@check_outputs
def train(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", writable=True, file_okay=False, help="Folder of the run.")],
    data: Annotated[list[Path] | None, typer.Argument(help="Files of molecules, labelled or not.")] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Checkpoint to start from; `default` is the shipped one."),
    ] = None,
    property: Annotated[
        list[str] | None,
        typer.Option("--property", help="Column to predict; repeatable. Files may lack it."),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            "--prior",
            help="Also fit a learned prior: `language` (best; up to an hour), `flow`, `gan`; repeatable.",
        ),
    ] = None,
    regions: Annotated[
        bool,
        typer.Option(
            "--regions",
            help="Also train a language model conditioned on the coarse dimensions, so that molecules around any point "
            "are like known ones; needs a language model (`--prior language`, or that of --init); takes hours.",
        ),
    ] = False,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Passes over the molecules; by default 10 with --init and --property. With 0, the "
            "autoencoder is not trained: --prior fits priors, and without it trust is calibrated on DATA."
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Time to train, instead of --epochs.")] = None,
    is_resumed: Annotated[bool, typer.Option("--resume", help="Resume the run in --out with its options.")] = False,
    split: Annotated[
        Literal["random", "scaffold"], typer.Option(help="How labelled molecules are held out for validation.")
    ] = "random",
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
    workers: Annotated[int, typer.Option(help="Number of processes that read the files.")] = 1,
    latent_size: Annotated[int | None, typer.Option(help="Dimensions of the latent space.")] = None,
    encoder_size: Annotated[int | None, typer.Option(help="Units of the encoder per direction.")] = None,
    decoder_size: Annotated[int | None, typer.Option(help="Units of the decoder.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens of the longest molecule; by default 120.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="By default 0.002, with --init 0.0003.")] = None,
    batch_size: Annotated[int, typer.Option(help="Molecules per step.")] = 64,
    kl_weight: Annotated[float, typer.Option(help="Weight of the KL divergence.")] = 0.05,
    property_weight: Annotated[float, typer.Option(help="Weight of the loss of the predictor.")] = 1.0,
    patience: Annotated[int, typer.Option(help="Stop after this many validations without improvement.")] = 20,
    geometry_weight: Annotated[
        float, typer.Option(help="Weight of the loss that ties latent distances to Tanimoto distances.")
    ] = 10.0,
    leave_out: Annotated[
        Path | None,
        typer.Option(
            help="File of molecules, such as the targets of a benchmark, to leave out with all similar molecules."
        ),
    ] = None,
    leave_out_similarity: Annotated[
        float, typer.Option(help="Tanimoto similarity (ECFP4) to --leave-out above which a molecule is left out.")
    ] = 0.323,
    validate_every: Annotated[
        int | None, typer.Option(help="Steps between validations; by default an epoch, at most 1000.")
    ] = None,
    fragment: options.Fragment = "largest",
    charge: options.Charge = "keep",
    stereo: options.Stereo = "keep",
    smiles_column: options.SmilesColumn = None,
    rejects: options.Rejects = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Also fit a random forest on Morgan fingerprints, for comparison.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the data, for the model card; unknown by default.")
    ] = None,
    is_forced: options.Force = False,
    is_json: options.Json = False,
) -> None:
    """Train a model on files of molecules: CSV, TSV, SMI or SDF, plain or .gz.

    Leaves the best checkpoint as OUT/model.safetensors, with its card OUT/model.json.

    Example: molgen train assay.csv --init default --property pKi --split scaffold --baseline --out run
    """
    from molgen.evaluate.training_report import write_training_report

    with _open(context, out, is_resumed, is_forced) as experiment:
        with show.progress(None, "Reading") as advance:
            rows = count(1)
            experiment.prepare(lambda: advance(next(rows)))
        _note_inputs(experiment)
        with show.progress(1.0, "Training") as advance:
            experiment.train(_watch(advance), lambda kind, share: advance(share, f"fitting {kind}"))
        report = write_training_report(experiment)
    if is_json:
        show.as_json(report)
    else:
        _show_report(report)
    show.note(f"The model is {experiment.model_path}")


def _open(context: typer.Context, out: Path, is_resumed: bool, is_forced: bool) -> AbstractContextManager[TrainingRun]:
    """The new or resumed run; a resumed run keeps its own values of options that are not on the command line."""
    from molgen.train.run import TrainingRun
    from molgen.train.spec import TrainingSpec

    given = {
        name: value
        for name, value in context.params.items()
        if name in TrainingSpec.__dataclass_fields__ and _is_given(context, name)
    }
    if given.get("epochs") == 0 and given.get("property"):
        show.note(f"molgen: warning: {_FIT_INSTEAD}")
    if is_resumed:
        return TrainingRun.resume(out, given)
    return TrainingRun.start(out, TrainingSpec.of(given), is_forced=is_forced)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _note_inputs(experiment: TrainingRun) -> None:
    from molgen.train.data.doubts import find_doubtful_labels

    for entry in experiment.run.manifest()["inputs"]:
        note_rows(entry["path"], entry["rows_kept"], entry["rows_read"], entry["rows_rejected"])
    for line in find_doubtful_labels(experiment.data, experiment.spec.property):
        show.note(line)


def _watch(advance: show.Advance) -> Callable[[TrainingStatus], None]:
    """Shows the progress of training, or one line per validation without a terminal."""
    before: TrainingStatus | None = None

    def watch(status: TrainingStatus) -> None:
        nonlocal before
        advance(status.fraction, _line(status))
        if before and status.reconstruction is not before.reconstruction and not sys.stderr.isatty():
            show.note(f"{before.fraction:.0%} {_line(replace(before, reconstruction=status.reconstruction))}")
        before = status

    return watch


def _line(status: TrainingStatus) -> str:
    rate = status.molecules / max(1e-9, status.seconds)
    text = f"step {status.step}, {rate:.0f} molecules/s, loss {status.loss:.2f}"
    if status.reconstruction is None:
        return text
    return (
        f"{text}, exact reconstruction {status.reconstruction.exact:.1%}, "
        f"active units {status.reconstruction.active_units}"
    )


def _show_report(report: dict[str, Any]) -> None:
    n = report["validation_molecules"] or report["training_molecules"]
    show_reconstruction(f"{n} {report['measured_on']}", report["reconstruction"])
    fits = [("fitted predictor", fit) for fit in report["predictor"]]
    fits += [("Morgan + random forest", fit) for fit in report.get("baseline", ())]
    if fits:
        show_fits(f"Predictions, {report['split']} split", fits)
