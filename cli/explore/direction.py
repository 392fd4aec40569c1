"""The command `molgen explore direction`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import options, show
from ..console.outputs import check_outputs
from ..console.quality import note_rows

if TYPE_CHECKING:
    from molgen.chem.table import Record
    from molgen.explore.direction import Direction
    from molgen.explore.walk import MolFunction


@check_outputs
def direction(  # noqa: PLR0913 - one parameter per option
    data: options.Molecules,
    property_: Annotated[
        str | None, typer.Option("--property", help="Column of the concept: measured values, or labels 0 and 1.")
    ] = None,
    descriptor: Annotated[
        str | None, typer.Option("--descriptor", help="Descriptor as the concept, such as logp.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the direction: .json.")
    ] = Path("direction.json"),
    limit: Annotated[
        int, typer.Option(min=20, help="Maximum number of molecules, drawn at random from the valid rows.")
    ] = 5000,
    checkpoint: options.Checkpoint = None,
    smiles_column: options.SmilesColumn = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Find the direction of the latent space along which a concept grows, with molecular size regressed out.

    The result is a small file for `molgen explore steer`. The command reports how well a probe predicts the concept:
    R2, or AUROC for labels 0 and 1, on held-out molecules. Near 0 (or 0.5), the concept has no direction.

    Example: molgen explore direction assay.csv --property pKi -o potency.json
    """
    from molgen.device import use_threads
    from molgen.errors import SpecError
    from molgen.explore.direction import fit_direction, write_direction
    from molgen.latent.space import LatentSpace

    if output.suffix != ".json":
        raise SpecError("output", f"{output} must end in .json")
    if (property_ is None) == (descriptor is None):
        remedy = "Give either --property COLUMN or --descriptor NAME."
        raise SpecError("property", "one concept must be given", remedy=remedy)
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    records = _read(data, property_, smiles_column, limit, seed)
    name, unit, values, measure = _labels(records, property_, descriptor)
    with show.progress(None, "Fitting"):
        found = fit_direction(space, [record.molecule for record in records], values, name, unit, seed, measure)
    write_direction(output, found)
    show.note(f"The direction is {output}")
    report = _report(found)
    if is_json:
        show.as_json(report)
    else:
        rows = [[key.replace("_", " "), _text(value)] for key, value in report.items()]
        show.table(f"The direction of {name}", ["what", "value"], rows)


def _read(data: Path, property_: str | None, smiles_column: str | None, limit: int, seed: int) -> list[Record]:
    """Random molecules of a file."""
    from molgen.chem.sampling import draw_items
    from molgen.chem.table import Tally, read_molecules

    tally = Tally()
    properties = (property_,) if property_ else ()
    with show.progress(1.0, "Reading") as advance:
        rows = read_molecules(data, smiles_column=smiles_column, properties=properties, on_share=advance)
        records = draw_items(tally.sift(rows), limit, seed)
    note_rows(data, tally.kept, tally.read, tally.rejected)
    tally.require_kept(data)
    return records


def _labels(
    records: list[Record], property_: str | None, descriptor: str | None
) -> tuple[str, str, list[float], MolFunction | None]:
    """Name, unit and values of the concept, and its function if it is a descriptor."""
    from molgen.chem.properties import DESCRIPTORS
    from molgen.errors import SpecError

    if property_ is not None:
        return property_, "", [record.values[0] for record in records], None
    known = DESCRIPTORS.get(descriptor or "")
    if known is None:
        remedy = f"Descriptors: {', '.join(DESCRIPTORS)}."
        raise SpecError("descriptor", f"{descriptor!r} is unknown", remedy=remedy)
    values = [float(known.function(record.molecule.mol)) for record in records]
    return known.name, known.unit, values, known.function


def _report(found: Direction) -> dict[str, Any]:
    strength = found.strength
    return {
        "name": found.name,
        "n": found.n,
        "strength": strength.plain,
        "strength_of_size_alone": strength.confounds,
        "strength_without_size": strength.cleaned,
        "taken_out": ", ".join(found.confounds) or "nothing, since it is a size itself",
        "change_a_step": found.scale,
        "reach": found.reach,
        "checkpoint_sha256": found.checkpoint_sha256,
    }


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)
