"""Candidates docked again, thoroughly, into the receptor of their campaign, with checks of their poses.

Source of the checks: PoseBusters, Buttenschoen et al., Chem. Sci. 2024, 15, 3130; configuration `dock`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdkit import Chem

from molgen.errors import MoleculeError, RunError, SpecError
from molgen.extras import require_package
from molgen.output.candidates import Candidate
from molgen.run import MANIFEST, RunFolder
from molgen.score.docking import DOCK, WORST_KCAL, Receptor, protein_file, receptor_digest, receptor_folder

PoseCheck = Callable[[Chem.Mol], tuple[str, ...]]
"""From a docked pose to the names of the checks that it fails."""

_FORMAT = ("file", "molecule", "position")
"""The columns of a PoseBusters table that name the molecule; all others are checks."""


@dataclass(frozen=True)
class DockedPose:
    """How a candidate docks.

    Attributes:
        mol: The best pose, with all hydrogens; None if the candidate cannot be docked.
        score: Its score in kcal/mol; `WORST_KCAL` without a pose.
        failed_checks: Names of the PoseBusters checks that it fails; None if it was not checked.
        reason: Why there is no pose; "" if there is one.
    """

    mol: Chem.Mol | None
    score: float
    failed_checks: tuple[str, ...] | None = None
    reason: str = ""


def find_receptor(folder: RunFolder, measures: Iterable[str]) -> Path:
    """The receptor folder of the first docking score among the measures of a campaign.

    Raises:
        SpecError: There is no docking score.
        RunError: The receptor is not the one that the campaign used.
        FileError: The receptor folder is missing.
    """
    name = next((measure for measure in measures if measure.startswith(DOCK)), None)
    if name is None:
        raise SpecError("poses", f"{folder.path} has no docking score", remedy="Record one: --record dock:FOLDER.")
    receptor = receptor_folder(name)
    if folder.manifest().get("scorers", {}).get(name) != receptor_digest(receptor):
        what = f"the campaign used another receptor than {receptor} holds now"
        raise RunError(folder.path / MANIFEST, what, remedy="Restore the folder of the receptor.")
    return receptor


def dock_candidates(
    candidates: Sequence[Candidate],
    receptor: Path,
    exhaustiveness: int,
    *,
    n_threads: int = 1,
    is_checked: bool = False,
    on_pose: Callable[[int], object] = lambda n: None,
) -> dict[str, DockedPose]:
    """The pose of each candidate, by its id.

    Args:
        candidates: The candidates.
        receptor: A receptor folder.
        exhaustiveness: Number of searches of Vina for each candidate.
        n_threads: CPU threads; poses do not depend on them.
        is_checked: Whether to check the poses with PoseBusters.
        on_pose: Called with the number of candidates done, after each.

    Raises:
        SpecError: A package of the extra `docking` is not installed.
        FileError: `receptor` is not a receptor folder.
    """
    check = make_pose_check(receptor) if is_checked else None
    site = Receptor.open(receptor, n_threads)
    poses = {}
    for n, candidate in enumerate(candidates, 1):
        poses[candidate.id] = _dock(candidate.molecule.mol, site, exhaustiveness, check)
        on_pose(n)
    return poses


def make_pose_check(receptor: Path) -> PoseCheck:
    """A function that checks poses in a receptor.

    Raises:
        SpecError: posebusters is not installed.
        FileError: The folder of the receptor has no protein.
    """
    require_package("posebusters", package="posebusters", extra="docking", key="check-poses")
    from posebusters import PoseBusters

    protein = protein_file(receptor)
    checks = PoseBusters(config="dock")

    def check(pose: Chem.Mol) -> tuple[str, ...]:
        (outcome,) = checks.bust(pose, None, protein).reset_index().to_dict("records")
        return tuple(str(name) for name, is_passed in outcome.items() if name not in _FORMAT and not is_passed)

    return check


def pose_fields(pose: DockedPose) -> dict[str, str]:
    """Texts by field name, empty if missing."""
    checks = "" if pose.failed_checks is None else "; ".join(pose.failed_checks) or "passed"
    return {"pose_score": f"{pose.score:.4g}" if pose.mol else "", "pose_checks": checks, "pose_failure": pose.reason}


def _dock(mol: Chem.Mol, site: Receptor, exhaustiveness: int, check: PoseCheck | None) -> DockedPose:
    try:
        score, pose = site.dock(mol, exhaustiveness)
    except MoleculeError as error:
        return DockedPose(None, WORST_KCAL, reason=error.reason)
    return DockedPose(pose, score, check(pose) if check else None)
