"""A preferential study in Optuna's dashboard: a user names the worst of some molecules of a campaign, again and again.

Each choice is in a file of comparisons before the dashboard answers, so that a kill loses none. The file lies outside
the run. A later study restores the choices of the file, and several campaigns can use the same file, one after another.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from threading import RLock
from typing import Any

from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from molgen.errors import FileError, SpecError
from molgen.explore.comparisons import Comparison, read_comparisons, write_comparisons
from molgen.extras import require_package
from molgen.output.candidates import select
from molgen.output.dashboard import drawing_id, make_trials
from molgen.search.ledger import Evaluation

N_SHOWN = 6
"""Number of molecules among which the worst is named."""
_CHOICE = "preference:values"
"""Prefix of a system attribute that holds a choice. Source: `optuna_dashboard.preferential._system_attrs`, 0.21."""
_DRAWING = "drawing"


class ChoiceFile:
    """A file of comparisons that one dashboard continues.

    Attributes:
        comparisons: What it holds.
    """

    def __init__(self, path: Path, run: Path) -> None:
        """Reads the file, if there is one; it is made by the first choice.

        Args:
            path: The file.
            run: The folder of the campaign, in which it must not be.

        Raises:
            SpecError: The file does not end in .csv.
            FileError: It is in the run, or is no file of comparisons.
        """
        if path.suffix != ".csv":
            raise SpecError("prefer", f"{path} must end in .csv")
        if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(run)):
            raise FileError(path, f"is in {run}, which a dashboard does not change", remedy="Name a file elsewhere.")
        self.comparisons = read_comparisons(path) if path.exists() else []
        self._path, self._content = path, _read(path)

    def write(self, comparisons: Sequence[Comparison]) -> None:
        """Replaces the content, atomically.

        Raises:
            FileError: Another process or a user changed the file since it was read.
            OSError: It cannot be written; it is then as it was.
        """
        if _read(self._path) != self._content:
            raise FileError(self._path, "changed while the dashboard used it", remedy="Start the dashboard again.")
        write_comparisons(self._path, comparisons)
        self.comparisons, self._content = list(comparisons), _read(self._path)


class ChoiceStorage(InMemoryStorage):
    """A storage that writes each choice of its preferential study to a file before it holds it."""

    def __init__(self, file: ChoiceFile) -> None:
        super().__init__()
        self._file, self._choosing = file, RLock()
        self._study: Any = None
        self._study_id: int | None = None
        self._elsewhere: list[Comparison] = []
        """Comparisons with a molecule that the study lacks, which the file keeps."""
        self._trials: dict[str, FrozenTrial] = {}
        self._numbers: dict[str, int] = {}

    def add_choice_study(self, name: str, evaluations: Sequence[Evaluation], top: int) -> int:
        """Adds the preferential study and returns its id.

        It has the choices of the file among molecules of the ledger. Another of the `top` best molecules, selected as
        by `molgen export --diverse`, is added whenever fewer than `N_SHOWN` are left to choose from.

        Args:
            name: Name of the study.
            evaluations: A ledger.
            top: At least 1.

        Raises:
            NothingValidError: No molecule of the ledger can be shown.
            SpecError: optuna-dashboard is not installed.
        """
        require_package("optuna_dashboard", package="optuna-dashboard", extra="dashboard", key="dashboard")
        from optuna_dashboard import register_preference_feedback_component
        from optuna_dashboard.preferential import create_study

        best = [pick.evaluation for pick in select(evaluations, top, is_diverse=True).picks]
        compared = {smiles for comparison in self._file.comparisons for smiles in comparison}
        known = [evaluation for evaluation in evaluations if evaluation.smiles in compared]
        self._trials = _make_running({each.smiles: each for each in [*best, *known]}.values())
        study = create_study(n_generate=N_SHOWN, storage=self, sampler=RandomSampler(), study_name=name)
        register_preference_feedback_component(study, "artifact", _DRAWING)
        study_id = self.get_study_id_from_name(name)
        self._restore(study_id)
        self._study, self._study_id = study, study_id
        self._show(study_id)
        return study_id

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Sets an attribute; if it holds a choice, or the removal of one, the file is written first.

        Raises:
            ValueError: The choice names a trial that the study does not have.
            FileError: See `ChoiceFile.write`.
            OSError: See `ChoiceFile.write`.
        """
        with self._choosing:
            is_watched = study_id == self._study_id
            if is_watched and key.startswith(_CHOICE):
                chosen = self._find_comparisons({**self.get_study_system_attrs(study_id), key: value})
                self._file.write([*self._elsewhere, *chosen])
            super().set_study_system_attr(study_id, key, value)
            if is_watched:
                self._show(study_id)

    def _restore(self, study_id: int) -> None:
        """Repeats the choices of the file among the molecules of the ledger."""
        from optuna_dashboard._preferential_history import NewHistory, report_history

        for worse, group in groupby(self._file.comparisons, key=lambda comparison: comparison[1]):
            betters = [better for better, _ in group]
            own = [better for better in betters if worse in self._trials and better in self._trials]
            self._elsewhere += [(better, worse) for better in betters if better not in own]
            if own:
                numbers = [self._add(study_id, smiles) for smiles in (*own, worse)]
                report_history(study_id, self, NewHistory("ChooseWorst", numbers, numbers[-1]))

    def _show(self, study_id: int) -> None:
        """Adds molecules until enough are shown, or none is left."""
        coming = (smiles for smiles in self._trials if smiles not in self._numbers)
        while self._study.should_generate() and (smiles := next(coming, None)):
            self._add(study_id, smiles)

    def _add(self, study_id: int, smiles: str) -> int:
        """The number of the trial of a molecule, which is added if the study lacks it."""
        if smiles not in self._numbers:
            trial_id = self.create_new_trial(study_id, self._trials[smiles])
            self._numbers[smiles] = self.get_trial_number_from_id(trial_id)
        return self._numbers[smiles]

    def _find_comparisons(self, attributes: Mapping[str, Any]) -> list[Comparison]:
        """The comparisons that the attributes of the study hold."""
        smiles = {number: smiles for smiles, number in self._numbers.items()}
        pairs = [pair for key, value in attributes.items() if key.startswith(_CHOICE) for pair in value]
        if not all(number in smiles for pair in pairs for number in pair):
            raise ValueError("a choice names a trial that the study does not have")
        return [(smiles[better], smiles[worse]) for better, worse in pairs]


def _make_running(evaluations: Collection[Evaluation]) -> dict[str, FrozenTrial]:
    """A running trial for each line of a ledger, by SMILES."""
    trials = make_trials([*evaluations], (), [{"state": TrialState.RUNNING}] * len(evaluations))
    for evaluation, trial in zip(evaluations, trials, strict=True):
        trial.set_user_attr(_DRAWING, drawing_id(evaluation))
    return {evaluation.smiles: trial for evaluation, trial in zip(evaluations, trials, strict=True)}


def _read(path: Path) -> bytes:
    """The content of a file, which is empty if there is none."""
    return path.read_bytes() if path.exists() else b""
