"""The scores of all instruments of the latent space, beside their controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molgen.bench.instruments.analogies import score_analogies
from molgen.bench.instruments.applicability import score_applicability
from molgen.bench.instruments.interpolation import score_interpolation
from molgen.bench.instruments.probing import score_probing, score_units
from molgen.bench.instruments.recommendation import N_DRAWS, score_recommendation
from molgen.bench.instruments.retrieval import N_QUERIES, score_retrieval
from molgen.bench.instruments.steering import score_steering
from molgen.chem.sampling import read_sample
from molgen.chem.table import Record, read_molecules
from molgen.device import describe_machine
from molgen.errors import SpecError
from molgen.explore.probe import FINGERPRINT, POINT, SHUFFLED
from molgen.explore.projection import OnDone, project
from molgen.json_values import replace_non_finite
from molgen.latent.space import GAUSSIAN, LatentSpace
from molgen.metrics import measure_trustworthiness
from molgen.sample.conditional import SampleRequest, sample_conditionally

N_MAPPED = 2000
N_ASKED = 100
REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "qed > 0.8, 2 < logp < 3": {"texts": ("qed > 0.8", "2 < logp < 3")},
    "like celecoxib": {"texts": (), "like": "Cc1ccc(-c2cc(C(F)(F)F)nn2-c2ccc(S(N)(=O)=O)cc2)cc1"},
    "with an indole": {"texts": (), "scaffold": "c1ccc2[nH]ccc2c1"},
}
"""Requests for samples of the Gaussian prior, by name."""


@dataclass(frozen=True)
class SuiteConfig:
    """Inputs of the benchmark.

    Attributes:
        molecules: File of molecules, preferably outside the training data.
        assays: Files of measured molecules.
        column: Column of measurements in the assays; larger is better.
        limit: Number of random molecules to draw from `molecules`.
        seed: Seed of all sampling.
    """

    molecules: Path
    assays: tuple[Path, ...]
    column: str = "y"
    limit: int = 6000
    seed: int = 0


@dataclass(frozen=True)
class ScoreLine:
    """One value and its control.

    Attributes:
        instrument: Name of the instrument.
        measure: Name of the value.
        figure: The value.
        control: Name of the control; "" for none.
        control_figure: The value of the control; NaN for none.
        aim: The target value; NaN for none.
    """

    instrument: str
    measure: str
    figure: float
    control: str = ""
    control_figure: float = float("nan")
    aim: float = float("nan")


ScoreReport = tuple[Any, list[ScoreLine]]
"""The complete report for JSON, and its lines."""


def _path(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    score = score_interpolation(space, smiles, inputs.seed, on_done)
    linear, spherical = score.means["linear"], score.means["spherical"]
    return asdict(score), [
        ScoreLine("path", name.replace("_", " "), getattr(linear, name), "spherical", getattr(spherical, name))
        for name in asdict(linear)
    ]


def _analogy(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    score = score_analogies(space, smiles, inputs.seed, on_done)
    learned = score.hits["learned"]
    lines = []
    for control, hits in score.hits.items():
        if control != "learned":
            lines.append(
                ScoreLine("analogy", "best answer alike, with the group", learned.alike_1, control, hits.alike_1, 0.5)
            )
            lines.append(ScoreLine("analogy", "best answer is exactly it", learned.exact_1, control, hits.exact_1))
    return asdict(score), lines


def _neighbours(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    score = score_retrieval(space, smiles, inputs.seed, lambda n: on_done(n / N_QUERIES))
    return asdict(score), [
        ScoreLine("neighbours", "recall of the 10 nearest points", score.recall, "", aim=0.95),
        ScoreLine("neighbours", "ms a query", score.query_ms, "one matrix product", score.brute_force_ms, 20.0),
        ScoreLine("neighbours", "Tanimoto of the 10 nearest", score.tanimoto, "of the 10 best", score.tanimoto_of_best),
        ScoreLine("neighbours", "Tanimoto of the 10 nearest", score.tanimoto, "by chance", score.tanimoto_by_chance),
    ]


def _outliers(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    score = score_applicability(space, smiles, inputs.seed, on_done)
    kinds = [
        ScoreLine("outliers", f"AUROC, {kind}", value, "fingerprint", score.fingerprint.by_kind[kind], 0.95)
        for kind, value in score.trust.by_kind.items()
    ]
    mean = ScoreLine("outliers", "AUROC, mean", score.trust.mean, "fingerprint", score.fingerprint.mean, 0.95)
    calibration = ScoreLine("outliers", "trusted below 0.05", score.below_5_percent, "calibrated", 0.05)
    return asdict(score), [mean, *kinds, calibration]


def _map(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    z = space.encode(smiles[:N_MAPPED], is_refined=False)
    z = z[np.isfinite(z).all(axis=1)]
    projection = project(z, "pca", inputs.seed)
    trust = measure_trustworthiness(z, projection.points)
    chance = measure_trustworthiness(z, np.random.default_rng(inputs.seed).standard_normal((len(z), 2)))
    on_done(1.0)
    lines = [
        ScoreLine("map", f"trustworthiness of PCA at {k}", value or np.nan, "random picture", chance[k] or np.nan)
        for k, value in trust.items()
    ]
    return {"n": len(z), "pca": trust, "random": chance}, lines


def _steer(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    score = score_steering(space, smiles, inputs.seed, on_done)
    lines = []
    for each in score.properties:
        along, control = each.along, each.control
        lines.append(
            ScoreLine("steer", f"monotonicity of {each.name}", along.monotonicity, "random", control.monotonicity, 0.8)
        )
        lines.append(
            ScoreLine("steer", f"Tanimoto kept halfway, {each.name}", along.kept_half, "random", control.kept_half)
        )
    return asdict(score), lines


def _recommend(space: LatentSpace, _smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    scores, lines = {}, []
    for i, path in enumerate(inputs.assays):
        found = {
            item.molecule.smiles: item.values[0]
            for item in read_molecules(path, properties=(inputs.column,))
            if isinstance(item, Record) and np.isfinite(item.values[0])
        }
        score = score_recommendation(
            space,
            list(found),
            list(found.values()),
            inputs.seed,
            lambda n, i=i: on_done((i + n / N_DRAWS) / len(inputs.assays)),  # type: ignore[misc]
        )
        scores[path.name] = asdict(score)
        lines += [
            ScoreLine(
                "recommend", f"precision at 20, {path.stem}", score.profile.precision, other.name, other.precision
            )
            for other in score.rankings[1:]
        ]
    return scores, lines


def _sample(space: LatentSpace, _smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    scores, lines = {}, []
    for i, (name, asked) in enumerate(REQUESTS.items()):
        found = sample_conditionally(
            space, SampleRequest(space=space, **asked), N_ASKED, seed=inputs.seed, prior=GAUSSIAN
        )
        on_done((i + 1) / len(REQUESTS))
        scores[name] = {"found": len(found.smiles), "share": found.share, "plain_share": found.plain_share}
        lines.append(ScoreLine("sample", f"share that is {name}", found.share, "of the prior", found.plain_share))
    return scores, lines


def _probe_layers(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    score = score_probing(space, smiles, inputs.seed, on_done)
    by_name = {depth.name: depth.scores for depth in score.layers}
    return asdict(score), [
        ScoreLine("probe-layers", f"{target} read off the point", value, other, by_name[other][target])
        for target, value in by_name[POINT].items()
        for other in (FINGERPRINT, SHUFFLED)
    ]


def _units(space: LatentSpace, smiles: Sequence[str], inputs: SuiteConfig, on_done: OnDone) -> ScoreReport:
    score = score_units(space, smiles, inputs.seed, on_done)
    own, rotated = asdict(score.score), asdict(score.rotated)
    return asdict(score), [ScoreLine("units", name, own[name], "turned at random", rotated[name]) for name in own]


INSTRUMENTS: Mapping[str, Callable[[LatentSpace, Sequence[str], SuiteConfig, OnDone], ScoreReport]] = {
    "path": _path,
    "analogy": _analogy,
    "neighbours": _neighbours,
    "outliers": _outliers,
    "map": _map,
    "steer": _steer,
    "recommend": _recommend,
    "probe-layers": _probe_layers,
    "units": _units,
    "sample": _sample,
}
"""The benchmark of each instrument, by name."""


def score_instruments(
    space: LatentSpace,
    inputs: SuiteConfig,
    names: Sequence[str] = tuple(INSTRUMENTS),
    on_done: Callable[[float, str], object] = lambda *_: None,
) -> tuple[dict[str, Any], list[ScoreLine]]:
    """Measures instruments; returns the complete report for JSON, and its lines.

    Args:
        space: The latent space.
        inputs: The inputs.
        names: Names in `INSTRUMENTS`.
        on_done: Called with the share done, in [0, 1], and the current instrument.

    Raises:
        SpecError: A name is unknown, or there are too few molecules for an instrument.
        FileError: A file cannot be used.
    """
    for name in names:
        if name not in INSTRUMENTS:
            raise SpecError("only", f"there is no instrument {name!r}; there are {', '.join(INSTRUMENTS)}")
    smiles = list(dict.fromkeys(read_sample(inputs.molecules, inputs.limit, inputs.seed)))
    scores: dict[str, Any] = {}
    lines: list[ScoreLine] = []
    for i, name in enumerate(names):
        on_done(i / len(names), name)
        scores[name], found = INSTRUMENTS[name](
            space,
            smiles,
            inputs,
            lambda share, i=i, name=name: on_done((i + share) / len(names), name),  # type: ignore[misc]
        )
        lines += found
    report = {
        "molecules": inputs.molecules.name,
        "n": len(smiles),
        "assays": [path.name for path in inputs.assays],
        "seed": inputs.seed,
        "machine": describe_machine(),
        "checkpoint_sha256": space.model.digest,
        "scores": scores,
        "lines": [asdict(line) for line in lines],
    }
    return dict(replace_non_finite(report)), lines
