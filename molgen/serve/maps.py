"""Maps of uploaded files, each drawn by a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Literal

from molgen.device import use_threads
from molgen.errors import MolgenError, SpecError
from molgen.latent.space import LatentSpace
from molgen.output.latent_map import MapSpec, draw_map
from molgen.search.launch import Machine
from molgen.serve.work import Work, watch_stages
from molgen.serve.workspace import Workspace, require_plain_name


@dataclass(frozen=True)
class MapState:
    """Where a map stands.

    Attributes:
        name: Of its page.
        state: Whether it is being drawn, can be opened, or was not finished.
        stage: What is done now.
        share: Of the stage that is done, in [0, 1].
        message: Why it failed.
    """

    name: str
    state: Literal["running", "finished", "stopped"]
    stage: str = ""
    share: float = 0.0
    message: str = ""


class Maps:
    """The maps of a workspace."""

    def __init__(self, workspace: Workspace, machine: Machine, checkpoint: Path | None) -> None:
        """Starts nothing."""
        self._workspace, self._machine, self._checkpoint = workspace, machine, checkpoint
        self._works: dict[str, Work] = {}
        self._lock = Lock()

    def start(self, file: str, method: str, colours: Sequence[str]) -> tuple[str, list[str]]:
        """Starts to draw an uploaded file. Returns the name of the map, and the command that draws it.

        Raises:
            SpecError: There is no such file, or an option is wrong.
        """
        data = self._workspace.file(file)
        with self._lock:
            output = self._workspace.free_path(self._workspace.maps, file, ".html", self._works)
            spec = MapSpec([data], output, method, tuple(colours))
            spec.columns()
            work = Work.start(f"map {output.name}", _draw, spec, self._machine, self._checkpoint)
            self._works[output.stem] = work
        command = ["molgen", "explore", "map", str(data), "--method", method]
        command += [text for colour in colours for text in ("--color", colour)]
        command += ["--checkpoint", str(self._checkpoint)] if self._checkpoint else []
        return output.stem, [*command, "-o", str(output)]

    def stop(self, name: str) -> None:
        """Stops to draw a map."""
        if name in self._works:
            self._works[name].stop()

    def states(self) -> list[MapState]:
        """The maps, by name."""
        drawn = self._workspace.map_names()
        return [self._state(name, name in drawn) for name in sorted({*drawn, *self._works})]

    def page(self, name: str) -> Path:
        """The page of a map.

        Raises:
            SpecError: There is none of that name.
        """
        path = self._workspace.maps / f"{require_plain_name('map', name)}.html"
        if not path.is_file():
            raise SpecError("map", f"there is no map {name}", remedy="Draw it first.")
        return path

    def _state(self, name: str, is_drawn: bool) -> MapState:
        work = self._works.get(name)
        if work and work.is_running():
            return MapState(name, "running", work.stage.name, work.stage.share)
        if is_drawn:
            return MapState(name, "finished")
        return MapState(name, "stopped", message=work.failure if work else "")


def _draw(spec: MapSpec, machine: Machine, checkpoint: Path | None, sender: Connection) -> None:
    """Draws a map; sends its progress, or why it failed."""
    try:
        use_threads(machine.threads)
        draw_map(LatentSpace.load(checkpoint, device=machine.device), spec, watch_stages(sender))
    except MolgenError as error:
        sender.send(str(error))
