"""Benchmark of trust: how well it separates molecules like the training molecules from outliers.

The outliers are of five kinds, none of which is used for the calibration of trust: natural products, peptides,
molecules with an element that is rare in drugs, macrocycles, and molecules made of the SELFIES symbols of real ones in
random order. A molecule that cannot be encoded has a trust of 0.

Notation: N molecules, M outliers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molgen.arrays import Doubles
from molgen.chem.molecule import AS_IT_IS, fingerprint, parse, saturate, tanimoto_to_many
from molgen.chem.table import Record, read_molecules
from molgen.errors import MoleculeError
from molgen.latent.space import LatentSpace
from molgen.latent.trust import PARTS, measure_trust
from molgen.metrics import auroc
from molgen.paths import find_shipped
from molgen.tokens.selfies_vocabulary import from_selfies, split, to_selfies

N_OUTLIERS = 200
"""Number of outliers per kind; there are fewer natural products."""
MAX_MOLECULES = 2000
"""Number of molecules compared with outliers, and of reference molecules for fingerprints."""
RESIDUES = tuple("ACDEFGHIKLMNPQRSTVWY")
RESIDUES_OF_PEPTIDE, RESIDUES_OF_CYCLE = (4, 10), (4, 8)
"""Minimum and maximum number of residues of a linear peptide, and of a cyclic one."""
GROUPS = (
    *("B(O)O", "[B-](F)(F)F", "[Si](C)(C)C", "[Ge](C)(C)C", "[Sn](C)(C)C", "[Pb](C)(C)C"),
    *("[As](C)C", "[Sb](C)C", "[Se]C", "[Te]C", "[Hg]Cl", "[Zn]Cl"),
)
"""Groups with metalloids and metals, which replace an aromatic hydrogen."""
LINKS = ("C", "C", "C", "C(C)", "C(O)", "C(=O)", "C=C", "O", "C(OC)", "C(c2ccccc2)")
"""Units of the chains of macrolactones and macrolactams."""
_NOT_ADJACENT = ("C(=O)", "C=C", "O")
"""Units of which no two are adjacent."""
LINKS_OF_CYCLE = (9, 16)
"""Minimum and maximum number of units of a chain."""

Draw = np.random.Generator


@dataclass(frozen=True)
class Discrimination:
    """How well one number separates molecules from outliers.

    Attributes:
        by_kind: AUROC for each kind: the probability that a molecule has a larger value than an outlier, ties counting
            half; 0.5 by chance.
        mean: Mean over the kinds.
    """

    by_kind: Mapping[str, float]
    mean: float


@dataclass(frozen=True)
class Applicability:
    """How well trust, its parts and fingerprints separate molecules from outliers.

    Attributes:
        n: Number of molecules.
        n_outliers: Number of outliers of each kind.
        n_unencodable: Number of these that cannot be encoded.
        trust: Separation by trust.
        parts: Separation by each part of trust alone.
        fingerprint: Separation by the greatest Tanimoto similarity (ECFP4) to one of `n_reference` further molecules.
        n_reference: Number of reference molecules for `fingerprint`.
        below_5_percent: Share of the molecules with a trust below 0.05; it should be 0.05.
        unevenness: Greatest difference between the share of molecules with a trust up to t and t, over all t
            (Kolmogorov's distance from uniform); 0 at best.
    """

    n: int
    n_outliers: Mapping[str, int]
    n_unencodable: Mapping[str, int]
    trust: Discrimination
    parts: Mapping[str, Discrimination]
    fingerprint: Discrimination
    n_reference: int
    below_5_percent: float
    unevenness: float


def score_applicability(
    space: LatentSpace, smiles: Sequence[str], seed: int, on_done: Callable[[float], object] = lambda share: None
) -> Applicability:
    """How well trust separates molecules from outliers.

    Args:
        space: A space with an applicability domain.
        smiles: Canonical SMILES of at least two held-out molecules like the training molecules. Half of them, at most
            2,000, are compared with outliers; as many others are the reference for fingerprints.
        seed: Seed of the halves and of the outliers.
        on_done: Called with the share done.

    Raises:
        SpecError: The checkpoint has no applicability domain.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(smiles))
    n = min(MAX_MOLECULES, len(smiles) // 2)
    own, reference = [smiles[i] for i in order[:n]], [smiles[i] for i in order[n : 2 * n]]
    kinds = make_outliers(own, rng)
    groups = [own, *kinds.values()]
    trusts, scores = [], []
    for group in groups:
        trusts.append(measure_trust(space, group, AS_IT_IS))
        scores.append(np.column_stack([trusts[-1].values, np.nan_to_num(trusts[-1].parts), _nearest(group, reference)]))
        on_done(len(trusts) / len(groups))
    separations = [
        _discriminate_kinds([score[:, column] for score in scores], list(kinds)) for column in range(2 + len(PARTS))
    ]
    return Applicability(
        n=n,
        n_outliers={kind: len(found) for kind, found in kinds.items()},
        n_unencodable={kind: sum(map(bool, trust.reasons)) for kind, trust in zip(kinds, trusts[1:], strict=True)},
        trust=separations[0],
        parts=dict(zip(PARTS, separations[1:-1], strict=True)),
        fingerprint=separations[-1],
        n_reference=len(reference),
        below_5_percent=float((trusts[0].values < 0.05).mean()),
        unevenness=_unevenness(trusts[0].values),
    )


def make_outliers(smiles: Sequence[str], rng: Draw) -> dict[str, list[str]]:
    """Canonical SMILES of outliers of each kind, at most 200 per kind; some are made from molecules in `smiles`."""
    residues = partial(_residues, rng)
    return {
        "natural products": read_natural_products()[:N_OUTLIERS],
        "peptides": [make_peptide(residues(RESIDUES_OF_PEPTIDE)) for _ in range(N_OUTLIERS)],
        "inorganic": _first(add_inorganic_group(text, rng) for text in smiles),
        "macrocycles": [
            make_cyclic_peptide(residues(RESIDUES_OF_CYCLE)) if i % 2 else make_macrolactone(rng)
            for i in range(N_OUTLIERS)
        ],
        "shuffled": _first(shuffle_symbols(text, rng) for text in smiles),
    }


def read_natural_products() -> list[str]:
    """Canonical SMILES of the shipped natural products."""
    items = read_molecules(find_shipped("data") / "natural_products.smi", AS_IT_IS)
    return [item.molecule.smiles for item in items if isinstance(item, Record)]


def make_peptide(sequence: str) -> str:
    """Canonical SMILES of a linear peptide of L-amino acids, given by their one-letter codes."""
    return parse(Chem.MolToSmiles(Chem.MolFromSequence(sequence))).smiles


def make_cyclic_peptide(sequence: str) -> str:
    """Canonical SMILES of a peptide of L-amino acids whose ends are joined by an amide bond."""
    mol = Chem.RWMol(Chem.MolFromSequence(sequence))
    atoms = {}
    for atom in mol.GetAtoms():
        info = atom.GetPDBResidueInfo()
        atoms[info.GetResidueNumber(), info.GetName().strip()] = atom.GetIdx()
    mol.AddBond(atoms[1, "N"], atoms[len(sequence), "C"], Chem.BondType.SINGLE)
    mol.RemoveAtom(atoms[len(sequence), "OXT"])
    Chem.SanitizeMol(mol)
    return parse(Chem.MolToSmiles(mol)).smiles


def make_macrolactone(rng: Draw) -> str:
    """Canonical SMILES of a random macrolactone or macrolactam with 13 ring atoms or more."""
    chain = ["C"]
    n_links = int(rng.integers(LINKS_OF_CYCLE[0], LINKS_OF_CYCLE[1] + 1))
    while len(chain) < n_links:
        link = str(rng.choice(LINKS))
        chain.append("C" if link in _NOT_ADJACENT and chain[-1] in _NOT_ADJACENT else link)
    closing = str(rng.choice(["O", "N", "N(C)"]))
    return parse(f"C1(=O){closing}{''.join(chain)}CC1").smiles


def add_inorganic_group(smiles: str, rng: Draw) -> str | None:
    """Canonical SMILES of a molecule with an inorganic group in place of an aromatic hydrogen; None if it has none."""
    mol = parse(smiles, AS_IT_IS).mol
    sites = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() == 6 and a.GetIsAromatic() and a.GetTotalNumHs()]
    if not sites:
        return None
    group = Chem.MolFromSmiles(f"*{rng.choice(GROUPS)}")
    joined = Chem.RWMol(Chem.CombineMols(mol, group))
    joined.AddBond(int(rng.choice(sites)), mol.GetNumAtoms() + 1, Chem.BondType.SINGLE)
    joined.RemoveAtom(mol.GetNumAtoms())
    with BlockLogs():
        Chem.SanitizeMol(joined)
    return parse(Chem.MolToSmiles(joined), AS_IT_IS).smiles


