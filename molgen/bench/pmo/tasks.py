"""PMO, practical molecular optimisation: its 23 oracles, its accounting, and published results.

A run calls one oracle for a budget of unique valid molecules; the score is the area under the curve of the ten best.
Notation: N calls of a run, B the budget, K molecules at the top.

Source: Gao et al., Sample Efficiency Matters, NeurIPS 2022 (arXiv:2206.12411), section 3 and its code, mol_opt.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rdkit import Chem

from molgen.bench.pmo.learned_oracles import load_learned_oracles
from molgen.bench.pmo.rule_oracles import make_rule_oracles
from molgen.chem.molecule import Policy, parse
from molgen.chem.table import Rejection, read_rows
from molgen.errors import MoleculeError, MolgenError
from molgen.paths import find_shipped, replace_file

LOG_EVERY = 100
"""Calls between two points of the curve."""
SELF_TEST_TOLERANCE = 1e-6


@cache
def make_oracles() -> Mapping[str, Callable[[Chem.Mol], float]]:
    """The 23 oracles by name, in alphabetical order.

    Raises:
        MolgenError: A shipped file is missing or damaged.
    """
    return MappingProxyType(dict(sorted({**make_rule_oracles(), **load_learned_oracles()}.items())))


def self_test() -> float:
    """Compares every oracle with reference values; returns the largest difference.

    The reference values are those of PyTDC 1.1.15: of all oracles for 40 molecules, and of three for 9 more.

    Raises:
        MolgenError: An oracle is off by more than 1e-6, or the file of values is damaged.
    """
    path = find_shipped("data") / "pmo_reference.csv"
    worst = 0.0
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        wanted = [(row["smiles"], name, float(row[name])) for row in rows for name in make_oracles() if row[name]]
    except (OSError, ValueError, KeyError) as error:
        raise MolgenError(f"{path}: cannot be read ({error})", remedy="Install molgen again.") from error
    mols = {smiles: parse(smiles).mol for smiles in {row["smiles"] for row in rows}}
    for smiles, name, value in wanted:
        found = make_oracles()[name](mols[smiles])
        if not abs(found - value) <= SELF_TEST_TOLERANCE:
            raise MolgenError(
                f"oracle {name} gives {found!r} for {smiles}, but must give {value!r}",
                remedy="Install the versions in constraints.txt.",
            )
        worst = max(worst, abs(found - value))
    return worst


def score_file(path: Path, out: Path, on_row: Callable[[int], object] = lambda n: None) -> tuple[int, int]:
    """Writes a CSV file with the value of every oracle for each row of a file of molecules, in order.

    Molecules are scored without standardisation, salts included. An invalid row is kept without values, with the
    reason in the last column.

    Args:
        path: File of molecules.
        out: CSV file: `smiles` as given, the oracles, `reason`.
        on_row: Called with the number of rows so far.

    Returns:
        Number of molecules, and of rows without one.

    Raises:
        FileError: The file cannot be read.
    """
    n_molecules = n_rows = 0
    with replace_file(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["smiles", *make_oracles(), "reason"])
        for n_rows, row in enumerate(read_rows(path), 1):
            text = row.text if isinstance(row, Rejection) else row.smiles
            try:
                if isinstance(row, Rejection):
                    raise MoleculeError(row.text, row.reason)
                mol = parse(text, Policy(fragment="keep")).mol
            except MoleculeError as error:
                writer.writerow([text, *([""] * len(make_oracles())), error.reason])
            else:
                writer.writerow([text, *(repr(float(oracle(mol))) for oracle in make_oracles().values()), ""])
                n_molecules += 1
            on_row(n_rows)
    return n_molecules, n_rows - n_molecules


def mean_of_best(values: ArrayLike, k: int, every: int = LOG_EVERY) -> NDArray[np.float64]:
    """Mean of the `k` best among the first `every`, 2 * `every`, ... of `values` (N,), and at last among all."""
    scores = np.asarray(values, dtype=np.float64)
    ends = [*range(every, len(scores), every), len(scores)]
    return np.array([np.sort(scores[:end])[-k:].mean() for end in ends])


def auc(values: ArrayLike, budget: int, k: int = 10, every: int = LOG_EVERY) -> float:
    """Area under the curve of the mean of the `k` best, over the calls, divided by the budget: in [0, 1].

    The curve starts at 0 and is linear between its points, one per `every` calls. After the end of a run that stopped
    early, it is constant. Only the first `budget` calls count.

    Args:
        values: (N,), values of the oracle in the order of the calls.
        budget: B.
        k: K; a run with fewer calls uses the mean of all.
        every: Calls between two points.
    """
    scores = np.asarray(values, dtype=np.float64)[:budget]
    if not len(scores):
        return 0.0
    heights = np.concatenate([[0.0], mean_of_best(scores, k, every)])
    calls = np.array([0, *range(every, len(scores), every), len(scores)])
    area = np.trapezoid(heights, calls) + (budget - len(scores)) * heights[-1]
    return float(area / budget)


def _read_published(columns: str, rows: str) -> Mapping[str, Mapping[str, float]]:
    names = columns.split(" | ")
    table: dict[str, dict[str, float]] = {name: {} for name in names}
    for line in rows.strip().splitlines():
        task, *numbers = line.split()
        for name, number in zip(names, numbers, strict=True):
            table[name][task] = float(number)
    return MappingProxyType({name: MappingProxyType(column) for name, column in table.items()})


PUBLISHED = _read_published(
    "GP BO | NF-BO | REINVENT | Graph GA | Genetic GFN | InVirtuoGen | Tanimoto BO",
    """
    albuterol_similarity      0.898 0.817 0.882 0.838 0.949 0.950 0.964
    amlodipine_mpo            0.583 0.672 0.635 0.661 0.761 0.733 0.720
    celecoxib_rediscovery     0.723 0.546 0.710 0.630 0.802 0.798 0.860
    deco_hop                  0.629 0.675 0.666 0.619 0.733 0.748 0.672
    drd2                      0.923 0.875 0.945 0.964 0.974 0.985 0.902
    fexofenadine_mpo          0.722 0.784 0.784 0.760 0.856 0.845 0.806
    gsk3b                     0.851 0.754 0.865 0.788 0.881 0.952 0.877
    isomers_c7h8n2o2          0.680 0.748 0.852 0.862 0.969 0.968 0.911
    isomers_c9h10n2o2pf2cl    0.469 0.842 0.642 0.719 0.897 0.874 0.828
    jnk3                      0.564 0.649 0.783 0.553 0.764 0.825 0.785
    median1                   0.301 0.340 0.356 0.294 0.379 0.342 0.415
    median2                   0.297 0.260 0.276 0.273 0.294 0.288 0.408
    mestranol_similarity      0.627 0.607 0.618 0.579 0.708 0.797 0.930
    osimertinib_mpo           0.787 0.828 0.837 0.831 0.860 0.870 0.833
    perindopril_mpo           0.493 0.586 0.537 0.538 0.595 0.645 0.651
    qed                       0.937 0.941 0.941 0.940 0.942 0.942 0.947
    ranolazine_mpo            0.735 0.698 0.760 0.728 0.819 0.848 0.810
    scaffold_hop              0.548 0.629 0.560 0.517 0.615 0.589 0.529
    sitagliptin_mpo           0.186 0.516 0.021 0.433 0.634 0.709 0.474
    thiothixene_rediscovery   0.559 0.496 0.534 0.479 0.583 0.625 0.727
    troglitazone_rediscovery  0.410 0.375 0.441 0.390 0.511 0.595 0.756
    valsartan_smarts          0.000 0.594 0.178 0.000 0.135 0.210 0.000
    zaleplon_mpo              0.221 0.504 0.358 0.346 0.552 0.536 0.499
    """,
)
"""AUC of the mean of the ten best in 10,000 calls, by method and task; no method uses labels outside the budget.

Sources: GP BO, REINVENT, Graph GA: Gao et al. 2022, table 2; NF-BO: Lee et al., ICLR 2025, table 2 (1,000 of the calls
are random molecules); Genetic GFN: Kim et al. 2024 (arXiv:2402.05961); InVirtuoGen without prescreening: the results
file of its public repository, 2025; Tanimoto BO: Tripp & Hernandez-Lobato 2024 (arXiv:2406.07709), mean of five
published seeds, whose area is that of the tenth best instead of the mean of ten.
"""
