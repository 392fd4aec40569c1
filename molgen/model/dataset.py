"""Files of molecules -> token arrays ready for training, made once a run and kept in it.

Notation: N molecules, P properties, T tokens of all molecules together.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem.Scaffolds import MurckoScaffold

from molgen.chem.molecule import Policy, parse
from molgen.chem.table import Rejection, Row, Tally, has_property, read_rows
from molgen.errors import FileError, MoleculeError, SpecError
from molgen.model.tokens import DEFAULT_CONSTRAINTS, N_SPECIAL, PAD, Vocabulary, split, to_selfies
from molgen.paths import replacing

CHUNK_ROWS = 1000
"""Rows that a worker process takes at once."""

Split = Literal["random", "scaffold"]

SPLIT_MIX = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier that reorders 64-bit keys (Knuth, TAOCP 3, section 6.4), so that a split is not a range of hashes."""


@dataclass(frozen=True)
class TokenSet:
    """Molecules as token ids, with labels.

    Attributes:
        tokens: (T,) uint16, the molecules one after another, without BOS and EOS.
        offsets: (N + 1,) int64; molecule i is `tokens[offsets[i]:offsets[i + 1]]`.
        labels: (N, P) float32, NaN where missing.
        keys: (N,) uint64 hashes of the canonical SMILES.
        is_validation: (N,) bool, the molecules kept out of training.

    Raises:
        ValueError: The arrays do not fit each other.
    """

    tokens: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    labels: NDArray[np.float32]
    keys: NDArray[np.uint64]
    is_validation: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.offsets) - 1
        if not len(self.labels) == len(self.keys) == len(self.is_validation) == n >= 1:
            raise ValueError("offsets, labels, keys and is_validation must be of one length, at least 1")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.tokens) or (np.diff(self.offsets) < 1).any():
            raise ValueError("offsets must rise from 0 to the number of tokens")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens (N,) of each molecule."""
        return np.diff(self.offsets)

    def __getitem__(self, i: int) -> NDArray[np.uint16]:
        """Token ids (L,) of molecule i."""
        return self.tokens[self.offsets[i] : self.offsets[i + 1]]

    def save(self, path: Path) -> None:
        """Writes the set as .npz in one step."""
        with replacing(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **vars(self))

    @classmethod
    def load(cls, path: Path) -> TokenSet:
        """Reads what `save` wrote.

        Raises:
            FileError: The file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, KeyError) as error:
            raise FileError(path, f"is not a token set ({error})", remedy="Start the training anew.") from None


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
    policy: Policy = Policy()
    smiles_column: str | None = None
    max_tokens: int = 120
    workers: int = 1


@dataclass(frozen=True)
class Tokenised:
    """One molecule on its way into a token set."""

    key: int
    tokens: tuple[str, ...]
    scaffold: int


