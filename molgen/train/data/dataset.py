"""Files of molecules -> token arrays for training, made once per run and kept in its folder.

Notation: N molecules, P properties, F fingerprint bits, T tokens or symbols in total.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from molgen.chem.table import Rejection, Row, Tally, has_property
from molgen.errors import FileError, SpecError
from molgen.paths import replace_file
from molgen.tokens.bpe import learn_bpe_tokens
from molgen.tokens.selfies_vocabulary import N_SPECIAL, Vocabulary
from molgen.tokens.tokenisation import FOLDED_BITS, Source, TokenisedMolecule, tokenise_file
from molgen.train.data.splits import Split, validation_rows

__all__ = ["Source", "Split", "TokenSet", "prepare"]

MAX_PROVISIONAL = 1 << 16
"""Maximum number of distinct symbols before the vocabulary is made."""
N_BPE_TOKENS = 512
N_BPE_MOLECULES = 100_000
"""Maximum number of molecules from which the BPE tokens of a new vocabulary are learned."""


@dataclass(frozen=True)
class TokenSet:
    """Molecules as token ids, with labels.

    Attributes:
        tokens: (T,) uint16, the molecules concatenated, without BOS and EOS.
        offsets: (N + 1,) int64; molecule i is `tokens[offsets[i]:offsets[i + 1]]`.
        labels: (N, P) float32, NaN where missing.
        keys: (N,) uint64 hashes of the canonical SMILES.
        fingerprints: (N, F / 8) uint8, the ECFP4 bits of each molecule, packed; F may be 0.
        is_validation: (N,) bool, the held-out molecules.

    Raises:
        ValueError: The arrays have other types, or do not match.
    """

    tokens: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    labels: NDArray[np.float32]
    keys: NDArray[np.uint64]
    fingerprints: NDArray[np.uint8]
    is_validation: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name, dtype, n_axes in _ARRAYS:
            found = getattr(self, name)
            if found.dtype != dtype or found.ndim != n_axes:
                raise ValueError(f"{name} must be of type {dtype} with {n_axes} axes")
        n = len(self.offsets) - 1
        if {len(self.labels), len(self.keys), len(self.fingerprints), len(self.is_validation)} != {n} or n < 1:
            raise ValueError("all arrays but tokens must be of one length, at least 1")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.tokens) or (np.diff(self.offsets) < 1).any():
            raise ValueError("offsets must rise from 0 to the number of tokens")
        if self.tokens.min() < N_SPECIAL:
            raise ValueError("molecules must not hold special tokens")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens (N,) of each molecule."""
        return np.diff(self.offsets)

    def __getitem__(self, i: int) -> NDArray[np.uint16]:
        """Token ids (L,) of molecule i."""
        return self.tokens[self.offsets[i] : self.offsets[i + 1]]

    def save(self, path: Path) -> None:
        """Writes the set as .npz, atomically."""
        with replace_file(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **vars(self))

    @classmethod
    def load(cls, path: Path) -> TokenSet:
        """Reads what `save` wrote.

        Raises:
            FileError: The file is missing or damaged.
        """
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
                return cls(**{name: arrays[name] for name, _, _ in _ARRAYS})
        except _DAMAGE as error:
            reason = f"is not a token set ({error})"
            raise FileError(path, reason, remedy="Start the training again.") from None


_ARRAYS = (
    ("tokens", np.uint16, 1),
    ("offsets", np.int64, 1),
    ("labels", np.float32, 2),
    ("keys", np.uint64, 1),
    ("fingerprints", np.uint8, 2),
    ("is_validation", np.bool_, 1),
)

_DAMAGE = (
    *(OSError, EOFError, BadZipFile, zlib.error, RuntimeError),  # the archive
    *(ValueError, KeyError, TypeError, AttributeError, MemoryError),  # what is in it
)


