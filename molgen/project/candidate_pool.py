"""Candidates of a proposal: from a catalogue, or new molecules that the latent search finds by the forecasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molgen.chem.admission import AdmissionRules, extend_reference
from molgen.chem.molecule import AS_IT_IS, Molecule, fingerprint, parse, parse_or_none
from molgen.chem.table import Rejection, chunked, read_rows
from molgen.explore.index import Index
from molgen.latent.combined_model import CombinedModel
from molgen.latent.space import LatentSpace
from molgen.project.batch import BOLDNESS, Exploration, pick_batch
from molgen.sample.conditional import SampleRequest
from molgen.sample.series import CoreSeries
from molgen.score.constraint import Constraint
from molgen.score.defaults import add_default_constraints
from molgen.search.evolution.latent_search import LatentSearch
from molgen.search.study import search_config

N_KEPT = 1500
"""Number of best candidates among which a batch is picked."""
N_SEARCHED = 400
"""Number of molecules that the search for new ones may forecast."""
BATCH_SIZE, CHUNK = 20, 256
DEFAULT_CONSTRAINTS = ("sa <= 4.5", "alerts:brenk == 0")
"""Default constraints on new molecules."""

Valuation = Callable[[Sequence[str]], NDArray[np.float64]]
"""From canonical SMILES (N,) to values (N,) to be maximised; NaN without a forecast."""


def catalogue_texts(path: Path) -> Iterator[str]:
    """The SMILES of a catalogue: an index made by `molgen index`, or a file of molecules.

    Raises:
        FileError: It cannot be used.
    """
    if path.suffix == ".safetensors":
        index = Index.open(path)
        yield from (index.smiles[row] for row in range(len(index)))
        return
    yield from (row.smiles for row in read_rows(path) if not isinstance(row, Rejection))


def best_of_catalogue(texts: Iterator[str], worth: Valuation, allowed: Callable[[Molecule], bool]) -> list[Molecule]:
    """The best molecules of a catalogue, at most `N_KEPT`, best first; invalid rows are ignored."""
    kept: dict[str, tuple[float, Molecule]] = {}
    for chunk in chunked(_readable(texts), CHUNK):
        new = [molecule for molecule in chunk if molecule.smiles not in kept and allowed(molecule)]
        for molecule, value in zip(new, worth([molecule.smiles for molecule in new]).tolist(), strict=True):
            if np.isfinite(value):
                kept[molecule.smiles] = value, molecule
        if len(kept) > 2 * N_KEPT:
            kept = dict(_best(kept))
    return [molecule for _, (_, molecule) in _best(kept)]


def read_constraints(space: LatentSpace, texts: Sequence[str], known: Sequence[Molecule]) -> SampleRequest:
    """The constraints on new molecules, or the default ones if there are none.

    New molecules must also be familiar (no unknown atom environment of radius 2), stable and neutral, unless a
    constraint names that measure. Environments and ring systems of the `known` compounds count as known.

    Raises:
        SpecError: A constraint cannot be read, or names no measure.
    """
    stated = [constraint for text in texts or DEFAULT_CONSTRAINTS for constraint in Constraint.parse(text)]
    reference = extend_reference(space.model.familiarity, known)
    familiarity = replace(reference, n_allowed=0) if reference else None
    asked = add_default_constraints(AdmissionRules(), stated, has_reference=familiarity is not None)
    return SampleRequest([str(one) for one in asked], LatentSpace(replace(space.model, familiarity=familiarity)))


def new_molecules(
    space: LatentSpace,
    start: Sequence[str],
    worth: Valuation,
    allowed: Callable[[Molecule], bool],
    request: SampleRequest,
    seed: int,
    series: CoreSeries | None = None,
    on_done: Callable[[float], object] = lambda share: None,
) -> list[Molecule]:
    """New molecules that meet a request, best first, from a latent search that begins with the compounds `start`.

    With a series, the search proposes only molecules that keep its core.
    """
    config = search_config("latent", N_SEARCHED, has_start=True)
    violations = partial(_broken, request)
    search = LatentSearch(space, seed=seed, config=config, violations=violations, series=series)
    values = worth(start)
    known = np.isfinite(values)
    texts = [text for text, is_known in zip(start, known, strict=True) if is_known]
    own = violations([parse(text, AS_IT_IS) for text in texts])
    search.tell(texts, [(value,) for value in values[known].tolist()], own.tolist())
    kept: dict[str, tuple[float, Molecule]] = {}
    for n_done in range(0, N_SEARCHED, BATCH_SIZE):
        molecules = [child.molecule for child in search.ask(BATCH_SIZE)]
        if not molecules:
            break
        found = worth([molecule.smiles for molecule in molecules])
        broken = violations(molecules)
        search.tell(
            [molecule.smiles for molecule in molecules], [(value,) for value in found.tolist()], broken.tolist()
        )
        for molecule, value, violation in zip(molecules, found.tolist(), broken.tolist(), strict=True):
            if violation == 0.0 and np.isfinite(value) and allowed(molecule):
                kept[molecule.smiles] = value, molecule
        on_done((n_done + BATCH_SIZE) / N_SEARCHED)
    return [molecule for _, (_, molecule) in _best(kept)]


def value_by_forecast(model: CombinedModel, sign: float, exploration: Exploration) -> Valuation:
    """The mean of a model times `sign`, plus as many standard deviations as `BOLDNESS` has for `exploration`."""

    def worth(smiles: Sequence[str]) -> NDArray[np.float64]:
        mean, std = model.predict(smiles)
        return sign * mean[:, 0] + BOLDNESS[exploration] * std[:, 0]

    return worth


def pick_jointly(
    model: CombinedModel,
    candidates: Sequence[Molecule],
    pending: Sequence[Molecule],
    n: int,
    exploration: Exploration,
    sign: float,
) -> list[Molecule]:
    """A batch of up to `n` candidates, picked by their joint distribution with the pending compounds."""
    if not candidates:
        return []
    together = [*candidates, *pending]
    mean, covariance = model.joint(together)
    picks = pick_batch(
        sign * mean,
        covariance,
        float(model.process.noise[0]),
        [fingerprint(molecule.mol) for molecule in together],
        n,
        BOLDNESS[exploration],
        range(len(candidates), len(together)),
    )
    return [together[i] for i in picks]


def _broken(request: SampleRequest, molecules: Sequence[Molecule]) -> NDArray[np.float64]:
    """Total violation (N,) of the constraints by each molecule."""
    values, names = request.values(molecules), list(request.measures)
    parts = [constraint.violation(values[:, names.index(constraint.name)]) for constraint in request.constraints]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def _best(kept: dict[str, tuple[float, Molecule]]) -> list[tuple[str, tuple[float, Molecule]]]:
    return sorted(kept.items(), key=lambda item: (-item[1][0], item[0]))[:N_KEPT]


def _readable(texts: Iterator[str]) -> Iterator[Molecule]:
    return filter(None, map(parse_or_none, texts))
