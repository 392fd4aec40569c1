"""Candidates as one picture: a grid of structures with their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rdkit.Chem import Draw

from molgen.output.candidates import Candidate
from molgen.paths import write_text

COLUMNS = 5
CELL_PX = 240


def write_svg(path: Path, candidates: Sequence[Candidate]) -> None:
    """Draws the candidates in rank order, five a row, each with its id and the values of its objectives below."""
    svg: str = Draw.MolsToGridImage(
        [candidate.molecule.mol for candidate in candidates],
        molsPerRow=COLUMNS,
        subImgSize=(CELL_PX, CELL_PX),
        legends=[_legend(candidate) for candidate in candidates],
        useSVG=True,
    )
    write_text(path, svg)


def _legend(candidate: Candidate) -> str:
    evaluation = candidate.evaluation
    names = evaluation.desirabilities or evaluation.values
    return "  ".join([candidate.id, *(f"{name} {evaluation.values[name]:.3g}" for name in names)])
