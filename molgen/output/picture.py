"""Candidates as one picture: a grid of structures with their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from molgen.output.candidates import Candidate
from molgen.paths import replace_file

COLUMNS = 5
CELL_PX = 240
LINE_PX = 18
N_LINES = 3
"""Maximum number of objectives below a structure, one line each."""
LONGEST_NAME = 22
"""Maximum number of characters of the name of an objective; longer ones are shortened."""


def write_picture(path: Path, candidates: Sequence[Candidate]) -> None:
    """Draws the candidates in rank order, five per row, above rank, id and the values of up to three objectives.

    The suffix of `path`, .svg or .png, names the format.
    """
    n_lines = 1 + max(len(_objectives(candidate)) for candidate in candidates)
    height = CELL_PX + LINE_PX * n_lines
    n_rows = -(-len(candidates) // COLUMNS)
    draw = rdMolDraw2D.MolDraw2DSVG if path.suffix.lower() == ".svg" else rdMolDraw2D.MolDraw2DCairo
    drawing = draw(min(COLUMNS, len(candidates)) * CELL_PX, n_rows * height, CELL_PX, height)
    options = drawing.drawOptions()
    options.legendFraction = LINE_PX * n_lines / height  # type: ignore[assignment] # RDKit's stub is wrong
    options.legendFontSize = LINE_PX - 4  # type: ignore[assignment]
    mols = [_flat(candidate.molecule.mol) for candidate in candidates]
    drawing.DrawMolecules(mols, legends=[_legend(candidate) for candidate in candidates])
    drawing.FinishDrawing()
    content = drawing.GetDrawingText()
    with replace_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def _objectives(candidate: Candidate) -> list[str]:
    """Names of the objectives shown."""
    return list(candidate.evaluation.desirabilities or candidate.evaluation.values)[:N_LINES]


def _legend(candidate: Candidate) -> str:
    values = candidate.evaluation.values
    lines = [f"{_shortened(name)} {values[name]:.3g}" for name in _objectives(candidate)]
    return "\n".join([f"{candidate.rank}  {candidate.id}", *lines])


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."


def _flat(mol: Chem.Mol) -> Chem.Mol:
    flat = Chem.Mol(mol)
    rdDepictor.Compute2DCoords(flat)
    return flat
