"""The columns of measurements in a file, with their columns of relation, unit, replicates and standard deviation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from molgen.chem.formats import (
    MISSING,
    NAME_COLUMNS,
    SMILES_COLUMNS,
    Rejection,
    TextRow,
    TextTable,
    sdf_texts,
    table_texts,
)
from molgen.errors import FileError, MissingColumnError, SpecError
from molgen.project.quantity import parse_quantity, parse_unit, uses_decimal_comma

RELATION_COLUMNS = ("relation", "standard_relation", "operator", "qualifier", "modifier", "prefix")
UNIT_COLUMNS = ("unit", "units", "standard_units", "standard_unit")

_OTHERS = {*SMILES_COLUMNS, *NAME_COLUMNS, *RELATION_COLUMNS, *UNIT_COLUMNS, "inchi", "inchikey", "split", "line"}
_POTENCY = re.compile(r"[ICEGLTD]C\d\d|GI\d\d|K[a-zA-Z]{1,3}|MIC", re.IGNORECASE)
_BRACKETED = re.compile(r"(?P<base>.*?\S)[\s_]*[(\[](?P<unit>[^()\[\]]+)[)\]]")
_TRAILING = re.compile(r"(?P<base>.*?\S)[\s_/]+(?P<unit>\S{2,})")


@dataclass(frozen=True)
class CurationSpec:
    """Options of reading measurements.

    Attributes:
        properties: Columns of measurements; by default the only column of numbers.
        to_p: Convert concentrations to -log10 of mol/L, such as pIC50.
        unit: Unit of numbers that state none, one of `quantity.MOLAR`, `quantity.MASS` or `%`; "" for none.
        unit_column: Column of units; by default found by its name.
        relation_column: Column of relations; by default found by its name.
        smiles_column: Column of SMILES; by default found by its name.

    Raises:
        SpecError: The unit is not known.
    """

    properties: tuple[str, ...] = ()
    to_p: bool = False
    unit: str = ""
    unit_column: str | None = None
    relation_column: str | None = None
    smiles_column: str | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "unit", parse_unit(self.unit))
        except ValueError as error:
            raise SpecError("unit", str(error), remedy="Known: M, mM, uM, nM, pM, g/L, mg/L, ug/mL, ng/mL.") from None


@dataclass(frozen=True)
class Column:
    """The columns of one property.

    Attributes:
        name: Name of the property, without a unit.
        values: Column of the numbers.
        relation: Column of the relations, or None.
        unit: Column of the units, or None.
        n: Column of the number of replicates, or None.
        std: Column of their standard deviation, or None.
        default_unit: Unit of numbers that state none; "" if unknown.
        has_decimal_comma: Whether 1,5 is one and a half; see `quantity.uses_decimal_comma`.
    """

    name: str
    values: str
    relation: str | None
    unit: str | None
    n: str | None
    std: str | None
    default_unit: str
    has_decimal_comma: bool


def read_texts(path: Path, smiles_column: str | None) -> TextTable:
    """A table or SDF with all its columns.

    Raises:
        FileError: The file cannot be used, or is neither a table nor an SDF.
    """
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind in (".sdf", ".sd"):
        return sdf_texts(path)
    if kind in (".csv", ".tsv", ".tab", ".txt"):
        return table_texts(path, smiles_column)
    raise FileError(path, "holds no measurements", remedy="Give a .csv, .tsv, .txt or .sdf file, plain or .gz.")


def locate_columns(path: Path, texts: TextTable, spec: CurationSpec) -> tuple[Column, ...]:
    """The columns of `spec`.

    Raises:
        MissingColumnError: The file lacks one.
        SpecError: It is not clear which column is meant.
    """
    rows = [row for row in texts.rows if not isinstance(row, Rejection)]
    names = [_require(path, texts, name) for name in spec.properties] or [_only_numbers(texts, rows, spec)]
    return tuple(_column(path, texts, rows, spec, name, len(names) == 1) for name in names)


def _column(
    path: Path, texts: TextTable, rows: Sequence[TextRow], spec: CurationSpec, values: str, is_only: bool
) -> Column:
    name, unit = split_unit(values)
    if unit and spec.unit and unit != spec.unit:
        raise SpecError("unit", f"the column {values!r} says {unit}, but --unit says {spec.unit}")

    def beside(named: str | None, endings: Iterable[str], shared: Iterable[str]) -> str | None:
        if named is not None:
            return _require(path, texts, named)
        own = [f"{prefix}_{ending}" for prefix in (values, name) for ending in endings]
        return _find(texts.columns, [*own, *(shared if is_only else ())])

    return Column(
        name=name,
        values=values,
        relation=beside(spec.relation_column, ("relation",), RELATION_COLUMNS),
        unit=beside(spec.unit_column, ("unit", "units"), () if is_logarithm(name) else UNIT_COLUMNS),
        n=beside(None, ("n",), ()),
        std=beside(None, ("std",), ()),
        default_unit=spec.unit or unit,
        has_decimal_comma=uses_decimal_comma((row.texts.get(values, "") for row in rows), texts.delimiter),
    )


def split_unit(column: str) -> tuple[str, str]:
    """The name and the unit of a column such as `IC50 (nM)`, `Ki_uM` or `IC50`."""
    for pattern in (_BRACKETED, _TRAILING):
        match = pattern.fullmatch(column.strip())
        if match is not None:
            try:
                return match["base"], parse_unit(match["unit"])
            except ValueError:
                continue
    return column.strip(), ""


def name_in_p(name: str) -> str:
    """Name of the negative logarithm of a property: pIC50 of IC50, p_value of value.

    Raises:
        SpecError: The property is a negative logarithm already.
    """
    if re.match(r"p_|-?log", name, re.IGNORECASE) or (name[:1].casefold() == "p" and _POTENCY.fullmatch(name[1:])):
        remedy = "Leave out --to-p."
        raise SpecError("to-p", f"{name!r} is the name of a negative logarithm already", remedy=remedy)
    return f"p{name}" if _POTENCY.fullmatch(name) else f"p_{name.replace(' ', '_')}"


def is_logarithm(name: str) -> bool:
    """Whether a property is the decadic logarithm of a concentration by its name, such as pIC50."""
    try:
        name_in_p(name)
    except SpecError:
        return True
    return False


def _only_numbers(texts: TextTable, rows: Sequence[TextRow], spec: CurationSpec) -> str:
    others = {_plain(name) for name in _OTHERS} | {_plain(name) for name in (spec.smiles_column or "",)}
    endings = ("_relation", "_n", "_std", "_unit", "_units")
    found = [
        name
        for name in texts.columns
        if _plain(name) not in others
        and not _plain(name).endswith(endings)
        and _holds_numbers([row.texts.get(name, "") for row in rows])
    ]
    if len(found) != 1:
        what = f"{len(found)} columns hold numbers: {', '.join(found)}" if found else "no column holds numbers"
        remedy = f"Name the column of the measurements; the file has {', '.join(texts.columns)}."
        raise SpecError("property", what, remedy=remedy)
    return found[0]


def _holds_numbers(texts: Sequence[str]) -> bool:
    filled = [text for text in texts if text.casefold() not in MISSING]
    return 2 * sum(map(_is_number, filled)) > len(filled)


def _is_number(text: str) -> bool:
    try:
        return parse_quantity(text) is not None
    except ValueError:
        return False


def _require(path: Path, texts: TextTable, name: str) -> str:
    found = _find(texts.columns, [name])
    if found is None:
        saw = ", ".join(texts.columns) or "none"
        remedy = "Name one of these columns."
        raise MissingColumnError(path, f"no column {name!r}; saw: {saw}", column=name, remedy=remedy)
    return found


def _find(columns: Iterable[str], names: Iterable[str]) -> str | None:
    by_plain = {_plain(column): column for column in reversed(list(columns))}
    return next((by_plain[_plain(name)] for name in names if _plain(name) in by_plain), None)


def _plain(column: str) -> str:
    return column.casefold().strip().replace(" ", "_")
