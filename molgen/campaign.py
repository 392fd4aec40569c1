"""A campaign as an object, for notebooks and scripts: run it, pause it, look at its molecules."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from tqdm import tqdm

from molgen.device import available_threads, resolve_device
from molgen.errors import InterruptedRunError, RunError
from molgen.output.finished import candidates
from molgen.output.listing import MAX_SHOWN, Listing
from molgen.run import SPEC, RunFolder
from molgen.score.external.function import ScoreFunction
from molgen.search import launch, ledger
from molgen.search.campaign import CampaignStatus
from molgen.search.ledger import Evaluation, read_evaluations
from molgen.search.resumption import read_budgets
from molgen.search.spec import CampaignSpec


class Campaign:
    """A campaign in a folder, the same as one that `molgen campaign --out FOLDER` makes.

    Attributes:
        folder: Its folder.
        spec: Its specification.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        scorers: Mapping[str, ScoreFunction] | None = None,
        device: str = "auto",
        threads: int | None = None,
        **options: Any,
    ) -> None:
        """A new campaign, or the one that is in `folder`; nothing runs yet.

        Args:
            folder: A new folder, or that of a campaign.
            scorers: Python functions from a list of SMILES to a list of numbers, by the names of their measures. They
                run in this process, without a time limit; the option `scorer` names functions in files instead.
            device: Torch device of the model: `auto`, `cpu`, `cuda` or `mps`.
            threads: CPU threads; by default all that this process may use.
            **options: Those of `CampaignSpec`, such as `maximize=["qed"]`. Without any, the campaign in `folder` is
                continued; with `budget` alone, it gets that budget.

        Raises:
            SpecError: An option is unknown or wrong.
            RunError: `folder` holds no campaign, or one with other options.
        """
        self.folder = Path(folder)
        self._functions = dict(scorers or {})
        self._machine = launch.Machine(resolve_device(device), threads or available_threads())
        self._pause = Event()
        asked = CampaignSpec.from_options(options)
        self.spec = self._find_spec(asked, options) if (self.folder / SPEC).exists() else asked

    def run(
        self,
        calls: int | None = None,
        *,
        is_quiet: bool = False,
        on_status: Callable[[CampaignStatus], object] = lambda status: None,
    ) -> CampaignStatus | None:
        """Runs until the budget is spent or the campaign is paused.

        A paused campaign continues with the next `run`, in this or another process, as if it had never stopped. It
        repeats the search with the scores in the ledger, which takes time, but no call of a scorer. Ctrl-C, and the
        stop button of a notebook, pause it.

        Args:
            calls: Number of further molecules to score before a pause, rounded up to whole batches; by default, there
                is no pause.
            is_quiet: Whether to show no progress on standard error.
            on_status: Called after each batch.

        Returns:
            Its status after the last batch; None if it paused before the first one.

        Raises:
            MolgenError: See `molgen.search.launch.launch` and `resume`.
        """
        self._pause.clear()
        stop_at = math.inf if calls is None else self.n_scored + calls
        last: CampaignStatus | None = None
        with tqdm(total=self.spec.budget, unit="call", disable=is_quiet) as bar:

            def take(status: CampaignStatus) -> None:
                nonlocal last
                last = status
                bar.set_postfix_str(f"best {status.best:.4g}" if math.isfinite(status.best) else "", refresh=False)
                bar.update(status.n_scored - bar.n)
                on_status(status)
                if status.n_scored >= stop_at:
                    self.pause()

            reports = launch.Reports(take, partial(bar.write, file=sys.stderr), self._pause.is_set)
            with suppress(InterruptedRunError):
                self._execute(reports)
        return last

    def pause(self) -> None:
        """Pauses `run` before its next batch; may be called from another thread."""
        self._pause.set()

    @property
    def n_scored(self) -> int:
        """Number of molecules scored so far."""
        return len(self._evaluations())

    def evaluations(self) -> Listing:
        """All scored molecules in order, with their measures, total and violation of the constraints."""
        found = self._evaluations()
        columns = {name: tuple(each.values[name] for each in found) for name in (found[0].values if found else ())}
        columns |= {name: tuple(getattr(each, name) for each in found) for name in ("total", "violation")}
        return Listing(tuple(each.smiles for each in found), columns)

    def candidates(self, top: int = 100) -> Listing:
        """The best molecules, with the columns of an export.

        Raises:
            NothingValidError: No molecule meets all constraints.
        """
        return candidates(self.folder, top)

    def _repr_html_(self) -> str:
        """Progress, and drawings of the best molecules."""
        found = self._evaluations()
        text = f"<p>{self.folder}: {len(found)} of {self.spec.budget} molecules scored</p>"
        has_best = any(each.is_feasible for each in found)
        return text + self.candidates(MAX_SHOWN)._repr_html_() if has_best else text

    def _find_spec(self, asked: CampaignSpec, options: Mapping[str, Any]) -> CampaignSpec:
        """The specification in the folder, with the present budget, if the options do not contradict it."""
        run = RunFolder.open(self.folder)
        saved = CampaignSpec.from_options(run.spec(), f"{self.folder / SPEC}: ")
        budget = asked.budget if "budget" in options else read_budgets(run, saved)[-1]
        if set(options) - {"budget"} and replace(asked, budget=saved.budget) != saved:
            remedy = "Leave the options out to continue it, or name another folder."
            raise RunError(self.folder, "is a campaign with other options", remedy=remedy)
        return replace(saved, budget=budget)

    def _execute(self, reports: launch.Reports) -> None:
        if (self.folder / SPEC).exists():
            budget = self.spec.budget
            launch.resume(self.folder, self._machine, reports, functions=self._functions, budget=budget)
        else:
            launch.launch(self.folder, self.spec, self._machine, reports, functions=self._functions)

    def _evaluations(self) -> list[Evaluation]:
        path = self.folder / ledger.NAME
        return read_evaluations(path) if path.exists() else []
