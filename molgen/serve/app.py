"""The routes of the workbench."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from molgen.errors import MolgenError, SpecError
from molgen.serve.access import MAP_HEADERS, Access
from molgen.serve.workbench import Workbench
from molgen.serve.workspace import MAX_UPLOAD_BYTES

_PAGE = Path(__file__).resolve().parent / "page"
_MAX_JSON_BYTES = 1_000_000
_ACTIONS = (
    *("start", "resume", "stop", "candidates", "export"),
    *("molecule", "analogues", "neighbours", "path", "walk", "learn_direction", "cards", "like"),
    *("sketch", "read_sketch"),
    *("draw", "stop_drawing"),
    *("new_project", "propose", "tell", "project"),
)
"""Functions of the workbench that take and give a JSON object."""


def make_app(workbench: Workbench, token: str, port: int) -> Starlette:
    """The workbench as an ASGI application that listens on `port`; it stops its campaigns when it ends."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(workbench.campaigns.close)

    async def page(_: Request) -> Response:
        return FileResponse(_PAGE / "workbench.html")

    async def state(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(workbench.state))

    async def upload(request: Request) -> Response:
        content = await _body(request, MAX_UPLOAD_BYTES)
        return JSONResponse(await run_in_threadpool(workbench.upload, request.query_params.get("name", ""), content))

    async def exported(request: Request) -> Response:
        path = workbench.exported(request.path_params["name"])
        return FileResponse(path, filename=path.name, media_type="chemical/x-mdl-sdfile")

    async def proposals(request: Request) -> Response:
        name, number = request.path_params["name"], request.path_params["number"]
        path = workbench.projects.proposals(name, number)
        return FileResponse(path, filename=f"{name}-{path.name}", media_type="text/csv")

    async def drawn(request: Request) -> Response:
        return FileResponse(workbench.maps.page(request.path_params["name"]), headers=MAP_HEADERS)

    routes = [
        Route("/", page),
        Route("/api/state", state),
        Route("/api/upload", upload, methods=["POST"]),
        Route("/api/exports/{name}", exported),
        *(Route(f"/api/{name}", _action(getattr(workbench, name)), methods=["POST"]) for name in _ACTIONS),
        Route("/api/proposals/{name}/{number:int}", proposals),
        Route("/maps/{name}", drawn),
        Mount("/page", StaticFiles(directory=_PAGE)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Access, token=token, port=port)],
        exception_handlers={MolgenError: _explain},
        lifespan=lifespan,
    )


def _action(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """A function from JSON to JSON as an endpoint."""

    async def answer(request: Request) -> Response:
        try:
            asked = json.loads(await _body(request, _MAX_JSON_BYTES))
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise SpecError("request", "must be a JSON object")
        return JSONResponse(await run_in_threadpool(function, asked))

    return answer


async def _body(request: Request, limit: int) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise SpecError("request", f"is larger than {limit / 1e6:g} MB")
    return bytes(content)


async def _explain(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)