class _Collector:
    """Collects the arrays of a token set; symbols get provisional ids until the vocabulary is known."""

    def __init__(self, n_properties: int) -> None:
        self.ids: dict[str, int] = {}
        self.symbols = array("H")
        self.offsets = array("q", [0])
        self.labels = array("f")
        self.keys = array("Q")
        self.scaffolds = array("Q")
        self.fingerprints = bytearray()
        self.files = array("I")
        self.lines = array("q")
        self.n_properties = n_properties
        self._seen: set[int] = set()

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, item: TokenisedMolecule, labels: Sequence[float], file: int) -> str:
        """Adds a molecule of the file with number `file`; returns the reason for rejecting it instead, or ""."""
        if item.key in self._seen and all(map(math.isnan, labels)):
            return "duplicate"
        for symbol in item.symbols:
            if self.ids.setdefault(symbol, len(self.ids)) >= MAX_PROVISIONAL:
                del self.ids[symbol]
                return "too many distinct tokens"
        self._seen.add(item.key)
        self.symbols.extend(self.ids[symbol] for symbol in item.symbols)
        self.offsets.append(len(self.symbols))
        self.labels.extend(labels)
        self.keys.append(item.key)
        self.scaffolds.append(item.scaffold)
        self.fingerprints += item.fingerprint
        self.files.append(file)
        self.lines.append(item.row.line)
        return ""

    def vocabulary(self, min_count: int) -> Vocabulary:
        """A vocabulary of the symbols that occur at least `min_count` times, and BPE tokens.

        If no symbol occurs as often, it holds the most frequent ones.
        """
        counts = np.bincount(np.frombuffer(self.symbols, dtype=np.uint16))
        by_name = {name: int(counts[i]) for name, i in self.ids.items()}
        vocabulary = Vocabulary.from_counts(by_name, min_count=min(min_count, int(counts.max())))
        return vocabulary.with_tokens(self._bpe_tokens(vocabulary))

    def has_known_symbols(self, vocabulary: Vocabulary) -> NDArray[np.bool_]:
        """Whether the vocabulary can express each molecule (N,)."""
        is_known = np.array([name in vocabulary.tokens for name in self.ids])
        symbols = np.frombuffer(self.symbols, dtype=np.uint16)
        return np.logical_and.reduceat(is_known[symbols], np.frombuffer(self.offsets, dtype=np.int64)[:-1])

    def rejection(self, i: int, vocabulary: Vocabulary) -> tuple[int, Rejection]:
        """The number of the file of molecule i, and the rejection of its row, which has a rare symbol."""
        symbols = self._symbols(i, list(self.ids))
        rare = next(symbol for symbol in symbols if symbol not in vocabulary.tokens)
        return self.files[i], Rejection(self.lines[i], "".join(symbols), f"rare token {rare}")

    def finish(self, is_kept: NDArray[np.bool_], vocabulary: Vocabulary, split_by: Split) -> TokenSet:
        """The molecules `is_kept` (N,), at least one, under the ids of `vocabulary`."""
        names = list(self.ids)
        sequences = [vocabulary.ids(self._symbols(i, names), "") for i in np.flatnonzero(is_kept).tolist()]
        labels = np.frombuffer(self.labels, dtype=np.float32).reshape(len(self), self.n_properties)[is_kept]
        keys = np.frombuffer(self.keys, dtype=np.uint64)[is_kept]
        scaffolds = np.frombuffer(self.scaffolds, dtype=np.uint64)[is_kept]
        fingerprints = np.frombuffer(self.fingerprints, dtype=np.uint8).reshape(len(self), FOLDED_BITS // 8)
        is_labelled = np.asarray(~np.isnan(labels).all(axis=1))
        return TokenSet(
            tokens=np.concatenate(sequences),
            offsets=np.cumsum([0, *map(len, sequences)], dtype=np.int64),
            labels=labels,
            keys=keys,
            fingerprints=fingerprints[is_kept],
            is_validation=validation_rows(keys, scaffolds, is_labelled, split_by),
        )

    def _bpe_tokens(self, vocabulary: Vocabulary) -> list[str]:
        """BPE tokens of the symbols of the vocabulary, learned from some of the molecules."""
        names = list(self.ids)
        is_known = np.array([name in vocabulary.tokens for name in names])
        rows = np.random.default_rng(0).permutation(len(self))[:N_BPE_MOLECULES]
        symbols = np.frombuffer(self.symbols, dtype=np.uint16)
        ids = np.where(is_known[symbols], symbols.astype(np.int64) + 1, 0)
        parts = [part for i in rows for part in (ids[self.offsets[i] : self.offsets[i + 1]], [0])]
        bpe_tokens = learn_bpe_tokens(np.concatenate(parts), N_BPE_TOKENS)
        return ["".join(names[j - 1] for j in bpe_token) for bpe_token in bpe_tokens]

    def _symbols(self, i: int, names: Sequence[str]) -> list[str]:
        return [names[j] for j in self.symbols[self.offsets[i] : self.offsets[i + 1]]]


def prepare(
    source: Source,
    tallies: Mapping[Path, Tally],
    *,
    vocabulary: Vocabulary | None = None,
    min_count: int = 5,
    split_by: Split = "random",
    on_row: Callable[[], object] = lambda: None,
) -> tuple[Vocabulary, TokenSet]:
    """The vocabulary and the standardised, tokenised molecules of `source`, in the order of the files.

    The result does not depend on the number of workers. Repeated unlabelled molecules are left out as duplicates;
    labelled ones are measurements and are all kept.

    Args:
        source: What to read.
        tallies: One per path, to count its rows.
        vocabulary: Tokens to use, or None for the symbols that occur `min_count` times or more, with BPE tokens;
            molecules with a rarer symbol are then rejected after all rows are read, and listed by their SELFIES.
        min_count: See `vocabulary`.
        split_by: How labelled molecules are split: at random, or with whole scaffolds held out.
        on_row: Called for each row.

    Raises:
        FileError: A file cannot be used, or no row of it can.
        SpecError: One of the properties is a column of no file.
    """
    columns = {path: _columns(path, source) for path in source.paths}
    _require_properties(source, columns)
    collector = _Collector(len(source.properties))
    for file, path in enumerate(source.paths):
        for item in tokenise_file(path, columns[path], source, vocabulary):
            tallies[path].add(_collect(collector, item, source.properties, columns[path], file))
            on_row()
        tallies[path].require_kept(path)
    vocabulary = vocabulary or collector.vocabulary(min_count)
    is_kept = collector.has_known_symbols(vocabulary)
    for i in np.flatnonzero(~is_kept).tolist():
        file, rejection = collector.rejection(i, vocabulary)
        tallies[source.paths[file]].retract(rejection)
    for path in source.paths:
        tallies[path].require_kept(path)
    return vocabulary, collector.finish(is_kept, vocabulary, split_by)


def _collect(
    collector: _Collector,
    item: TokenisedMolecule | Rejection,
    properties: Sequence[str],
    columns: Sequence[str],
    file: int,
) -> Row | Rejection:
    """Adds a molecule of a file that has the properties `columns`; returns its row, or the rejection."""
    if isinstance(item, Rejection):
        return item
    values = dict(zip(columns, item.row.values, strict=True))
    reason = collector.add(item, [values.get(name, math.nan) for name in properties], file)
    return Rejection(item.row.line, item.row.smiles, reason) if reason else item.row


def _columns(path: Path, source: Source) -> tuple[str, ...]:
    return tuple(p for p in source.properties if has_property(path, p, source.smiles_column))


def _require_properties(source: Source, columns: Mapping[Path, Sequence[str]]) -> None:
    for name in source.properties:
        if not any(name in found for found in columns.values()):
            files = ", ".join(map(str, source.paths))
            raise SpecError("property", f"no file has a column {name!r}", remedy=f"Files read: {files}.")
