"""The commands of the assay loop: `molgen project new`, `molgen propose`, `molgen tell`, `molgen project status`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .console import options, show
from .console.outputs import check_outputs
from .curate import RelationColumn, ToP, Unit, UnitColumn

if TYPE_CHECKING:
    from molgen.project.curation import RowReport
    from molgen.project.folder import ProjectFolder
    from molgen.project.rounds import Compared

app = typer.Typer(no_args_is_help=True, help="Manage a project: rounds of proposals and measurements.")

Folder = Annotated[Path, typer.Option("--project", help="The folder of the project.")]
SUMMARY = ("round", "proposed", "measured", "error", "rank", "covered", "best", "enrichment")


@app.command()
@check_outputs
def new(  # noqa: PLR0913 - one parameter per option
    data: Annotated[Path, typer.Argument(help="Measurements, raw or curated: CSV, TSV or SDF, plain or .gz.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", writable=True, file_okay=False, help="Folder of the new project.")
    ],
    property: Annotated[
        str | None, typer.Option("--property", help="Column of measurements; by default the only column of numbers.")
    ] = None,
    is_minimized: Annotated[
        bool, typer.Option("--minimize", help="Smaller values are better; by default larger ones.")
    ] = False,
    to_p: ToP = False,
    unit: Unit = "",
    unit_column: UnitColumn = None,
    relation_column: RelationColumn = None,
    smiles_column: options.SmilesColumn = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="Maximum number of compounds: the first ones of the file.")
    ] = None,
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
) -> None:
    """Start a project with the compounds measured so far.

    Example: molgen project new export.csv --property "IC50 (nM)" --to-p --out p38
    """
    from molgen.latent.space import LatentSpace
    from molgen.project.columns import CurationSpec
    from molgen.project.folder import ProjectSpec
    from molgen.project.rounds import new_project

    spec = CurationSpec((property,) if property else (), to_p, unit, unit_column, relation_column, smiles_column)
    digest = LatentSpace.load(checkpoint).model.digest
    path = str(checkpoint.resolve()) if checkpoint else ""
    direction = "minimize" if is_minimized else "maximize"
    folder, curation = new_project(out, data, spec, ProjectSpec("", direction, path, digest, seed), limit)
    if curation.n_rejected:
        show.note(f"{curation.n_rejected} of {len(curation.rows)} rows left out; `molgen curate` reports the reasons")
    show.data(f"{folder.path}: {len(curation.compounds[:limit])} compounds, to {direction} {folder.spec.property_name}")


@app.command()
def status(project: Folder = Path(), is_json: options.Json = False) -> None:
    """Show the rounds of a project: forecasts beside results, and pending compounds.

    Example: molgen project status --project p38
    """
    from molgen.project.folder import ProjectFolder
    from molgen.project.rounds import known_compounds, pending

    folder = ProjectFolder.open(project)
    waiting, known = pending(folder), known_compounds(folder)
    if is_json:
        from molgen.project.rounds import summary_of

        show.as_json(
            {
                "property": folder.spec.property_name,
                "direction": folder.spec.direction,
                "compounds": len(known),
                "pending": [proposal.id for proposal in waiting],
                "rounds": summary_of(folder),
            }
        )
        return
    show.data(
        f"{folder.spec.direction} {folder.spec.property_name}: {len(known)} compounds measured, {len(waiting)} pending"
    )
    _show_summary(folder)


def propose(  # noqa: PLR0913 - one parameter per option
    project: Folder = Path(),
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="Compounds to propose.")] = 20,
    explore: Annotated[
        Literal["safe", "balanced", "bold"] | None,
        typer.Option(
            help="Standard deviations added to the mean in the direction of improvement: -0.5 (safe), +0.5 (balanced), "
            "+2 (bold). By default bold with --library, and balanced for new molecules."
        ),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(help="Propose only from this catalogue: an index of `molgen index`, or a file of molecules."),
    ] = None,
    exclude: Annotated[
        list[Path] | None, typer.Option("--exclude", help="File of molecules not to propose, compared by InChIKey.")
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(
            "--constraint",
            help="Constraint, as in campaigns; replaces the defaults sa <= 4.5 and alerts:brenk == 0. New molecules "
            "are also familiar, stable and neutral, unless a constraint names unfamiliar, unstable or charge. "
            "No defaults with --library.",
        ),
    ] = None,
    core: options.Core = None,
    vary: options.Vary = None,
    keep: options.Keep = None,
    threads: options.Threads = None,
    is_json: options.Json = False,
) -> None:
    """Propose the compounds of the next round, and record their forecasts.

    Measured, pending and excluded compounds are not proposed. With `balanced` and `bold`, compounds similar to a pick
    are less likely; a compound with a similarity of 0.8 or more to a pick is taken only if no other is left.

    Example: molgen propose --project p38 -n 20 --explore bold --library stock.safetensors
    """
    from molgen.device import use_threads
    from molgen.project.folder import ProjectFolder
    from molgen.project.rounds import ProposeSpec, propose_round

    use_threads(threads)
    folder = ProjectFolder.open(project)
    constraints, excluded = tuple(constraint or ()), tuple(exclude or ())
    spec = ProposeSpec(n, explore, library, excluded, constraints, core, tuple(vary or ()), tuple(keep or ()))
    with show.progress(1.0, "Searching") as advance:
        path, forecasts, explanation = propose_round(folder, spec, advance)
    if is_json:
        show.as_json({"file": str(path), **forecasts.columns(), **explanation})
        return
    name = forecasts.properties[0]
    rows = [
        [
            str(i + 1),
            f"{forecasts.mean[i, 0]:.2f} [{forecasts.lower[i, 0]:.2f}, {forecasts.upper[i, 0]:.2f}]",
            f"{forecasts.applicability[i]:.2f}",
            str(explanation["explanation"][i]),
            forecasts.smiles[i],
        ]
        for i in range(len(forecasts.smiles))
    ]
    show.table(str(path), ["", f"{name} [90 %]", "trust", "why", "SMILES"], rows)


def tell(  # noqa: PLR0913 - one parameter per option
    results: Annotated[Path, typer.Argument(help="Results: CSV, TSV or SDF, as for `molgen curate`.")],
    project: Folder = Path(),
    property: Annotated[
        str | None, typer.Option("--property", help="Column of the results; by default the property of the project.")
    ] = None,
    to_p: ToP = False,
    unit: Unit = "",
    unit_column: UnitColumn = None,
    relation_column: RelationColumn = None,
    smiles_column: options.SmilesColumn = None,
    is_proposed_only: Annotated[
        bool, typer.Option("--proposed-only", help="Leave out results of compounds that were never proposed.")
    ] = False,
    is_json: options.Json = False,
) -> None:
    """Record results, and compare them with the forecasts.

    Compounds that were never proposed are accepted. A result that is told twice counts as two measurements.

    Example: molgen tell results.csv --project p38
    """
    from molgen.project.columns import CurationSpec
    from molgen.project.folder import ProjectFolder
    from molgen.project.rounds import summary_of, take_results

    folder = ProjectFolder.open(project)
    column = property or folder.spec.property_name
    spec = CurationSpec((column,), to_p, unit, unit_column, relation_column, smiles_column)
    path, compared, curation = take_results(folder, results, spec, is_proposed_only=is_proposed_only)
    _note_rows(curation.rows, compared)
    if is_json:
        show.as_json({"file": str(path), "rounds": summary_of(folder)})
        return
    show.data(f"{path}: {len(compared)} results")
    _show_summary(folder)


def _note_rows(rows: Sequence[RowReport], compared: Sequence[Compared]) -> None:
    from molgen.project.forecast import label_text

    for row in rows:
        if row.outcome == "rejected" or any("contradictory" in note for note in row.notes):
            show.note(f"line {row.line}: {'; '.join(row.notes)}")
    others = [one.compound.id for one in compared if one.proposal is None]
    if others:
        show.note(f"never proposed, but accepted: {', '.join(others)}")
    for one in compared:
        before, now = (label_text(label) if label else "" for label in (one.before, one.label))
        if before not in ("", now):
            show.note(f"{one.compound.id} was measured before: {before}, and now {now}; both count")


def _show_summary(folder: ProjectFolder) -> None:
    from molgen.project.rounds import summary_of

    rows = [[_cell(row[column]) for column in SUMMARY] for row in summary_of(folder)]
    columns = [
        "round",
        "proposed",
        "measured",
        "mean error",
        "rank correlation",
        "in 90 % interval",
        "best",
        "enrichment",
    ]
    show.table("Forecasts against results", columns, rows)


def _cell(value: float | int) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3g}"
    return str(value)
