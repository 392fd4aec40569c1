"""The report on a project: its rounds, forecasts beside results, pending and best compounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from molgen.chem.molecule import AS_IT_IS, parse
from molgen.output.listing import Cell
from molgen.output.report.content import Card, Facts, Grid, Plots, Report, Section, Table, show_cell
from molgen.output.report.plot import Axis, Line, Mark, Plot
from molgen.project.curation import Compound
from molgen.project.folder import ProjectFolder
from molgen.project.forecast import label_text
from molgen.project.replicates import Label
from molgen.project.rounds import Proposal, compound_key, known_compounds, pending, proposals, summary_of

ROUND_COLUMNS = {
    "round": "round",
    "proposed": "proposed",
    "measured": "measured",
    "error": "mean absolute error",
    "rank": "rank correlation",
    "covered": "within the 90 % interval",
    "best": "best result",
    "enrichment": "enrichment of the best tenth",
}


def describe_project(folder: ProjectFolder, title: str, top: int) -> Report:
    """The report on a project.

    Args:
        folder: The opened project.
        title: Its name.
        top: Number of measured compounds to show, the best ones.

    Raises:
        RunError: A file was changed.
        FileError: A table of the project is damaged.
    """
    spec, rounds = folder.spec, summary_of(folder)
    compounds, waiting = known_compounds(folder), pending(folder)
    best = sorted(compounds, key=lambda compound: -spec.sign * compound.labels[spec.property_name].value)
    sections: list[Section] = [Facts("Specification", [(name, str(value)) for name, value in asdict(spec).items()])]
    if rounds:
        table = [[show_cell(float(row[key])) for key in ROUND_COLUMNS] for row in rounds]
        sections.append(Table("Rounds", list(ROUND_COLUMNS.values()), table))
    compared = _compared(folder, compounds)
    if compared:
        sections += [_forecasts(compared, spec.property_name), _results(compared, spec.property_name)]
    if waiting:
        sections.append(_waiting(waiting, spec.property_name))
    sections.append(_measured(best[:top], spec.property_name))
    steps = [
        (f"{number}. {entry['step']}", "; ".join(f"{name} {digest}" for name, digest in entry["files"].items()))
        for number, entry in enumerate(folder.entries(), 1)
    ]
    sections.append(Facts("Provenance: the steps, and the SHA-256 of their files", steps, is_folded=True))
    figures = [
        ("rounds proposed", str(len(rounds))),
        ("compounds measured", f"{len(compounds):,}"),
        ("waiting for a result", f"{len(waiting):,}"),
        (f"best {spec.property_name}", label_text(best[0].labels[spec.property_name]) if best else ""),
    ]
    return Report(title, f"Project: {spec.direction} {spec.property_name}", figures, sections)


def _compared(folder: ProjectFolder, compounds: Sequence[Compound]) -> list[tuple[Proposal, Compound]]:
    """The proposals that were measured, each with its compound."""
    by_key = {compound_key(compound.smiles): compound for compound in compounds}
    pairs = [(proposal, by_key.get(compound_key(proposal.smiles))) for proposal in proposals(folder)]
    return [(proposal, compound) for proposal, compound in pairs if compound]


def _forecasts(compared: Sequence[tuple[Proposal, Compound]], name: str) -> Plots:
    marks = [
        Mark(
            proposal.mean,
            compound.labels[name].value,
            "",
            card=proposal.id,
            interval=(proposal.lower, proposal.upper),
        )
        for proposal, compound in compared
    ]
    y = Axis.around(f"measured {name}", [mark.y for mark in marks])
    x = Axis.around(f"forecast {name}", [end for mark in marks for end in mark.interval or ()])
    low, high = max(x.low, y.low), min(x.high, y.high)
    lines = [Line("forecast = measured", [(low, low), (high, high)], "faint")] if low < high else []
    plot = Plot("Forecasts, made before the measurement, beside results", x, y, lines, marks, [("main", "a compound")])
    note = "Bars are the intervals of 90 %. Point at a mark to see its compound."
    return Plots("Forecasts and results", [plot], note)


def _results(compared: Sequence[tuple[Proposal, Compound]], name: str) -> Grid:
    columns = [f"measured {name}", "bound", "forecast", "lower", "upper", "error"]
    cards = []
    for proposal, compound in compared:
        label = compound.labels[name]
        said: list[Cell] = [proposal.mean, proposal.lower, proposal.upper, label.value - proposal.mean]
        cards.append(Card.of(proposal.id, parse(compound.smiles, AS_IT_IS), [label.value, _bound(label), *said]))
    return Grid("Proposals measured", columns, cards)


def _waiting(waiting: Sequence[Proposal], name: str) -> Grid:
    columns = [f"{name} forecast", "std", "lower", "upper"]
    cards = [Card.of(one.id, parse(one.smiles, AS_IT_IS), [one.mean, one.std, one.lower, one.upper]) for one in waiting]
    return Grid("Proposed, waiting for a result", columns, cards)


def _measured(compounds: Sequence[Compound], name: str) -> Grid:
    cards = []
    for rank, compound in enumerate(compounds, 1):
        label = compound.labels[name]
        cells: list[Cell] = [label.value, _bound(label), float(label.n), label.std]
        cards.append(Card.of(f"compound-{rank}", parse(compound.smiles, AS_IT_IS), [*cells, compound.id]))
    return Grid("Best compounds measured", [name, "bound", "measurements", "std", "id"], cards)


def _bound(label: Label) -> str:
    return "" if label.relation == "=" else label.relation
