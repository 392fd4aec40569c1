"""A finished campaign, read from its folder: its latent space and its best molecules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molgen.errors import CheckpointError, RunError
from molgen.latent.combined_model import make_predict_function
from molgen.latent.space import LatentSpace
from molgen.latent.trust import make_trust_function
from molgen.output.candidates import Candidate, describe, select
from molgen.output.known import KnownCompounds
from molgen.output.listing import Cell, Listing
from molgen.output.sdf import fields
from molgen.run import MANIFEST, RunFolder
from molgen.search import ledger, start
from molgen.search.ledger import Evaluation, read_evaluations
from molgen.search.start import read_start

_IDENTIFIERS = ("smiles", "inchikey", "coordinates")


def open_campaign_space(folder: RunFolder, given: Path | None = None) -> LatentSpace:
    """The latent space of the checkpoint of a campaign, at the path `given` or else at its original path.

    Raises:
        RunError: The manifest names no checkpoint.
        CheckpointError: The checkpoint is missing, damaged, or not that of the campaign.
    """
    match folder.manifest().get("checkpoint"):
        case {"path": str(used), "sha256": str(digest)}:
            path = given or Path(used)
        case _:
            raise RunError(folder.path / MANIFEST, "names no checkpoint", remedy="Start a new campaign.")
    where = "Name the checkpoint of the campaign by --checkpoint."
    if not path.is_file():
        raise CheckpointError(path, "the checkpoint of the campaign is missing", remedy=where)
    space = LatentSpace.load(path)
    if space.model.digest != digest:
        raise CheckpointError(path, "is not the checkpoint that the campaign used", remedy=where)
    return space


def describe_best(
    folder: RunFolder, evaluations: Sequence[Evaluation], top: int, checkpoint: Path | None = None
) -> list[Candidate]:
    """The `top` best molecules of a ledger, with the descriptions of an export.

    Raises:
        NothingValidError: No line is feasible, or all feasible lines are left out.
        RunError: A file of the campaign is damaged.
        CheckpointError: The checkpoint is missing, damaged, or not that of the campaign.
    """
    picks = select(evaluations, top).picks
    space = open_campaign_space(folder, checkpoint)
    return describe(
        picks,
        was_trained_on=space.knows,
        start_compounds=KnownCompounds(read_start(folder.path / start.NAME)),
        predict=make_predict_function(space),
        property_names=space.property_names,
        trust=make_trust_function(space),
    )


def candidates(run: str | Path, top: int = 100, *, checkpoint: str | Path | None = None) -> Listing:
    """The best molecules of a campaign, with the columns of an export; a notebook shows their drawings.

    Args:
        run: Folder of the campaign.
        top: Maximum number of molecules.
        checkpoint: The checkpoint of the campaign, if it was moved.

    Raises:
        NothingValidError: No molecule meets all constraints, or none of those that do can be used.
        RunError: `run` is no campaign, or is damaged.
        CheckpointError: The checkpoint is missing, damaged, or not that of the campaign.
    """
    folder = RunFolder.open(Path(run))
    evaluations = read_evaluations(folder.path / ledger.NAME)
    best = describe_best(folder, evaluations, top, Path(checkpoint) if checkpoint else None)
    rows = [fields(candidate) for candidate in best]
    columns = {name: _column([row[name] for row in rows]) for name in rows[0] if name not in _IDENTIFIERS}
    return Listing(tuple(candidate.molecule.smiles for candidate in best), columns)


def _column(texts: Sequence[str]) -> tuple[Cell, ...]:
    """Numbers, with NaN for empty texts, if all other texts are numbers; otherwise the texts."""
    try:
        numbers = tuple(float(text or "nan") for text in texts)
    except ValueError:
        return tuple(texts)
    return numbers if any(texts) else tuple(texts)
