"""The routes of the workbench: JSON in and out, over the library."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
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
from molgen.output.listing import Cell
from molgen.search import start
from molgen.search.launch import Machine
from molgen.search.spec import MAX_BUDGET
from molgen.search.start import read_start
from molgen.serve.access import Access
from molgen.serve.campaigns import Campaigns
from molgen.serve.instruments import MAX_SHOWN, Answer, Instruments
from molgen.serve.workspace import MAX_UPLOAD_BYTES, Workspace, require_plain_name

_PAGE = Path(__file__).resolve().parent / "page"
_MAX_JSON_BYTES = 1_000_000
_OPTIONS = ("maximize", "minimize", "target", "range", "constraint", "start", "budget", "batch", "sampler", "seed")
"""Options of a campaign that the page sends; scorers, which run code, are left to the command line."""


class Workbench:
    """Answers requests.

    Attributes:
        campaigns: Those of the workspace.
    """

    def __init__(
        self, workspace: Workspace, instruments: Instruments, machine: Machine, checkpoint: Path | None = None
    ) -> None:
        """Starts nothing; campaigns use `checkpoint`, which is that of the instruments."""
        self._workspace, self._instruments, self._checkpoint = workspace, instruments, checkpoint
        self.campaigns = Campaigns(workspace, machine)

    def state(self) -> dict[str, Any]:
        """Files and campaigns, for a page that is loaded or reloaded at any time."""
        return {
            "folder": str(self._workspace.folder),
            "files": self._workspace.file_names(),
            "campaigns": [asdict(state) for state in self.campaigns.states()],
        }

    def start(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Starts a campaign."""
        unknown = sorted(asked.keys() - {*_OPTIONS, "name"})
        if unknown:
            raise SpecError(unknown[0], "is no option of the page", remedy="Use `molgen campaign`.")
        options = {key: asked[key] for key in _OPTIONS if asked.get(key) not in (None, "", [])}
        if "start" in options:
            uploaded = self._workspace.file_names()
            texts = _texts(options, "start")
            options["start"] = [str(self._workspace.file(text)) if text in uploaded else text for text in texts]
        if self._checkpoint:
            options["checkpoint"] = str(self._checkpoint)
        return {"command": shlex.join(self.campaigns.start(_text(asked, "name"), options))}

    def resume(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Resumes or extends a campaign."""
        budget = _number(asked, "budget", MAX_BUDGET) if asked.get("budget") else None
        return {"command": shlex.join(self.campaigns.resume(_text(asked, "name"), budget))}

    def stop(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Stops a campaign."""
        self.campaigns.stop(_text(asked, "name"))
        return {"command": "Ctrl-C, or kill -TERM"}

    def candidates(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The best molecules of a campaign."""
        name = _text(asked, "name")
        evaluations = self.campaigns.evaluations(name)
        run = self._workspace.runs / name
        known = read_start(run / start.NAME)
        return _shown(self._instruments.candidates(run, evaluations, known, _number(asked, "top")))

    def export(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Writes chosen candidates to an SDF in the workspace."""
        name = _text(asked, "name")
        evaluations = self.campaigns.evaluations(name)
        run = self._workspace.runs / name
        known = read_start(run / start.NAME)
        with self._workspace.new_export(name, ".sdf") as output:
            command = self._instruments.export(run, evaluations, known, _texts(asked, "ids"), output)
        return {"file": output.name, "command": shlex.join(command)}

    def molecule(self, asked: dict[str, Any]) -> dict[str, Any]:
        """One molecule with its values."""
        return _shown(self._instruments.molecule(_text(asked, "smiles")))

    def analogues(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Molecules like one."""
        return _shown(self._instruments.analogues(_text(asked, "smiles"), _number(asked, "n")))

    def neighbours(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The nearest molecules of an uploaded file."""
        library = self._workspace.file(_text(asked, "file"))
        return _shown(self._instruments.neighbours(_text(asked, "smiles"), library, _number(asked, "n")))

    def path(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Molecules between two."""
        return _shown(self._instruments.path(_text(asked, "first"), _text(asked, "last"), _number(asked, "steps")))

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Keeps a file of molecules."""
        return asdict(self._workspace.upload(name, content))

    def exported(self, name: str) -> Path:
        """The path of an export.

        Raises:
            SpecError: There is none of that name.
        """
        path = self._workspace.exports / require_plain_name("file", name)
        if not path.is_file():
            raise SpecError("file", f"there is no export {name}")
        return path


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

    actions = ("start", "resume", "stop", "candidates", "export", "molecule", "analogues", "neighbours", "path")
    routes = [
        Route("/", page),
        Route("/api/state", state),
        Route("/api/upload", upload, methods=["POST"]),
        Route("/api/exports/{name}", exported),
        *(Route(f"/api/{name}", _action(getattr(workbench, name)), methods=["POST"]) for name in actions),
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


def _shown(answer: Answer) -> dict[str, Any]:
    cards = [
        {
            "id": card.id,
            "smiles": card.smiles,
            "drawing": card.drawing,
            "values": dict(zip(answer.columns, map(_plain, card.cells), strict=True)),
        }
        for card in answer.cards
    ]
    return {"cards": cards, "command": shlex.join(answer.command)}


def _plain(value: Cell) -> float | str | None:
    """A value that JSON has: None for NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(asked: dict[str, Any], key: str) -> str:
    value = asked.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SpecError(key, "is missing", remedy="Fill it in.")
    return value.strip()


def _texts(asked: dict[str, Any], key: str) -> Sequence[str]:
    values = asked.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise SpecError(key, "must be a list of texts")
    return values


def _number(asked: dict[str, Any], key: str, limit: int = MAX_SHOWN) -> int:
    value = asked.get(key)
    if not isinstance(value, int) or not 1 <= value <= limit:
        raise SpecError(key, f"must be a whole number from 1 to {limit}, but got {value!r}")
    return value
