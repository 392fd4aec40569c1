"""The command `molgen curate`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import options, show
from .console.outputs import check_outputs, require_beside

if TYPE_CHECKING:
    from molgen.project.curation import Curation

N_SHOWN = 10

Property = Annotated[
    list[str] | None,
    typer.Option("--property", help="Column of measurements; repeatable; by default the only column of numbers."),
]
ToP = Annotated[bool, typer.Option("--to-p", help="Convert concentrations to -log10 of mol/L: IC50 becomes pIC50.")]
Unit = Annotated[
    str, typer.Option("--unit", help="Unit of numbers that state none: M, mM, uM, nM, pM, mg/L, ug/mL, ...")
]
UnitColumn = Annotated[str | None, typer.Option("--unit-column", help="Column with the unit of each row.")]
RelationColumn = Annotated[str | None, typer.Option("--relation-column", help="Column with =, <, > or ~ for each row.")]


@check_outputs
def curate(  # noqa: PLR0913 - one parameter per option
    data: Annotated[Path, typer.Argument(help="Measurements: CSV, TSV or SDF, plain or .gz.")],
    output: Annotated[
        Path, typer.Option("--out", "-o", writable=True, dir_okay=False, help="File for the compounds: .csv.")
    ],
    property: Property = None,
    to_p: ToP = False,
    unit: Unit = "",
    unit_column: UnitColumn = None,
    relation_column: RelationColumn = None,
    smiles_column: options.SmilesColumn = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            writable=True,
            dir_okay=False,
            help="File for the report on each row; by default beside the output, as .report.csv.",
        ),
    ] = None,
    is_forced: options.Force = False,
    is_json: options.Json = False,
) -> None:
    """Curate measurements: one row per compound, and a report on every row.

    Reads units, relations (> < ~), decimal commas and Excel's CSV; removes salts and neutralises charges; merges
    replicates and tautomers; reports contradictory replicates, stereoisomers and activity cliffs.

    Example: molgen curate export.csv -o clean.csv --property "IC50 (nM)" --to-p
    """
    from molgen.errors import FileError, SpecError
    from molgen.project.columns import CurationSpec
    from molgen.project.curated_file import write_compounds, write_report
    from molgen.project.curation import curate, require_learnable

    if output.suffix.lower() != ".csv":
        raise SpecError("output", f"{output} must end in .csv")
    report = report or output.with_suffix(".report.csv")
    require_beside(report, [data], is_forced)
    spec = CurationSpec(tuple(property or ()), to_p, unit, unit_column, relation_column, smiles_column)
    with show.progress(None, "Reading") as advance:
        curation = curate(data, spec, advance)
    write_report(report, curation.rows)
    if not curation.compounds:
        raise FileError(data, f"none of {len(curation.rows)} rows can be used", remedy=f"{report} has the reasons.")
    write_compounds(output, curation.compounds, curation.properties)
    if is_json:
        show.as_json(_summary(curation))
    else:
        _show(curation, output, report)
    for name in curation.properties:
        try:
            require_learnable(data, curation.compounds, name)
        except FileError as error:
            show.note(f"warning: {error}")


def _summary(curation: Curation) -> dict[str, object]:
    return {
        "properties": curation.properties,
        "rows": len(curation.rows),
        "compounds": len(curation.compounds),
        "outcomes": Counter(row.outcome for row in curation.rows),
        "notes": curation.notes,
        "cliffs": [asdict(cliff) for cliff in curation.cliffs],
        "changed": [
            {"line": row.line, "outcome": row.outcome, "compound": row.compound, "notes": row.notes}
            for row in curation.rows
            if row.notes
        ],
    }


def _show(curation: Curation, output: Path, report: Path) -> None:
    show.data(f"{output}: {len(curation.compounds)} compounds of {len(curation.rows)} rows")
    columns = ["property", "compounds", "bounds", "replicated", "lowest", "highest"]
    show.table("", columns, [_row(curation, name) for name in curation.properties])
    for note in curation.notes:
        show.note(note)
    rejected = [row for row in curation.rows if row.outcome == "rejected"]
    for row in rejected[:N_SHOWN]:
        show.note(f"line {row.line} left out: {'; '.join(row.notes)}")
    if len(rejected) > N_SHOWN:
        show.note(f"{len(rejected) - N_SHOWN} more rows left out")
    n_contradictory = sum("contradictory" in note for row in curation.rows for note in row.notes)
    show.note(
        f"{n_contradictory} rows of contradictory replicates, {len(curation.cliffs)} activity cliffs; "
        f"{report} reports on each row"
    )


def _row(curation: Curation, name: str) -> list[str]:
    labels = [compound.labels[name] for compound in curation.compounds if name in compound.labels]
    values = [label.value for label in labels]
    bounds = sum(label.relation in "<>" for label in labels)
    replicated = sum(label.n > 1 for label in labels)
    return [name, str(len(labels)), str(bounds), str(replicated), f"{min(values):.4g}", f"{max(values):.4g}"]
