"""The command `molgen explore outliers`."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import options, show
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs
from ..console.quality import note_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molgen.chem.table import Record, Rejection
    from molgen.latent.trust import Trust
    from molgen.output.listing import Listing

N_REJECTIONS = 10
"""Number of rejected rows shown; --rejects lists all."""
LOW = 0.05
"""Trust below which a molecule counts as an outlier."""


@check_outputs
def outliers(  # noqa: PLR0913 - one parameter per option
    data: options.Molecules,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="Maximum number of molecules to list.")] = 100,
    output: Output = None,
    checkpoint: options.Checkpoint = None,
    smiles_column: options.SmilesColumn = None,
    rejects: options.Rejects = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """List the molecules of a file by trust, outliers first.

    Trust is the share of held-out molecules that are at least as atypical for the model. Of molecules like the training
    molecules, half have a trust below 0.5, and one in twenty below 0.05. Its parts, on the same scale, are the
    likelihood of the molecule under the decoder, the density of its latent vector under the prior, and the consistency
    of that vector with the vector of its reconstruction.

    Example: molgen explore outliers library.smi -n 20 -o outliers.svg
    """
    from molgen.device import resolve_device, use_threads
    from molgen.latent.space import LatentSpace
    from molgen.latent.trust import measure_trust, require_applicability

    require_output(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    require_applicability(space)
    records = _read(data, smiles_column, rejects)
    with show.progress(len(records), "Judging") as advance:
        trust = measure_trust(space, [record.molecule.smiles for record in records], on_done=advance)
    n_low, n_lost = int((trust.values < LOW).sum()), sum(map(bool, trust.reasons))
    title = (
        f"{n_low} of {len(records)} molecules ({n_low / len(records):.1%}) have a trust below {LOW}; of typical "
        f"molecules, {LOW:.0%} have; {n_lost} cannot be encoded"
    )
    report = {"n": len(records), "below_0.05": n_low, "unencodable": n_lost}
    show_listing(title, _make_listing(records, trust, top), report, output, is_json)


def _read(data: Path, smiles_column: str | None, rejects: Path | None) -> list[Record]:
    """The molecules of a file; reports invalid rows."""
    from molgen.chem.table import Tally, read_molecules, write_rejections

    left_out: list[Rejection] = []
    with write_rejections(rejects) if rejects else nullcontext() as write, show.progress(1.0, "Reading") as advance:

        def note(rejection: Rejection) -> None:
            left_out.extend([rejection][: N_REJECTIONS - len(left_out)])
            if write:
                write(rejection)

        tally = Tally(on_rejection=note)
        records = list(tally.sift(read_molecules(data, smiles_column=smiles_column, on_share=advance)))
    for rejection in left_out:
        show.note(f"{data}, line {rejection.line}: {rejection.text!r}: {rejection.reason}")
    tally.require_kept(data)
    note_rows(data, tally.kept, tally.read, tally.rejected)
    return records


def _make_listing(records: Sequence[Record], trust: Trust, top: int) -> Listing:
    """The molecules with the least trust."""
    from molgen.latent.trust import PARTS
    from molgen.output.listing import Listing

    rows = list(islice(trust.order().tolist(), top))
    columns = {"trust": tuple(float(trust.values[row]) for row in rows)}
    columns |= {part: tuple(float(trust.parts[row, i]) for row in rows) for i, part in enumerate(PARTS)}
    texts = {
        "line": tuple(str(records[row].line) for row in rows),
        "reason": tuple(trust.reasons[row] for row in rows),
    }
    return Listing(tuple(records[row].molecule.smiles for row in rows), columns | texts)
