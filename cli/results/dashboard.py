"""The command `molgen dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import show


def dashboard(
    run: Annotated[Path, typer.Argument(help="The folder of a campaign, given to it as --out.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local server; 0 takes a free one.")] = 8080,
) -> None:
    """Show a campaign in Optuna's dashboard, with the molecule of each trial; Ctrl-C ends it.

    Needs the extra molgen-workbench[dashboard]. The dashboard shows the ledger as it is when the command starts. The
    run is not changed.

    Example: molgen dashboard run
    """
    import optuna

    from molgen.output.dashboard import HOST, make_campaign_study, make_dashboard_server
    from molgen.run import SPEC, RunFolder
    from molgen.search.ledger import NAME, read_evaluations
    from molgen.search.spec import CampaignSpec

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = RunFolder.open(run)
    evaluations = read_evaluations(folder.path / NAME)
    spec = CampaignSpec.from_options(folder.spec(), f"{folder.path / SPEC}: ")
    storage = make_campaign_study(run.resolve().name, spec, evaluations)
    with make_dashboard_server(storage, evaluations, port) as server:
        show.data(f"http://{HOST}:{server.server_port}/dashboard/studies/0")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            show.note("ended")