class _Collector:
    """Grows the arrays of a token set under provisional token ids."""

    def __init__(self, n_properties: int) -> None:
        self.ids: dict[str, int] = {}
        self.tokens = array("H")
        self.offsets = array("q", [0])
        self.labels = array("f")
        self.keys = array("Q")
        self.scaffolds = array("Q")
        self.n_properties = n_properties
        self._seen: set[int] = set()

    def add(self, item: Tokenised, labels: Sequence[float]) -> bool:
        """Takes a molecule, unless it is an unlabelled one seen before."""
        if item.key in self._seen and all(map(math.isnan, labels)):
            return False
        self._seen.add(item.key)
        self.tokens.extend(self.ids.setdefault(t, len(self.ids)) for t in item.tokens)
        self.offsets.append(len(self.tokens))
        self.labels.extend(labels)
        self.keys.append(item.key)
        self.scaffolds.append(item.scaffold)
        return True

    def finish(
        self, vocabulary: Vocabulary | None, min_count: int, split_by: Split
    ) -> tuple[Vocabulary, TokenSet]:
        """The vocabulary and the set; molecules with a token too rare for it are left out."""
        tokens = np.frombuffer(self.tokens, dtype=np.uint16)
        offsets = np.frombuffer(self.offsets, dtype=np.int64)
        counts = np.bincount(tokens, minlength=len(self.ids))
        if vocabulary is None:
            names = {name: int(counts[i]) for name, i in self.ids.items()}
            vocabulary = Vocabulary.from_counts(names, min_count=min(min_count, int(counts.max())))
        known = {name: i + N_SPECIAL for i, name in enumerate(vocabulary.tokens)}
        ids = np.array([known.get(name, PAD) for name in self.ids], dtype=np.uint16)[tokens]
        is_kept = np.minimum.reduceat(ids, offsets[:-1]) > PAD
        lengths = np.diff(offsets)
        labels = np.frombuffer(self.labels, dtype=np.float32).reshape(len(lengths), self.n_properties)[is_kept]
        keys = np.frombuffer(self.keys, dtype=np.uint64)[is_kept]
        scaffolds = np.frombuffer(self.scaffolds, dtype=np.uint64)[is_kept]
        return vocabulary, TokenSet(
            tokens=ids[np.repeat(is_kept, lengths)],
            offsets=np.concatenate([[0], np.cumsum(lengths[is_kept])]),
            labels=labels,
            keys=keys,
            is_validation=validation_rows(keys, scaffolds, ~np.isnan(labels).all(axis=1), split_by),
        )


