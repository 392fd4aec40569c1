"""The assay loop: rounds of proposals with forecasts, and of results.

Files of a project (see `project.folder` for the chain that guards them):

| file | holds |
| --- | --- |
| `measurements.csv` | the initial curated compounds |
| `proposals/001.csv` | the proposals of round 1, each with its forecast |
| `proposals/001.safetensors` | the model that made them |
| `results/001.csv` | the first results, curated |
| `results/001.comparison.csv` | each of them beside its forecast |
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from molgen.chem.molecule import AS_IT_IS, Molecule, parse
from molgen.errors import CheckpointError, FileError, MoleculeError, NothingValidError, SpecError
from molgen.latent.combined_model import CombinedModel
from molgen.latent.space import LatentSpace, default_checkpoint
from molgen.paths import write_text
from molgen.project.batch import CATALOGUE_EXPLORATION, NEW_EXPLORATION, Exploration
from molgen.project.candidate_pool import (
    DEFAULT_CONSTRAINTS,
    best_of_catalogue,
    catalogue_texts,
    new_molecules,
    pick_jointly,
    read_constraints,
    value_by_forecast,
)
from molgen.project.columns import CurationSpec
from molgen.project.curated_file import csv_text, number_text, read_compounds, write_compounds
from molgen.project.curation import Compound, Curation, curate, require_learnable
from molgen.project.explanation import explain
from molgen.project.fit import fitted_space
from molgen.project.folder import MEASUREMENTS, PROPOSALS, RESULTS, ProjectFolder, ProjectSpec, ProjectStep
from molgen.project.forecast import Forecast, Known, forecast, label_text
from molgen.project.replicates import Label, merge_replicates
from molgen.project.structure import same_compounds
from molgen.sample.conditional import SampleRequest
from molgen.sample.series import keep_constraints, read_series

N_KEYS = 100_000
"""Number of compounds whose identities are cached."""


@dataclass(frozen=True)
class Proposal:
    """A proposed compound and its forecast.

    Attributes:
        id: Such as R1-03: the third of round 1.
        smiles: Canonical SMILES.
        inchikey: Standard InChIKey, or the SMILES if it has none.
        mean: Predicted mean of a measurement.
        std: Standard deviation of a measurement, noise included.
        lower: Lower end of the 90 % interval.
        upper: Upper end.
    """

    id: str
    smiles: str
    inchikey: str
    mean: float
    std: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Compared:
    """A result beside its forecast.

    Attributes:
        proposal: The proposal; None for a compound that was never proposed.
        compound: The measured compound.
        label: Its result.
        before: The label of its earlier measurements; None if there were none.
    """

    proposal: Proposal | None
    compound: Compound
    label: Label
    before: Label | None = None

    @property
    def is_covered(self) -> bool | None:
        """Whether the result lies in the interval; None without a proposal, or for a bound that leaves it open."""
        if self.proposal is None:
            return None
        low, high = self.proposal.lower, self.proposal.upper
        if self.label.relation == "<":
            return False if self.label.value < low else None
        if self.label.relation == ">":
            return False if self.label.value > high else None
        return low <= self.label.value <= high


def new_project(
    path: Path, data: Path, curation_spec: CurationSpec, spec: ProjectSpec, limit: int | None = None
) -> tuple[ProjectFolder, Curation]:
    """A new project with the curated compounds of `data`, or with the first `limit` of them.

    Raises:
        FileError: `data` cannot be used, or has too few different values.
        SpecError: It is not clear which column or unit of `data` is meant.
        RunError: `path` holds a project or other files.
    """
    curation = curate(data, curation_spec)
    (name,) = curation.properties
    compounds = curation.compounds[:limit]
    require_learnable(data, compounds, name)
    folder = ProjectFolder.create(path, replace(spec, property_name=name))
    write_compounds(path / MEASUREMENTS, compounds, [name])
    folder.append("new", {"compounds": len(compounds)}, [path / "project.toml", path / MEASUREMENTS])
    return folder, curation


def open_space(spec: ProjectSpec) -> LatentSpace:
    """The space of a project.

    Raises:
        CheckpointError: The checkpoint is missing, damaged, or not the original one.
    """
    path = Path(spec.checkpoint) if spec.checkpoint else default_checkpoint()
    space = LatentSpace.load(path)
    if space.model.digest != spec.checkpoint_sha256:
        raise CheckpointError(path, "is not the checkpoint that the project began with", remedy="Restore it.")
    return space


def known_compounds(folder: ProjectFolder) -> list[Compound]:
    """All measured compounds, each with one label for its measurements and results.

    Raises:
        RunError: A file of the project was changed.
    """
    name = folder.spec.property_name
    files = [folder.path / MEASUREMENTS, *_files(folder, RESULTS)]
    found = [compound for path in files for compound in read_compounds(path, name)]
    return merge_compounds(found, name) if len(files) > 1 else found


def merge_compounds(found: Sequence[Compound], name: str) -> list[Compound]:
    """Compounds of several files; tautomers become one compound, with the merged label."""
    keys, _ = same_compounds([parse(compound.smiles, AS_IT_IS) for compound in found])
    groups: dict[str, list[Compound]] = {}
    for key, compound in zip(keys, found, strict=True):
        groups.setdefault(key, []).append(compound)
    merged = []
    for group in groups.values():
        labels = [compound.labels[name] for compound in group]
        label, _ = merge_replicates(labels, name, 1.0)
        merged.append(replace(group[0], labels={name: label}))
    return merged


def proposals(folder: ProjectFolder) -> list[Proposal]:
    """All proposals so far, in their order.

    Raises:
        FileError: A table of proposals is damaged.
    """
    return [proposal for path in _files(folder, PROPOSALS) for proposal in _read_proposals(path)]


def pending(folder: ProjectFolder) -> list[Proposal]:
    """Proposals without a result."""
    measured = {compound_key(compound.smiles) for compound in known_compounds(folder)}
    return [proposal for proposal in proposals(folder) if compound_key(proposal.smiles) not in measured]


@lru_cache(maxsize=N_KEYS)
def compound_key(smiles: str) -> str:
    """The identity of a compound: its InChIKey, or its SMILES if it has none."""
    try:
        return parse(smiles, AS_IT_IS).inchikey
    except MoleculeError:
        return smiles


@dataclass(frozen=True)
class ProposeSpec:
    """Options of a proposal.

    Attributes:
        n: Number of compounds.
        exploration: How much a high standard deviation is preferred; see `BOLDNESS`. By default
            `CATALOGUE_EXPLORATION` or `NEW_EXPLORATION`.
        library: Catalogue to choose from; None for new molecules.
        exclude: Files of molecules not to propose.
        constraints: Constraints on candidates, as in campaigns; by default `DEFAULT_CONSTRAINTS` for new molecules, and
            none for those of a catalogue.
        core: Core of candidates, with open positions; see `sample.series.read_series`.
        vary: Numbers of the open positions that change.
        keep: Substructures that candidates must contain.
    """

    n: int = 20
    exploration: Exploration | None = None
    library: Path | None = None
    exclude: tuple[Path, ...] = ()
    constraints: tuple[str, ...] = ()
    core: str | None = None
    vary: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def chosen_exploration(self) -> Exploration:
        """The exploration, or its default."""
        return self.exploration or (CATALOGUE_EXPLORATION if self.library else NEW_EXPLORATION)


def propose_round(
    folder: ProjectFolder, options: ProposeSpec, on_done: Callable[[float], object] = lambda share: None
) -> tuple[Path, Forecast, dict[str, list[float | str]]]:
    """Proposes a round: fits the model, picks compounds, and writes their forecasts.

    Returns:
        The file of the proposals, their forecasts, and why each was picked, as columns (see `explain`).

    Raises:
        NothingValidError: No candidate is left.
        SpecError: A constraint, the core or a substructure cannot be used.
        FileError: The catalogue, or a file to exclude, cannot be used.
    """
    number = folder.number_of("propose") + 1
    compounds = known_compounds(folder)
    waiting = pending(folder)
    space = fitted_space(open_space(folder.spec), compounds, [folder.spec.property_name], folder.spec.seed)
    picks = _picked(folder, options, space, compounds, waiting, number, on_done)
    if not picks:
        remedy = "Loosen the constraints, or name another catalogue with --library."
        raise NothingValidError("no candidate is left to propose", remedy=remedy)
    forecasts = forecast(space, [molecule.smiles for molecule in picks], Known.of(compounds))
    explanation = explain(space, forecasts)
    stem = folder.path / PROPOSALS / f"{number:03d}"
    model, table = stem.with_suffix(".safetensors"), stem.with_suffix(".csv")
    space.model.save(model)
    write_text(table, csv_text(_proposal_rows(forecasts, explanation, number)))
    details = {
        "round": number,
        "n": len(picks),
        "exploration": options.chosen_exploration,
        "pending": len(waiting),
        "library": options.library.name if options.library else None,
        "constraints": list(options.constraints),
        "core": options.core,
        "vary": list(options.vary),
        "keep": list(options.keep),
    }
    folder.append("propose", details, [table, model, model.with_suffix(".json")])
    return table, forecasts, explanation


def take_results(
    folder: ProjectFolder, results: Path, spec: CurationSpec, *, is_proposed_only: bool = False
) -> tuple[Path, list[Compared], Curation]:
    """Records results and compares them with their forecasts.

    Args:
        folder: The project.
        results: A file of measurements.
        spec: How to read it.
        is_proposed_only: Leave out compounds that were never proposed.

    Returns:
        The file of the comparison, the comparison, and the curation of the results.

    Raises:
        FileError: The results cannot be used.
        SpecError: They belong to another property.
    """
    name, number = folder.spec.property_name, folder.number_of("tell") + 1
    curation = curate(results, spec)
    if curation.properties != (name,):
        remedy = f"Name the column with --property, or convert it with --to-p: the project is about {name}."
        raise SpecError("property", f"the results are of {', '.join(curation.properties)}", remedy=remedy)
    by_key = {compound_key(proposal.smiles): proposal for proposal in proposals(folder)}
    compounds = [c for c in curation.compounds if not is_proposed_only or compound_key(c.smiles) in by_key]
    if not compounds:
        what = "is of a proposed compound" if curation.compounds else "can be used"
        raise FileError(results, f"none of {len(curation.rows)} rows {what}", remedy="See `molgen curate`.")
    before = {compound_key(compound.smiles): compound.labels[name] for compound in known_compounds(folder)}
    keys = [compound_key(compound.smiles) for compound in compounds]
    compared = [
        Compared(by_key.get(key), compound, compound.labels[name], before.get(key))
        for key, compound in zip(keys, compounds, strict=True)
    ]
    stem = folder.path / RESULTS / f"{number:03d}"
    table, comparison = stem.with_suffix(".csv"), stem.with_suffix(".comparison.csv")
    write_compounds(table, compounds, [name])
    write_text(comparison, csv_text(_comparison_rows(compared)))
    folder.append("tell", {"number": number, "results": len(compared)}, [table, comparison])
    return comparison, compared, curation


def summary_of(folder: ProjectFolder) -> list[dict[str, float | int]]:
    """The comparison of forecasts and results, one row per round; NaN without a measured value.

    | key | holds |
    | --- | --- |
    | `round`, `proposed`, `measured` | number of the round, of its compounds, and of those with a result |
    | `error`, `rank` | mean absolute error and Spearman correlation of forecasts and measured values, without bounds |
    | `covered` | share of these values inside the 90 % interval |
    | `best` | best of these values |
    | `enrichment` | share of these values better than the 90 % quantile of the compounds known before, divided by 0.1 |
    """
    sign, name = folder.spec.sign, folder.spec.property_name
    known = {compound_key(compound.smiles): compound.labels[name] for compound in known_compounds(folder)}
    before = [compound.labels[name].value for compound in read_compounds(folder.path / MEASUREMENTS, name)]
    rows = []
    for number, path in enumerate(_files(folder, PROPOSALS), 1):
        proposed = _read_proposals(path)
        results = [
            (proposal, known[compound_key(proposal.smiles)])
            for proposal in proposed
            if compound_key(proposal.smiles) in known
        ]
        rows.append({"round": number, "proposed": len(proposed), **_scores(results, sign, before)})
        before += [label.value for _, label in results]
    return rows


def _scores(results: Sequence[tuple[Proposal, Label]], sign: float, before: Sequence[float]) -> dict[str, float | int]:
    from scipy.stats import spearmanr

    exact = [(proposal, label.value) for proposal, label in results if label.relation in "=~"]
    if not exact:
        nan = math.nan
        return {"measured": len(results), "error": nan, "rank": nan, "covered": nan, "best": nan, "enrichment": nan}
    mean, y = np.array([p.mean for p, _ in exact]), np.array([value for _, value in exact])
    covered = [p.lower <= value <= p.upper for p, value in exact]
    threshold = float(np.quantile(sign * np.array(before), 0.9))
    is_varied = len(exact) > 2 and np.ptp(mean) > 0 and np.ptp(y) > 0
    return {
        "measured": len(results),
        "error": float(np.abs(y - mean).mean()),
        "rank": float(spearmanr(mean, y).statistic) if is_varied else math.nan,
        "covered": float(np.mean(covered)),
        "best": float(sign * (sign * y).max()),
        "enrichment": float((sign * y > threshold).mean() / 0.1),
    }


def _picked(
    folder: ProjectFolder,
    options: ProposeSpec,
    space: LatentSpace,
    compounds: Sequence[Compound],
    waiting: Sequence[Proposal],
    number: int,
    on_done: Callable[[float], object],
) -> list[Molecule]:
    sign = folder.spec.sign
    taken = {compound_key(smiles) for smiles in (*(c.smiles for c in compounds), *(p.smiles for p in waiting))}
    taken |= {compound_key(text) for path in options.exclude for text in _readable(catalogue_texts(path))}

    model = CombinedModel.of(space, folder.spec.seed)
    worth = value_by_forecast(model, sign, options.chosen_exploration)
    best_first = sorted(compounds, key=lambda compound: -sign * compound.labels[folder.spec.property_name].value)
    series = read_series(
        options.core, options.vary, [parse(compound.smiles, AS_IT_IS) for compound in best_first], space
    )
    bounds = [str(one) for one in (*([series.constraint] if series else []), *keep_constraints(options.keep))]
    if options.library:
        bounds += options.constraints
    request = SampleRequest(bounds, space) if bounds else None

    def allowed(molecule: Molecule) -> bool:
        is_kept = request is None or bool(request.is_met(request.values([molecule]))[0])
        return is_kept and compound_key(molecule.smiles) not in taken

    if options.library:
        candidates = best_of_catalogue(catalogue_texts(options.library), worth, allowed)
    else:
        start = [member.smiles for member in series.members] if series else [compound.smiles for compound in compounds]
        known = [parse(compound.smiles, AS_IT_IS) for compound in compounds]
        asked = read_constraints(space, [*(options.constraints or DEFAULT_CONSTRAINTS), *bounds], known)
        seed = folder.spec.seed + number
        candidates = new_molecules(space, start, worth, allowed, asked, seed, series, on_done)
    pending = [parse(proposal.smiles, AS_IT_IS) for proposal in waiting]
    return pick_jointly(model, candidates, pending, options.n, options.chosen_exploration, sign)


def _readable(texts: Iterable[str]) -> list[str]:
    found = []
    for text in texts:
        try:
            found.append(parse(text).smiles)
        except MoleculeError:
            continue
    return found


def _proposal_rows(
    forecasts: Forecast, explanation: Mapping[str, Sequence[float | str]], number: int
) -> list[list[str]]:
    columns = {**forecasts.columns(), **explanation}
    name = forecasts.properties[0]
    shown = [f"{name}_mean", f"{name}_std", f"{name}_lower", f"{name}_upper", "applicability"]
    shown += ["nearest", "nearest_similarity", f"nearest_{name}", *explanation]
    header = ["id", "smiles", "inchikey", *shown]
    rows = []
    for i, smiles in enumerate(forecasts.smiles):
        cells = [columns[column][i] for column in shown]
        texts = [cell if isinstance(cell, str) else number_text(cell) for cell in cells]
        rows.append([f"R{number}-{i + 1:02d}", smiles, compound_key(smiles), *texts])
    return [header, *rows]


def _comparison_rows(compared: Sequence[Compared]) -> list[list[str]]:
    header = ["id", "smiles", "result", "proposal", "mean", "lower", "upper", "error", "is_covered"]
    rows = []
    for one in compared:
        p = one.proposal
        numbers = [p.mean, p.lower, p.upper, one.label.value - p.mean] if p else [math.nan] * 4
        covered = "" if one.is_covered is None else str(one.is_covered).lower()
        start = [one.compound.id, one.compound.smiles, label_text(one.label), p.id if p else ""]
        rows.append([*start, *map(number_text, numbers), covered])
    return [header, *rows]


def _files(folder: ProjectFolder, kind: str) -> list[Path]:
    """The chained tables of proposals or results, in order."""
    step: ProjectStep = "propose" if kind == PROPOSALS else "tell"
    return [folder.path / kind / f"{number:03d}.csv" for number in range(1, folder.number_of(step) + 1)]


def _read_proposals(path: Path) -> list[Proposal]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
        return [Proposal(row[0], row[1], row[2], *map(float, row[3:7])) for row in rows[1:]]
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise FileError(path, f"is no table of proposals: {error}", remedy="Restore it from a copy.") from None
