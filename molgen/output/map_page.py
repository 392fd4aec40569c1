"""A map of molecules as one HTML file that needs no network: pan, zoom, inspect structures, select, export.

The page holds its script and its data. Numbers and texts are packed as a JSON header followed by arrays, in gzip and
base64, so that no text of a file can become markup or script; a content security policy allows only the script with
the stated hash. The 2D coordinates are those of RDKit, stored as differences between successive atoms in hundredths of
an angstrom.

Notation: N molecules, A atoms in total, B bonds in total, C columns.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molgen.arrays import Doubles
from molgen.chem.conformer import embed
from molgen.chem.molecule import AS_IT_IS, Molecule, parse
from molgen.errors import MoleculeError
from molgen.output.chart import Chart, Scale, find_scale
from molgen.paths import write_text

UNIT = 0.01
"""Unit of the stored coordinates, in angstroms."""
MAX_ATOMS = 999
"""Maximum number of atoms or bonds of a V2000 block."""

SCRIPT_PARTS = (
    *("state", "embedded", "structures", "points", "frames", "pointed"),
    *("selection", "files", "colour", "input", "start"),
)
"""Files of the folder `map_script` that are the script of the page, in this order."""
_HERE = Path(__file__).resolve().parent
_KINDS = {"f4": np.float32, "i2": np.int16, "u2": np.uint16, "u1": np.uint8}
_ALIGNED = 8  # alignment of arrays in bytes

Array = NDArray[Any]
AtomKind = tuple[str, int, int, int, int, int]
"""Symbol, charge, hydrogens, isotope or 0, valence and radical as in a V2000 block."""


def write_page(path: Path, chart: Chart, *, on_drawn: Callable[[int], object] = lambda n_drawn: None) -> None:
    """Writes the page atomically.

    Args:
        path: Replaced if it exists.
        chart: The chart.
        on_drawn: Called with the number of structures drawn, after each.

    Raises:
        MoleculeError: A SMILES is no molecule, or one of more than 999 atoms or bonds.
        OSError: The file cannot be written; it is then as it was.
    """
    structures = StructureDrawings()
    for n_drawn, smiles in enumerate(chart.smiles, 1):
        structures.add(parse(smiles, AS_IT_IS))
        on_drawn(n_drawn)
    write_text(path, render_page(chart, structures))


def render_page(chart: Chart, structures: StructureDrawings) -> str:
    """The text of the page."""
    script = "\n".join((_HERE / "map_script" / f"{part}.js").read_text(encoding="utf-8") for part in SCRIPT_PARTS)
    template = (_HERE / "map_page.html").read_text(encoding="utf-8")
    texts = {"smiles": list(chart.smiles), "names": list(chart.names)}
    parts = {
        "POLICY": _policy(f"\n{script}\n"),
        "TITLE": html.escape(chart.title).encode("ascii", "xmlcharrefreplace").decode("ascii"),
        "SCRIPT": script,
        "VIEW": pack(_view_header(chart), _view_arrays(chart)),
        "MOLECULES": pack({"unit": UNIT, "kinds": structures.kinds, **texts}, structures.arrays()),
    }
    return re.sub("@@([A-Z]+)@@", lambda place: parts[place[1]], template)


def pack(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """Base64 of gzip of: the length of a JSON text (4 bytes), that text, and arrays, little-endian.

    The JSON is `header` plus, as `arrays`, the name, type, offset in bytes after the text, and length of each array.
    """
    listing, body, at = [], [], 0
    for name, array in arrays.items():
        (kind,) = (kind for kind, dtype in _KINDS.items() if array.dtype == dtype)
        content = array.astype(f"<{kind}").tobytes()
        listing.append({"name": name, "kind": kind, "at": at, "length": array.size})
        body.append(content + bytes(-len(content) % _ALIGNED))
        at += len(body[-1])
    text = json.dumps({**header, "arrays": listing}, separators=(",", ":"), allow_nan=False).encode("ascii")
    text += b" " * (-(len(text) + 4) % _ALIGNED)
    plain = len(text).to_bytes(4, "little") + text + b"".join(body)
    return base64.b64encode(gzip.compress(plain, compresslevel=6, mtime=0)).decode("ascii")


def unpack(text: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """The inverse of `pack`: header and arrays."""
    plain = gzip.decompress(base64.b64decode(text, validate=True))
    start = 4 + int.from_bytes(plain[:4], "little")
    header = json.loads(plain[4:start])
    listing = header.pop("arrays")
    return header, {
        each["name"]: np.frombuffer(plain, f"<{each['kind']}", each["length"], start + each["at"]) for each in listing
    }


@dataclass
class StructureDrawings:
    """Drawings of molecules, in the format of `structure` in the script.

    Attributes:
        kinds: The distinct kinds of atoms.
    """

    kinds: list[AtomKind] = field(default_factory=list)
    _numbers: dict[AtomKind, int] = field(default_factory=dict)
    _atoms: list[Array] = field(default_factory=list)
    _bonds: list[Array] = field(default_factory=list)

    def add(self, molecule: Molecule) -> None:
        """Adds the drawing of a molecule.

        Raises:
            MoleculeError: It has more than 999 atoms or bonds.
        """
        if max(molecule.mol.GetNumAtoms(), molecule.mol.GetNumBonds()) > MAX_ATOMS:
            raise MoleculeError(molecule.smiles, f"more than {MAX_ATOMS} atoms or bonds", remedy="Leave it out.")
        drawn = embed(molecule.mol, seed=0, dimensions=2)
        hydrogens = [atom.GetTotalNumHs() for atom in drawn.GetAtoms()]
        kinds, bonds = _read_block(Chem.MolToV2KMolBlock(drawn), hydrogens)
        for kind in kinds:
            if kind not in self._numbers:
                self._numbers[kind] = len(self.kinds)
                self.kinds.append(kind)
        places = np.rint(drawn.GetConformer().GetPositions()[:, :2] / UNIT)
        steps = np.diff(places, axis=0, prepend=np.zeros((1, 2)))
        numbers = np.array([self._numbers[kind] for kind in kinds])
        self._atoms.append(np.column_stack([steps, numbers]).astype(np.int32))
        self._bonds.append(np.array(bonds, dtype=np.uint16).reshape(len(bonds), 4))

    def arrays(self) -> dict[str, Array]:
        """Counts (N,), steps and kinds of atoms (A,), ends and types of bonds (B,); a type is 8 x order + stereo."""
        atoms = np.concatenate([np.empty((0, 3), np.int32), *self._atoms])
        bonds = np.concatenate([np.empty((0, 4), np.uint16), *self._bonds])
        return {
            "n_atoms": np.array([len(each) for each in self._atoms], dtype=np.uint16),
            "n_bonds": np.array([len(each) for each in self._bonds], dtype=np.uint16),
            "step_x": atoms[:, 0].astype(np.int16),
            "step_y": atoms[:, 1].astype(np.int16),
            "kind": atoms[:, 2].astype(np.uint16),
            "begin": bonds[:, 0],
            "end": bonds[:, 1],
            "bond": (bonds[:, 2] * 8 + bonds[:, 3]).astype(np.uint8),
        }


def _read_block(block: str, hydrogens: list[int]) -> tuple[list[AtomKind], list[tuple[int, int, int, int]]]:
    """Kinds of atoms and (begin, end, order, stereo) of bonds, with wedges, as in a V2000 block of RDKit.

    Source: Dalby et al., J. Chem. Inf. Comput. Sci. 1992, 32, 244.
    """
    lines = block.split("\n")
    n_atoms, n_bonds = int(lines[3][:3]), int(lines[3][3:6])
    atoms, bonds = lines[4 : 4 + n_atoms], lines[4 + n_atoms : 4 + n_atoms + n_bonds]
    stated: dict[str, dict[int, int]] = {"CHG": {}, "ISO": {}, "RAD": {}}
    for line in lines[4 + n_atoms + n_bonds :]:
        if line[3:6] in stated:
            entries = [int(text) for text in line[9:].split()]
            stated[line[3:6]].update(zip(entries[::2], entries[1::2], strict=True))
    charge, isotope, radical = (stated[code] for code in ("CHG", "ISO", "RAD"))
    kinds = [
        (
            line[31:34].strip(),
            charge.get(i, 0),
            hydrogens[i - 1],
            isotope.get(i, 0),
            int(line[48:51]),
            radical.get(i, 0),
        )
        for i, line in enumerate(atoms, 1)
    ]
    return kinds, [(int(b[:3]) - 1, int(b[3:6]) - 1, int(b[6:9]), int(b[9:12])) for b in bonds]


def _view_header(chart: Chart) -> dict[str, Any]:
    columns = [{"name": name, **_json_scale(find_scale(values))} for name, values in chart.columns.items()]
    axes = [f"Across: {chart.axes[0]}. Up: {chart.axes[1]}."] if any(chart.axes) else []
    return {"title": chart.title, "subtitle": chart.subtitle, "notes": [*chart.notes, *axes], "columns": columns}


def _json_scale(scale: Scale) -> dict[str, float]:
    return {key: value if np.isfinite(value) else 0.0 for key, value in asdict(scale).items()}


def _view_arrays(chart: Chart) -> dict[str, Array]:
    """Positions (2 N,) as x, y, x, ... in [-1, 1], and columns (C N,), concatenated."""
    values: Doubles = np.concatenate([np.empty(0), *chart.columns.values()])
    return {"xy": _centre(chart.points).astype(np.float32).ravel(), "values": values.astype(np.float32)}


def _centre(points: Doubles) -> Doubles:
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) / 2
    centred: Doubles = (points - (low + high) / 2) / (reach or 1.0)
    return centred


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'"
