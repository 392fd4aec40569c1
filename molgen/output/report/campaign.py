"""The report on a campaign: its specification, its progress and its best molecules."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, combinations
from typing import Any

import numpy as np

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule
from molgen.chem.properties import DESCRIPTORS
from molgen.output.candidates import Candidate
from molgen.output.listing import Cell
from molgen.output.report.content import Card, Facts, Grid, Plots, Report, Section, flatten_entries, show_cell
from molgen.output.report.plot import Axis, Line, Mark, Plot, Style
from molgen.output.sdf import fields
from molgen.score.objective import Objective, parse_objectives
from molgen.search.ledger import Evaluation
from molgen.search.spec import CampaignSpec

SHOWN_DESCRIPTORS = ("mw", "logp", "qed", "sa", "tpsa", "hbd", "hba", "rotatable_bonds", "fsp3")
"""Descriptors whose distributions are compared."""
MAX_MARKS = 2000
"""Maximum number of evaluations in a plot, candidates aside; of more, every k-th is drawn."""
MAX_PAIRS = 6
"""Maximum number of pairs of objectives that are plotted."""
N_BINS = 24
_LEFT_OUT = re.compile(r"id|rank|smiles|inchikey|parent|hypervolume|nearest_known_smiles|desirability_.*|passes_.*")
"""Fields of an export that a card has no room for, or shows otherwise."""


def describe_campaign(
    title: str,
    spec: CampaignSpec,
    manifest: Mapping[str, Any],
    evaluations: Sequence[Evaluation],
    candidates: Sequence[Candidate],
    reference: Sequence[Molecule],
) -> Report:
    """The report on a campaign.

    Args:
        title: Its name.
        spec: The specification.
        manifest: The manifest.
        evaluations: The ledger.
        candidates: The best molecules, in order of rank.
        reference: Real molecules to compare descriptors with; at least one.
    """
    asked = [(name, _join(value)) for name, value in spec.to_toml().items()]
    sections: list[Section] = [Facts("Specification", asked), Plots("Progress", [_progress(evaluations)])]
    objectives = parse_objectives(maximize=spec.maximize, minimize=spec.minimize, target=spec.target, range_=spec.range)
    if len(objectives) > 1:
        sections.append(_trade_offs(objectives, evaluations, candidates, is_pareto=spec.pareto))
    sections += [
        _distributions(candidates, reference),
        make_candidate_grid(candidates),
        Facts("Provenance", flatten_entries(manifest), is_folded=True),
    ]
    return Report(title, f"Campaign, {_times(manifest)}", _figures(evaluations, candidates), sections)


def _join(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _times(manifest: Mapping[str, Any]) -> str:
    start, end = manifest.get("start", ""), manifest.get("end")
    return f"{start} to {end}" if end else f"begun {start}, not finished"


def _figures(evaluations: Sequence[Evaluation], candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    feasible = [e.total for e in evaluations if e.is_feasible and math.isfinite(e.total)]
    figures = [
        ("molecules scored", f"{len(evaluations):,}"),
        ("meet all constraints", f"{len(feasible):,}"),
        ("candidates below", f"{len(candidates):,}"),
        ("best total", show_cell(max(feasible, default=math.nan))),
    ]
    if evaluations and not math.isnan(evaluations[-1].hypervolume):
        on_front = sum(candidate.pick.is_on_front for candidate in candidates)
        figures += [
            ("hypervolume", show_cell(evaluations[-1].hypervolume)),
            ("candidates on the front", f"{on_front:,}"),
        ]
    return figures


def _progress(evaluations: Sequence[Evaluation]) -> Plot:
    """Totals with the best and the mean of the ten best so far; with `--pareto`, the hypervolume instead."""
    feasible = [e for e in evaluations if e.is_feasible and math.isfinite(e.total)]
    x = Axis("molecules scored", 0.0, float(max(len(evaluations), 1)))
    if feasible and not math.isnan(feasible[-1].hypervolume):
        points = [(float(e.index), e.hypervolume) for e in evaluations if math.isfinite(e.hypervolume)]
        y = Axis.around("hypervolume", [0.0, *(value for _, value in points)])
        return Plot("Hypervolume of the Pareto front", x, y, [Line("hypervolume", _corners(points))])
    best = list(accumulate((e.total for e in feasible), max))
    top = _top_means([e.total for e in feasible])
    marks = [Mark(float(e.index), e.total, "", "faint") for e in _thinned(feasible)]
    lines = [
        Line("best so far", _corners([(float(e.index), value) for e, value in zip(feasible, best, strict=True)])),
        Line(
            "mean of the ten best",
            _corners([(float(e.index), value) for e, value in zip(feasible, top, strict=True)]),
            "second",
        ),
    ]
    shown = [mark.y for mark in marks]
    return Plot("Total", x, Axis.around("total", shown + best), lines, marks, [("faint", "one molecule")])


def _top_means(totals: Sequence[float], n: int = 10) -> list[float]:
    """The mean of the `n` highest so far, after each."""
    best: list[float] = []
    means = []
    for total in totals:
        best = sorted([*best, total])[-n:]
        means.append(sum(best) / len(best))
    return means


def _corners(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of a line that rises in steps."""
    steps = list(points[:1])
    for x, y in points[1:]:
        if y != steps[-1][1]:
            steps += [(x, steps[-1][1]), (x, y)]
    return [*steps, (points[-1][0], steps[-1][1])] if points else []


