"""Benchmark of analogies: how often a change learned from some molecules is correct for others.

Six changes of medicinal chemistry are applied as reactions to the molecules of one part of a list, and the latent
change is learned from these pairs. It is then applied to the latent vectors of the other part, and the answers are
compared with the products of the same reaction. The controls use the difference of a single pair, all differences
turned by one random rotation, and steps in random directions.

Notation: N molecules, M pairs, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdChemReactions
from rdkit.rdBase import BlockLogs

from molgen.arrays import Floats
from molgen.chem.molecule import AS_IT_IS, parse
from molgen.errors import MoleculeError, SpecError
from molgen.explore.analogy import Analogue, Change, find_analogues, learn_change
from molgen.latent.space import LatentSpace

SIMILAR = 0.6
"""Minimum Tanimoto similarity (ECFP4) of an answer to the molecule that the change is applied to."""
N_TOP = 10
N_TEST = 35
"""Maximum number of test molecules per kind of change."""
N_LEARN, N_SITES = 600, 3
"""Maximum number of molecules to learn from per kind of change, and of sites changed in each."""
LEARN_SHARE = 2 / 3
STEP = 0.3
"""Spread of the steps of `no direction` in each dimension, in standard deviations of the prior."""

ARMS = ("learned", "one pair", "random direction", "no direction")
"""The learned change, and its controls in the order of the module's docstring."""

_PHENYL = "[*:7]-!@[c:1]1[cH:2][cH:3][cH:4][cH:5][cH:6]1>>[*:7]-!@[c:1]1"
_CLOSE = "[c:6]1"


@dataclass(frozen=True)
class ChangeKind:
    """One kind of change.

    Attributes:
        name: Its name.
        reactions: SMARTS of reactions that make it at one site.
        group: SMARTS of the group that a molecule gains by the change.
    """

    name: str
    reactions: tuple[str, ...]
    group: str


CHANGE_KINDS = (
    ChangeKind("H to F", ("[cH:1]>>[c:1]F",), "cF"),
    ChangeKind("Cl to CF3", ("[c:1]-Cl>>[c:1]-C(F)(F)F",), "[#6]C(F)(F)F"),
    ChangeKind("methyl to ethyl", ("[*:1]-[CH3:2]>>[*:1]-[CH2:2]-[CH3]",), "*-[CH2]-[CH3]"),
    ChangeKind("adding OH", ("[c,C;X3,X4;!H0;!$(C=*):1]>>[*:1]-[OH]",), "[OX2H]"),
    ChangeKind(
        "phenyl to pyridyl",
        (
            _PHENYL + "[n:2][c:3][c:4][c:5]" + _CLOSE,
            _PHENYL + "[c:2][n:3][c:4][c:5]" + _CLOSE,
            _PHENYL + "[c:2][c:3][n:4][c:5]" + _CLOSE,
        ),
        "*-!@[$(c1ncccc1),$(c1cnccc1),$(c1ccncc1)]",
    ),
    ChangeKind(
        "ester to amide", ("[#6:4][C:1](=[O:2])[O;X2;!R]-[CX4:3]>>[#6:4][C:1](=[O:2])[NH]-[C:3]",), "[#6]C(=O)[NX3]"
    ),
)


@dataclass(frozen=True)
class Hits:
    """Hit rates.

    Attributes:
        alike_1: Share of molecules whose best answer has gained the group and a Tanimoto similarity of at least 0.6.
        alike_10: The same for any of the ten best.
        exact_1: Share of molecules whose best answer is a product of the reaction, at any site.
        exact_10: The same for any of the ten best.
    """

    alike_1: float
    alike_10: float
    exact_1: float
    exact_10: float


@dataclass(frozen=True)
class KindScore:
    """The result for one kind of change.

    Attributes:
        name: Name of the kind.
        n: Number of test molecules; none of them was learned from.
        n_pairs: Number of pairs learned from.
        hits: Hit rates of each of `ARMS`.
    """

    name: str
    n: int
    n_pairs: int
    hits: dict[str, Hits]


@dataclass(frozen=True)
class AnalogyScore:
    """The result for all kinds.

    Attributes:
        n: Number of test molecules of all kinds.
        hits: Hit rates of each of `ARMS`, over all test molecules.
        kinds: The result for each kind.
    """

    n: int
    hits: dict[str, Hits]
    kinds: tuple[KindScore, ...]


