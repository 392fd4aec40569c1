"""The command `molgen report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import show
from ..console.options import Force
from ..console.outputs import check_outputs

if TYPE_CHECKING:
    from molgen.output.report.content import Report
    from molgen.run import RunFolder

N_REFERENCE = 2000
"""Number of shipped molecules whose descriptors are shown beside those of candidates."""


@check_outputs
def report(
    run: Annotated[Path, typer.Argument(help="The folder of a campaign, a training or a project.")],
    output: Annotated[
        Path, typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the page: .html.")
    ],
    top: Annotated[
        int, typer.Option("--top", "-n", min=1, max=1000, help="Number of best molecules; a Pareto front is whole.")
    ] = 100,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="The checkpoint of the campaign, if it was moved.")
    ] = None,
    is_forced: Force = False,
) -> None:
    """Write one page about a campaign, a training or a project, to read in a browser, send and print.

    The page needs no network. It shows the specification, the progress and, of a campaign or a project, the best
    molecules, which can be sorted and filtered.

    Example: molgen report run -o report.html
    """
    from molgen.errors import SpecError
    from molgen.output.report.page import write_report_page
    from molgen.paths import require_no_input

    if output.suffix.lower() != ".html":
        raise SpecError("output", f"{output} must end in .html")
    require_no_input(output, [entry for entry in run.iterdir() if entry.is_file()] if run.is_dir() else [])
    write_report_page(output, _describe(run, top, checkpoint))
    show.data(f"{output}: {output.stat().st_size / 1e6:.2f} MB")


def _describe(run: Path, top: int, checkpoint: Path | None) -> Report:
    """The report on what `run` holds.

    Raises:
        RunError: It holds no campaign, training or project.
    """
    from molgen.errors import RunError
    from molgen.output.report.project import describe_project
    from molgen.output.report.training import describe_training
    from molgen.project.folder import CHAIN, ProjectFolder
    from molgen.run import RunFolder
    from molgen.search import ledger
    from molgen.train.run import FILES

    title = run.resolve().name
    if (run / CHAIN).exists():
        return describe_project(ProjectFolder.open(run), title, top)
    folder = RunFolder.open(run)
    if (run / ledger.NAME).exists():
        return _describe_campaign(folder, title, top, checkpoint)
    if any((run / name).exists() for name in FILES):
        return describe_training(folder, title)
    raise RunError(run, "holds neither a campaign nor a training", remedy="Name the folder given as --out.")


def _describe_campaign(folder: RunFolder, title: str, top: int, checkpoint: Path | None) -> Report:
    from molgen.chem.sampling import draw_shipped_molecules
    from molgen.output.finished import describe_best
    from molgen.output.report.campaign import describe_campaign
    from molgen.run import SPEC
    from molgen.search.ledger import NAME, read_evaluations
    from molgen.search.spec import CampaignSpec

    evaluations = read_evaluations(folder.path / NAME)
    candidates = describe_best(folder, evaluations, top, checkpoint)
    spec = CampaignSpec.from_options(folder.spec(), f"{folder.path / SPEC}: ")
    reference = draw_shipped_molecules(N_REFERENCE)
    return describe_campaign(title, spec, folder.manifest(), evaluations, candidates, reference)
