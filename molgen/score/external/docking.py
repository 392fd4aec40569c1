"""Docking scores as a scorer in a process of its own, so that a campaign survives a crash of the docking program."""

from __future__ import annotations

from collections.abc import Iterable

from molgen.score.docking import DOCK, WORST_KCAL, make_scorer, read_card, receptor_folder, require_packages
from molgen.score.external.scorer import TIME_LIMIT_S, FunctionScorer


class DockingScorer(FunctionScorer):
    """The docking score into a receptor, kcal/mol; `WORST_KCAL`, with a reason, for a molecule that cannot be docked.

    Attributes:
        folder: The receptor folder.
    """

    default_value = WORST_KCAL

    def __init__(self, name: str, time_limit_s: float = TIME_LIMIT_S) -> None:
        """The scorer `dock:FOLDER`.

        Raises:
            SpecError: vina or meeko is not installed.
            FileError: The folder is no receptor.
        """
        require_packages()
        self.folder = receptor_folder(name).resolve()
        read_card(self.folder)
        place, function = make_scorer.__module__, f"{make_scorer.__name__}:{self.folder}"
        super().__init__(name, place, function, time_limit_s, is_tolerant=True)


def find_docking_scorers(names: Iterable[str], time_limit_s: float = TIME_LIMIT_S) -> dict[str, DockingScorer]:
    """Those of `names` that are docking scores; see `DockingScorer` for what it raises."""
    return {name: DockingScorer(name, time_limit_s) for name in names if name.startswith(DOCK)}