def score_analogies(
    space: LatentSpace,
    smiles: Sequence[str],
    seed: int = 0,
    on_done: Callable[[float], object] = lambda _share: None,
    *,
    n_test: int = N_TEST,
    kinds: Sequence[ChangeKind] = CHANGE_KINDS,
    arms: Sequence[str] = ARMS,
) -> AnalogyScore:
    """Hit rates of changes on molecules that they were not learned from.

    Args:
        space: The latent space.
        smiles: N canonical SMILES, several thousand: two thirds are used for learning, and few molecules have an ester.
        seed: Seed of the split, the sites and the decoding.
        on_done: Called with the share done, in [0, 1].
        n_test: Maximum number of test molecules per kind.
        kinds: The kinds of change to measure.
        arms: Those of `ARMS` to measure.

    Raises:
        SpecError: The molecules are too few for any kind.
    """
    order = np.random.default_rng(seed).permutation(len(smiles))
    parts = [[smiles[i] for i in part] for part in np.split(order, [int(LEARN_SHARE * len(smiles))])]
    scores, rows = [], []
    for done, kind in enumerate(kinds):
        found = _outcomes(space, kind, parts, seed, (n_test, arms))
        on_done((done + 1) / len(kinds))
        if found is not None:
            n_pairs, outcomes = found
            scores.append(KindScore(kind.name, len(outcomes), n_pairs, _hits(outcomes, arms)))
            rows += outcomes
    if not rows:
        raise SpecError("smiles", "too few molecules to learn a change", remedy="Give some thousands of them.")
    return AnalogyScore(len(rows), _hits(rows, arms), tuple(scores))


def make_products(kind: ChangeKind, smiles: str) -> list[str]:
    """Canonical SMILES, sorted, of the products of a change at one site of a molecule, for every site."""
    mol = parse(smiles, AS_IT_IS).mol
    found = set()
    with BlockLogs():
        for reaction in _reactions(kind):
            for (product,) in reaction.RunReactants((mol,)):
                try:
                    found.add(parse(Chem.MolToSmiles(product), AS_IT_IS).smiles)
                except MoleculeError:  # such as a broken aromatic ring
                    continue
    return sorted(found - {smiles})


def _outcomes(
    space: LatentSpace,
    kind: ChangeKind,
    parts: Sequence[Sequence[str]],
    seed: int,
    plan: tuple[int, Sequence[str]],
) -> tuple[int, list[dict[str, Hits]]] | None:
    """Number of pairs learned from, and the hits of each test molecule by arm; None if there are no molecules."""
    n_test, arms = plan
    rng = np.random.default_rng(seed)
    pairs = [
        (text, str(product))
        for text, products in _changeable(kind, parts[0], N_LEARN)
        for product in rng.permutation(products)[:N_SITES]
    ]
    tests = list(_changeable(kind, parts[1], n_test))
    if not pairs or not tests:
        return None
    learned = learn_change(space, pairs)
    points = space.encode([text for text, _ in tests], AS_IT_IS)
    rows = []
    for i, ((text, products), point) in enumerate(zip(tests, points, strict=True)):
        if np.isfinite(point).all():
            row = {}
            for arm in arms:
                change = _choose_change(space, learned, pairs, arm, rng)
                row[arm] = _hit(kind, text, products, find_analogues(space, change, parse(text), point, seed=seed + i))
            rows.append(row)
    return len(learned.origins), rows


def _changeable(kind: ChangeKind, smiles: Sequence[str], n: int) -> Iterator[tuple[str, list[str]]]:
    """The first `n` molecules that a kind can change, each with its products."""
    changed = ((text, make_products(kind, text)) for text in smiles)
    yield from islice(((text, products) for text, products in changed if products), n)


@cache
def _reactions(kind: ChangeKind) -> tuple[rdChemReactions.ChemicalReaction, ...]:
    return tuple(map(rdChemReactions.ReactionFromSmarts, kind.reactions))


def _choose_change(
    space: LatentSpace, learned: Change, pairs: Sequence[tuple[str, str]], arm: str, rng: np.random.Generator
) -> Change:
    """The change of an arm; random ones keep the substructure counts of the learned change, which rank the answers."""
    if arm == "one pair":
        return learn_change(space, [pairs[int(rng.integers(len(pairs)))]])
    deviation = space.prior_deviation
    if arm == "random direction":
        turn = np.linalg.qr(rng.standard_normal((space.size, space.size)))[0]
        return replace(learned, differences=_single(learned.differences / deviation @ turn * deviation))
    if arm == "no direction":
        step = STEP * deviation * rng.standard_normal(learned.differences.shape)
        return replace(learned, differences=_single(step))
    return learned


def _single(values: NDArray[np.floating[Any]]) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _hit(kind: ChangeKind, text: str, products: Sequence[str], answers: Sequence[Analogue]) -> Hits:
    """Whether the answers for one molecule are hits, as 0 or 1."""
    group = Chem.MolFromSmarts(kind.group)

    def count(smiles: str) -> int:
        return len(parse(smiles, AS_IT_IS).mol.GetSubstructMatches(group))

    top = answers[:N_TOP]
    before = count(text)
    is_alike = [answer.similarity >= SIMILAR and count(answer.smiles) > before for answer in top]
    is_exact = [answer.smiles in products for answer in top]
    return Hits(*(float(any(values)) for values in (is_alike[:1], is_alike, is_exact[:1], is_exact)))


def _hits(rows: Sequence[dict[str, Hits]], arms: Sequence[str]) -> dict[str, Hits]:
    """Means over molecules, by arm."""
    return {arm: Hits(*np.mean([astuple(row[arm]) for row in rows], axis=0).tolist()) for arm in arms}
