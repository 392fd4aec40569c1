"""Changes allowed when a campaign is resumed: a larger budget, and a repaired file of a scorer.

The manifest keeps the history of both; the specification does not change.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from molgen.errors import RunError, SpecError
from molgen.run import MANIFEST, RunFolder, now
from molgen.search.spec import CampaignSpec


def find_changed_scorers(folder: RunFolder, scorers: Mapping[str, str], *, is_accepted: bool) -> list[str]:
    """Names of the scorers whose files changed since the start, or since the last accepted change.

    Raises:
        RunError: There are such scorers and `is_accepted` is false, or the manifest names other scorers.
    """
    before = folder.manifest().get("scorers")
    if not isinstance(before, dict) or before.keys() != scorers.keys():
        raise RunError(folder.path / MANIFEST, "names other scorers than spec.toml", remedy="Start a new run.")
    changed = [name for name, digest in scorers.items() if before[name] != digest]
    if changed and not is_accepted:
        raise RunError(
            folder.path,
            f"the file of scorer {', '.join(changed)} changed since this run began",
            remedy=f"Continue with --resume {folder.path} --accept-changed-scorer, which keeps the values that it "
            "gave before, or start a new run in another folder.",
        )
    return changed


def find_larger_budget(folder: RunFolder, spec: CampaignSpec, budget: int | None) -> int | None:
    """The budget to extend to; None if unchanged.

    Raises:
        SpecError: It is smaller than before, or too large.
    """
    before = read_budgets(folder, spec)[-1]
    if budget is None or budget == before:
        return None
    if budget < before:
        raise SpecError("budget", f"must be above {before}, that of the run, but got {budget}")
    return replace(spec, budget=budget).budget


def write_changes(folder: RunFolder, scorers: Mapping[str, str] | None, budget: int | None) -> None:
    """Records the changes of a resumed run in manifest and log."""
    manifest = folder.manifest()
    about = {"time": now(), "command": sys.argv}
    if scorers:
        accepted = [*manifest.get("accepted_scorers", []), {**about, "before": manifest["scorers"]}]
        folder.update(scorers=scorers, accepted_scorers=accepted)
        folder.log("a changed scorer was accepted")
    if budget:
        folder.update(extensions=[*manifest.get("extensions", []), {**about, "budget": budget}])
        folder.log(f"the budget was extended to {budget}")


def read_budgets(folder: RunFolder, spec: CampaignSpec) -> list[int]:
    """The growing budgets of a campaign: that of its specification, and its extensions.

    Raises:
        RunError: The manifest is damaged.
    """
    extensions = folder.manifest().get("extensions", [])
    try:
        budgets = [spec.budget, *(replace(spec, budget=entry["budget"]).budget for entry in extensions)]
    except (TypeError, KeyError, SpecError):
        budgets = []
    if not budgets or sorted(set(budgets)) != budgets:
        raise RunError(folder.path / MANIFEST, "is damaged: extensions", remedy="Start a new run.")
    return budgets
