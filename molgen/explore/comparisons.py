"""Comparisons of molecules: their file, and the utilities that explain them.

The file is a table with the columns `better` and `worse`, and a line for each comparison of two molecules. If a user
names the worst of several molecules, each of the others is better than that one.

Notation: C comparisons of M molecules.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from molgen.arrays import Doubles, Integers
from molgen.chem.lines import lines
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.chem.table import Rejection, read_rows
from molgen.errors import FileError, MoleculeError
from molgen.paths import write_text

COLUMNS = ("better", "worse")
TOLERANCE = 1e-10
"""Change of a utility below which Newton's method ends."""
MAX_STEPS = 100

Comparison = tuple[str, str]
"""Canonical SMILES of the better molecule and of the worse one."""


def holds_comparisons(path: Path) -> bool:
    """Whether the first line of a file names the columns of comparisons.

    Raises:
        FileError: The file cannot be read.
    """
    return set(COLUMNS) <= set(_read_header(path))


def read_comparisons(path: Path) -> list[Comparison]:
    """The comparisons of a file, in order; possibly none.

    Raises:
        FileError: The file cannot be read, has other columns, or a line does not hold two different molecules.
    """
    header = _read_header(path)
    if header != list(COLUMNS):
        wanted, seen = ",".join(COLUMNS), ",".join(header)
        raise FileError(path, f"must begin with the line {wanted}, but begins with {seen}", remedy="Name another file.")
    better, worse = (_read_column(path, column) for column in COLUMNS)
    for line, smiles in better.items():
        if worse[line] == smiles:
            raise FileError(path, f"{smiles} is compared with itself", line=line, remedy="Remove the line.")
    return list(zip(better.values(), worse.values(), strict=True))


def write_comparisons(path: Path, comparisons: Iterable[Comparison]) -> None:
    """Writes a file of comparisons atomically.

    Raises:
        OSError: The file cannot be written; it is then as it was.
    """
    write_text(path, "".join(f"{better},{worse}\n" for better, worse in [COLUMNS, *comparisons]))


def fit_comparisons(covariance: Doubles, pairs: Integers, noise: float) -> Doubles:
    """Weights (M,) of a Gaussian process; `covariance @ weights` are the most probable utilities of the molecules.

    Each comparison sees the utilities of its two molecules with independent normal errors. A larger difference makes it
    likelier; the prior, normal with mean 0, keeps utilities small. The log posterior is concave, so its maximum is
    unique.

    Args:
        covariance: (M, M), of the utilities before any comparison.
        pairs: (C, 2), rows of the better and of the worse molecule.
        noise: Variance of an error.

    Source: Chu & Ghahramani, Preference learning with Gaussian processes, ICML 2005, section 2; the steps are those of
        Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, equation 3.18.
    """
    from scipy.sparse import csr_array
    from scipy.special import log_ndtr

    n, m = len(pairs), len(covariance)
    signs = np.tile([1.0, -1.0], n) / np.sqrt(2.0 * noise)
    differences = csr_array((signs, (np.repeat(np.arange(n), 2), pairs.ravel())), shape=(n, m))
    weights = utilities = np.zeros(m)
    for _ in range(MAX_STEPS):
        z = differences @ utilities
        slope = np.exp(-0.5 * z**2 - log_ndtr(z)) / np.sqrt(2.0 * np.pi)
        curvature = (differences.T @ differences.multiply((slope * (z + slope))[:, None])).toarray()
        right = curvature @ utilities + differences.T @ slope
        weights = np.linalg.solve(np.eye(m) + curvature @ covariance, right)
        before, utilities = utilities, covariance @ weights
        if np.abs(utilities - before).max() < TOLERANCE:
            break
    return weights


def _read_header(path: Path) -> list[str]:
    return [name.strip() for name in next(lines(path)).split(",")]


def _read_column(path: Path, column: str) -> dict[int, str]:
    """The canonical SMILES of a column by line."""
    found = {}
    for row in read_rows(path, smiles_column=column):
        if isinstance(row, Rejection):
            raise FileError(path, row.reason, line=row.line, remedy=f"Write two SMILES: {','.join(COLUMNS)}.")
        try:
            found[row.line] = parse(row.smiles, AS_IT_IS).smiles
        except MoleculeError as error:
            message = f"{column}: {error.message}"
            raise FileError(path, message, line=row.line, remedy="Correct or remove the line.") from None
    return found
