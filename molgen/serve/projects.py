"""Projects of a workbench: measurements, rounds of proposals, results beside their forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock

from molgen.device import use_threads
from molgen.errors import MolgenError, SpecError
from molgen.output.report.content import Report
from molgen.output.report.project import describe_project
from molgen.project.batch import BOLDNESS, Exploration
from molgen.project.columns import CurationSpec
from molgen.project.curation import Curation
from molgen.project.folder import PROPOSALS, ProjectFolder, ProjectSpec
from molgen.project.rounds import ProposeSpec, new_project, propose_round, take_results
from molgen.search.launch import Machine
from molgen.serve.work import Work, watch_stages
from molgen.serve.workspace import LONGEST_NEW_NAME, Workspace, require_plain_name

TOP = 20
"""Measured compounds that are shown, the best ones."""


@dataclass(frozen=True)
class ProjectState:
    """Where a project stands.

    Attributes:
        name: Name of the project's folder.
        is_proposing: Whether a round is being proposed.
        share: Share of the proposing that is done, in [0, 1].
        message: Why the last round could not be proposed.
    """

    name: str
    is_proposing: bool = False
    share: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Curated:
    """What became of a file of measurements.

    Attributes:
        n_compounds: Compounds that were taken.
        n_rows: Rows of the file.
        rejected: Lines that were left out, with the reason.
        command: The command that does the same.
    """

    n_compounds: int
    n_rows: int
    rejected: Sequence[str]
    command: Sequence[str]

    @classmethod
    def of(cls, curation: Curation, command: Sequence[str]) -> Curated:
        """What a curation says."""
        rejected = [f"line {row.line}: {'; '.join(row.notes)}" for row in curation.rows if row.outcome == "rejected"]
        return cls(len(curation.compounds), len(curation.rows), rejected, command)


class Projects:
    """The projects of a workspace."""

    def __init__(self, workspace: Workspace, machine: Machine, checkpoint: Path | None, digest: str) -> None:
        """Starts nothing; `digest` is that of the checkpoint."""
        self._workspace, self._machine = workspace, machine
        self._checkpoint, self._digest = checkpoint, digest
        self._works: dict[str, Work] = {}
        self._lock = Lock()

    def new(self, name: str, file: str, columns: CurationSpec, direction: str) -> Curated:
        """Starts a project with the compounds of an uploaded file.

        Raises:
            SpecError: There is no such file, it is not clear which column is meant, or the name is taken.
            FileError: The file cannot be used.
        """
        data, out = self._workspace.file(file), self._path(require_plain_name("name", name, LONGEST_NEW_NAME))
        if out.exists():
            raise SpecError("name", f"there is a project {name}", remedy="Choose another name.")
        checkpoint = str(self._checkpoint.resolve()) if self._checkpoint else ""
        _, curation = new_project(out, data, columns, ProjectSpec("", direction, checkpoint, self._digest, 0))
        command = ["molgen", "project", "new", str(data), *_flags(columns), "--out", str(out)]
        command += ["--minimize"] if direction == "minimize" else []
        command += ["--checkpoint", checkpoint] if checkpoint else []
        return Curated.of(curation, command)

    def propose(self, name: str, n: int, exploration: Exploration | None, library: str) -> list[str]:
        """Starts proposing a round of compounds of an uploaded file; of new molecules if `library` is empty.

        Returns the command that does it.

        Raises:
            SpecError: A round is being proposed, or there is no such exploration or file.
            RunError: There is no such project.
        """
        if exploration and exploration not in BOLDNESS:
            raise SpecError("explore", f"must be one of {', '.join(BOLDNESS)}, but is {exploration!r}")
        path = ProjectFolder.open(self._path(name)).path
        spec = ProposeSpec(n, exploration, self._workspace.file(library) if library else None)
        with self._lock:
            self._require_idle(name)
            self._works[name] = Work.start(f"project {name}", _propose, path, spec, self._machine)
        command = ["molgen", "propose", "--project", str(path), "-n", str(n)]
        command += ["--explore", exploration] if exploration else []
        return [*command, *(["--library", str(spec.library)] if spec.library else [])]

    def tell(self, name: str, file: str, columns: CurationSpec) -> Curated:
        """Records results of an uploaded file.

        Raises:
            SpecError: There is no such file, it is of another property, or a round is being proposed.
            FileError: The file cannot be used.
            RunError: There is no such project.
        """
        folder, results = ProjectFolder.open(self._path(name)), self._workspace.file(file)
        with self._lock:
            self._require_idle(name)
            _, _, curation = take_results(folder, results, columns)
        return Curated.of(curation, ["molgen", "tell", str(results), *_flags(columns), "--project", str(folder.path)])

    def report(self, name: str) -> Report:
        """The rounds, results, pending and best compounds of a project.

        Raises:
            RunError: There is no such project, or a file of it was changed.
        """
        return describe_project(ProjectFolder.open(self._path(name)), name, TOP)

    def property_name(self, name: str) -> str:
        """The property that a project is about."""
        return ProjectFolder.open(self._path(name)).spec.property_name

    def proposals(self, name: str, number: int) -> Path:
        """The table of a round.

        Raises:
            SpecError: There is none.
        """
        path = self._path(name) / PROPOSALS / f"{number:03d}.csv"
        if not path.is_file():
            raise SpecError("round", f"{name} has no round {number}")
        return path

    def states(self) -> list[ProjectState]:
        """The projects, by name."""
        return [self._state(name) for name in self._workspace.project_names()]

    def _state(self, name: str) -> ProjectState:
        work = self._works.get(name)
        is_proposing = work is not None and work.is_running()
        return ProjectState(name, is_proposing, work.stage.share, work.failure) if work else ProjectState(name)

    def _require_idle(self, name: str) -> None:
        if self._state(name).is_proposing:
            raise SpecError("name", f"a round of {name} is being proposed", remedy="Wait until it is there.")

    def _path(self, name: str) -> Path:
        return self._workspace.projects / require_plain_name("name", name)


def _propose(path: Path, spec: ProposeSpec, machine: Machine, sender: Connection) -> None:
    """Proposes a round; sends its progress, or why it failed."""
    try:
        use_threads(machine.threads)
        with watch_stages(sender)(1.0, "Searching") as advance:
            propose_round(ProjectFolder.open(path), spec, advance)
    except MolgenError as error:
        sender.send(str(error))


def _flags(columns: CurationSpec) -> list[str]:
    named = [text for name in columns.properties for text in ("--property", name)]
    return [*named, *(["--to-p"] if columns.to_p else []), *(["--unit", columns.unit] if columns.unit else [])]
