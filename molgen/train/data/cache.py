"""A cache of tokenised molecules, so that the same files are not read twice.

An entry is a folder named by a digest of everything that determines its content: input files, options, versions. Where
the disk allows, its files are hard links to those of the run that made it, and need no space of their own.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from molgen.errors import FileError, RunError
from molgen.paths import cache_folder, write_text
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import TokenSet

DATA, VOCABULARY, INPUTS = "data.npz", "vocabulary.json", "inputs.json"
FORMAT = 1
"""Increase it whenever a change makes the same files and options give different token sets."""


def make_key(facts: Mapping[str, Any]) -> str:
    """The name of the cache entry for `facts`, which are JSON values."""
    return sha256(json.dumps({"format": FORMAT, **facts}, sort_keys=True).encode()).hexdigest()


def fetch(key: str, folder: Path) -> list[dict[str, Any]] | None:
    """Copies the entry `key` into `folder` and returns the manifest entries of its input files.

    None if the entry is missing or damaged.
    """
    entry = cache_folder() / key
    try:
        inputs = json.loads((entry / INPUTS).read_text(encoding="utf-8"))
        read_vocabulary(entry)
        TokenSet.load(entry / DATA)
        for name in (VOCABULARY, DATA):
            _link(entry / name, folder / name)
    except (OSError, ValueError, FileError, RunError):
        return None
    return list(inputs)


def keep(key: str, folder: Path, inputs: Sequence[Mapping[str, Any]]) -> None:
    """Adds the files of `folder` to the cache as the entry `key`; does nothing if the cache cannot be written."""
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        temporary = Path(mkdtemp(dir=cache_folder()))
        for name in (VOCABULARY, DATA):
            _link(folder / name, temporary / name)
        write_text(temporary / INPUTS, json.dumps(list(inputs)))
        shutil.rmtree(cache_folder() / key, ignore_errors=True)
        temporary.rename(cache_folder() / key)
    except OSError:
        return


def write_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Writes the vocabulary into `folder`."""
    write_text(folder / VOCABULARY, json.dumps(asdict(vocabulary), indent=1) + "\n")


def read_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary in `folder`.

    Raises:
        RunError: It is missing or damaged.
    """
    path = folder / VOCABULARY
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return Vocabulary(tuple(entries["tokens"]), entries["constraints"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(path, f"is not a vocabulary ({error})", remedy="Start a new run.") from None


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
