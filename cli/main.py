"""The app `molgen`, its commands, and the exit codes of errors.

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | wrong usage, specification or input |
| 3 | ran, but nothing valid came out |
| 130 | interrupted, state saved |
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import (
    campaign,
    curate,
    decode,
    encode,
    evaluate,
    export,
    familiarise,
    fit,
    index,
    predict,
    project,
    sample,
    train,
)
from .benchmark import app as benchmark
from .console import show
from .console.renamed import note_renames, replace_old_options
from .explore import app as explore
from .results import dashboard, report, serve
from .structure import receptor

FAILED, USAGE, NOTHING_VALID, INTERRUPTED = 1, 2, 3, 130

_DISK_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space, then continue a run with --resume.",
    errno.EDQUOT: "The disk quota is used up: free some space, then continue a run with --resume.",
    errno.EROFS: "The disk is read-only: name a folder that can be written.",
    errno.EACCES: "Name a file or folder that you may read and write.",
    errno.EPERM: "Name a file or folder that you may read and write.",
}


class Commands(TyperGroup):
    """The group of commands: turns errors into a message and an exit code."""

    def main(self, args: Sequence[str] | None = None, **options: Any) -> Any:  # type: ignore[override]
        """Runs the command line `args`, by default that of the process, and exits."""
        try:
            with note_renames():
                return super().main(replace_old_options(sys.argv[1:] if args is None else args), **options)
        except Exception as error:
            if "--debug" in (sys.argv if args is None else args):
                show.note("".join(traceback.format_exception(error)))
            code, message = verdict(error)
            show.note(f"molgen: error: {message}")
            show.give_up_data()
            if code == INTERRUPTED and args is None:
                os._exit(code)  # shutting the interpreter down would take a second
            sys.exit(code)


def verdict(error: Exception) -> tuple[int, str]:
    """The exit code of `error`, and its message for the user."""
    from molgen import errors

    match error:
        case errors.NothingValidError():
            return NOTHING_VALID, str(error)
        case errors.InterruptedRunError():
            return INTERRUPTED, str(error)
        case errors.SpecError() | errors.FileError() | errors.MoleculeError():
            return USAGE, str(error)
        case errors.MolgenError():
            return FAILED, str(error)
        case OSError():
            return FAILED, _disk_message(error)
    return FAILED, (
        f"internal error: {type(error).__name__}: {' '.join(str(error).split())}\n"
        "Run again as `molgen --debug ...` for the traceback, and please report it."
    )


def _disk_message(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    remedy = _DISK_REMEDIES.get(error.errno or 0, "")
    return f"{where}{error.strerror or error}\n{remedy}".rstrip()


def _show_version(asked: bool) -> None:
    if asked:
        import molgen

        show.data(f"molgen {molgen.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    name="molgen",
    no_args_is_help=True,
    rich_markup_mode=None,  # messages stay on one line, to be searched for; help takes half the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def molgen(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Design molecules in a learned latent space.

    Input files are refused beyond these limits: 1,000,000 characters per line, 10,000,000 per SDF record; for .gz files
    above 16 MB unpacked, 100 times the packed size. MOLGEN_LIMITS=off in the environment lifts them.

    Example: molgen campaign --maximize qed --budget 500 --out run
    """


app.command()(curate.curate)
app.command()(train.train)
app.command()(fit.fit)
app.command()(familiarise.familiarise)
app.command()(predict.predict)
app.command()(evaluate.evaluate)
app.command()(encode.encode)
app.command()(decode.decode)
app.command()(sample.sample)
app.command()(receptor.receptor)
app.command()(campaign.campaign)
app.command()(export.export)
app.command()(report.report)
app.command()(dashboard.dashboard)
app.command()(serve.serve)
app.command()(index.index)
app.command()(project.propose)
app.command()(project.tell)
app.add_typer(project.app, name="project")
app.add_typer(explore.app, name="explore")
app.add_typer(benchmark.app, name="benchmark")
