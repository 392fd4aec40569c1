"""Runs a user's scorer in a process of its own: one JSON line in, one JSON line out.

Started as `python -P worker.py FILE FUNCTION`. It imports the standard library alone, so that a scorer starts
fast and sees nothing of molgen. A request is a list of N SMILES. A reply is `{"values": [...]}` with N items,
each a number or the text of what is no number, or `{"refused": REASON}`. The first reply, `{"values": []}`,
answers no request: the file is loaded. What the scorer raises ends the process, its traceback on stderr.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

_GRACE_S = 2.0
"""Time for a clean exit after the parent is gone; a scorer that is still busy then is cut off."""

_LONGEST_TEXT = 80


def main(path: Path, name: str) -> None:
    """Answers requests on stdin until it ends."""
    requests, replies = _private_pipes()
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(requests, lines), daemon=True).start()
    function = getattr(_load(path), name, None)
    if not callable(function):
        _reply(replies, {"refused": f"{path} has no function {name!r}"})
        return
    _reply(replies, {"values": []})
    while line := lines.get():
        _reply(replies, _answer(function, json.loads(line)))


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's two pipes, moved to where a scorer cannot read or print by accident."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, replies


def _read(requests: BinaryIO, lines: SimpleQueue[bytes]) -> None:
    """Hands on requests; when they end, the parent is gone, and this process must not outlive it."""
    for line in requests:
        lines.put(line)
    lines.put(b"")
    threading.Event().wait(_GRACE_S)
    os._exit(1)


def _load(path: Path) -> object:
    """The user's file as a module, its folder first on the path, as if it were run as a script."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _answer(function: Callable[[list[str]], Any], smiles: list[str]) -> dict[str, object]:
    values = function(list(smiles))
    if hasattr(values, "tolist"):  # arrays, series and tensors
        values = values.tolist()
    if not isinstance(values, list | tuple):
        return {"refused": f"returned {type(values).__name__}, not a list of numbers"}
    if len(values) != len(smiles):
        return {"refused": f"returned {len(values)} values for {len(smiles)} molecules"}
    return {"values": [_number_or_text(value) for value in values]}


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
    main(Path(sys.argv[1]), sys.argv[2])
