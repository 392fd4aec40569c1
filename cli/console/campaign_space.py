"""The latent space that a finished campaign searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from molgen.latent.space import LatentSpace
    from molgen.run import RunFolder


def open_campaign_space(folder: RunFolder, given: Path | None) -> LatentSpace:
    """The latent space of the campaign's checkpoint, at `given` or where the campaign found it.

    Raises:
        RunError: The manifest does not tell which it was.
        CheckpointError: It is gone, damaged, or another one.
    """
    from molgen.errors import CheckpointError, RunError
    from molgen.latent.space import LatentSpace
    from molgen.run import MANIFEST

    match folder.manifest().get("checkpoint"):
        case {"path": str(used), "sha256": str(digest)}:
            path = given or Path(used)
        case _:
            raise RunError(folder.path / MANIFEST, "names no checkpoint", remedy="Start a new campaign.")
    where = "Name where the campaign's checkpoint is now with --checkpoint."
    if not path.is_file():
        raise CheckpointError(path, "the campaign's checkpoint is not there", remedy=where)
    space = LatentSpace.load(path)
    if space.model.digest != digest:
        raise CheckpointError(path, "is not the checkpoint that the campaign used", remedy=where)
    return space
