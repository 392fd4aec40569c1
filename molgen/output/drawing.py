"""Drawings of molecules as small SVG: about 5 kB for a molecule of 30 atoms."""

from __future__ import annotations

import re
from itertools import groupby

from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

from molgen.chem.conformer import embed

WIDTH_PX, HEIGHT_PX = 240, 170
_PATH = re.compile(r"<path (?:class='[^']*' )?d='([^']*)' (?:style|fill)='([^']*)'\s*/>")
_NUMBER = re.compile(r"\d+\.\d+")
_BETWEEN = re.compile(r"\s*([MLQCZ]|,|\s)\s*")


def draw_slim(mol: Chem.Mol) -> str:
    """An SVG element without background, coordinates to a tenth of a pixel.

    Neighbouring paths of one style are merged. The element holds numbers and colours, but no text of a user.
    """
    drawing = rdMolDraw2D.MolDraw2DSVG(WIDTH_PX, HEIGHT_PX)
    drawing.drawOptions().padding = 0.06  # type: ignore[assignment] # RDKit's stub is wrong
    drawing.DrawMolecule(embed(mol, seed=0, dimensions=2))
    drawing.FinishDrawing()
    text = _NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), drawing.GetDrawingText())
    paths = [(_look(path[2]), _BETWEEN.sub(_shorten, path[1].strip())) for path in _PATH.finditer(text)]
    joined = [
        f'<path {look} d="{"".join(d for _, d in group)}"/>' for look, group in groupby(paths, key=lambda path: path[0])
    ]
    return f'<svg viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" xmlns="http://www.w3.org/2000/svg">{"".join(joined)}</svg>'


def _look(style: str) -> str:
    """SVG attributes for a style of RDKit; the style of a letter is its colour alone."""
    stated = dict(part.split(":", 1) for part in style.split(";") if ":" in part)
    fill, stroke = stated.get("fill", style), stated.get("stroke", "none")
    if stroke == "none":
        return f'fill="{fill}"'
    width, dashes = stated["stroke-width"].removesuffix("px"), stated.get("stroke-dasharray", "")
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'fill="{fill}" stroke="{stroke}" stroke-width="{width}"{dashed}'


def _shorten(found: re.Match[str]) -> str:
    return found[1] if found[1].isalpha() else " "
