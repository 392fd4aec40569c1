"""The command `molgen explore analogy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import options
from ..console.admission import AllowUnfamiliar, AllowUnstable, filter_space, note_removed
from ..console.listing import Output, require_output, show_listing
from ..console.outputs import check_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molgen.arrays import Floats
    from molgen.chem.molecule import Molecule, Policy
    from molgen.explore.analogy import Analogue, Change
    from molgen.latent.space import LatentSpace
    from molgen.output.listing import Listing


@check_outputs
def analogy(  # noqa: PLR0913 - one parameter per option
    molecules: Annotated[
        list[str], typer.Argument(metavar="A B C", help="Three SMILES; with --pairs, C alone.", show_default=False)
    ],
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Learn the change from the pairs of a CSV file (columns smiles_a, smiles_b); far more reliable."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, max=10_000, help="Answers to show.")] = 10,
    decodes: Annotated[int, typer.Option(min=3, max=100_000, help="Points to decode.")] = 1200,
    allow_unfamiliar: AllowUnfamiliar = False,
    allow_unstable: AllowUnstable = False,
    charge: options.Charge = "neutralise",
    output: Output = None,
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    is_json: options.Json = False,
    is_forced: options.Force = False,
) -> None:
    """Answer "A is to B as C is to what?" by the difference of latent vectors.

    Example: molgen explore analogy "c1ccccc1CCN" "Fc1ccc(CCN)cc1" "c1ccccc1CCNC(C)=O" --top 5
    """
    from molgen.chem.admission import AdmissionRules
    from molgen.chem.molecule import Policy
    from molgen.device import use_threads
    from molgen.errors import NothingValidError
    from molgen.explore.analogy import find_analogues
    from molgen.latent.space import LatentSpace

    texts = _texts(molecules, pairs)
    require_output(output)
    use_threads(threads)
    space = LatentSpace.load(checkpoint)
    change, named, point = _question(space, texts, pairs, Policy(charge=charge))
    filtered = filter_space(space, AdmissionRules(allow_unfamiliar, allow_unstable, charge), named)
    molecule = named[-1]
    answers = find_analogues(filtered, change, molecule, point, n_decodes=decodes, seed=seed)[:top]
    note_removed(filtered.admission)
    if not answers:
        raise NothingValidError("no point decodes to another molecule", remedy="Raise --decodes.")
    report = {"molecule": molecule.smiles, "pairs": len(change.origins), "decodes": decodes}
    learned = "1 pair" if len(change.origins) == 1 else f"{len(change.origins)} pairs"
    title = f"The change of {learned} applied to {molecule.smiles}: {len(answers)} best of {decodes} points"
    show_listing(title, _make_listing(answers), report, output, is_json)


def _texts(molecules: Sequence[str], pairs: Path | None) -> Sequence[str]:
    from molgen.errors import SpecError

    wanted = 3 if pairs is None else 1
    if len(molecules) != wanted:
        remedy = "Write `molgen explore analogy A B C`, or `molgen explore analogy C --pairs FILE`."
        words = {3: "three molecules, A, B and C", 1: "one molecule, C, and a file of pairs"}[wanted]
        raise SpecError("analogy", f"needs {words}, but got {len(molecules)}", remedy=remedy)
    return molecules


def _question(
    space: LatentSpace, texts: Sequence[str], pairs: Path | None, policy: Policy
) -> tuple[Change, list[Molecule], Floats]:
    """The change, the molecules of the command line (the one to change is the last), and the point (D,) of that one."""
    from molgen.explore.analogy import learn_change, read_pairs
    from molgen.latent.encodable import encode_named

    known = None if pairs is None else read_pairs(pairs)
    molecules, points = encode_named(space, texts, policy)
    known = known or [(molecules[0].smiles, molecules[1].smiles)]
    return learn_change(space, known), molecules, points[-1]


def _make_listing(answers: Sequence[Analogue]) -> Listing:
    from molgen.output.listing import Listing

    columns = {
        "rank": tuple(float(rank) for rank in range(1, len(answers) + 1)),
        "similarity": tuple(answer.similarity for answer in answers),
        "agreement": tuple(answer.agreement for answer in answers),
        "distance": tuple(answer.distance for answer in answers),
    }
    return Listing(tuple(answer.smiles for answer in answers), columns)
