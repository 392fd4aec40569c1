"""The command `molgen benchmark gallery`: each instrument at work on molecules that molgen ships."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from ..console import options, show
from ..console.outputs import check_outputs, require_free
from ..console.quality import number

INDOMETHACIN = "COc1ccc2c(c1)c(CC(=O)O)c(C)n2C(=O)c1ccc(Cl)cc1"
PROPRANOLOL = "CC(C)NCC(O)COc1cccc2ccccc12"
N_LABELLED = 10


@dataclass(frozen=True)
class Exhibit:
    """An instrument at work.

    Attributes:
        title: Above it.
        command: What is run, after `molgen`; the names of shipped files stand for them.
        picture: Name of the picture that it makes, "" for none.
        scored: Which instrument's scores stand below it.
        reading: How to read it.
    """

    title: str
    command: str
    picture: str
    scored: str
    reading: str


EXHIBITS = (
    Exhibit(
        "A path",
        f"explore path '{PROPRANOLOL}' '{INDOMETHACIN}' -o path.svg",
        "path.svg",
        "path",
        "From one drug to another: each molecule is less like the first and more like the last. `confidence` is how "
        "sure the decoder was; the largest leap, between neighbours, is where the path is thin.",
    ),
    Exhibit(
        "An analogy",
        "explore analogy c1ccccc1CCN 'Fc1ccc(CCN)cc1' 'c1ccccc1CCNC(C)=O' --top 5 -o analogy.svg",
        "analogy.svg",
        "analogy",
        "Fluorine was added to the first molecule to make the second; what is that of the third? One pair is a weak "
        "teacher: with a file of pairs (`--pairs`) the hits below are reached.",
    ),
    Exhibit(
        "Neighbours",
        f"explore neighbours '{PROPRANOLOL}' --library moses_sample.csv -k 5 -o neighbours.svg",
        "neighbours.svg",
        "neighbours",
        "The molecules of a library nearest to a query, and how alike their fingerprints are. What is near in the "
        "space shares size, groups and rings, but not always the substructures that a fingerprint counts.",
    ),
    Exhibit(
        "Outliers",
        "explore outliers natural_products.smi --limit 10 -o outliers.svg",
        "outliers.svg",
        "outliers",
        "Natural products, the strangest to the model first; those that cannot be encoded at all come before the rest. "
        "Do not believe what is said of such molecules, nor what is found around them.",
    ),
    Exhibit(
        "A map",
        "explore map d3_ki.csv --color y -o map.png",
        "map.png",
        "map",
        "A shadow of 96 dimensions on two: trustworthiness tells how many neighbours in the picture are neighbours in "
        "the space. `--method tsne` keeps more of them; a name in .html makes a page to explore.",
    ),
    Exhibit(
        "Steering",
        f"explore steer '{INDOMETHACIN}' --along tpsa -o steer.svg",
        "steer.svg",
        "steer",
        "The same molecule with less and with more of a property; t = 0 is the molecule itself. The property follows, "
        "the likeness is soon lost.",
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
        "What can be read off the encoder at each depth, from tokens to activity. The last two columns are no depths: "
        "a fingerprint, and chance.",
    ),
    Exhibit(
        "Units",
        "explore units --top 4 -o units.svg",
        "units.svg",
        "units",
        "What is decoded while one unit moves. Turned at random, the space scores the same: its units have no meaning "
        "of their own, directions have.",
    ),
    Exhibit(
        "A request",
        f"sample -n 5 --like '{INDOMETHACIN}' --where 'trust >= 0.1'",
        "",
        "sample",
        "Different molecules that resemble one, and that the model knows its way around.",
    ),
)


@check_outputs
def gallery(
    context: typer.Context,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            writable=True,
            file_okay=False,
            help="Folder for README.md and its pictures, made if need be.",
        ),
    ],
    reports: Annotated[
        list[Path] | None,
        typer.Option(
            "--report", help="Report of `molgen benchmark instruments`, whose figures are told; once for each."
        ),
    ] = None,
    is_forced: options.Force = False,
) -> None:
    """Show each instrument at work: its command, its answer, its picture, its score and how to read it.

    Example: molgen benchmark gallery --report instruments.json -o gallery
    """
    from molgen.paths import replace_file, write_text

    lines = [line for report in reports or () for line in _lines(report)]
    out.mkdir(parents=True, exist_ok=True)
    for name in filter(None, ("README.md", *(exhibit.picture for exhibit in EXHIBITS))):
        require_free(out / name, is_forced)
    parts = [_INTRODUCTION]
    with TemporaryDirectory() as folder, show.progress(float(len(EXHIBITS)), "Showing") as advance:
        files = _files(Path(folder))
        for number, exhibit in enumerate(EXHIBITS, 1):
            answer = _run(context, exhibit, files)
            if exhibit.picture:
                with replace_file(out / exhibit.picture) as temporary:
                    shutil.copyfile(files[exhibit.picture], temporary)
            own = [line for line in lines if line["instrument"] == exhibit.scored]
            parts.append(_section(exhibit, answer, own))
            advance(float(number), exhibit.title)
    write_text(out / "README.md", "\n\n".join(parts) + "\n")


_INTRODUCTION = """# Gallery

