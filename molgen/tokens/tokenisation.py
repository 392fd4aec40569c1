"""Rows of files -> SELFIES symbols, in one or several processes, in the order of the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import DataStructs
from rdkit.Chem.Scaffolds import MurckoScaffold

from molgen.chem.molecule import DEFAULT_POLICY, Policy, fingerprint, parse, tanimoto_to_many
from molgen.chem.table import Rejection, Row, chunked, read_rows
from molgen.errors import FileError, MoleculeError
from molgen.tokens.selfies_vocabulary import DEFAULT_CONSTRAINTS, Vocabulary, split, to_selfies

CHUNK_ROWS = 1000
"""Number of rows that a worker process takes at once."""
GUACAMOL_HOLD_OUT = 0.323
"""Similarity to a benchmark target above which a molecule is left out of training (Brown et al. 2019, GuacaMol,
doi:10.1021/acs.jcim.8b00839, section 3.1)."""
FOLDED_BITS = 1024


@dataclass(frozen=True)
class Source:
    """Options of reading molecules from files.

    Attributes:
        paths: The files, unlabelled and labelled ones together.
        properties: Columns to read as labels; a file that lacks one is unlabelled for it.
        policy: Standardisation.
        smiles_column: Name of the SMILES column, or None to detect it.
        max_tokens: Molecules of more SELFIES symbols are rejected.
        workers: Number of processes that tokenise.
        leave_out: SMILES of molecules to leave out together with similar ones.
        leave_out_similarity: Tanimoto similarity (ECFP4, 2048 bits) above which a molecule is left out.
    """

    paths: tuple[Path, ...]
    properties: tuple[str, ...] = ()
    policy: Policy = DEFAULT_POLICY
    smiles_column: str | None = None
    max_tokens: int = 120
    workers: int = 1
    leave_out: tuple[str, ...] = ()
    leave_out_similarity: float = GUACAMOL_HOLD_OUT


@dataclass(frozen=True, slots=True)
class TokenisedMolecule:
    """One tokenised molecule.

    Attributes:
        row: The row of the file.
        key: Hash of its canonical SMILES.
        symbols: Its SELFIES symbols.
        scaffold: Hash of its Bemis-Murcko scaffold if it has a label, else of an empty text.
        fingerprint: Its ECFP4 bits, folded to 1024, packed to 128 bytes.
    """

    row: Row
    key: int
    symbols: tuple[str, ...]
    scaffold: int
    fingerprint: bytes


def hash_key(text: str) -> int:
    """A 64-bit key of a text, the same on every machine."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def read_smiles(path: Path) -> tuple[str, ...]:
    """The canonical SMILES of a file whose rows must all be molecules.

    Raises:
        FileError: The file cannot be used, or a row is no molecule; the error names the line.
    """
    found = []
    for row in read_rows(path):
        try:
            if isinstance(row, Rejection):
                raise MoleculeError(row.text, row.reason)
            found.append(parse(row.smiles).smiles)
        except MoleculeError as error:
            raise FileError(path, f"line {row.line}: {error.reason}", remedy="Correct the line.") from None
    return tuple(found)


def tokenise_file(
    path: Path, properties: tuple[str, ...], source: Source, vocabulary: Vocabulary | None
) -> Iterator[TokenisedMolecule | Rejection]:
    """The tokenised molecule or the rejection of each row of a file, in order, in bounded memory.

    Args:
        path: One of the paths of `source`.
        properties: Those properties of `source` that the file has.
        source: How to read.
        vocabulary: Vocabulary that must express each molecule, or None to allow any symbol.

    Raises:
        FileError: The file cannot be used.
    """
    rows = read_rows(path, smiles_column=source.smiles_column, properties=properties)
    chunks = chunked(rows, CHUNK_ROWS)
    work = partial(_tokenise_chunk, source=source, vocabulary=vocabulary)
    if source.workers == 1:
        for chunk in chunks:
            yield from work(chunk)
        return
    with ProcessPoolExecutor(source.workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[list[TokenisedMolecule | Rejection]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(work, chunk))
            if len(waiting) > 2 * source.workers:
                yield from waiting.popleft().result()
        for future in waiting:
            yield from future.result()


def _tokenise_chunk(
    rows: Sequence[Row | Rejection], *, source: Source, vocabulary: Vocabulary | None
) -> list[TokenisedMolecule | Rejection]:
    return [row if isinstance(row, Rejection) else _tokenise(row, source, vocabulary) for row in rows]


def _tokenise(row: Row, source: Source, vocabulary: Vocabulary | None) -> TokenisedMolecule | Rejection:
    constraints = vocabulary.constraints if vocabulary else DEFAULT_CONSTRAINTS
    try:
        molecule = parse(row.smiles, source.policy)
        symbols = split(to_selfies(molecule.smiles, constraints))
        if vocabulary:
            vocabulary.ids(symbols, molecule.smiles)
    except MoleculeError as error:
        return Rejection(row.line, row.smiles, error.reason)
    if not 1 <= len(symbols) <= source.max_tokens:
        return Rejection(row.line, row.smiles, f"not 1 to {source.max_tokens} tokens")
    bits = fingerprint(molecule.mol)
    if max(tanimoto_to_many(bits, _excluded_fingerprints(source.leave_out)), default=0.0) > source.leave_out_similarity:
        return Rejection(row.line, row.smiles, "similar to a molecule to leave out")
    is_labelled = any(value == value for value in row.values)
    scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule.mol) if is_labelled else ""
    return TokenisedMolecule(
        row, hash_key(molecule.smiles), tuple(symbols), hash_key(scaffold), pack_fingerprint(bits).tobytes()
    )


def pack_fingerprint(bits: DataStructs.ExplicitBitVect) -> NDArray[np.uint8]:
    """The 2048 `bits` folded to 1024, as 128 bytes."""
    octets = np.frombuffer(DataStructs.BitVectToBinaryText(bits), dtype=np.uint8)
    folded: NDArray[np.uint8] = np.bitwise_or.reduce(octets.reshape(-1, FOLDED_BITS // 8))
    return folded


@cache
def _excluded_fingerprints(smiles: tuple[str, ...]) -> list[DataStructs.ExplicitBitVect]:
    return [fingerprint(parse(text).mol) for text in smiles]
