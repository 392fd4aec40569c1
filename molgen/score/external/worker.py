"""The worker process of a scorer: one JSON line in, one JSON line out.

Started as `python -P worker.py PLACE FUNCTION`, where PLACE is a .py file or an installed module. With
FUNCTION:ARGUMENT, FUNCTION is called with the text ARGUMENT and returns the function that scores. The worker imports
only the standard library, so that a scorer starts fast and independently of molgen. A request is a list of N SMILES. A
reply is `{"values": [...]}` with N items, each a number or the text of an invalid answer, or `{"refused": REASON}`. The
first reply, `{"values": []}`, reports that the module is loaded. Every exception of the scorer, SystemExit included,
gives `refused`, and the lines that raised it go to stderr.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO

_LONGEST_TEXT = 80
_LONGEST_REASON = 300
_N_INNERMOST = 2
"""Number of calls that are shown of an exception, besides the first in the scorer."""


def main(place: str, name: str) -> None:
    """Answers requests on stdin until it ends."""
    requests, replies = _private_pipes()
    try:
        module = _load(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        name, _, argument = name.partition(":")
        function = getattr(module, name, None)
        if argument and callable(function):
            function = function(argument)
    except BaseException as error:
        _reply(replies, _refusal(error))
        return
    if not callable(function):
        _reply(replies, {"refused": f"has no function {name!r} in {place}"})
        return
    _reply(replies, {"values": []})
    for line in requests:
        _reply(replies, answer(function, json.loads(line)))


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes of the protocol, moved so that the scorer cannot use them by accident."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, replies


def _load(path: Path) -> object:
    """The file of the user as a module, its folder first on the path, as for a script."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def answer(function: Callable[[list[str]], Any], smiles: list[str]) -> dict[str, Any]:
    """The `values` that a function returns, or why it was `refused`."""
    try:
        return _checked(function(list(smiles)), len(smiles))
    except BaseException as error:
        return _refusal(error)


def _checked(values: Any, n: int) -> dict[str, object]:
    if hasattr(values, "tolist"):  # arrays, series and tensors
        values = values.tolist()
    if not isinstance(values, list | tuple):
        return {"refused": f"returned {type(values).__name__}, not a list of numbers"}
    if len(values) != n:
        return {"refused": f"returned {len(values)} values for {n} molecules"}
    return {"values": [_number_or_text(value) for value in values]}


def _refusal(error: BaseException) -> dict[str, object]:
    *place, reason = traceback.format_exception_only(error)  # a syntax error has a place of its own
    calls = [call for call in traceback.extract_tb(error.__traceback__) if not _is_of_loading(call.filename)]
    shown = calls[:1] + calls[1:][-_N_INNERMOST:]
    with suppress(OSError):  # the scorer may have closed it
        os.write(2, "".join([*traceback.format_list(shown), *place]).encode(errors="backslashreplace"))
    return {"refused": f"raised {' '.join(reason.split())}"[:_LONGEST_REASON]}


def _is_of_loading(filename: str) -> bool:
    """Whether a call lies in this module or in the import system, and not in the scorer."""
    return filename == __file__ or filename.startswith("<frozen importlib")


def _number_or_text(value: Any) -> float | str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bool) or not isinstance(value, Real):
        return ascii(value)[:_LONGEST_TEXT]
    return float(value)


def _reply(replies: BinaryIO, answer: dict[str, object]) -> None:
    replies.write(json.dumps(answer).encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
