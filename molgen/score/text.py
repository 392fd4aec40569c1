"""The texts of options: `NAME`, `NAME = NUMBER`, `NAME = LOW..HIGH`, `NAME OPERATOR NUMBER`.

Names of measures may hold `=`, `<`, `>` and blanks, as in `similarity:CC(=O)O`. So texts are parsed from their ends,
and every operator must stand between blanks.
"""

from __future__ import annotations

from molgen.errors import SpecError

LARGEST_NUMBER = 1e100
"""Below it, differences of two numbers are finite."""

OPERATORS = ("<=", ">=", "<", ">", "==", "!=")

_EXAMPLES = {
    "maximize": '"qed"',
    "minimize": '"sa"',
    "target": '"logp = 2.5"',
    "range": '"mw = 300..450"',
    "weight": '"qed = 2"',
    "scale": '"penalized_logp = -5..5"',
    "constraint": '"similarity >= 0.4" or "2 <= logp <= 3", with blanks around the operators',
}


def unreadable_error(key: str, text: str, reason: str) -> SpecError:
    """The error for a text of option `key`, with the accepted form as its remedy."""
    return SpecError(key, f"{text!r}: {reason}", remedy=f"Write it like {_EXAMPLES[key]}.")


def is_usable(number: float) -> bool:
    """Whether a number is neither NaN nor larger than `LARGEST_NUMBER`."""
    return abs(number) <= LARGEST_NUMBER


def is_number(text: str) -> bool:
    """Whether a text is a number that `is_usable`."""
    try:
        return is_usable(float(text))
    except ValueError:
        return False


def require_name(key: str, name: str) -> None:
    """Checks the name of a measure.

    Raises:
        SpecError: The name is empty or not printable, has blanks around it, holds an operator between
            blanks, or is a number.
    """
    words = name.split()
    if not words or name != name.strip() or not name.isprintable():
        raise unreadable_error(key, name, "the name of a measure is missing or not printable")
    if is_number(name) or any(word in (*OPERATORS, "=") for word in words):
        raise unreadable_error(key, name, "this is not the name of a measure")


def require_interval(key: str, name: str, low: float, high: float) -> None:
    """Checks that an interval has a width.

    Raises:
        SpecError: A number is not usable, or the first is not below the second.
    """
    if not (is_usable(low) and is_usable(high) and low < high):
        raise unreadable_error(key, f"{name} = {low}..{high}", "the first number must be below the second")


def parse_assigned_number(key: str, text: str) -> tuple[str, float]:
    """Name and number of `NAME = NUMBER`.

    Raises:
        SpecError: The text has another form.
    """
    name, number = _split_assignment(key, text)
    if not is_number(number):
        raise unreadable_error(key, text, f"{number!r} is not a usable number")
    return name, float(number)


def parse_assigned_interval(key: str, text: str) -> tuple[str, tuple[float, float]]:
    """Name and interval of `NAME = LOW..HIGH`.

    Raises:
        SpecError: The text has another form, or the interval no width.
    """
    name, interval = _split_assignment(key, text)
    low, dots, high = interval.partition("..")
    if not (dots and is_number(low) and is_number(high)):
        raise unreadable_error(key, text, f"{interval!r} is not two numbers with .. between")
    require_interval(key, name, float(low), float(high))
    return name, (float(low), float(high))


def _split_assignment(key: str, text: str) -> tuple[str, str]:
    parts = text.strip().rsplit(maxsplit=2)
    if len(parts) != 3 or parts[1] != "=":
        raise unreadable_error(key, text, "no = between blanks found")
    require_name(key, parts[0])
    return parts[0], parts[2]
