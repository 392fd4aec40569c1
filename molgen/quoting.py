"""Untrusted text, escaped for a terminal, a message, a spreadsheet or an SDF.

Names, headers and cells of a user's file can hold anything. Unescaped, they could control a terminal, be a formula in
a spreadsheet, or end a record of an SDF.
"""

from __future__ import annotations

import json
import re

LONGEST_MESSAGE = 2_000
"""Number of characters above which a message is shortened in the middle."""
_TAIL = 400
"""Number of characters kept at its end."""

_FORMULA = re.compile(r"'*[=+\-@\t\r].", re.DOTALL)
_ESCAPED = re.compile(r"'+[=+\-@\t\r].", re.DOTALL)


def shortened(text: str) -> str:
    """The text, shortened in the middle if longer than `LONGEST_MESSAGE`.

    >>> len(shortened("C" * 100_000)) < 2_100
    True
    """
    if len(text) <= LONGEST_MESSAGE:
        return text
    head, tail = text[: LONGEST_MESSAGE - _TAIL], text[-_TAIL:]
    return f"{head} ... ({len(text) - LONGEST_MESSAGE:,} characters left out) ... {tail}"


def printable(text: str, keep: str = "\n\t") -> str:
    r"""The text with control characters and characters that a terminal cannot show escaped as in JSON.

    >>> print(printable("\x1b[2Jcaffeine"))
    \u001b[2Jcaffeine

    Args:
        text: Any text, undecodable bytes of file names included.
        keep: Characters that are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else json.dumps(char)[1:-1] for char in text)


def csv_cell(text: str) -> str:
    """The text as a spreadsheet cell that is no formula: with ' before = + - @, a tab or a carriage return.

    Numbers, and a sign alone such as the relation =, are unchanged. `from_csv_cell` is the inverse.

    >>> csv_cell("=1+1"), csv_cell("-1.5")
    ("'=1+1", '-1.5')

    Source: OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def from_csv_cell(cell: str) -> str:
    """The text of a cell that `csv_cell` wrote."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def sdf_line(text: str) -> str:
    """The text as one line of an SDF data field that ends neither the field nor the record.

    >>> sdf_line("$$$$")
    ' $$$$'
    """
    line = " ".join(text.split())
    return f" {line}" if line.startswith(("$$$$", ">")) else line


def sdf_name(text: str) -> str:
    """The text as the name of an SDF data field: without line breaks, < and >."""
    return re.sub(r"[<>]", "_", sdf_line(text)).strip()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
