"""Curation of measurements: one row per compound, and a report on every row of the file.

Structures are registered (`project.structure`), numbers read with relation and unit (`project.quantity`), replicates
merged. The report has the reason for every rejected row.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from molgen.chem.formats import Rejection, TextRow
from molgen.errors import FileError, MoleculeError, SpecError
from molgen.project.cliffs import Cliff, activity_cliffs
from molgen.project.columns import Column, CurationSpec, is_logarithm, locate_columns, name_in_p, read_texts
from molgen.project.quantity import FLIPPED, MASS, MOLAR, Quantity, in_molar, parse_quantity, parse_relation, parse_unit
from molgen.project.replicates import Label, merge_replicates
from molgen.project.structure import Structure, register, same_compounds

__all__ = ["Compound", "Curation", "Label", "RowReport", "curate"]


@dataclass(frozen=True)
class Compound:
    """One compound with its measurements.

    Attributes:
        id: Its name in the file, or its first line as in `line7`; a number such as `-2` makes it unique.
        smiles: Canonical SMILES of the registered structure.
        lines: Its lines in the file.
        labels: By property; missing ones have no entry.
    """

    id: str
    smiles: str
    lines: tuple[int, ...]
    labels: Mapping[str, Label]


@dataclass
class RowReport:
    """The report on one row.

    Attributes:
        line: 1-based line.
        name: As in the file.
        structure: As in the file.
        values: The measurements, as in the file.
        outcome: `kept` as the first or only row of a compound, `merged` into a compound, or `rejected`.
        compound: Id of the compound; "" for a rejected row.
        notes: Changes, or the reason for rejection.
    """

    line: int
    name: str
    structure: str
    values: str
    outcome: Literal["kept", "merged", "rejected"] = "rejected"
    compound: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Curation:
    """A curated file.

    Attributes:
        properties: Names, as in the labels of the compounds.
        compounds: In the order of their first rows.
        rows: One for each row of the file, in order.
        cliffs: Pairs of similar compounds with very different values.
        notes: Notes on the whole file.
    """

    properties: tuple[str, ...]
    compounds: tuple[Compound, ...]
    rows: tuple[RowReport, ...]
    cliffs: tuple[Cliff, ...]
    notes: tuple[str, ...]

    @property
    def n_rejected(self) -> int:
        """Number of rejected rows."""
        return sum(row.outcome == "rejected" for row in self.rows)


@dataclass
class _Reading:
    """A row whose structure was registered, and its numbers by property."""

    row: TextRow
    report: RowReport
    structure: Structure
    labels: dict[str, Label] = field(default_factory=dict)


def curate(path: Path, spec: CurationSpec, on_row: Callable[[int], object] = lambda n_rows: None) -> Curation:
    """Reads and curates a file of measurements.

    Args:
        path: A table or SDF.
        spec: Options of reading.
        on_row: Called with the number of rows done, after each.

    Raises:
        FileError: The file cannot be used, a column is missing, or some of its numbers have a unit and others none.
        SpecError: It is not clear which column or unit is meant, or a logarithm cannot be taken.
    """
    texts = read_texts(path, spec.smiles_column)
    columns = locate_columns(path, texts, spec)
    reports, readings = [], []
    for number, row in enumerate(texts.rows, 1):
        report = _report(row, columns)
        reports.append(report)
        reading = None if isinstance(row, Rejection) else _registered(row, report)
        if reading is not None:
            readings.append(reading)
        on_row(number)
    names, notes = [], []
    for column in columns:
        name, column_notes = _read_column(path, readings, column, spec)
        names.append(name)
        notes += column_notes
    measured = [reading for reading in readings if reading.labels]
    for reading in readings:
        if not reading.labels and len(reading.report.notes) == len(reading.structure.changes):
            reading.report.notes.append("no value")
    compounds = _compounds(measured, names)
    return Curation(tuple(names), compounds, tuple(reports), _cliffs(compounds, names, measured), tuple(notes))


def require_learnable(path: Path, compounds: Sequence[Compound], name: str) -> None:
    """Checks that a model can be fitted to the labels of a property.

    Raises:
        FileError: There are fewer than two labels, all are bounds, or all are the same value.
    """
    labels = [compound.labels[name] for compound in compounds if name in compound.labels]
    exact = [label.value for label in labels if label.relation in "=~"]
    if len(labels) < 2:
        raise FileError(path, f"{len(labels)} compound(s) with {name}", remedy="Give at least two, preferably thirty.")
    if not exact:
        reason = f"all {len(labels)} values of {name} are bounds, such as {labels[0].relation}{labels[0].value:g}"
        raise FileError(path, reason, remedy="Add compounds with measured values; bounds alone fit no model.")
    if len(exact) == len(labels) and len(set(exact)) == 1:
        raise FileError(path, f"all values of {name} are {exact[0]:g}", remedy="Add compounds that differ.")


def _report(row: TextRow | Rejection, columns: Sequence[Column]) -> RowReport:
    if isinstance(row, Rejection):
        return RowReport(row.line, "", row.text, "", notes=[row.reason])
    values = "; ".join(row.texts.get(column.values, "") for column in columns)
    return RowReport(row.line, row.name, row.smiles, values)


def _registered(row: TextRow, report: RowReport) -> _Reading | None:
    try:
        structure = register(row.smiles)
    except MoleculeError as error:
        report.notes.append(error.reason)
        return None
    report.notes += structure.changes
    return _Reading(row, report, structure)


def _read_column(path: Path, readings: Sequence[_Reading], column: Column, spec: CurationSpec) -> tuple[str, list[str]]:
    """Adds the labels of a property to the readings; returns its name, and notes on the column."""
    quantities: list[tuple[_Reading, Quantity]] = []
    for reading in readings:
        try:
            quantity = _quantity(reading.row, column)
        except ValueError as error:
            reading.report.notes.append(f"{column.name}: {error}")
            continue
        if quantity is not None:
            quantities.append((reading, quantity))
    _require_units(path, quantities, column)
    units = Counter(quantity.unit for _, quantity in quantities)
    unit = units.most_common(1)[0][0] if units else ""
    name = name_in_p(column.name) if spec.to_p else f"{column.name}_{unit}" if unit else column.name
    if spec.to_p and set(units) == {""}:
        remedy = "State it by --unit, such as --unit nM."
        raise SpecError("unit", f"{column.values!r} states no unit, which --to-p needs", remedy=remedy)
    for reading, quantity in quantities:
        try:
            converted = _converted(quantity, reading.structure.weight_da, unit, spec.to_p)
        except ValueError as error:
            reading.report.notes.append(f"{column.name}: {error}")
        else:
            reading.labels[name] = _label(reading.row, column, converted)
    return name, _notes(name, column, units, unit, spec.to_p)


def _notes(name: str, column: Column, units: Mapping[str, int], unit: str, to_p: bool) -> list[str]:
    notes = []
    if column.has_decimal_comma:
        notes.append(f"{column.values}: commas are decimal, 1,5 is one and a half")
    if len(units) > 1 and not to_p:
        notes.append(f"{name}: all in {unit}; units in the file: {', '.join(sorted(units))}")
    if to_p:
        notes.append(f"{name}: minus the decadic logarithm of mol/L, from {', '.join(sorted(units))}; bounds flipped")
    return notes


def _quantity(row: TextRow, column: Column) -> Quantity | None:
    """The measurement of a row with relation and unit, from its text or from other columns.

    Raises:
        ValueError: It cannot be read; the message is a short reason.
    """
    quantity = parse_quantity(row.texts.get(column.values, ""), has_decimal_comma=column.has_decimal_comma)
    if quantity is None:
        return None
    if column.relation and quantity.relation == "=":
        quantity = replace(quantity, relation=parse_relation(row.texts.get(column.relation, "")))
    if column.unit and not quantity.unit:
        quantity = replace(quantity, unit=parse_unit(row.texts.get(column.unit, "")))
    return quantity if quantity.unit else replace(quantity, unit=column.default_unit)


def _require_units(path: Path, quantities: Sequence[tuple[_Reading, Quantity]], column: Column) -> None:
    without = [reading for reading, quantity in quantities if not quantity.unit]
    stated = sorted({quantity.unit for _, quantity in quantities if quantity.unit})
    if without and stated:
        text, line = without[0].report.values, without[0].row.line
        reason = f"{column.values} {text!r} states no unit, but other rows say {', '.join(stated)}"
        remedy = "State the unit of numbers without one by --unit, or name the column of units by --unit-column."
        raise FileError(path, reason, line=line, remedy=remedy)


def _converted(quantity: Quantity, weight_da: float, unit: str, to_p: bool) -> Quantity:
    """The quantity in `unit`, or as a negative logarithm.

    Raises:
        ValueError: Its unit cannot be converted, or it has no logarithm.
    """
    if not to_p and quantity.unit == unit:
        return quantity
    if quantity.value <= 0:
        raise ValueError("a concentration is not above 0")
    molar = in_molar(quantity, weight_da)
    if to_p:
        return Quantity(-math.log10(molar.value), FLIPPED[molar.relation])
    if unit not in MOLAR and unit not in MASS:
        raise ValueError(f"{quantity.unit} does not become {unit}")
    factor = MOLAR[unit] if unit in MOLAR else MASS[unit] / weight_da
    return replace(molar, value=molar.value / factor, unit=unit)


def _label(row: TextRow, column: Column, quantity: Quantity) -> Label:
    n = _beside(row, column.n, column.has_decimal_comma)
    std = _beside(row, column.std, column.has_decimal_comma)
    return Label(quantity.value, quantity.relation, int(n) if n >= 1 else 1, std if std >= 0 else math.nan)


def _beside(row: TextRow, column: str | None, has_decimal_comma: bool) -> float:
    try:
        quantity = parse_quantity(row.texts.get(column or "", ""), has_decimal_comma=has_decimal_comma)
    except ValueError:
        return math.nan
    return quantity.value if quantity else math.nan


def _compounds(measured: Sequence[_Reading], names: Sequence[str]) -> tuple[Compound, ...]:
    """The compounds, with unique ids and merged replicates; the reports on rows are completed."""
    keys, flat_keys = same_compounds([reading.structure.molecule for reading in measured])
    groups: dict[str, list[_Reading]] = defaultdict(list)
    for key, reading in zip(keys, measured, strict=True):
        groups[key].append(reading)
    steps = {name: _step(name, measured) for name in names}
    taken: Counter[str] = Counter()
    compounds = []
    for group in groups.values():
        first = group[0]
        base = next((r.row.name for r in group if r.row.name), f"line{first.row.line}")
        id_ = _free_id(base, taken)
        labels = {name: label for name in names if (label := _merged(group, name, steps[name])) is not None}
        for reading in group:
            reading.report.compound = id_
            reading.report.outcome = "kept" if reading is first else "merged"
            if reading.structure.molecule != first.structure.molecule:
                reading.report.notes.append(f"a tautomer of {id_}, whose structure is taken from line {first.row.line}")
        lines = tuple(reading.row.line for reading in group)
        compounds.append(Compound(id_, first.structure.molecule.smiles, lines, labels))
    _note_stereoisomers(measured, keys, flat_keys)
    return tuple(compounds)


def _free_id(base: str, taken: Counter[str]) -> str:
    """`base`, or the first free one of `base-2`, `base-3`, ...; it is added to `taken`."""
    id_ = base
    while id_ in taken:
        taken[base] += 1
        id_ = f"{base}-{taken[base]}"
    taken[id_] = 1
    return id_


def _merged(group: Sequence[_Reading], name: str, step: float) -> Label | None:
    measured = [reading for reading in group if name in reading.labels]
    if not measured:
        return None
    label, note = merge_replicates([reading.labels[name] for reading in measured], name, step)
    for reading in measured:
        if note:
            reading.report.notes.append(note)
    return label


def _step(name: str, measured: Sequence[_Reading]) -> float:
    """The difference that counts as one step: 1 for a logarithm; 0, which codes a factor of ten, for a concentration.

    For other properties it is the standard deviation of all values, or 1 if they are equal.
    """
    if is_logarithm(name):
        return 1.0
    if name.rpartition("_")[2] in {**MOLAR, **MASS}:
        return 0.0
    values = [reading.labels[name].value for reading in measured if name in reading.labels]
    mean = sum(values) / max(1, len(values))
    return math.sqrt(sum((value - mean) ** 2 for value in values) / max(1, len(values))) or 1.0


def _note_stereoisomers(measured: Sequence[_Reading], keys: Sequence[str], flat_keys: Sequence[str]) -> None:
    by_flat: dict[str, dict[str, _Reading]] = defaultdict(dict)
    for reading, key, flat_key in zip(measured, keys, flat_keys, strict=True):
        by_flat[flat_key].setdefault(key, reading)
    for reading, key, flat_key in zip(measured, keys, flat_keys, strict=True):
        others = [other.report.compound for other_key, other in by_flat[flat_key].items() if other_key != key]
        if others:
            reading.report.notes.append(
                f"same constitution as {', '.join(others)}: a stereoisomer, or stereo is undefined in one of the two"
            )


def _cliffs(compounds: Sequence[Compound], names: Sequence[str], measured: Sequence[_Reading]) -> tuple[Cliff, ...]:
    cliffs: list[Cliff] = []
    for name in names:
        exact = [c for c in compounds if name in c.labels and c.labels[name].relation in "=~"]
        values = [compound.labels[name].value for compound in exact]
        step = _step(name, measured)
        if step == 0.0:
            values, step = [math.log10(max(value, 1e-300)) for value in values], 1.0
        ids, smiles = [c.id for c in exact], [c.smiles for c in exact]
        cliffs += activity_cliffs(name, ids, smiles, [value / step for value in values])
    _note_cliffs(cliffs, measured)
    return tuple(cliffs)


def _note_cliffs(cliffs: Sequence[Cliff], measured: Sequence[_Reading]) -> None:
    """Adds the steepest cliff of each compound, of all properties, to its report."""
    steepest: dict[str, tuple[Cliff, str]] = {}
    for cliff in sorted(cliffs, key=lambda cliff: -cliff.difference):
        steepest.setdefault(cliff.one, (cliff, cliff.other))
        steepest.setdefault(cliff.other, (cliff, cliff.one))
    for reading in measured:
        if reading.report.outcome == "kept" and reading.report.compound in steepest:
            cliff, other = steepest[reading.report.compound]
            reading.report.notes.append(
                f"activity cliff: {cliff.similarity:.2f} similar to {other}, {cliff.property} differs by "
                f"{cliff.difference:.1f} steps"
            )
