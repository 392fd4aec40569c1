"""The command `molgen export`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .console import show
from .console.options import Force, Json, Seed
from .console.outputs import check_outputs

if TYPE_CHECKING:
    from molgen.chem.molecule import Molecule
    from molgen.output.candidates import Candidate, Selection
    from molgen.output.poses import DockedPose
    from molgen.run import RunFolder
    from molgen.search.ledger import Evaluation

N_SHOWN = 10


@check_outputs
def export(  # noqa: PLR0913 - one parameter per option
    run: Annotated[Path, typer.Argument(help="The folder of a campaign, given to it as --out.")],
    output: Annotated[
        Path,
        typer.Option(
            "--out", "-o", writable=True, dir_okay=False, help="A file that ends in .sdf, .csv, .smi, .svg or .png."
        ),
    ],
    top: Annotated[
        int, typer.Option("--top", "-n", min=1, help="Number of molecules; a Pareto front comes first, complete.")
    ] = 100,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Only candidates with this id, such as MG-000123; repeatable.")
    ] = None,
    is_diverse: Annotated[
        bool,
        typer.Option("--diverse", help="Prefer different scaffolds, from a pool of about 5 times as many of the best."),
    ] = False,
    is_novel: Annotated[
        bool, typer.Option("--novel", help="Leave out start molecules and the checkpoint's training molecules.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            writable=True,
            dir_okay=False,
            help="Also draw the Pareto front: .svg or .png, with molgen-workbench[map].",
        ),
    ] = None,
    has_poses: Annotated[
        bool,
        typer.Option(
            "--poses", help="Docked poses as coordinates; needs a docking score and molgen-workbench[docking]."
        ),
    ] = False,
    redock: Annotated[int, typer.Option(min=1, help="Exhaustiveness of the docking for --poses.")] = 8,
    is_checked: Annotated[
        bool, typer.Option("--check-poses", help="With --poses, check their geometry with PoseBusters.")
    ] = False,
    is_flat: Annotated[bool, typer.Option("--2d", help="2D coordinates instead of 3D ones.")] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="The checkpoint of the campaign, if it was moved."),
    ] = None,
    seed: Seed = 0,
    is_forced: Force = False,
    is_json: Json = False,
) -> None:
    """Write the best molecules of a campaign: ranked, without duplicates, with structural alerts and 3D coordinates.

    Example: molgen export run -o candidates.sdf --top 50 --diverse
    """
    from molgen.errors import SpecError
    from molgen.latent.combined_model import make_predict_function
    from molgen.latent.trust import make_trust_function
    from molgen.output.candidates import describe, keep_ids, select
    from molgen.output.finished import open_campaign_space
    from molgen.output.front import draw_front, require_front_file
    from molgen.output.known import KnownCompounds
    from molgen.output.sdf import require_format
    from molgen.paths import require_no_input
    from molgen.run import RunFolder
    from molgen.search.ledger import NAME, read_evaluations
    from molgen.search.start import NAME as START
    from molgen.search.start import read_start

    require_format(output)
    if is_checked and not has_poses:
        raise SpecError("check-poses", "checks docked poses", remedy="Add --poses.")
    if plot:
        require_front_file(plot)
    folder = RunFolder.open(run)
    require_no_input(output, [folder.path / NAME, folder.path / START])
    evaluations = read_evaluations(folder.path / NAME)
    if ids:
        evaluations = keep_ids(evaluations, ids)
    receptor = _find_receptor(folder, evaluations, output, is_flat=is_flat) if has_poses else None
    known = KnownCompounds(read_start(folder.path / START))
    space = open_campaign_space(folder, checkpoint)

    def is_kept(molecule: Molecule) -> bool:
        return not (is_novel and (known.holds(molecule) or space.knows([molecule.smiles])[0]))

    choose = partial(select, evaluations, top, is_diverse=is_diverse, is_novel=is_kept)
    selection = _select(choose, top, output, seed, is_flat=is_flat)
    candidates = describe(
        selection.picks,
        was_trained_on=space.knows,
        start_compounds=known,
        predict=make_predict_function(space),
        property_names=space.property_names,
        trust=make_trust_function(space),
    )
    poses = _dock(candidates, receptor, redock, is_checked=is_checked) if receptor else {}
    n_without_3d = _write(output, candidates, seed, is_flat, poses)
    if plot:
        draw_front(plot, evaluations)
    if is_json:
        _report_json(output, candidates, selection, n_without_3d, poses)
    else:
        _report(output, candidates, selection, n_without_3d)
        _report_poses(poses)


def _select(choose: Callable[..., Selection], top: int, output: Path, seed: int, *, is_flat: bool) -> Selection:
    """The selection of `choose`; for an SDF in 3D, only molecules with 3D coordinates."""
    from molgen.output import sdf

    if is_flat or sdf.require_format(output) != ".sdf":
        return choose()
    with show.progress(top, "coordinates") as advance:
        found = count(1)

        def has_conformer(molecule: Molecule) -> bool:
            advance(min(top, next(found)))
            return sdf.has_conformer(molecule, seed)

        return choose(has_conformer=has_conformer)


def _find_receptor(folder: RunFolder, evaluations: Sequence[Evaluation], output: Path, *, is_flat: bool) -> Path:
    """The receptor that candidates are docked into, if docked poses can be written."""
    from molgen.errors import SpecError
    from molgen.output.poses import find_receptor
    from molgen.output.sdf import require_format

    if is_flat or require_format(output) != ".sdf":
        raise SpecError("poses", "are 3D coordinates of an SDF", remedy="Name a file that ends in .sdf, without --2d.")
    return find_receptor(folder, evaluations[0].values if evaluations else ())


def _dock(
    candidates: list[Candidate], receptor: Path, exhaustiveness: int, *, is_checked: bool
) -> dict[str, DockedPose]:
    from molgen.device import available_threads
    from molgen.output.poses import dock_candidates

    with show.progress(len(candidates), "docking") as advance:
        return dock_candidates(
            candidates,
            receptor,
            exhaustiveness,
            n_threads=available_threads(),
            is_checked=is_checked,
            on_pose=advance,
        )


def _write(output: Path, candidates: list[Candidate], seed: int, is_flat: bool, poses: Mapping[str, DockedPose]) -> int:
    """Writes the file; returns how many records lack the requested 3D coordinates."""
    from molgen.output import picture, sdf

    write_flat = {
        ".csv": sdf.write_csv,
        ".smi": sdf.write_smi,
        ".svg": picture.write_picture,
        ".png": picture.write_picture,
    }
    suffix = sdf.require_format(output)
    if suffix in write_flat:
        write_flat[suffix](output, candidates)
        return 0
    with show.progress(len(candidates), "writing") as advance:
        dimensions: Literal[2, 3] = 2 if is_flat else 3
        return sdf.write_sdf(output, candidates, seed=seed, dimensions=dimensions, poses=poses, on_record=advance)


def _report_poses(poses: Mapping[str, DockedPose]) -> None:
    """Reports how many candidates have no docked pose, by reason, and how many poses fail each check."""
    from collections import Counter

    for reason, n in Counter(pose.reason for pose in poses.values() if pose.reason).items():
        show.note(f"{n} without a docked pose: {reason}")
    for check, n in Counter(check for pose in poses.values() for check in pose.failed_checks or ()).items():
        show.note(f"{n} of {len(poses)} poses fail {check}")


def _row(candidate: Candidate) -> list[str]:
    numbers = (candidate.evaluation.total, *candidate.evaluation.values.values())
    texts = [f"{number:.4g}" for number in numbers]
    return [str(candidate.rank), candidate.id, *texts, candidate.molecule.smiles]


def _report_json(
    output: Path,
    candidates: list[Candidate],
    selection: Selection,
    n_without_3d: int,
    poses: Mapping[str, DockedPose],
) -> None:
    from molgen.output.poses import pose_fields
    from molgen.output.sdf import measure_fields

    show.as_json(
        {
            "file": str(output),
            "candidates": len(candidates),
            "left_out": selection.left_out,
            "without_3d": n_without_3d,
            "measure_fields": measure_fields(candidates[0]),
            "poses": {key: pose_fields(pose) for key, pose in poses.items()},
        }
    )


def _report(output: Path, candidates: list[Candidate], selection: Selection, n_without_3d: int) -> None:
    measures = list(candidates[0].evaluation.values)
    show.data(f"{output}: {len(candidates)} candidates, of which the best are")
    show.table("", ["rank", "id", "total", *measures, "SMILES"], [_row(c) for c in candidates[:N_SHOWN]])
    for reason, n in selection.left_out.items():
        show.note(f"left out {n}: {reason}")
    if n_without_3d:
        show.note(f"{n_without_3d} without a 3D conformer have 2D coordinates")
    n_open = sum(candidate.n_undefined_stereo > 0 for candidate in candidates)
    if n_open and output.suffix.lower() == ".sdf":
        show.note(f"{n_open} have undefined stereochemistry (n_undefined_stereo): coordinates show one stereoisomer")