def hash_key(text: str) -> int:
    """A 64-bit key of a text, the same on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")



def prepare(
    source: Source,
    tallies: Mapping[Path, Tally],
    *,
    vocabulary: Vocabulary | None = None,
    min_count: int = 5,
    split_by: Split = "random",
    on_row: Callable[[], object] = lambda: None,
) -> tuple[Vocabulary, TokenSet]:
    """Reads, standardises and tokenises the molecules of `source`, in the order of the files.

    The result does not depend on the number of workers. An unlabelled molecule that came before is left out
    as a duplicate; labelled ones are measurements and all stay.

    Args:
        source: What to read.
        tallies: One for each path, to count its rows in.
        vocabulary: Tokens that may occur, or None to take those that occur `min_count` times or more.
        min_count: See `vocabulary`.
        split_by: How labelled molecules are split: at random, or with whole scaffolds kept out.
        on_row: Called for each row.

    Raises:
        FileError: A file cannot be used, or no row of it can.
        SpecError: No file has one of the properties.
    """
    columns = {path: tuple(p for p in source.properties if has_property(path, p, source.smiles_column)) for path in source.paths}
    _require_properties(source, columns)
    collector = _Collector(len(source.properties))
    for path in source.paths:
        for row, item in _tokenised(path, columns[path], source, vocabulary):
            if isinstance(item, Tokenised):
                values = dict(zip(columns[path], row.values, strict=True))
                is_new = collector.add(item, [values.get(p, math.nan) for p in source.properties])
                tallies[path].add(row if is_new else Rejection(row.line, row.smiles, "duplicate"))
            else:
                tallies[path].add(item)
            on_row()
        tallies[path].require_kept(path)
    return collector.finish(vocabulary, min_count, split_by)


def _require_properties(source: Source, columns: Mapping[Path, Sequence[str]]) -> None:
    for name in source.properties:
        if not any(name in found for found in columns.values()):
            raise SpecError(
                "property",
                f"no file has a column {name!r}",
                remedy=f"Files read: {', '.join(map(str, source.paths))}. Column names are compared as they are.",
            )


def _tokenised(
    path: Path, properties: tuple[str, ...], source: Source, vocabulary: Vocabulary | None
) -> Iterator[tuple[Row | Rejection, Tokenised | Rejection]]:
    """Each row with what became of it, in order; at most two chunks a worker wait in memory."""
    rows = read_rows(path, smiles_column=source.smiles_column, properties=properties)
    work = partial(_tokenise_chunk, policy=source.policy, max_tokens=source.max_tokens, vocabulary=vocabulary)
    chunks = iter(lambda: list(islice(rows, CHUNK_ROWS)), [])
    if source.workers == 1:
        for chunk in chunks:
            yield from zip(chunk, work(chunk), strict=True)
        return
    with ProcessPoolExecutor(source.workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[tuple[list[Row | Rejection], Future[list[Tokenised | Rejection]]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(work, chunk)))
            if len(waiting) > 2 * source.workers:
                done, future = waiting.popleft()
                yield from zip(done, future.result(), strict=True)
        for done, future in waiting:
            yield from zip(done, future.result(), strict=True)


def _tokenise_chunk(
    rows: Sequence[Row | Rejection], *, policy: Policy, max_tokens: int, vocabulary: Vocabulary | None
) -> list[Tokenised | Rejection]:
    return [row if isinstance(row, Rejection) else _tokenise(row, policy, max_tokens, vocabulary) for row in rows]


def _tokenise(
    row: Row, policy: Policy, max_tokens: int, vocabulary: Vocabulary | None
) -> Tokenised | Rejection:
    try:
        molecule = parse(row.smiles, policy)
        constraints = vocabulary.constraints if vocabulary else DEFAULT_CONSTRAINTS
        tokens = split(to_selfies(molecule.smiles, constraints))
        if vocabulary:
            vocabulary.ids(tokens, molecule.smiles)
    except MoleculeError as error:
        return Rejection(row.line, row.smiles, error.reason)
    if not 1 <= len(tokens) <= max_tokens:
        return Rejection(row.line, row.smiles, f"not 1 to {max_tokens} tokens")
    is_labelled = any(value == value for value in row.values)
    scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule.mol) if is_labelled else ""
    return Tokenised(hash_key(molecule.smiles), tuple(tokens), hash_key(scaffold))


def validation_rows(
    keys: NDArray[np.uint64], scaffolds: NDArray[np.uint64], is_labelled: NDArray[np.bool_], split_by: Split
) -> NDArray[np.bool_]:
    """Which molecules (N,) are kept out of training; what one is does not depend on the order of rows.

    A twentieth of the unlabelled ones at random, 2,000 at the most, and a tenth of the labelled ones, at random
    or by scaffold. A molecule that is kept out as a labelled one is kept out everywhere.
    """
    is_out = np.zeros(len(keys), dtype=bool)
    labelled, unlabelled = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
    is_out[unlabelled[random_split(keys[unlabelled], min(0.05, 2000 / max(1, len(unlabelled))))]] = True
    groups, split_labelled = (scaffolds, scaffold_split) if split_by == "scaffold" else (keys, random_split)
    is_out[labelled[split_labelled(groups[labelled], 0.1)]] = True
    return is_out | np.isin(keys, keys[is_out & is_labelled])


def random_split(keys: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """The molecules (N,) kept out of training: `share` of all keys, those that hash lowest."""
    names = np.unique(keys)
    mixed = np.sort(names * SPLIT_MIX)
    return keys * SPLIT_MIX < mixed[int(share * len(names))] if len(names) else np.zeros(0, dtype=bool)


def scaffold_split(scaffolds: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """The molecules (N,) kept out of training: whole scaffolds, the rarest first, about `share` of all.

    Source: Wu et al. 2018, MoleculeNet (doi:10.1039/C7SC02664A), section 3.2, after Bemis & Murcko 1996.
    """
    if not len(scaffolds):
        return np.zeros(0, dtype=bool)
    names, inverse, counts = np.unique(scaffolds, return_inverse=True, return_counts=True)
    order = np.lexsort((names, counts))
    is_out = np.cumsum(counts[order]) <= max(share * len(scaffolds), counts.min())
    return np.isin(inverse, order[is_out])
