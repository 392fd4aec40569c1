"""What the page can ask for, as functions from JSON to JSON over the library."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from molgen.chem.conformer import draw_molblock
from molgen.chem.molecule import AS_IT_IS, molblock_to_smiles, parse
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import SpecError
from molgen.output.listing import Cell
from molgen.output.report.content import Card, Grid, Table
from molgen.project.batch import Exploration
from molgen.project.columns import CurationSpec
from molgen.search import start
from molgen.search.launch import Machine
from molgen.search.spec import MAX_BUDGET
from molgen.search.start import read_start
from molgen.serve.asked import Asked, number_of, text_of, texts_of
from molgen.serve.campaigns import Campaigns
from molgen.serve.instruments import Answer, Instruments
from molgen.serve.likes import Likes
from molgen.serve.maps import Maps
from molgen.serve.projects import Curated, Projects
from molgen.serve.workspace import LONGEST_NEW_NAME, Workspace, require_plain_name

_OPTIONS = ("maximize", "minimize", "target", "range", "constraint", "start", "budget", "batch", "sampler", "seed")
"""Options of a campaign that the page sends; scorers, which run code, are left to the command line."""
MAX_STEPS = 100
"""Steps of a walk on each side."""


class Workbench:
    """Answers requests.

    Attributes:
        campaigns, maps, likes, projects: Those of the workspace.
    """

    def __init__(
        self, workspace: Workspace, instruments: Instruments, machine: Machine, checkpoint: Path | None = None
    ) -> None:
        """Starts nothing; campaigns use `checkpoint`, which is that of the instruments."""
        self._workspace, self._instruments, self._checkpoint = workspace, instruments, checkpoint
        self.campaigns = Campaigns(workspace, machine)
        self.maps = Maps(workspace, machine, checkpoint)
        self.likes = Likes(workspace)
        self.projects = Projects(workspace, machine, checkpoint, instruments.checkpoint_sha256)

    def state(self) -> dict[str, Any]:
        """Files, campaigns, maps, likes and projects, for a page that is loaded or reloaded at any time."""
        return {
            "folder": str(self._workspace.folder),
            "files": self._workspace.file_names(),
            "directions": self._workspace.direction_names(),
            "campaigns": [asdict(state) for state in self.campaigns.states()],
            "maps": [asdict(state) for state in self.maps.states()],
            "likes": self.likes.all(),
            "projects": [asdict(state) for state in self.projects.states()],
        }

    def start(self, asked: Asked) -> dict[str, Any]:
        """Starts a campaign."""
        unknown = sorted(asked.keys() - {*_OPTIONS, "name"})
        if unknown:
            raise SpecError(unknown[0], "is no option of the page", remedy="Use `molgen campaign`.")
        options = {key: asked[key] for key in _OPTIONS if asked.get(key) not in (None, "", [])}
        if "start" in options:
            uploaded = self._workspace.file_names()
            texts = texts_of(options, "start")
            options["start"] = [str(self._workspace.file(text)) if text in uploaded else text for text in texts]
        if self._checkpoint:
            options["checkpoint"] = str(self._checkpoint)
        name = require_plain_name("name", text_of(asked, "name"), LONGEST_NEW_NAME)
        return {"command": shlex.join(self.campaigns.start(name, self.likes.name_file(name, options)))}

    def resume(self, asked: Asked) -> dict[str, Any]:
        """Resumes or extends a campaign."""
        budget = number_of(asked, "budget", MAX_BUDGET) if asked.get("budget") else None
        return {"command": shlex.join(self.campaigns.resume(text_of(asked, "name"), budget))}

    def stop(self, asked: Asked) -> dict[str, Any]:
        """Stops a campaign."""
        self.campaigns.stop(text_of(asked, "name"))
        return {"command": "Ctrl-C, or kill -TERM"}

    def candidates(self, asked: Asked) -> dict[str, Any]:
        """The best molecules of a campaign."""
        name = text_of(asked, "name")
        evaluations = self.campaigns.evaluations(name)
        run = self._workspace.runs / name
        known = read_start(run / start.NAME)
        return _shown(self._instruments.candidates(run, evaluations, known, number_of(asked, "top")))

    def export(self, asked: Asked) -> dict[str, Any]:
        """Writes chosen candidates to an SDF in the workspace."""
        name = text_of(asked, "name")
        evaluations = self.campaigns.evaluations(name)
        run = self._workspace.runs / name
        known = read_start(run / start.NAME)
        with self._workspace.new_export(name, ".sdf") as output:
            command = self._instruments.export(run, evaluations, known, texts_of(asked, "ids"), output)
        return {"file": output.name, "command": shlex.join(command)}

    def molecule(self, asked: Asked) -> dict[str, Any]:
        """One molecule with its values."""
        return _shown(self._instruments.molecule(text_of(asked, "smiles")))

    def sketch(self, asked: Asked) -> dict[str, Any]:
        """A SMILES as a block of atoms and bonds, for the editor."""
        return {"molfile": draw_molblock(parse(text_of(asked, "smiles"), AS_IT_IS).mol)}

    def read_sketch(self, asked: Asked) -> dict[str, Any]:
        """A block of the editor as SMILES."""
        molfile = asked.get("molfile")
        if not isinstance(molfile, str):
            raise SpecError("molfile", "is missing")
        return {"smiles": parse(molblock_to_smiles(molfile), AS_IT_IS).smiles}

    def analogues(self, asked: Asked) -> dict[str, Any]:
        """Molecules like one."""
        return _shown(self._instruments.analogues(text_of(asked, "smiles"), number_of(asked, "n")))

    def neighbours(self, asked: Asked) -> dict[str, Any]:
        """The nearest molecules of an uploaded file."""
        library = self._workspace.file(text_of(asked, "file"))
        return _shown(self._instruments.neighbours(text_of(asked, "smiles"), library, number_of(asked, "n")))

    def path(self, asked: Asked) -> dict[str, Any]:
        """Molecules between two."""
        return _shown(
            self._instruments.path(text_of(asked, "first"), text_of(asked, "last"), number_of(asked, "steps"))
        )

    def learn_direction(self, asked: Asked) -> dict[str, Any]:
        """Finds the direction along which a column of an uploaded file grows."""
        name = require_plain_name("name", text_of(asked, "name"), LONGEST_NEW_NAME)
        column = text_of(asked, "property")
        output = self._workspace.directions / f"{name}.json"
        command = self._instruments.learn_direction(self._workspace.file(text_of(asked, "file")), column, output)
        return {"direction": output.name, "command": shlex.join(command)}

    def walk(self, asked: Asked) -> dict[str, Any]:
        """Molecules along a direction of the workspace, or that of a descriptor."""
        along, steps = text_of(asked, "along"), number_of(asked, "steps", MAX_STEPS)
        if along in self._workspace.direction_names():
            along = str(self._workspace.directions / along)
        elif along not in DESCRIPTORS:
            raise SpecError("along", f"{along!r} is neither a direction here nor a descriptor")
        return _shown(self._instruments.walk(text_of(asked, "smiles"), along, steps))

    def cards(self, asked: Asked) -> dict[str, Any]:
        """Molecules with descriptors."""
        return _shown(self._instruments.cards(texts_of(asked, "smiles")))

    def like(self, asked: Asked) -> dict[str, Any]:
        """Likes or dislikes a molecule, or neither."""
        is_liked = asked.get("liked")
        if not isinstance(is_liked, bool | None):
            raise SpecError("liked", "must be true, false or null")
        self.likes.set(text_of(asked, "smiles"), is_liked)
        return {"likes": self.likes.all()}

    def draw(self, asked: Asked) -> dict[str, Any]:
        """Starts to draw a map."""
        name, command = self.maps.start(text_of(asked, "file"), text_of(asked, "method"), texts_of(asked, "colours"))
        return {"name": name, "command": shlex.join(command)}

    def stop_drawing(self, asked: Asked) -> dict[str, Any]:
        """Stops to draw a map."""
        self.maps.stop(text_of(asked, "name"))
        return {"command": "Ctrl-C, or kill -TERM"}

    def new_project(self, asked: Asked) -> dict[str, Any]:
        """Starts a project."""
        columns = _columns(asked, asked.get("property"))
        direction = text_of(asked, "direction")
        return _curated(self.projects.new(text_of(asked, "name"), text_of(asked, "file"), columns, direction))

    def propose(self, asked: Asked) -> dict[str, Any]:
        """Starts to propose a round."""
        name = text_of(asked, "name")
        exploration = cast(Exploration, text_of(asked, "explore")) if asked.get("explore") else None
        library = text_of(asked, "library") if asked.get("library") else ""
        return {"command": shlex.join(self.projects.propose(name, number_of(asked, "n"), exploration, library))}

    def tell(self, asked: Asked) -> dict[str, Any]:
        """Records results."""
        name = text_of(asked, "name")
        columns = _columns(asked, asked.get("property") or self.projects.property_name(name))
        return _curated(self.projects.tell(name, text_of(asked, "file"), columns))

    def project(self, asked: Asked) -> dict[str, Any]:
        """The figures, tables and molecules of a project."""
        name = text_of(asked, "name")
        report = self.projects.report(name)
        tables = [asdict(section) for section in report.sections if isinstance(section, Table)]
        grids = [_grid(section) for section in report.sections if isinstance(section, Grid)]
        command = ["molgen", "report", str(self._workspace.projects / name), "-o", f"{name}.html"]
        answer = {"title": report.subtitle, "figures": report.figures, "tables": tables, "grids": grids}
        return {**answer, "command": shlex.join(command)}

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


def _columns(asked: Asked, column: object) -> CurationSpec:
    """How to read a file of measurements."""
    unit = asked.get("unit") or ""
    if not isinstance(column, str | None) or not isinstance(unit, str):
        raise SpecError("property", "and the unit must be texts")
    return CurationSpec((column,) if column else (), asked.get("to_p") is True, unit)


def _curated(curated: Curated) -> dict[str, Any]:
    return {**asdict(curated), "command": shlex.join(curated.command)}


def _grid(grid: Grid) -> dict[str, Any]:
    return {"title": grid.title, "cards": _cards(grid.columns, grid.cards)}


def _shown(answer: Answer) -> dict[str, Any]:
    return {"cards": _cards(answer.columns, answer.cards), "command": shlex.join(answer.command)}


def _cards(columns: Sequence[str], cards: Sequence[Card]) -> list[dict[str, Any]]:
    return [
        {
            "id": card.id,
            "smiles": card.smiles,
            "drawing": card.drawing,
            "values": dict(zip(columns, map(_plain, card.cells), strict=True)),
        }
        for card in cards
    ]


def _plain(value: Cell) -> float | str | None:
    """A value that JSON has: None for NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
