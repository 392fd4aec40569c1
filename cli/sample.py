"""The command `molgen sample`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import options, show
from .console.admission import AllowUnfamiliar, AllowUnstable, filter_space, note_removed
from .console.outputs import Temperature, check_outputs, require_molecule_file, write_molecules

if TYPE_CHECKING:
    from molgen.chem.admission import Admission
    from molgen.evaluate.samples import Samples
    from molgen.latent.filtered_space import FilteredSpace
    from molgen.latent.remote import SpaceWorkers
    from molgen.latent.space import LatentSpace
    from molgen.sample.conditional import SampleRequest
    from molgen.sample.series import CoreSeries


@check_outputs
def sample(  # noqa: PLR0913 - one parameter per option
    n: Annotated[
        int,
        typer.Option(
            "-n", min=1, max=10_000_000, help="Number of points to sample; with a request, of molecules to find."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            writable=True,
            dir_okay=False,
            help="File for the molecules: .smi or .csv; by default, standard output.",
        ),
    ] = None,
    prior: options.Prior = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help='Bound on molecules, such as "qed > 0.8" or "2 < logp < 3"; repeatable.'),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            help="SMILES of a molecule that all must resemble: similarity of 0.4 or more, unless --where has a lower "
            "bound on similarity:SMILES."
        ),
    ] = None,
    scaffold: Annotated[str | None, typer.Option(help="SMILES of a substructure that all must contain.")] = None,
    core: options.Core = None,
    vary: options.Vary = None,
    keep: options.Keep = None,
    allow_unfamiliar: AllowUnfamiliar = False,
    allow_unstable: AllowUnstable = False,
    charge: options.Charge = "neutralise",
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    temperature: Temperature = 0.0,
    executor: options.Executor = None,
    threads: options.Threads = None,
    device: options.Device = "auto",
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Sample molecules from a prior of the latent space; invalid ones are left out.

    Molecules that are unfamiliar, unstable or charged are left out too, unless an option allows them.

    With a request (--where, --like, --scaffold, --keep), only distinct molecules that meet it are written, and the
    share of points that meet it is reported. With --core, also a request, parts of prior samples are attached at its
    open positions. --temperature has no effect on a request, and --executor is refused with one.

    Example: molgen sample -n 1000 --where "qed > 0.8" --where "2 < logp < 3" -o samples.smi
    """
    from molgen.chem.admission import AdmissionRules
    from molgen.chem.molecule import Policy, parse
    from molgen.device import resolve_device, use_threads
    from molgen.errors import NothingValidError, SpecError
    from molgen.latent.remote import open_workers
    from molgen.latent.space import LatentSpace
    from molgen.sample.conditional import SampleRequest
    from molgen.sample.series import keep_constraints, read_series

    if output:
        require_molecule_file(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint, device=resolve_device(device))
    prior = prior or space.default_prior
    policy = Policy(charge=charge)
    rules = AdmissionRules(allow_unfamiliar, allow_unstable, charge)
    series = read_series(core, vary or [], [parse(like, policy)] if like else [], space)
    bounds = [*(where or []), *map(str, keep_constraints(keep or [])), *([str(series.constraint)] if series else [])]
    is_request = bool(bounds or like or scaffold)
    if is_request:
        if executor is not None:
            raise SpecError("executor", "cannot be used with a request", remedy="Leave it out.")
        request = SampleRequest(bounds, space, like=like, scaffold=scaffold, policy=policy)
        filtered = filter_space(space, rules, [*request.named, *(series.members if series else ())])
        smiles, report, summary = _sample_requested(filtered, request, series, n, seed, prior)
    else:
        filtered = filter_space(space, rules, ())
        with open_workers(executor, checkpoint, threads) as workers:
            smiles, report, summary = _sample_freely(space, filtered.admission, n, seed, prior, temperature, workers)
    report |= {"kept": len(smiles), "removed": dict(filtered.admission.removed)}
    _write(output, smiles, report if is_json else None)
    show.note(summary)
    note_removed(filtered.admission)
    if not smiles:
        raise NothingValidError("no point met the request" if is_request else "no sample is valid and admitted")


def _sample_freely(
    space: LatentSpace,
    admission: Admission,
    n: int,
    seed: int,
    prior: str,
    temperature: float,
    workers: SpaceWorkers | None,
) -> tuple[list[str], dict[str, Any], str]:
    """The admitted ones of `n` samples, and the quality of all as JSON values and as a sentence."""
    from molgen.evaluate.samples import measure_samples
    from molgen.latent.remote import map_chunks
    from molgen.latent.space import LatentSpace

    sample_chunk = partial(LatentSpace.sample_chunk, temperature=temperature)
    decoded: list[str | None] = []
    smiles: list[str] = []
    with show.progress(n, "Sampling") as advance:
        for texts in map_chunks(space, sample_chunk, space.point_chunks(n, seed, prior=prior), workers):
            decoded += texts
            smiles += [text for text in admission(texts) if text]
            advance(len(decoded))
    quality = measure_samples(space, decoded)
    return smiles, asdict(quality), _summary(quality)


def _sample_requested(
    space: FilteredSpace, request: SampleRequest, series: CoreSeries | None, n: int, seed: int, prior: str
) -> tuple[list[str], dict[str, Any], str]:
    """At most `n` molecules that meet a request, of a series if given, and a report as JSON and as a sentence."""
    from molgen.sample.conditional import sample_conditionally

    if series:
        return _sample_series(space, series, request, n, seed, prior)
    with show.progress(n, "Searching") as advance:
        found = sample_conditionally(space, request, n, seed=seed, prior=prior, on_found=advance)
    report = {
        "n": len(found.smiles),
        "decoded": found.n_decoded,
        "share": found.share,
        "plain_share": found.plain_share,
    }
    sought = f"{found.share:.1%} of the {found.n_decoded} points decoded for the request, " if found.n_decoded else ""
    plain = f"{found.plain_share:.1%} of {found.n_plain} unselected points of the prior"
    return found.smiles, report, f"{len(found.smiles)} distinct molecules meet the request: {sought}{plain}"


def _sample_series(
    space: FilteredSpace, series: CoreSeries, request: SampleRequest, n: int, seed: int, prior: str
) -> tuple[list[str], dict[str, Any], str]:
    """At most `n` molecules that keep a core and meet a request, and a report as JSON values and as a sentence."""
    from molgen.sample.series import sample_series

    with show.progress(n, "Searching") as advance:
        found = sample_series(
            space, series, request, n, seed=seed, prior=prior, admit=space.admission, on_found=advance
        )
    report = {"n": len(found.smiles), "decoded": found.n_decoded, "made": found.n_made}
    made = f"{found.n_made} molecules with the core were made from parts of {found.n_decoded} prior samples"
    return found.smiles, report, f"{len(found.smiles)} distinct molecules meet the request: {made}"


def _write(output: Path | None, smiles: list[str], report: dict[str, Any] | None) -> None:
    """Writes molecules to a file, or prints them, within the report if given."""
    if output:
        write_molecules(output, smiles)
    if report is not None:
        show.as_json(report | ({} if output else {"smiles": smiles}))
    elif output is None:
        for text in smiles:
            show.data(text)


def _summary(quality: Samples) -> str:
    return (
        f"{quality.n} points: {quality.validity:.1%} valid, {quality.uniqueness:.1%} of those unique, "
        f"{quality.novelty:.1%} of those new"
    )