Made by `molgen benchmark gallery` from the shipped checkpoint and shipped molecules; [explore.md](../explore.md) tells
more of each instrument, and where it fails."""


def _files(folder: Path) -> dict[str, Path]:
    """Where the files are that commands name: shipped, or in a folder of their own."""
    from molgen.chem.table import Record, read_molecules
    from molgen.paths import find_shipped, write_text

    data = find_shipped("data")
    measured = [item for item in read_molecules(data / "d3_ki.csv", properties=("y",)) if isinstance(item, Record)]
    ranked = [item.molecule.smiles for item in sorted(measured, key=lambda item: -item.values[0])]
    files = {name: data / name for name in ("moses_sample.csv", "d3_ki.csv", "natural_products.smi")}
    for name, some in (("liked.smi", ranked[:N_LABELLED]), ("disliked.smi", ranked[-N_LABELLED:])):
        files[name] = folder / name
        write_text(files[name], "".join(f"{smiles}\n" for smiles in some))
    return files | {exhibit.picture: folder / exhibit.picture for exhibit in EXHIBITS}


def _run(context: typer.Context, exhibit: Exhibit, files: Mapping[str, Path]) -> str:
    """What a command prints."""
    arguments = [str(files.get(word, word)) for word in shlex.split(exhibit.command)]
    printed = io.StringIO()
    with redirect_stdout(printed):
        context.find_root().command.main(arguments, standalone_mode=False)
    answer = printed.getvalue()
    for name, path in files.items():
        answer = answer.replace(str(path), name)
    return "\n".join(line.rstrip() for line in answer.splitlines()).rstrip()


def _section(exhibit: Exhibit, answer: str, lines: Sequence[Mapping[str, Any]]) -> str:
    picture = f"\n\n![{exhibit.title}]({exhibit.picture})" if exhibit.picture else ""
    session = f"```text\n$ molgen {exhibit.command}\n{answer}\n```"
    return f"## {exhibit.title}\n\n{exhibit.reading}\n\n{session}{picture}{_table(lines)}"


def _table(lines: Sequence[Mapping[str, Any]]) -> str:
    if not lines:
        return ""
    rows = [
        f"| {line['measure']} | {number(line['figure'])} | {line['control']} | {number(line['control_figure'])} "
        f"| {number(line['aim'])} |"
        for line in lines
    ]
    header = "| measure | figure | compared with | its figure | aim |\n| --- | --- | --- | --- | --- |"
    return "\n\n" + "\n".join([header, *rows])


def _lines(report: Path) -> list[dict[str, Any]]:
    """The lines of a report of `molgen benchmark instruments`.

    Raises:
        FileError: The file is missing, or no such report.
    """
    from molgen.errors import FileError

    remedy = "Make one with `molgen benchmark instruments -o FILE`."
    try:
        found = json.loads(report.read_text(encoding="utf-8"))["lines"]
        return [dict(line) for line in found]
    except FileNotFoundError:
        raise FileError(report, "is not a file", remedy=remedy) from None
    except (ValueError, KeyError, TypeError):
        raise FileError(report, "is no report on instruments", remedy=remedy) from None
