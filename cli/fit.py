"""The command `molgen fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import options, show
from .console.outputs import check_outputs, require_beside
from .curate import Property, RelationColumn, ToP, Unit, UnitColumn


@check_outputs
def fit(  # noqa: PLR0913 - one parameter per option
    data: Annotated[Path, typer.Argument(help="Measurements, raw or curated: CSV, TSV or SDF, plain or .gz.")],
    output: Annotated[
        Path,
        typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the new checkpoint: .safetensors."),
    ],
    property: Property = None,
    to_p: ToP = False,
    unit: Unit = "",
    unit_column: UnitColumn = None,
    relation_column: RelationColumn = None,
    smiles_column: options.SmilesColumn = None,
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_forced: options.Force = False,
) -> None:
    """Fit a predictor to measurements on the fixed latent space of a checkpoint; accepts bounds and replicates.

    Reads the file as `molgen curate` does. All compounds are used; `molgen benchmark predictors` measures the error on
    held-out scaffolds.

    Example: molgen fit clean.csv --property pIC50 -o model.safetensors
    """
    from molgen.device import use_threads
    from molgen.errors import SpecError
    from molgen.latent.space import LatentSpace
    from molgen.model.checkpoint import familiarity_path
    from molgen.project.columns import CurationSpec
    from molgen.project.curation import curate, require_learnable
    from molgen.project.fit import fitted_space

    if output.suffix != ".safetensors":
        raise SpecError("output", f"{output} must end in .safetensors")
    for beside in (output.with_suffix(".json"), familiarity_path(output)):
        require_beside(beside, [data, checkpoint], is_forced)
    use_threads(threads)
    spec = CurationSpec(tuple(property or ()), to_p, unit, unit_column, relation_column, smiles_column)
    with show.progress(None, "Reading") as advance:
        curation = curate(data, spec, advance)
    for name in curation.properties:
        require_learnable(data, curation.compounds, name)
    space = fitted_space(LatentSpace.load(checkpoint), curation.compounds, curation.properties, seed)
    space.model.save(output)
    if curation.n_rejected:
        show.note(f"{curation.n_rejected} of {len(curation.rows)} rows left out; `molgen curate` reports the reasons")
    show.data(f"{output}: {', '.join(curation.properties)} from {len(curation.compounds)} compounds")
