"""Candidates: the best molecules of a ledger, parsed again, checked and described.

Molecules are ranked by total, largest first; of equal totals, the earlier call comes first. With `--pareto`, recognised
by the hypervolume in the ledger, the Pareto front of the feasible molecules precedes the others. Dominance compares
desirabilities.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold
from rdkit.SimDivFilters.rdSimDivPickers import MaxMinPicker

from molgen.chem.checks import CHECKS, CheckResult, check
from molgen.chem.molecule import AS_IT_IS, Molecule, fingerprint, parse, parse_or_none, tanimoto
from molgen.errors import MoleculeError, NothingValidError, SpecError
from molgen.output.known import KnownCompounds, NearestKnown
from molgen.score.measure import Predict, TrustFunction
from molgen.search.ledger import Evaluation
from molgen.search.pareto import is_dominated

WasTrainedOn = Callable[[Sequence[str]], NDArray[np.bool_]]
"""From N canonical SMILES to whether the checkpoint was trained on each, (N,)."""

_INFEASIBLE = "a constraint is not met, or an objective has no value"
_KNOWN, _FLAT, _REPEATED = "not novel", "no 3D conformer", "a better one has the same InChIKey"
_REMEDIES = {_KNOWN: "Export without --novel.", _FLAT: "Export with --2d."}
_OTHER_REMEDY = "Export with the RDKit version that the run's manifest.json names."
_POOL_FACTOR = 5
"""Size of the pool of a diverse selection, relative to the number of molecules to select."""
_MIN_POOL = 100
"""Minimum size of the pool."""
_POOL_SHARE = 0.5
"""The initial pool is at most this share of the feasible molecules, but never smaller than the selection; growth for
scaffolds may exceed it."""
_PER_SCAFFOLD = 1.5
"""The pool grows until it has one scaffold for every 1.5 molecules to select."""
_MAX_POOL_FACTOR = 20
"""Size up to which the pool grows for its scaffolds, relative to the number of molecules to select."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A selected line of the ledger.

    Attributes:
        evaluation: The line.
        molecule: Parsed from the line; its canonical SMILES is that of the line.
        inchikey: InChIKey of the molecule.
        is_on_front: Whether no feasible molecule dominates it; false without `--pareto`.
    """

    evaluation: Evaluation
    molecule: Molecule
    inchikey: str
    is_on_front: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What was selected, and what was not.

    Attributes:
        picks: In order of rank.
        left_out: Number of lines that were left out, by reason. Lines below the last rank needed are not examined.
    """

    picks: tuple[Pick, ...]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A selected molecule and its description.

    Attributes:
        rank: From 1.
        pick: The molecule and its line of the ledger.
        checks: Outcome of each of `CHECKS`, in that order.
        predicted: Mean and standard deviation of each predicted property; NaN if it cannot be predicted.
        parent: The molecule it was derived from, or None.
        parent_similarity: Tanimoto similarity of ECFP4 to the parent, in [0, 1]; NaN without one.
        is_novel: Whether it is neither a known compound nor a molecule that the checkpoint was trained on.
        trust: Trust in [0, 1]; NaN without an applicability domain.
        nearest: The most similar known compound; None if there are none.
    """

    rank: int
    pick: Pick
    checks: tuple[CheckResult, ...]
    predicted: Mapping[str, tuple[float, float]]
    parent: Molecule | None
    parent_similarity: float
    is_novel: bool
    trust: float = math.nan
    nearest: NearestKnown | None = None

    @property
    def name(self) -> str:
        """Its name in the file of starting molecules if it is a known compound, else ""."""
        return self.nearest.known.name if self.nearest and self.nearest.is_same else ""

    @property
    def n_undefined_stereo(self) -> int:
        """Number of stereocentres and double bonds whose configuration its SMILES leaves open."""
        found = Chem.FindPotentialStereo(Chem.Mol(self.molecule.mol))
        return sum(each.specified == Chem.StereoSpecified.Unspecified for each in found)

    @property
    def id(self) -> str:
        """Its identifier, made of the number of its call: `MG-000123`."""
        return _id(self.evaluation)

    @property
    def evaluation(self) -> Evaluation:
        """Its line of the ledger."""
        return self.pick.evaluation

    @property
    def molecule(self) -> Molecule:
        """The molecule."""
        return self.pick.molecule


def select(
    evaluations: Sequence[Evaluation],
    top: int,
    *,
    is_diverse: bool = False,
    is_novel: Callable[[Molecule], bool] = lambda molecule: True,
    has_conformer: Callable[[Molecule], bool] = lambda molecule: True,
) -> Selection:
    """The `top` best feasible molecules, unique by InChIKey, each parsed from its SMILES.

    Lines whose SMILES no longer parses to the same molecule are left out. A diverse selection is `pick_diverse` of a
    pool, in the order of the ranking again. The initial pool is the best 5 * `top` molecules, or 100 if that is more,
    but at most half of the feasible molecules, and never fewer than `top`. It grows until it has two scaffolds for
    every three molecules to select, or 20 * `top` molecules; growth may exceed the half.

    Args:
        evaluations: A ledger.
        top: At least 1; a Pareto front is selected whole, unless the selection is diverse.
        is_diverse: Whether to select diverse molecules.
        is_novel: Whether a molecule is novel; others are left out.
        has_conformer: Whether a selected molecule has a 3D conformer; one without is replaced by the next best.

    Raises:
        NothingValidError: No line is feasible, or all feasible lines are left out.
    """
    feasible = rank_feasible(evaluations)
    if not is_diverse:
        top = max(top, sum(is_on_front for _, is_on_front in feasible))
    left_out: Counter[str] = Counter()
    ranked = _keep_novel(_reread(feasible, left_out), is_novel, left_out)
    pool = _take_pool(ranked, top, len(feasible)) if is_diverse else list(islice(ranked, top))
    while pool:
        rows = sorted(pick_diverse([pick.molecule for pick in pool], top)) if is_diverse else range(len(pool))
        flat = {row for row in rows if not has_conformer(pool[row].molecule)}
        if not flat:
            counts = Counter({_INFEASIBLE: len(evaluations) - len(feasible), **left_out})
            return Selection(tuple(pool[row] for row in rows), dict(+counts))
        left_out[_FLAT] += len(flat)
        pool = [pick for row, pick in enumerate(pool) if row not in flat]
        pool += islice(ranked, len(flat))
    reasons = ", ".join(f"{n} x {reason}" for reason, n in left_out.items())
    remedies = dict.fromkeys(_REMEDIES.get(reason, _OTHER_REMEDY) for reason in left_out if reason != _REPEATED)
    raise NothingValidError(
        f"none of {len(feasible)} feasible molecules can be used: {reasons}", remedy=" ".join(remedies)
    )


def keep_ids(evaluations: Sequence[Evaluation], ids: Iterable[str]) -> list[Evaluation]:
    """The lines of a ledger whose molecules have these ids, in order.

    Raises:
        SpecError: `ids` is empty, or one is not in the ledger.
    """
    wanted = set(ids)
    kept = [evaluation for evaluation in evaluations if _id(evaluation) in wanted]
    missing = sorted(wanted - set(map(_id, kept)))
    if missing or not kept:
        what = f"the ledger has no {', '.join(missing)}" if missing else "none is given"
        raise SpecError("id", what, remedy="Take ids from the field `id` of an export.")
    return kept


def pick_diverse(molecules: Sequence[Molecule], n: int) -> list[int]:
    """Rows of up to `n` molecules, in turns: turn k takes the k-th molecule of every scaffold.

    If a turn has more molecules than are still to be selected, MaxMin selects among them: one after another, the
    molecule with the largest distance to its nearest selected molecule. Distance is 1 minus the Tanimoto similarity
    (ECFP4). The result is deterministic.

    Source: MaxMin, Ashton et al., Quant. Struct.-Act. Relat. 2002, 21, 598.
    """
    fingerprints = [fingerprint(molecule.mol) for molecule in molecules]
    picked: list[int] = []
    for rows in _by_turn([scaffold(molecule) for molecule in molecules]):
        n_picked = min(n, len(picked) + len(rows))
        pool = [*picked, *rows]
        bits = [fingerprints[row] for row in pool]
        first = list(range(max(1, len(picked))))
        found = MaxMinPicker().LazyBitVectorPick(bits, len(bits), n_picked, firstPicks=first)
        picked = [pool[place] for place in found]
        if len(picked) == n:
            break
    return picked


def scaffold(molecule: Molecule) -> str:
    """SMILES of the scaffold, which is the rings and the chains between them; of the molecule if it has no ring.

    Source: Bemis and Murcko, J. Med. Chem. 1996, 39, 2887.
    """
    return MurckoScaffold.MurckoScaffoldSmiles(mol=molecule.mol) or molecule.smiles


def _by_turn(keys: Sequence[str]) -> list[list[int]]:
    """Rows by turn: turn k has the k-th row of every key."""
    seen: Counter[str] = Counter()
    turns: list[list[int]] = []
    for row, key in enumerate(keys):
        if seen[key] == len(turns):
            turns.append([])
        turns[seen[key]].append(row)
        seen[key] += 1
    return turns


def _take_pool(ranked: Iterator[Pick], top: int, n_feasible: int) -> list[Pick]:
    """The pool of a diverse selection of `top` molecules (see `select`)."""
    pool: list[Pick] = []
    scaffolds: set[str] = set()
    n_wanted = max(top, min(max(_POOL_FACTOR * top, _MIN_POOL), int(_POOL_SHARE * n_feasible)))
    for pick in ranked:
        pool.append(pick)
        scaffolds.add(scaffold(pick.molecule))
        has_enough = _PER_SCAFFOLD * len(scaffolds) >= top or len(pool) >= _MAX_POOL_FACTOR * top
        if len(pool) >= n_wanted and has_enough:
            break
    return pool


def _keep_novel(picks: Iterator[Pick], is_novel: Callable[[Molecule], bool], left_out: Counter[str]) -> Iterator[Pick]:
    for pick in picks:
        if is_novel(pick.molecule):
            yield pick
        else:
            left_out[_KNOWN] += 1


def describe(
    picks: Sequence[Pick],
    *,
    was_trained_on: WasTrainedOn,
    start_compounds: KnownCompounds | None = None,
    predict: Predict | None = None,
    property_names: Sequence[str] = (),
    trust: TrustFunction | None = None,
) -> list[Candidate]:
    """Candidates of `picks`, in the same order, ranked from 1.

    Args:
        picks: At least one.
        was_trained_on: Tells whether the checkpoint was trained on molecules.
        start_compounds: The compounds that the campaign started with, if any.
        predict: The predictor of the checkpoint, if it has one.
        property_names: The properties that `predict` predicts.
        trust: Computes the trust in molecules, if the checkpoint has an applicability domain.
    """
    smiles = [pick.molecule.smiles for pick in picks]
    nothing = np.zeros((len(picks), 0))
    mean, std = predict(smiles) if predict else (nothing, nothing)
    is_in_training = was_trained_on(smiles)
    trusts = trust(smiles) if trust else np.full(len(picks), math.nan)
    parents = [_parent(pick.evaluation) for pick in picks]
    nearest = [start_compounds.nearest(pick.molecule) if start_compounds else None for pick in picks]
    return [
        Candidate(
            rank=row + 1,
            pick=pick,
            checks=tuple(check(pick.molecule.mol, name) for name in CHECKS),
            predicted={
                name: (float(mean[row, column]), float(std[row, column])) for column, name in enumerate(property_names)
            },
            parent=parent,
            parent_similarity=_similarity(pick.molecule, parent) if parent else math.nan,
            is_novel=not is_in_training[row] and not (near and near.is_same),
            trust=float(trusts[row]),
            nearest=near,
        )
        for row, (pick, parent, near) in enumerate(zip(picks, parents, nearest, strict=True))
    ]


def _parent(evaluation: Evaluation) -> Molecule | None:
    return parse_or_none(evaluation.parent, AS_IT_IS)


def _similarity(a: Molecule, b: Molecule) -> float:
    return tanimoto(fingerprint(a.mol), fingerprint(b.mol))


def rank_feasible(evaluations: Sequence[Evaluation]) -> list[tuple[Evaluation, bool]]:
    """The feasible lines of a ledger, best first, each with whether it is on the Pareto front; the front comes first.

    Raises:
        NothingValidError: No line is feasible.
    """
    feasible = [e for e in evaluations if e.is_feasible and math.isfinite(e.total)]
    if not feasible:
        raise NothingValidError(
            f"none of {len(evaluations)} scored molecules meets all constraints and has a value of every objective",
            remedy="Give the campaign a larger budget, loosen a constraint, or see why the scorer had no value.",
        )
    is_pareto = any(not math.isnan(evaluation.hypervolume) for evaluation in feasible)
    is_first = _on_front(feasible) if is_pareto else [False] * len(feasible)
    pairs = list(zip(feasible, is_first, strict=True))
    return sorted(pairs, key=lambda pair: (not pair[1], -pair[0].total, pair[0].index))


def _on_front(evaluations: Sequence[Evaluation]) -> list[bool]:
    """For each evaluation, whether no other one dominates it.

    In lexicographic order, an evaluation precedes those it dominates, so the first one left is always on the front,
    and removes those it dominates.
    """
    points = np.nan_to_num(np.array([list(e.desirabilities.values()) for e in evaluations], dtype=np.float64))
    is_first = np.zeros(len(points), dtype=np.bool_)
    rest = np.lexsort(-points.T) if points.size else np.arange(0)
    while len(rest):
        is_first[rest[0]] = True
        rest = rest[1:][~is_dominated(points[rest[1:]], by=points[rest[:1]])]
    return [bool(value) for value in is_first]


def _reread(ranked: Iterable[tuple[Evaluation, bool]], left_out: Counter[str]) -> Iterator[Pick]:
    """Picks in the order of `ranked`; counts the unusable lines in `left_out`."""
    seen: set[str] = set()
    for evaluation, is_on_front in ranked:
        try:
            molecule = _molecule(evaluation.smiles)
            inchikey = molecule.inchikey
        except MoleculeError as error:
            left_out[error.reason] += 1
            continue
        if inchikey in seen:
            left_out[_REPEATED] += 1
            continue
        seen.add(inchikey)
        yield Pick(evaluation, molecule, inchikey, is_on_front)


def _molecule(smiles: str) -> Molecule:
    molecule = parse(smiles, AS_IT_IS)
    if molecule.smiles != smiles:
        raise MoleculeError(smiles, "not canonical for this version of RDKit")
    return molecule


def _id(evaluation: Evaluation) -> str:
    return f"MG-{evaluation.index:06d}"
