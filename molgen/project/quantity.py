"""Parsing of one measurement: `> 10`, `12,5 nM`, `ca. 3`, `1.2e-7 M`, `8.1 ± 0.2`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from molgen.chem.formats import MISSING

Relation = Literal["=", "<", ">", "~"]

_RELATIONS: dict[str, Relation] = {
    "": "=", "=": "=", "==": "=",
    "<": "<", "<=": "<", "=<": "<", "≤": "<", "<<": "<",
    ">": ">", ">=": ">", "=>": ">", "≥": ">", ">>": ">",
    "~": "~", "≈": "~", "ca": "~", "ca.": "~", "c.": "~", "about": "~", "approx": "~", "approx.": "~",
}  # fmt: skip

FLIPPED: dict[Relation, Relation] = {"=": "=", "<": ">", ">": "<", "~": "~"}
"""The relation after a change of sign."""

MOLAR = {"M": 1.0, "mM": 1e-3, "uM": 1e-6, "nM": 1e-9, "pM": 1e-12, "fM": 1e-15}
"""Molar units in mol/L."""

MASS = {"g/L": 1.0, "mg/L": 1e-3, "ug/L": 1e-6, "ng/L": 1e-9}
"""Units of mass concentration in g/L."""

_SPELLINGS = {
    **{unit.casefold(): unit for unit in (*MOLAR, *MASS)},
    **{f"{unit[:-1]}mol/l".casefold(): unit for unit in MOLAR},
    **{"mg/ml": "g/L", "ug/ml": "mg/L", "ng/ml": "ug/L", "pg/ml": "ng/L", "%": "%", "percent": "%"},
}

_NUMBER = r"[+-]?(?:\d[\d.,'\u2019 \u00a0]*|[.,]\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(
    rf"(?P<relation>[<>=≤≥~≈]{{0,2}}|(?:ca|approx|c)\.?|about)\s*(?P<number>{_NUMBER})\s*"
    rf"(?:(?:±|\+/-|\+-)\s*{_NUMBER})?\s*(?P<unit>[^\d\s].*)?",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+")
_MAX_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its relation and unit.

    Attributes:
        value: Finite number.
        relation: `=` for a value, `~` for an approximate one, `<` or `>` for a bound.
        unit: One of `MOLAR`, `MASS` or `%`; "" if missing.
    """

    value: float
    relation: Relation = "="
    unit: str = ""


def parse_quantity(text: str, *, has_decimal_comma: bool = False) -> Quantity | None:
    """The measurement in a text, without an error after ±; None for a missing one.

    >>> parse_quantity("> 12,5 nM", has_decimal_comma=True)
    Quantity(value=12.5, relation='>', unit='nM')

    Raises:
        ValueError: The text is not a measurement, or its unit is unknown; the message is a short reason.
    """
    text = text.strip().strip("'\"").strip()
    if text.casefold() in MISSING or text in ("-", "n/a", "N/A"):
        return None
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError("not a number")
    unit = parse_unit(match["unit"] or "")
    return Quantity(_number(match["number"], has_decimal_comma), parse_relation(match["relation"]), unit)


def parse_relation(text: str) -> Relation:
    """The relation in a text such as `>=` or `'='`; "=" for an empty text.

    Raises:
        ValueError: The relation is unknown.
    """
    plain = text.strip().strip("'\"").strip().casefold()
    if plain not in _RELATIONS:
        raise ValueError(f"unknown relation {text.strip()}")
    return _RELATIONS[plain]


def parse_unit(text: str) -> str:
    """The unit as spelled in `MOLAR` or `MASS`, or `%`; "" for an empty text.

    Raises:
        ValueError: The unit is unknown.
    """
    plain = text.strip().strip("()[]").replace("µ", "u").replace("μ", "u").replace(" ", "")
    if not plain:
        return ""
    if plain.casefold() not in _SPELLINGS:
        raise ValueError(f"unknown unit {plain}")
    return _SPELLINGS[plain.casefold()]


def uses_decimal_comma(texts: Iterable[str], delimiter: str) -> bool:
    """Whether a comma is the decimal sign of numbers that have commas but no point.

    The first rule that applies decides:

    1. A comma without a point is decimal if it does not separate thousands in one of the numbers, as in 12,5.
    2. The last sign of a number with both signs is the decimal one: the comma in 1.200,5, the point in 1,200.5.
    3. If all commas separate thousands, as in 1,200, they are decimal in a file whose columns are separated by
       semicolons, as Excel writes in locales with decimal commas.

    Args:
        texts: The texts of a column.
        delimiter: The separator of the columns of the file.
    """
    matches = (_QUANTITY.fullmatch(text.strip()) for text in texts)
    numbers = [number for match in matches if match and "," in (number := _plain(match["number"]))]
    with_both = [number for number in numbers if "." in number]
    if not all(_GROUPED.fullmatch(number) for number in numbers if "." not in number):
        return True
    if with_both:
        return any(_decimal_sign(number) == "," for number in with_both)
    return delimiter == ";" and bool(numbers)


def in_molar(quantity: Quantity, weight_da: float) -> Quantity:
    """A concentration in mol/L.

    Args:
        quantity: In a unit of `MOLAR` or `MASS`.
        weight_da: Molecular weight of the substance as weighed, salt included.

    Raises:
        ValueError: The unit is not one of concentration.
    """
    if quantity.unit in MOLAR:
        return replace(quantity, value=quantity.value * MOLAR[quantity.unit], unit="M")
    if quantity.unit in MASS:
        return replace(quantity, value=quantity.value * MASS[quantity.unit] / weight_da, unit="M")
    raise ValueError(f"{quantity.unit or 'no unit'} is no concentration")


def _plain(number: str) -> str:
    """A number without spaces and apostrophes between its digits, and without commas after it."""
    return re.sub(r"['\u2019 \u00a0]", "", number).rstrip(",")


def _decimal_sign(number: str) -> str:
    """The last of the commas and points of a number that has both."""
    return max(",.", key=number.rfind)


def _number(text: str, has_decimal_comma: bool) -> float:
    plain = _plain(text)
    has_both = "," in plain and "." in plain
    is_comma_decimal = _decimal_sign(plain) == "," if has_both else has_decimal_comma and "," in plain
    plain = plain.replace(".", "").replace(",", ".") if is_comma_decimal else plain.replace(",", "")
    try:
        value = float(plain)
    except ValueError:
        raise ValueError("not a number") from None
    if abs(value) == float("inf"):
        raise ValueError("not a number")
    return value