def shuffle_symbols(smiles: str, rng: Draw) -> str | None:
    """Canonical SMILES of the SELFIES symbols of a molecule in random order; None if invalid."""
    try:
        symbols = split(to_selfies(smiles))
        return parse(saturate(from_selfies("".join(rng.permutation(symbols))))).smiles
    except MoleculeError:
        return None


def _residues(rng: Draw, n_from_to: tuple[int, int]) -> str:
    return "".join(rng.choice(RESIDUES, rng.integers(n_from_to[0], n_from_to[1] + 1)))


def _first(made: Iterable[str | None]) -> list[str]:
    """The first 200 texts, without None."""
    return list(islice((text for text in made if text), N_OUTLIERS))


def _nearest(smiles: Sequence[str], reference: Sequence[str]) -> Doubles:
    """Greatest Tanimoto similarity (N,) of molecules to one of the reference."""
    bits = [fingerprint(parse(text, AS_IT_IS).mol) for text in reference]
    return np.array([tanimoto_to_many(fingerprint(parse(text, AS_IT_IS).mol), bits).max() for text in smiles])


def _discriminate_kinds(columns: Sequence[Doubles], kinds: Sequence[str]) -> Discrimination:
    """How well a number separates molecules from outliers: given for the molecules first, then for each kind."""
    own, *others = columns
    by_kind = {kind: discriminate(own, other) for kind, other in zip(kinds, others, strict=True)}
    return Discrimination(by_kind, float(np.mean(list(by_kind.values()))))


def discriminate(inside: Doubles, outside: Doubles) -> float:
    """The probability that one of `inside` (N,) is greater than one of `outside` (M,), ties counting half."""
    return auroc(np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate([inside, outside]))


def _unevenness(values: Doubles) -> float:
    from scipy.stats import kstest

    return float(kstest(values, "uniform").statistic)
