"""The server process of the workbench."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from molgen.errors import SpecError
from molgen.serve.access import HOST
from molgen.serve.app import make_app
from molgen.serve.workbench import Workbench


def serve_workbench(workbench: Workbench, port: int, on_address: Callable[[str], object]) -> None:
    """Serves a workbench on this machine alone until SIGINT or SIGTERM; campaigns are then stopped and saved.

    Args:
        workbench: What to serve.
        port: 0 takes a free one.
        on_address: Called with the address, which holds the token.

    Raises:
        SpecError: The port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise SpecError("port", f"{port} cannot be used: {error.strerror}", remedy="Use --port 0.") from None
        listener.listen()  # so that a browser that is faster than the server waits
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        config = uvicorn.Config(make_app(workbench, token, port), log_level="warning", access_log=False, ws="none")
        on_address(f"http://{HOST}:{port}/?token={token}")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again when it has ended
            uvicorn.Server(config).run(sockets=[listener])
