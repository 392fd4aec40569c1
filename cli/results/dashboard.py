"""The command `molgen dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import show
from ..console.outputs import require_free


def dashboard(
    run: Annotated[Path, typer.Argument(help="The folder of a campaign, given to it as --out.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local server; 0 takes a free one.")] = 8080,
    prefer: Annotated[
        Path | None,
        typer.Option(
            "--prefer",
            help="Ask which of the best molecules is the worst, and keep the choices in this CSV file, which "
            "--maximize liked:FILE reads. A file that exists is continued.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=2, help="Number of molecules to choose among, with --prefer.")] = 100,
) -> None:
    """Show a campaign in Optuna's dashboard, with the molecule of each trial; Ctrl-C ends it.

    Needs the extra molgen-workbench[dashboard]. The dashboard shows the ledger as it is when the command starts. The
    run is not changed.

    Example: molgen dashboard run --prefer choices.csv
    """
    import optuna

    from molgen.output.choices import ChoiceFile, ChoiceStorage
    from molgen.output.dashboard import HOST, add_campaign_study, make_dashboard_server
    from molgen.run import SPEC, RunFolder
    from molgen.search.ledger import NAME, read_evaluations
    from molgen.search.spec import CampaignSpec

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = RunFolder.open(run)
    evaluations = read_evaluations(folder.path / NAME)
    spec = CampaignSpec.from_options(folder.spec(), f"{folder.path / SPEC}: ")
    name = run.resolve().name
    if prefer:
        require_free(prefer, is_forced=True)
    storage = ChoiceStorage(ChoiceFile(prefer, run)) if prefer else optuna.storages.InMemoryStorage()
    add_campaign_study(storage, name, spec, evaluations)
    study_id = 0
    if isinstance(storage, ChoiceStorage):
        study_id = storage.add_choice_study(f"{name}: choices", evaluations, top)
    with make_dashboard_server(storage, evaluations, port) as server:
        show.data(f"http://{HOST}:{server.server_port}/dashboard/studies/{study_id}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            show.note("ended")