def _thinned(evaluations: Sequence[Evaluation]) -> Sequence[Evaluation]:
    return evaluations[:: max(1, -(-len(evaluations) // MAX_MARKS))]


def _trade_offs(
    objectives: Sequence[Objective],
    evaluations: Sequence[Evaluation],
    candidates: Sequence[Candidate],
    *,
    is_pareto: bool,
) -> Plots:
    """Raw values for each pair of objectives: marks of candidates, on top of those of feasible molecules."""
    chosen = [candidate for candidate in candidates if candidate.pick.is_on_front or not is_pareto]
    rest = _thinned([e for e in evaluations if e.is_feasible])
    names = ["other molecules that meet the constraints", "on the Pareto front" if is_pareto else "candidates below"]
    plots = []
    for one, other in list(combinations(objectives, 2))[:MAX_PAIRS]:
        marks = [*_scatter(one, other, ((e, "") for e in rest), "faint")]
        marks += _scatter(one, other, ((c.evaluation, c.id) for c in chosen), "main")
        x = Axis.around(_axis_label(one), [mark.x for mark in marks])
        y = Axis.around(_axis_label(other), [mark.y for mark in marks])
        plots.append(Plot(f"{one.name} and {other.name}", x, y, (), marks, [("faint", names[0]), ("main", names[1])]))
    note = "Point at a mark of a candidate to see its molecule; click to find it below."
    return Plots("Pareto front" if is_pareto else "Objectives", plots, note)


def _scatter(
    one: Objective, other: Objective, scored: Iterable[tuple[Evaluation, str]], style: Style
) -> Iterable[Mark]:
    for evaluation, card in scored:
        x, y = (evaluation.values.get(objective.name, math.nan) for objective in (one, other))
        if math.isfinite(x) and math.isfinite(y):
            text = "" if card else f"{evaluation.smiles}\n{one.name} {x:.4g}, {other.name} {y:.4g}"
            yield Mark(x, y, text, style, card)


def _axis_label(objective: Objective) -> str:
    if objective.wanted is None:
        return f"{objective.name} ({objective.goal})"
    first, last = objective.wanted
    wanted = f"{first:g}" if first == last else f"{first:g}..{last:g}"
    return f"{objective.name} ({objective.goal} {wanted})"


def make_candidate_grid(candidates: Sequence[Candidate]) -> Grid:
    """Candidates with the fields of an export."""
    rows = [fields(candidate) for candidate in candidates]
    columns = [name for name in rows[0] if not _LEFT_OUT.fullmatch(name)]
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    shown = [i for i in range(len(columns)) if any(row[i] != "" for row in cells)]
    cards = [
        Card.of(candidate.id, candidate.molecule, [_number_or_text(row[i], i, cells) for i in shown])
        for candidate, row in zip(candidates, cells, strict=True)
    ]
    return Grid("Best candidates", [columns[i] for i in shown], cards, "molgen export writes them to a file.")


def _cell(text: str) -> Cell:
    try:
        return float(text)
    except ValueError:
        return text


def _number_or_text(cell: Cell, column: int, cells: Sequence[Sequence[Cell]]) -> Cell:
    """NaN for missing entries in a column of numbers."""
    is_missing = cell == "" and any(isinstance(row[column], float) for row in cells)
    return math.nan if is_missing else cell


def _distributions(candidates: Sequence[Candidate], reference: Sequence[Molecule]) -> Plots:
    """Histograms of descriptors of candidates and of real molecules."""
    molecules = [candidate.molecule for candidate in candidates]
    plots = [_histogram(name, DESCRIPTORS[name].function, molecules, reference) for name in SHOWN_DESCRIPTORS]
    note = f"Grey: {len(reference):,} drug-like molecules of the shipped sample of MOSES. Blue: the candidates."
    return Plots("Properties of the candidates beside real molecules", plots, note)


def _histogram(
    name: str, function: Callable[[Any], float], molecules: Sequence[Molecule], reference: Sequence[Molecule]
) -> Plot:
    own, real = (np.array([function(molecule.mol) for molecule in group]) for group in (molecules, reference))
    edges = _edges(np.concatenate([own, real]))
    areas = [
        Line("real molecules", _outline(edges, real), "faint", is_area=True),
        Line("candidates", _outline(edges, own), "main", is_area=True),
    ]
    unit = DESCRIPTORS[name].unit
    top = max(y for area in areas for _, y in area.points)
    x = Axis(f"{name} ({unit})" if unit else name, float(edges[0]), float(edges[-1]))
    return Plot(name, x, Axis("share", 0.0, 1.05 * top), areas)


def _edges(values: Doubles) -> Doubles:
    """Edges of bins; a bin holds one number if all are whole and lie close together."""
    low, high = float(values.min()), float(values.max())
    if np.all(values == np.rint(values)) and high - low < N_BINS:
        return np.arange(low - 0.5, high + 1.0)
    return np.linspace(low, high if high > low else low + 1.0, N_BINS + 1)


def _outline(edges: Doubles, values: Doubles) -> list[tuple[float, float]]:
    counts, _ = np.histogram(values, edges)
    shares = counts / max(len(values), 1)
    return [(float(x), float(y)) for i, y in enumerate(shares) for x in (edges[i], edges[i + 1])]
