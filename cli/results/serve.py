"""The command `molgen serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import options, show


def serve(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Existing folder of files, runs and exports.")
    ] = Path("."),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local server; 0 takes a free one.")] = 8090,
    checkpoint: options.Checkpoint = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
) -> None:
    """Open the workbench in a browser on this machine; Ctrl-C stops it, and its campaigns can be resumed.

    Needs the extra molgen-workbench[serve]. The printed address contains a token; requests without it are refused.

    Example: molgen serve workbench
    """
    from molgen.device import available_threads, resolve_device, use_threads
    from molgen.extras import require_package
    from molgen.latent.space import LatentSpace
    from molgen.search.launch import Machine

    require_package("uvicorn", package="uvicorn", extra="serve", key="serve")
    require_package("starlette", package="starlette", extra="serve", key="serve")
    from molgen.serve.instruments import Instruments
    from molgen.serve.server import serve_workbench
    from molgen.serve.workbench import Workbench
    from molgen.serve.workspace import Workspace

    use_threads(threads)
    machine = Machine(resolve_device(device), threads or available_threads())
    workspace = Workspace(folder.resolve())
    instruments = Instruments(LatentSpace.load(checkpoint, device=machine.device), checkpoint)
    serve_workbench(Workbench(workspace, instruments, machine, checkpoint), port, show.data)
