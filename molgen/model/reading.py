"""Rows of files -> SELFIES tokens, in this process or in several, always in the order of the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from rdkit.Chem.Scaffolds import MurckoScaffold

from molgen.chem.molecule import DEFAULT_POLICY, Policy, parse
from molgen.chem.table import Rejection, Row, read_rows
from molgen.errors import MoleculeError
from molgen.model.tokens import DEFAULT_CONSTRAINTS, Vocabulary, split, to_selfies

CHUNK_ROWS = 1000
"""Rows that a worker process takes at once."""


@dataclass(frozen=True)
class Source:
    """How molecules are read from files.

    Attributes:
        paths: The files, unlabelled and labelled ones together.
        properties: Columns to read as labels; a file that lacks one is taken as unlabelled there.
        policy: Standardisation.
        smiles_column: Name of the SMILES column, or None to detect it.
        max_tokens: Longer molecules are rejected.
        workers: Processes that parse.
    """

    paths: tuple[Path, ...]
    properties: tuple[str, ...] = ()
    policy: Policy = DEFAULT_POLICY
    smiles_column: str | None = None
    max_tokens: int = 120
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Tokenised:
    """One molecule on its way into a token set.

    Attributes:
        row: What was read.
        key: Hash of its canonical SMILES.
        tokens: Its SELFIES tokens.
        scaffold: Hash of its Bemis-Murcko scaffold, only where it has a label.
    """

    row: Row
    key: int
    tokens: tuple[str, ...]
    scaffold: int


def hash_key(text: str) -> int:
    """A 64-bit key of a text, the same on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def read_tokenised(
    path: Path, properties: tuple[str, ...], source: Source, vocabulary: Vocabulary | None
) -> Iterator[Tokenised | Rejection]:
    """What became of each row of a file, in order; few rows at a time are in memory.

    Args:
        path: One of the paths of `source`.
        properties: Those properties of `source` that the file has.
        source: How to read.
        vocabulary: Tokens that may occur, or None to allow any.

    Raises:
        FileError: The file cannot be used.
    """
    rows = read_rows(path, smiles_column=source.smiles_column, properties=properties)
    chunks = iter(lambda: list(islice(rows, CHUNK_ROWS)), [])
    work = partial(_tokenise_chunk, source=source, vocabulary=vocabulary)
    if source.workers == 1:
        for chunk in chunks:
            yield from work(chunk)
        return
    with ProcessPoolExecutor(source.workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[list[Tokenised | Rejection]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(work, chunk))
            if len(waiting) > 2 * source.workers:
                yield from waiting.popleft().result()
        for future in waiting:
            yield from future.result()


def _tokenise_chunk(
    rows: Sequence[Row | Rejection], *, source: Source, vocabulary: Vocabulary | None
) -> list[Tokenised | Rejection]:
    return [row if isinstance(row, Rejection) else _tokenise(row, source, vocabulary) for row in rows]


def _tokenise(row: Row, source: Source, vocabulary: Vocabulary | None) -> Tokenised | Rejection:
    constraints = vocabulary.constraints if vocabulary else DEFAULT_CONSTRAINTS
    try:
        molecule = parse(row.smiles, source.policy)
        tokens = split(to_selfies(molecule.smiles, constraints))
        if vocabulary:
            vocabulary.ids(tokens, molecule.smiles)
    except MoleculeError as error:
        return Rejection(row.line, row.smiles, error.reason)
    if not 1 <= len(tokens) <= source.max_tokens:
        return Rejection(row.line, row.smiles, f"not 1 to {source.max_tokens} tokens")
    is_labelled = any(value == value for value in row.values)
    scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule.mol) if is_labelled else ""
    return Tokenised(row, hash_key(molecule.smiles), tuple(tokens), hash_key(scaffold))
