"""A predictor fitted to curated compounds on the fixed latent space of a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from molgen.errors import SpecError
from molgen.latent.space import LatentSpace
from molgen.model.molecule_process import ABOVE, BELOW, EXACT, MAX_MOLECULES
from molgen.project.curation import Compound
from molgen.train.fit.molecule_process import Measurements, fit_molecule_process

_CODES = {"=": EXACT, "~": EXACT, "<": BELOW, ">": ABOVE}


def fitted_space(
    space: LatentSpace, compounds: Sequence[Compound], properties: Sequence[str], seed: int
) -> LatentSpace:
    """The space with Gaussian processes fitted to the labels of compounds.

    Args:
        space: The latent space. Compounds that it cannot encode are fitted by their structures alone.
        compounds: At least one.
        properties: Names of the properties to fit.
        seed: See `fit_molecule_process`.

    Raises:
        SpecError: There are too many compounds.
    """
    if len(compounds) > MAX_MOLECULES:
        remedy = "Use `molgen train --property`, which trains a network on any number of compounds."
        raise SpecError("data", f"holds {len(compounds)} compounds, more than {MAX_MOLECULES}", remedy=remedy)
    data = measurements_of(space, compounds, properties)
    process = fit_molecule_process(tuple(properties), data, space.model.vae.encoder.scale, seed)
    card = {**space.model.card, "fitted": {"properties": list(properties), "compounds": len(compounds), "seed": seed}}
    return LatentSpace(replace(space.model, predictor=process, card=card, digest=""))


def measurements_of(space: LatentSpace, compounds: Sequence[Compound], properties: Sequence[str]) -> Measurements:
    """The compounds with their points and labels."""
    shape = len(compounds), len(properties)
    values, counts = np.full(shape, math.nan), np.ones(shape)
    relations = np.full(shape, EXACT, dtype=np.uint8)
    squares, freedom = np.zeros(len(properties)), np.zeros(len(properties))
    for i, compound in enumerate(compounds):
        for p, name in enumerate(properties):
            label = compound.labels.get(name)
            if label is None:
                continue
            values[i, p], counts[i, p], relations[i, p] = label.value, label.n, _CODES[label.relation]
            if label.n > 1 and math.isfinite(label.std):
                squares[p] += (label.n - 1) * label.std**2
                freedom[p] += label.n - 1
    smiles = [compound.smiles for compound in compounds]
    z = space.encode(smiles, is_refined=False)
    return Measurements(smiles, z, values, relations, counts, squares / np.maximum(freedom, 1.0))
