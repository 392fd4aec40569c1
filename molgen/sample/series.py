"""Molecules that keep a core, made from parts of other molecules, and the options that describe a core.

Notation: N molecules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molgen.chem.core import Core
from molgen.chem.molecule import Molecule, parse
from molgen.errors import MoleculeError, SpecError
from molgen.latent.space import LatentSpace
from molgen.sample.conditional import SampleRequest
from molgen.score.constraint import Constraint

BATCH_SIZE = 128
"""Number of points of the prior decoded at once."""
SUBSTITUTIONS = 8
"""Number of molecules made with the parts of each decoded molecule."""
FOUND_SHARE = 0.5
"""Share of these made from molecules found before; the others are made from the given molecules."""
MAX_DECODED = 20
"""Maximum number of decoded points per requested molecule before the search gives up."""
MIN_DECODED = 2000
"""The limit on decoded points is never below this."""


@dataclass(frozen=True)
class CoreSeries:
    """A core, and molecules that keep it.

    Attributes:
        core: The core.
        members: At least one molecule.
    """

    core: Core
    members: tuple[Molecule, ...]

    @property
    def constraint(self) -> Constraint:
        """The constraint that a molecule keeps the core."""
        return Constraint(f"core:{self.core.text}", ">=", 1.0)

    def take(self, rng: np.random.Generator, mol: Chem.Mol, parent: str = "") -> Chem.Mol | None:
        """`mol` itself if it keeps the core; otherwise `parent`, a SMILES, with a part of `mol` at an open position.

        If no part fits there or there is no parent, a random member takes its place; None if no part fits there either.
        """
        if self.core.is_kept(mol):
            return mol
        made = self.core.substitute(rng, Chem.MolFromSmiles(parent), mol) if parent else None
        return made or self.core.substitute(rng, self.members[int(rng.integers(len(self.members)))].mol, mol)


def read_series(
    core: str | None, vary: Sequence[str], given: Sequence[Molecule], space: LatentSpace
) -> CoreSeries | None:
    """The series of the options `core` and `vary`; None without a core.

    Args:
        core: SMILES or SMARTS with open positions.
        vary: Numbers of the open positions that change; by default all. The others keep the substituents of the first
            of `given` that keeps the core.
        given: Molecules of the user; those that keep the core are the members.
        space: The latent space; it must be able to encode the first member.

    Raises:
        SpecError: The core or a number cannot be used, `vary` is given without a core, or no molecule that keeps the
            core is known.
    """
    if core is None:
        if vary:
            raise SpecError("vary", "names open positions, but there is no core", remedy="Add --core.")
        return None
    kept = Core.read(core)
    members = [molecule for molecule in given if kept.is_kept(molecule.mol)]
    if vary:
        numbers = [_number(text) for text in vary]
        kept.require_positions(numbers)
        if not members:
            what = "no given molecule keeps the core, so the substituents at its other positions are unknown"
            raise SpecError("vary", what, remedy="Begin with a molecule that keeps the core.")
        kept = kept.closed_but(numbers, members[0].mol)
        members = [molecule for molecule in members if kept.is_kept(molecule.mol)]
    if not members and kept.molecule is None:
        what = f"{core!r} is a pattern, and no given molecule keeps it"
        raise SpecError("core", what, remedy="Write the core as SMILES, or start from a molecule that keeps it.")
    members = members or [parse(Chem.MolToSmiles(kept.molecule))]
    (reason,) = space.explain([members[0].smiles], is_refined=False).reasons
    if reason:
        raise SpecError("core", f"this checkpoint cannot encode molecules with {core!r}: {reason}")
    return CoreSeries(kept, tuple(members))


def keep_constraints(patterns: Sequence[str]) -> list[Constraint]:
    """The constraints that a molecule contains each substructure, SMILES or SMARTS.

    Raises:
        SpecError: A text is neither.
    """
    for pattern in patterns:
        with BlockLogs():
            if not pattern or Chem.MolFromSmarts(pattern) is None:
                raise SpecError("keep", f"{pattern!r} is neither SMILES nor SMARTS")
    return [Constraint(f"smarts:{pattern}", ">=", 1.0) for pattern in patterns]


@dataclass
class SeriesSamples:
    """Molecules found, and counts.

    Attributes:
        smiles: Distinct molecules that keep the core and meet the request.
        n_decoded: Points decoded.
        n_made: Number of distinct molecules made, which all keep the core.
    """

    smiles: list[str] = field(default_factory=list)
    n_decoded: int = 0
    n_made: int = 0


def sample_series(
    space: LatentSpace,
    series: CoreSeries,
    request: SampleRequest,
    n: int,
    *,
    seed: int,
    prior: str,
    admit: Callable[[Sequence[str]], Sequence[str | None]] = list,
    on_found: Callable[[int], object] = lambda _: None,
) -> SeriesSamples:
    """At most `n` distinct molecules that keep a core and meet a request; fewer if they are too rare.

    Parts of molecules decoded from the prior are put at the open positions of the members, and of molecules found
    before.

    Args:
        space: The latent space.
        series: The core and its members.
        request: Bounds on measures.
        n: Number of molecules.
        seed: Seed of all sampling.
        prior: Name of the prior.
        admit: From SMILES to their admitted form, None if refused.
        on_found: Called with the number found so far.

    Raises:
        SpecError: The checkpoint has no such prior.
    """
    rng = np.random.default_rng(seed)
    result = SeriesSamples()
    met = {member.smiles for member in series.members}
    found: list[Molecule] = []
    while len(found) < n and result.n_decoded < max(MIN_DECODED, MAX_DECODED * n):
        points = space.sample_points(BATCH_SIZE, seed + result.n_decoded, prior=prior)
        donors = [Chem.MolFromSmiles(text) for text in space.decode(points) if text]
        result.n_decoded += len(points)
        fresh = {m.smiles: m for donor in donors for m in _made(rng, series, found, donor) if m.smiles not in met}
        met |= set(fresh)
        result.n_made += len(fresh)
        molecules = [parse(text) for text in admit(list(fresh)) if text]
        if molecules:
            is_met = request.is_met(request.values(molecules))
            found += [molecule for molecule, is_kept in zip(molecules, is_met, strict=True) if is_kept]
        on_found(min(n, len(found)))
    result.smiles = [molecule.smiles for molecule in found[:n]]
    return result


def _made(rng: np.random.Generator, series: CoreSeries, found: Sequence[Molecule], donor: Chem.Mol) -> list[Molecule]:
    """Molecules of a series with parts of a donor."""
    made = []
    for _ in range(SUBSTITUTIONS):
        pool = found if found and rng.random() < FOUND_SHARE else series.members
        mol = series.core.substitute(rng, pool[int(rng.integers(len(pool)))].mol, donor)
        try:
            made += [parse(Chem.MolToSmiles(mol))] if mol is not None else []
        except MoleculeError:
            continue
    return made


def _number(text: str) -> int:
    if not text.isdecimal():
        raise SpecError("vary", f"{text!r} is not the number of an open position", remedy="Write --vary 1.")
    return int(text)
