"""Makes the page docs/gallery: an example of every instrument of `molgen explore`, on molecules that molgen ships.

Run it where molgen is installed with its extra `map`: python docs/scripts/gallery.py
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from molgen.chem.table import Record, read_molecules
from molgen.paths import find_shipped

DOCS = Path(__file__).resolve().parent.parent
OUT = DOCS / "gallery"
INDOMETHACIN = "COc1ccc2c(c1)c(CC(=O)O)c(C)n2C(=O)c1ccc(Cl)cc1"
PROPRANOLOL = "CC(C)NCC(O)COc1cccc2ccccc12"
N_LABELLED = 10
INTRODUCTION = """# Gallery

Made by `python docs/scripts/gallery.py` from the shipped checkpoint and shipped molecules.
[Exploring](../guides/explore.md) explains the instruments and where they fail; the table below each example has the
figures of its [benchmark](../benchmarks/instruments.md)."""


class Exhibit(NamedTuple):
    """An example of an instrument; `command` is what follows `molgen`, `picture` the file it makes, "" for none."""

    title: str
    command: str
    picture: str
    instrument: str
    reading: str


EXHIBITS = (
    Exhibit(
        "A path",
        f"explore path '{PROPRANOLOL}' '{INDOMETHACIN}' -o path.svg",
        "path.svg",
        "path",
        "From one drug to another: no molecule is more similar to the first, or less similar to the last, than the "
        "one before. `confidence` is the geometric mean of the probabilities of its tokens; a leap is the Tanimoto "
        "distance between neighbours.",
    ),
    Exhibit(
        "An analogy",
        "explore analogy c1ccccc1CCN 'Fc1ccc(CCN)cc1' 'c1ccccc1CCNC(C)=O' --top 5 -o analogy.svg",
        "analogy.svg",
        "analogy",
        "The second molecule is the first one with a fluorine; the answers are the third molecule with the same "
        "change. The figures are for changes learned from many pairs (`--pairs`), with one pair as a control.",
    ),
    Exhibit(
        "Neighbours",
        f"explore neighbours '{PROPRANOLOL}' --library moses_sample.csv -n 5 -o neighbours.svg",
        "neighbours.svg",
        "neighbours",
        "The molecules of a library nearest to a query, with their fingerprint similarity to it. Latent neighbours "
        "have size, groups and rings in common with it, but not always the substructures that a fingerprint contains.",
    ),
    Exhibit(
        "Outliers",
        "explore outliers natural_products.smi -n 10 -o outliers.svg",
        "outliers.svg",
        "outliers",
        "Natural products, those with the least trust first; molecules that cannot be encoded precede the others. "
        "Predictions for such molecules, and molecules found around them, are unreliable.",
    ),
    Exhibit(
        "A map",
        "explore map d3_ki.csv --color y -o map.png",
        "map.png",
        "map",
        "96 dimensions projected on two: trustworthiness measures whether neighbours on the map are neighbours in the "
        "space. `--method tsne` preserves more of them; the suffix .html makes an interactive page.",
    ),
    Exhibit(
        "Steering",
        f"explore steer '{INDOMETHACIN}' --along tpsa -o steer.svg",
        "steer.svg",
        "steer",
        "A walk from a molecule (t = 0) to lower and to higher values of a property. The property follows the "
        "direction; similarity to the molecule is soon lost.",
    ),
    Exhibit(
        "A recommendation",
        "explore recommend --like liked.smi --dislike disliked.smi --library d3_ki.csv -n 5 -o recommend.svg",
        "recommend.svg",
        "recommend",
        "Ten actives of an assay are liked, ten inactives disliked; the rest of the assay is ranked by preference.",
    ),
    Exhibit(
        "Layers",
        "explore probe-layers d3_ki.csv --property y --limit 1000 -o probe_layers.svg",
        "probe_layers.svg",
        "probe-layers",
        "What a linear probe predicts from each layer of the encoder, from tokens to activity. The controls are a "
        "fingerprint and shuffled labels.",
    ),
    Exhibit(
        "Units",
        "explore units --top 4 -o units.svg",
        "units.svg",
        "units",
        "Molecules decoded while one unit moves. A random rotation of the space has the same disentanglement: single "
        "units have no meaning. Directions do.",
    ),
    Exhibit(
        "A request",
        f"sample -n 5 --like '{INDOMETHACIN}' --where 'trust >= 0.1'",
        "",
        "sample",
        "Distinct molecules that are similar to a given one, and inside the applicability domain of the checkpoint.",
    ),
)


def make_gallery() -> None:
    """Writes the page and its pictures."""
    names = _link_inputs()
    parts = [INTRODUCTION]
    for exhibit in EXHIBITS:
        parts.append(_section(exhibit, _run(exhibit)))
    for name in names:
        (OUT / name).unlink()
    (OUT / "index.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _link_inputs() -> list[str]:
    """Puts the files that the commands read into the folder of the pictures, to be removed later; their names."""
    shipped = ("moses_sample.csv", "d3_ki.csv", "natural_products.smi")
    for name in shipped:
        (OUT / name).symlink_to(find_shipped("data") / name)
    items = read_molecules(find_shipped("data") / "d3_ki.csv", properties=("y",))
    measured = sorted((item for item in items if isinstance(item, Record)), key=lambda item: -item.values[0])
    for name, some in (("liked.smi", measured[:N_LABELLED]), ("disliked.smi", measured[-N_LABELLED:])):
        (OUT / name).write_text("".join(f"{item.molecule.smiles}\n" for item in some), encoding="utf-8")
    return [*shipped, "liked.smi", "disliked.smi"]


def _run(exhibit: Exhibit) -> str:
    """What a command prints."""
    force = ["--force"] if exhibit.picture else []
    command = [str(Path(sys.executable).parent / "molgen"), *shlex.split(exhibit.command), *force]
    wide = os.environ | {"COLUMNS": "120"}
    return subprocess.run(command, cwd=OUT, env=wide, stdout=subprocess.PIPE, text=True, check=True).stdout.rstrip()


def _section(exhibit: Exhibit, answer: str) -> str:
    lines = "\n".join(line.rstrip() for line in answer.splitlines())
    session = f"```text\n$ molgen {exhibit.command}\n{lines}\n```"
    picture = [f"![{exhibit.title}]({exhibit.picture})"] if exhibit.picture else []
    table = "\n".join(_table(exhibit.instrument))
    return "\n\n".join([f"## {exhibit.title}", exhibit.reading, session, *picture, *([table] if table else [])])


def _table(instrument: str) -> Iterator[str]:
    """The scores of an instrument in the reports of docs/benchmarks/instruments."""
    reports = sorted((DOCS / "benchmarks" / "instruments").glob("*.json"))
    lines = [line for report in reports for line in json.loads(report.read_text(encoding="utf-8"))["lines"]]
    own = [line for line in lines if line["instrument"] == instrument]
    if own:
        yield "| measure | figure | compared with | its figure | aim |"
        yield "| --- | --- | --- | --- | --- |"
    for line in own:
        figures = [_number(line[key]) for key in ("figure", "control_figure", "aim")]
        yield f"| {line['measure']} | {figures[0]} | {line['control']} | {figures[1]} | {figures[2]} |"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    make_gallery()
