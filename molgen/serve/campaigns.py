"""Campaigns of a workbench, each in a process of its own, so that it can be stopped as by Ctrl-C and resumed."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from molgen.errors import InterruptedRunError, MolgenError, SpecError
from molgen.run import RunFolder
from molgen.search import launch, ledger
from molgen.search.launch import Machine, Reports
from molgen.search.ledger import Evaluation, read_evaluations
from molgen.search.resumption import read_budgets
from molgen.search.spec import CampaignSpec
from molgen.serve.work import Work
from molgen.serve.workspace import LONGEST_NEW_NAME, Workspace, require_plain_name

State = Literal["running", "stopped", "finished"]
_STOP_S = 60.0
"""Time for a campaign to save its state when the workbench ends."""


@dataclass(frozen=True)
class CampaignState:
    """Where a campaign stands.

    Attributes:
        name: Of its folder.
        state: Whether a process of this workbench works on it, and if none does, whether its budget is spent.
        n_scored: Lines of the ledger.
        budget: Molecules to score.
        best: Calls at which the best total rose, and that total.
        message: Why it ended, if it failed.
    """

    name: str
    state: State
    n_scored: int
    budget: int
    best: Sequence[tuple[int, float]]
    message: str = ""


class Campaigns:
    """The campaigns of a workspace."""

    def __init__(self, workspace: Workspace, machine: Machine) -> None:
        """Starts nothing."""
        self._workspace, self._machine = workspace, machine
        self._works: dict[str, Work] = {}
        self._asked: dict[str, int] = {}

    def start(self, name: str, options: Mapping[str, Any]) -> list[str]:
        """Starts a campaign in a new folder; `options` are those of `CampaignSpec`. Returns the command that does it.

        Raises:
            SpecError: An option is wrong, or there is a campaign of that name.
        """
        run = self._workspace.runs / require_plain_name("name", name, LONGEST_NEW_NAME)
        if run.exists() or self._is_running(name):
            raise SpecError("name", f"there is a campaign {name}", remedy="Choose another name.")
        spec = CampaignSpec.from_options(options)
        command = ["molgen", "campaign", *_flags(options), "--out", str(run)]
        self._work(name, spec.budget, dict(options), command)
        return command

    def resume(self, name: str, budget: int | None = None) -> list[str]:
        """Resumes a campaign, which may get a larger budget. Returns the command that does it.

        Raises:
            SpecError: It is running.
            RunError: There is no such campaign.
        """
        if self._is_running(name):
            raise SpecError("name", f"{name} is running", remedy="Stop it first.")
        before = self._budget(name)
        command = ["molgen", "campaign", "--resume", str(self._workspace.runs / name)]
        command += ["--budget", str(budget)] if budget else []
        self._work(name, budget or before, None, command)
        return command

    def stop(self, name: str) -> None:
        """Asks a campaign to save its state and stop; it does so after the molecules that it is scoring."""
        if name in self._works:
            self._works[name].stop()

    def states(self) -> list[CampaignState]:
        """The campaigns, by name."""
        return [self.state(name) for name in sorted({*self._workspace.run_names(), *self._works})]

    def state(self, name: str) -> CampaignState:
        """Where a campaign stands."""
        is_running = self._is_running(name)
        work = self._works.get(name)
        seen = CampaignState(name, "running" if is_running else "stopped", 0, self._asked.get(name, 0), ())
        seen = replace(seen, message=work.failure if work and not is_running else "")
        with suppress(MolgenError):  # no folder yet, or none of a campaign
            budget = self._asked.get(name) or self._budget(name)
            evaluations = self.evaluations(name)
            is_finished = not is_running and len(evaluations) >= budget
            state = "finished" if is_finished else seen.state
            return replace(seen, state=state, n_scored=len(evaluations), budget=budget, best=_rises(evaluations))
        return seen

    def evaluations(self, name: str) -> list[Evaluation]:
        """The ledger of a campaign so far.

        Raises:
            RunError: There is none.
        """
        return read_evaluations(self._workspace.runs / require_plain_name("name", name) / ledger.NAME)

    def close(self) -> None:
        """Stops every campaign, and waits until their states are saved."""
        for name in self._works:
            self.stop(name)
        for work in self._works.values():
            work.process.join(_STOP_S)

    def _is_running(self, name: str) -> bool:
        return name in self._works and self._works[name].is_running()

    def _budget(self, name: str) -> int:
        """The budget of a campaign, as it was extended.

        Raises:
            RunError: There is no such campaign.
        """
        folder = RunFolder.open(self._workspace.runs / require_plain_name("name", name))
        return read_budgets(folder, CampaignSpec.from_options(folder.spec()))[-1]

    def _work(self, name: str, budget: int, options: dict[str, Any] | None, command: list[str]) -> None:
        run = self._workspace.runs / name
        self._works[name] = Work.start(f"campaign {name}", _run, run, options, budget, self._machine, command)
        self._asked[name] = budget


def _run(
    out: Path,
    options: dict[str, Any] | None,
    budget: int,
    machine: Machine,
    command: list[str],
    sender: Connection,
) -> None:
    """Runs a new campaign, or resumes one if there are no options; sends why it failed."""
    sys.argv[:] = command  # which the manifest and the log of the run name
    reports = Reports(lambda _: None, lambda _: None)
    try:
        if options is None:
            launch.resume(out, machine, reports, budget=budget)
        else:
            launch.launch(out, CampaignSpec.from_options(options), machine, reports)
    except InterruptedRunError:
        return
    except MolgenError as error:
        sender.send(str(error))


def _flags(options: Mapping[str, Any]) -> list[str]:
    """Options as arguments of the command."""
    flags = []
    for key, value in options.items():
        name = f"--{key.replace('_', '-')}"
        for each in value if isinstance(value, list | tuple) else [value]:
            flags += [name] if each is True else [name, str(each)]
    return flags


def _rises(evaluations: Sequence[Evaluation]) -> list[tuple[int, float]]:
    """The calls at which the best total of feasible molecules rose, and that total."""
    feasible = [e for e in evaluations if e.is_feasible and math.isfinite(e.total)]
    best = accumulate((e.total for e in feasible), max)
    steps = [(e.index, value) for e, value in zip(feasible, best, strict=True)]
    return [step for i, step in enumerate(steps) if i == 0 or step[1] > steps[i - 1][1]]
