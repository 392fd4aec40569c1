"""One report on a latent space, measured on a file of molecules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molgen.arrays import Floats
from molgen.chem.molecule import AS_IT_IS
from molgen.chem.sampling import draw_items, parse_rows
from molgen.chem.table import Tally, has_property, read_rows
from molgen.errors import SpecError
from molgen.evaluate.nats import measure_nats
from molgen.evaluate.reconstruction import evaluate_reconstruction
from molgen.evaluate.regression import evaluate_predictor
from molgen.evaluate.samples import measure_samples, require_fcd
from molgen.evaluate.smoothness import (
    N_CENTRES,
    N_GEOMETRY,
    count_neighbourhood_steps,
    measure_consistency,
    measure_geometry,
    measure_nearest_neighbourhood,
    measure_neighbourhood,
)
from molgen.json_values import replace_non_finite
from molgen.latent.nearest import nearest_molecules
from molgen.latent.space import LatentSpace

MIN_GEOMETRY = 3
N_CONSISTENCY = 1000
"""Number of points of the prior to measure consistency on."""
N_NEAREST_CONSISTENCY = 100
"""The same for decoding to the nearest molecules, which takes longer."""
PLAIN_SHARE = 0.3
"""In a report with nearest molecules, the share of the progress bar for its other parts."""


@dataclass(frozen=True)
class EvaluationConfig:
    """What to measure.

    Attributes:
        path: File of molecules.
        properties: Columns to compare predictions with; by default, all predicted properties that are columns.
        n_samples: Number of points of a prior to decode.
        prior: Name of that prior; None for the default of the space.
        fcd: Whether to compute the Frechet ChemNet distance between the samples and the file.
        limit: Number of random rows of the file, or None for all.
        seed: Seed of the random rows and points.
        smiles_column: Name of the SMILES column, or None to detect it.
        nearest: Whether to also measure neighbourhoods and consistency with decoding to the nearest molecules.
    """

    path: Path
    properties: tuple[str, ...] = ()
    n_samples: int = 10_000
    prior: str | None = None
    fcd: bool = False
    limit: int | None = None
    seed: int = 0
    smiles_column: str | None = None
    nearest: bool = False


def evaluate_file(
    space: LatentSpace,
    config: EvaluationConfig,
    tally: Tally,
    on_done: Callable[[float, str], object] = lambda *_: None,
) -> dict[str, Any]:
    """The report, ready for JSON: missing numbers are None.

    Args:
        space: The latent space.
        config: Options of the report.
        tally: Counts the rows.
        on_done: Called with the share done, in [0, 1], and the name of the part that comes next.

    Raises:
        FileError: The file cannot be used, or no row of it can.
        SpecError: The checkpoint lacks the prior or a requested property, or a library is not installed.
    """
    prior = space.default_prior if config.prior is None else config.prior
    space.require_prior(prior)
    if config.fcd:
        require_fcd()
    names = _properties(space, config)
    plain_share = PLAIN_SHARE if config.nearest else 1.0

    def on_part(share: float, what: str) -> object:
        return on_done(plain_share * share, what)

    on_part(0.0, "reading")
    rows = read_rows(config.path, smiles_column=config.smiles_column, properties=names)
    records = list(tally.sift(parse_rows(draw_items(rows, config.limit, config.seed))))
    tally.require_kept(config.path)
    smiles = [record.molecule.smiles for record in records]
    on_part(0.05, "reconstruction")
    z = space.encode(smiles, AS_IT_IS)
    reconstruction = evaluate_reconstruction(space, smiles, z)
    on_part(0.2, "samples")
    decoded = space.sample(config.n_samples, config.seed, prior=prior)
    samples = measure_samples(space, decoded, smiles if config.fcd else None)
    on_part(0.4, "predictions")
    y = np.array([record.values for record in records], dtype=np.float64)
    fits = evaluate_predictor(space, names, smiles, y) if names else []
    report = {
        "data": str(config.path),
        "checkpoint_sha256": space.model.digest,
        "reconstruction": asdict(reconstruction),
        "samples": {"prior": prior, **asdict(samples)},
        "predictor": [asdict(fit) for fit in fits],
        **_smoothness(space, smiles, z, config.seed, on_part),
        "nearest": _nearest(space, smiles, z, config.seed, on_done) if config.nearest else None,
    }
    return dict(replace_non_finite(report))


def _smoothness(
    space: LatentSpace, smiles: Sequence[str], z: Floats, seed: int, on_done: Callable[[float, str], object]
) -> dict[str, Any]:
    """The parts of the report on encodable molecules in random order; a part is None for too few of them."""
    rows = _encodable(z, seed)[:N_GEOMETRY]
    chosen = [smiles[row] for row in rows.tolist()]
    on_done(0.45, "distances")
    nats = measure_nats(space, chosen, seed)
    geometry = asdict(measure_geometry(z[rows], chosen)) if len(rows) >= MIN_GEOMETRY else None
    on_done(0.5, "neighbourhoods")
    steps, done = count_neighbourhood_steps(len(chosen)), count(1)
    neighbourhood = None
    if chosen:
        looked = measure_neighbourhood(
            space, chosen, seed, lambda: on_done(0.5 + 0.45 * next(done) / steps, "neighbourhoods")
        )
        neighbourhood = asdict(looked)
    on_done(0.95, "consistency")
    consistency = asdict(measure_consistency(space, N_CONSISTENCY, seed))
    return {
        "nats": asdict(nats) if nats else None,
        "geometry": geometry,
        "neighbourhood": neighbourhood,
        "consistency": consistency,
    }


def _nearest(
    space: LatentSpace, smiles: Sequence[str], z: Floats, seed: int, on_done: Callable[[float, str], object]
) -> dict[str, Any]:
    """Neighbourhoods (of the first of the same molecules) and consistency, if points decode to nearest molecules."""
    chosen = [smiles[row] for row in _encodable(z, seed)[:N_CENTRES].tolist()]
    done = count(1)
    neighbourhood = None
    what, part = "nearest molecules", 0.9 * (1.0 - PLAIN_SHARE) / max(1, len(chosen))
    on_done(PLAIN_SHARE, what)
    if chosen:
        looked = measure_nearest_neighbourhood(
            space, chosen, seed, lambda: on_done(PLAIN_SHARE + part * next(done), what)
        )
        neighbourhood = asdict(looked)
    consistency = measure_consistency(
        space, N_NEAREST_CONSISTENCY, seed, lambda points: nearest_molecules(space, points, seed)
    )
    on_done(1.0, what)
    return {"neighbourhood": neighbourhood, "consistency": asdict(consistency)}


def _encodable(z: Floats, seed: int) -> NDArray[np.int64]:
    """Rows of points (N, D) without NaN, in random order."""
    return np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(z).all(axis=1)))


def _properties(space: LatentSpace, config: EvaluationConfig) -> tuple[str, ...]:
    for name in config.properties:
        if name not in space.property_names:
            known = ", ".join(space.property_names) or "nothing"
            raise SpecError("property", f"the checkpoint does not predict {name!r}; it predicts {known}")
    if config.properties:
        return config.properties
    return tuple(name for name in space.property_names if has_property(config.path, name, config.smiles_column))
