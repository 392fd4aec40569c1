"""Operators: offspring by moves in latent space or by edits of molecular graphs.

Notation: N offspring, K parents, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.arrays import Doubles
from molgen.chem.graph_edits import cross, graft, mutate, swap_rings
from molgen.chem.molecule import Molecule, parse
from molgen.latent.space import LatentSpace
from molgen.sample.series import CoreSeries
from molgen.search.evolution.moves import MOVES, OperatorSelection

LATENT = "latent"
"""Name of the operators that move the point of the parent in latent space."""
DECODED_SHARE = 0.2
"""Share of the moved points that are decoded; the others condition the language model, which rewrites the SMILES of the
parent from a random token on (`LatentSpace.vary`)."""
REROOTED_SHARE = 0.6
"""Share of the parents that are written from a random atom, since a rewrite keeps the beginning of a SMILES."""


@dataclass(frozen=True, slots=True)
class Offspring:
    """A molecule and its origin.

    Attributes:
        molecule: The molecule; not yet checked by `parse` if it comes from a graph edit.
        parent: SMILES of its parent; "" for a molecule that was not bred, such as a prior sample.
        operator: Name of its operator; "" for a molecule that was not bred.
    """

    molecule: Molecule
    parent: str
    operator: str

    @classmethod
    def unbred(cls, molecule: Molecule) -> Offspring:
        """A molecule without parent and operator."""
        return cls(molecule, "", "")


GraphOperator = Callable[[np.random.Generator, str, str, str], Chem.Mol | None]
"""From a parent, its mate and a prior sample to an offspring."""

GRAPH_OPERATORS: dict[str, GraphOperator] = {
    "mutate": lambda rng, parent, mate, prior_sample: mutate(rng, parent),
    "cross": lambda rng, parent, mate, prior_sample: cross(rng, parent, mate),
    "graft": lambda rng, parent, mate, prior_sample: graft(rng, parent, prior_sample),
    "cross with prior": lambda rng, parent, mate, prior_sample: cross(rng, parent, prior_sample),
    "swap rings with prior": lambda rng, parent, mate, prior_sample: swap_rings(rng, parent, prior_sample),
}


class Breeder:
    """Makes offspring, choosing operators by past success."""

    def __init__(self, space: LatentSpace, operators: Mapping[str, float]) -> None:
        """Starts without outcomes.

        Args:
            space: Decodes moved points.
            operators: Operators, `LATENT` or one of `GRAPH_OPERATORS`, with their weights.
        """
        self._space = space
        self._names = list(operators)
        self._choice = OperatorSelection(tuple(operators.values()))
        self._scale = space.prior_deviation.astype(np.float64)
        self._tried: list[NDArray[np.int64]] = []

    def breed(
        self,
        rng: np.random.Generator,
        parents: Sequence[str],
        prior_samples: Sequence[str],
        points_of: Callable[[Sequence[str]], Doubles],
        n: int,
    ) -> list[Offspring]:
        """At most `n` offspring; parent number r (from 1) is chosen with a probability of about 1 / (r ln(K + 1)).

        Args:
            rng: Random generator.
            parents: K molecules, best first.
            prior_samples: Prior samples, whose parts may be used.
            points_of: From molecules to points (N, D), NaN for one that cannot be encoded, which has no offspring in
                latent space.
            n: Number of attempts.
        """
        operators = rng.choice(len(self._names), n, p=self._choice.probabilities())
        self._tried.append(operators)
        mothers, fathers = draw_ranks(rng, len(parents), (2, n))
        others = rng.integers(len(prior_samples), size=n)
        made: list[Offspring] = []
        moved: list[tuple[str, str]] = []
        for operator, mother, father, other in zip(operators, mothers, fathers, others, strict=True):
            name = self._names[operator]
            if name == LATENT:
                moved.append((parents[mother], parents[father]))
                continue
            mol = GRAPH_OPERATORS[name](rng, parents[mother], parents[father], prior_samples[other])
            if mol is not None:
                made.append(Offspring(Molecule(Chem.MolToSmiles(mol), mol), parents[mother], name))
        return made + (self._move_points(rng, moved, points_of) if moved else [])

    def learn(self, successful: Sequence[Offspring]) -> None:
        """Records which offspring made since the last call succeeded."""
        tried = np.concatenate(self._tried) if self._tried else np.empty(0, dtype=np.int64)
        well = np.array(
            [self._names.index(c.operator) for c in successful if c.operator in self._names], dtype=np.int64
        )
        self._choice.learn(tried, well)
        self._tried = []

    def _move_points(
        self, rng: np.random.Generator, pairs: Sequence[tuple[str, str]], points_of: Callable[[Sequence[str]], Doubles]
    ) -> list[Offspring]:
        """Offspring by moves in latent space, of N pairs of parent and mate."""
        points = points_of([text for pair in pairs for text in pair])
        has_point = np.asarray(np.isfinite(points).reshape(len(pairs), -1).all(axis=1))
        at, toward = points[::2][has_point], points[1::2][has_point]
        moves = rng.integers(len(MOVES), size=len(at))
        z = np.empty_like(at)
        for i, move in enumerate(MOVES.values()):
            rows = np.flatnonzero(moves == i)
            z[rows] = move(rng, at[rows], toward[rows], self._scale)
        parents = [parent for (parent, _), is_moved in zip(pairs, has_point, strict=True) if is_moved]
        texts = np.full(len(z), None, dtype=object)
        seed = int(rng.integers(2**31))
        drafts = [_write_from_any_atom(rng, parent) for parent in parents]
        is_varied = rng.random(len(z)) >= DECODED_SHARE
        texts[~is_varied] = self._space.decode_region(z[~is_varied], seed=seed)
        texts[is_varied] = self._space.vary(z[is_varied], seed=seed, drafts=list(compress(drafts, is_varied)))
        molecules = {text: parse(text) for text in dict.fromkeys(texts) if text}
        return [Offspring(molecules[text], parent, LATENT) for text, parent in zip(texts, parents, strict=True) if text]


def bring_into(series: CoreSeries | None, rng: np.random.Generator, offspring: Sequence[Offspring]) -> list[Offspring]:
    """Offspring that keep the core of a series.

    A child that loses the core is replaced by its parent, or another member, with a part of the child at an open
    position, or left out if it has no such part.
    """
    if series is None:
        return list(offspring)
    kept = []
    for child in offspring:
        mol = series.take(rng, child.molecule.mol, child.parent)
        if mol is not None:
            is_same = mol is child.molecule.mol
            kept.append(child if is_same else replace(child, molecule=Molecule(Chem.MolToSmiles(mol), mol)))
    return kept


def _write_from_any_atom(rng: np.random.Generator, smiles: str) -> str:
    """A canonical SMILES, or with a probability of `REROOTED_SHARE` the same molecule written from a random atom."""
    if rng.random() >= REROOTED_SHARE:
        return smiles
    mol = Chem.MolFromSmiles(smiles)
    written: str = Chem.MolToSmiles(mol, rootedAtAtom=int(rng.integers(mol.GetNumAtoms())))
    return written


def draw_ranks(rng: np.random.Generator, n: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Random numbers from 0 to n - 1, uniform in the logarithm: the first nine are as frequent as the next ninety.

    Source: the quantile-uniform choice of parents of Mol GA, Tripp & Hernandez-Lobato 2023 (arXiv:2310.09267).
    """
    return ((n + 1) ** rng.random(shape)).astype(np.int64) - 1
