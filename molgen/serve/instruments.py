"""What the workbench tells about molecules, each answer with the command that gives the same molecules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from molgen.chem.admission import Admission, AdmissionRules
from molgen.chem.molecule import AS_IT_IS, Molecule, Policy, parse
from molgen.chem.properties import DESCRIPTORS
from molgen.chem.sampling import draw_items
from molgen.chem.table import Tally, read_molecules, read_rows
from molgen.errors import NothingValidError, SpecError
from molgen.explore.direction import (
    N_FITTED,
    Direction,
    choose_walk_length,
    describe_walk,
    find_direction,
    fit_direction,
    write_direction,
)
from molgen.explore.index import SUFFIX, Index
from molgen.explore.library import build_index
from molgen.explore.neighbours import find_neighbours, tabulate_neighbours
from molgen.explore.path import PathConfig, find_path
from molgen.explore.walk import WalkConfig, steer
from molgen.latent.combined_model import make_predict_function
from molgen.latent.encodable import encode_named
from molgen.latent.filtered_space import FilteredSpace
from molgen.latent.space import LatentSpace
from molgen.latent.trust import make_trust_function
from molgen.output.candidates import Candidate, describe, keep_ids, select
from molgen.output.known import KnownCompounds
from molgen.output.listing import Cell, Listing
from molgen.output.report.campaign import make_candidate_grid
from molgen.output.report.content import Card
from molgen.output.sdf import has_conformer, write_sdf
from molgen.sample.conditional import SampleRequest, sample_conditionally
from molgen.search.ledger import Evaluation
from molgen.search.start import StartMolecule

SHOWN = ("mw", "logp", "tpsa", "hbd", "hba", "rotatable_bonds", "fsp3", "qed", "sa")
"""Descriptors of a molecule."""
MAX_SHOWN = 500
"""Molecules of one answer."""
_SELECTED = 'import molgen; print(molgen.Listing.of(line.split()[0] for line in open("selection.smi")).to_pandas())'
"""Shows the molecules of the file in which a map saves those that are selected."""


@dataclass(frozen=True)
class Answer:
    """Molecules, in order, and the command that gives the same ones.

    Attributes:
        columns: Names of the cells of each card.
        cards: The molecules.
        command: Its arguments.
    """

    columns: Sequence[str]
    cards: Sequence[Card]
    command: Sequence[str]


class Instruments:
    """The instruments of one checkpoint; one call at a time."""

    def __init__(self, space: LatentSpace, checkpoint: Path | None = None) -> None:
        """Takes a loaded latent space, and the path of its checkpoint unless it is the shipped one."""
        self._space = space
        self._checkpoint = ["--checkpoint", str(checkpoint)] if checkpoint else []
        self._trust = make_trust_function(space)
        self._predict = make_predict_function(space)
        self._directions: dict[str, Direction] = {}
        self._lock = Lock()

    @property
    def checkpoint_sha256(self) -> str:
        """SHA-256 of the checkpoint."""
        return self._space.model.digest

    def molecule(self, smiles: str) -> Answer:
        """A molecule with descriptors, trust and predictions.

        Raises:
            MoleculeError: The text is no molecule.
        """
        with self._lock:
            molecule = parse(smiles)
            values: dict[str, Cell] = {name: DESCRIPTORS[name].function(molecule.mol) for name in SHOWN}
            if self._trust:
                values["trust"] = float(self._trust([molecule.smiles])[0])
            if self._predict:
                mean, std = self._predict([molecule.smiles])
                for column, name in enumerate(self._space.property_names):
                    values[f"predicted {name}"] = f"{mean[0, column]:.3g} +- {std[0, column]:.2g}"
            reason = self._space.explain([molecule.smiles], is_refined=False).reasons[0]
            values |= {"cannot be encoded": reason} if reason else {}
        listing = Listing((molecule.smiles,), {name: (value,) for name, value in values.items()})
        return _answer(listing, ["python", "-c", _in_python(molecule.smiles)])

    def analogues(self, smiles: str, n: int, seed: int = 0) -> Answer:
        """At most `n` molecules like one.

        Raises:
            MoleculeError: The text is no molecule that can be encoded.
            NothingValidError: None was found.
        """
        with self._lock:
            policy, rules = Policy(charge="neutralise"), AdmissionRules(charge="neutralise")
            request = SampleRequest([], self._space, like=smiles, policy=policy)
            filtered = FilteredSpace(self._space, Admission(rules, self._space.model.familiarity, request.named))
            found = sample_conditionally(filtered, request, n, seed=seed, prior=self._space.default_prior).smiles
            if not found:
                raise NothingValidError("no analogue was found")
            listing = Listing.of(found)
        return _answer(
            listing, ["molgen", "sample", "--like", smiles, "-n", str(n), "--seed", str(seed), *self._checkpoint]
        )

    def neighbours(self, smiles: str, library: Path, n: int) -> Answer:
        """The `n` molecules of a file nearest to one in the latent space; an index of the file is kept beside it.

        Raises:
            MoleculeError: The text is no molecule that can be encoded.
            FileError: The file cannot be used.
        """
        with self._lock:
            (molecule,), _ = encode_named(self._space, [smiles])
            point = self._space.encode([molecule.smiles], is_refined=False)[0]
            found = find_neighbours(self._index(library), point, n)
            listing = Listing(tuple(each.smiles for each, _ in found), tabulate_neighbours(molecule, found))
        command = ["molgen", "explore", "neighbours", smiles, "--library", str(library), "-n", str(n)]
        return _answer(listing, [*command, *self._checkpoint])

    def path(self, start: str, end: str, n_steps: int) -> Answer:
        """Molecules on the way from one to another, both included, with their place on it.

        Raises:
            MoleculeError: A text is no molecule that can be encoded.
        """
        with self._lock:
            rules = AdmissionRules(charge="neutralise")
            (first, last), points = encode_named(self._space, (start, end), Policy(charge=rules.charge))
            filtered = FilteredSpace(self._space, Admission(rules, self._space.model.familiarity, (first, last)))
            stops = find_path(filtered, (first, last), points, PathConfig(n_steps=n_steps)).stops
            columns: dict[str, tuple[Cell, ...]] = {
                "t": tuple(stop.t for stop in stops),
                "to first": tuple(stop.to_start for stop in stops),
                "to last": tuple(stop.to_end for stop in stops),
                "confidence": tuple(stop.confidence for stop in stops),
            }
            listing = Listing(tuple(stop.smiles for stop in stops), columns)
        command = ["molgen", "explore", "path", start, end, "--steps", str(n_steps)]
        return _answer(listing, [*command, *self._checkpoint])

    def learn_direction(self, data: Path, column: str, output: Path) -> list[str]:
        """Writes the direction along which a column of a file grows; returns the command that does the same.

        Raises:
            FileError: The file cannot be used, or has no such column.
            SpecError: There is such a direction already, there are too few molecules, or their values are all equal.
        """
        with self._lock:
            if output.exists():
                raise SpecError("name", f"there is a direction {output.stem} already", remedy="Choose another name.")
            tally = Tally()
            records = draw_items(tally.sift(read_molecules(data, properties=(column,))), N_FITTED, seed=0)
            tally.require_kept(data)
            molecules, values = [each.molecule for each in records], [each.values[0] for each in records]
            write_direction(output, fit_direction(self._space, molecules, values, column, "", 0))
        command = ["molgen", "explore", "direction", str(data), "--property", column, "-o", str(output)]
        return [*command, *self._checkpoint]

    def walk(self, smiles: str, along: str, n_steps: int) -> Answer:
        """Molecules along a direction, and against it.

        Args:
            smiles: The molecule.
            along: The path of a direction, which ends in .json, or a descriptor.
            n_steps: Number of steps on each side.

        Raises:
            MoleculeError: The text is no molecule that can be encoded.
            FileError: The file holds no direction of this checkpoint.
            SpecError: There is no such descriptor.
        """
        with self._lock:
            rules = AdmissionRules(charge="neutralise")
            (start,), z = encode_named(self._space, [smiles], Policy(charge=rules.charge))
            direction = self._directions.get(along) or find_direction(self._space, along)
            if along in DESCRIPTORS:
                self._directions[along] = direction
            config = WalkConfig(choose_walk_length(self._space, direction, start, z[0]), n_steps)
            filtered = FilteredSpace(self._space, Admission(rules, self._space.model.familiarity, [start]))
            series = steer(filtered, start, z[0], direction.vector, config).different()
            listing = Listing(
                tuple(text or "" for text in series.smiles), describe_walk(self._space, start, direction, series)
            )
        command = ["molgen", "explore", "steer", smiles, "--along", along, "--steps", str(n_steps)]
        return _answer(listing, [*command, *self._checkpoint])

    def cards(self, smiles: Sequence[str]) -> Answer:
        """Molecules with descriptors.

        Raises:
            SpecError: There are too many.
        """
        if len(smiles) > MAX_SHOWN:
            raise SpecError("smiles", f"at most {MAX_SHOWN} molecules can be shown, but got {len(smiles)}")
        with self._lock:
            listing = Listing.of(smiles)
        return _answer(listing, ["python", "-c", _SELECTED])

    def candidates(
        self, run: Path, evaluations: Sequence[Evaluation], known: Sequence[StartMolecule], top: int
    ) -> Answer:
        """The `top` best molecules of a campaign.

        Raises:
            NothingValidError: None is feasible.
        """
        with self._lock:
            grid = make_candidate_grid(self._described(evaluations, known, top))
        command = ["molgen", "export", str(run), "--top", str(top), "-o", str(run / "candidates.sdf")]
        return Answer(grid.columns, grid.cards, command)

    def export(
        self,
        run: Path,
        evaluations: Sequence[Evaluation],
        known: Sequence[StartMolecule],
        ids: Iterable[str],
        output: Path,
    ) -> list[str]:
        """Writes the candidates of these ids to an SDF; returns the command that does the same.

        Raises:
            SpecError: No id is given, or one is not in the ledger.
        """
        wanted = sorted(set(ids))
        with self._lock:
            chosen = keep_ids(evaluations, wanted)
            candidates = self._described(chosen, known, len(chosen), needs_3d=True)
            write_sdf(output, candidates, seed=0)
        flags = [text for each in wanted for text in ("--id", each)]
        return ["molgen", "export", str(run), *flags, "-o", str(output)]

    def _described(
        self,
        evaluations: Sequence[Evaluation],
        known: Sequence[StartMolecule],
        top: int,
        *,
        needs_3d: bool = False,
    ) -> list[Candidate]:
        """Molecules with their description; `needs_3d` ones have 3D coordinates."""

        def is_placed(molecule: Molecule) -> bool:
            return not needs_3d or has_conformer(molecule, 0)

        picks = select(evaluations, top, has_conformer=is_placed).picks
        return describe(
            picks,
            was_trained_on=self._space.knows,
            start_compounds=KnownCompounds(known),
            predict=self._predict,
            property_names=self._space.property_names,
            trust=self._trust,
        )

    def _index(self, library: Path) -> Index:
        """The index of a file, made anew if the file is newer."""
        path = library.with_name(f".{library.name}{SUFFIX}")
        if not path.exists() or path.stat().st_mtime_ns < library.stat().st_mtime_ns:
            build_index(self._space, read_rows(library), path, Tally())
        return Index.open(path)


def _answer(listing: Listing, command: Sequence[str]) -> Answer:
    cards = [
        Card.of("", parse(smiles, AS_IT_IS), [values[name] for name in listing.columns])
        for smiles, values in listing.rows()
    ]
    return Answer(list(listing.columns), cards, command)


def _in_python(smiles: str) -> str:
    names = " ".join(SHOWN)
    return f'import molgen; print(molgen.Listing.of([{json.dumps(smiles)}], "{names}".split()).to_pandas().T)'
