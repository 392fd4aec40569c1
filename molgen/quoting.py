"""Text from outside, made fit for a terminal, a message, a spreadsheet and an SDF.

Names, headers and cells of a user's file can hold anything. Shown as they are they could move the cursor of a terminal,
be a formula to a spreadsheet, or end a record of an SDF.
"""

from __future__ import annotations

import json
import re

LONGEST_MESSAGE = 2_000
"""Characters of a message; of a longer one the middle is left out."""
_TAIL = 400

_FORMULA = re.compile(r"'*[=+\-@\t\r].", re.DOTALL)
_ESCAPED = re.compile(r"'+[=+\-@\t\r].", re.DOTALL)


def shortened(text: str) -> str:
    """The text, without its middle where it is longer than `LONGEST_MESSAGE`.

    >>> len(shortened("C" * 100_000)) < 2_100
    True
    """
    if len(text) <= LONGEST_MESSAGE:
        return text
    head, tail = text[: LONGEST_MESSAGE - _TAIL], text[-_TAIL:]
    return f"{head} ... ({len(text) - LONGEST_MESSAGE:,} characters left out) ... {tail}"


def printable(text: str, keep: str = "\n\t") -> str:
    r"""The text with every character that a terminal would obey, or cannot show, in JSON's way of writing it.

    >>> print(printable("\x1b[2Jcaffeine"))
    \u001b[2Jcaffeine

    Args:
        text: Anything, undecodable bytes of file names included.
        keep: Characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else json.dumps(char)[1:-1] for char in text)


def csv_cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula: with ' before one that begins with = + - or @.

    A sign alone stays, such as the relation =. Numbers stay as they are; `from_csv_cell` gives the text back.

    >>> csv_cell("=1+1"), csv_cell("-1.5")
    ("'=1+1", '-1.5')

    Source: OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def from_csv_cell(cell: str) -> str:
    """The text that `csv_cell` made a cell of."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def sdf_line(text: str) -> str:
    """The text as one line of a data field in an SDF, which ends neither the field nor the record.

    >>> sdf_line("$$$$")
    ' $$$$'
    """
    line = " ".join(text.split())
    return f" {line}" if line.startswith(("$$$$", ">")) else line


def sdf_name(text: str) -> str:
    """The text as the name of a data field in an SDF: without line breaks, < and >."""
    return re.sub(r"[<>]", "_", sdf_line(text)).strip()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
