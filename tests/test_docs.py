"""What README and docs say: their commands exist, and run; their links lead somewhere."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.main import get_command

from molgen.paths import find_shipped

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {ROOT / "docs" / "reference" / "cli.md"}
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(molgen [^`]*)`")
CODE = re.compile(r"`[^`]*`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
RUN = [ROOT / "README.md", ROOT / "docs" / "getting-started.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
SMALL = {"-n": "5", "--limit": "50", "--samples": "20"}
"""What stands in place of the values of some options, to save time."""
TOO_LONG = ("--prior language", "benchmark", "dashboard", "molgen serve", "dask://", "--resume --out runs/mine")
"""Commands of guides that take minutes to hours on the smallest file, or wait for the user."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def shell_commands(text: str) -> Iterator[str]:
    """Commands of molgen in blocks of shell and in recorded sessions."""
    for language, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if language == "bash":
                yield from (part.strip() for part in line.split("&&") if part.strip().startswith("molgen "))
            elif line.startswith("$ molgen "):
                yield line.removeprefix("$ ")


def commands(page: Path) -> list[list[str]]:
    """The words after `molgen` of each command that a page names."""
    text = page.read_text(encoding="utf-8")
    inline = [" ".join(code.split()) for code in INLINE.findall(FENCE.sub("", text))]
    found = [shlex.split(command, comments=True)[1:] for command in [*shell_commands(text), *inline]]
    return [words for words in found if not {"...", "COMMAND"} & set(words)]


def require_valid(app: Typer, words: list[str]) -> None:
    """Parses a command line: every command and option in it exists, and nothing is left over."""
    command: Any = get_command(app)
    context = command.make_context("molgen", [], resilient_parsing=True)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, words
        command = command.commands[words[0]]
        context = command.make_context(words[0], [], parent=context, resilient_parsing=True)
        words = words[1:]
    _, left, _ = command.make_parser(context).parse_args(list(words))
    assert not left, words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page: Path, app: Typer) -> None:
    for words in commands(page):
        require_valid(app, words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    prose = CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    for target in LINK.findall(prose):
        file = (page.parent / target).resolve()
        assert "://" in target or file.exists() or file in GENERATED, target


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that guides name, small."""
    (tmp_path / "checkpoints").symlink_to(find_shipped("checkpoints"))
    (tmp_path / "data").mkdir()
    for name, n_lines in (("moses_sample.csv", 300), ("d3_ki.csv", 60), ("natural_products.smi", 20)):
        lines = (find_shipped("data") / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / "data" / name).write_text("".join(lines[:n_lines]), encoding="utf-8")
    smiles = ["CCOc1ccccc1", "CC(=O)Nc1ccc(O)cc1", "CCN(CC)CCNC(=O)c1ccc(N)cc1", "c1ccc2[nH]ccc2c1"]
    for name, some in (("hits.smi", smiles[:2]), ("misses.smi", smiles[2:]), ("ideas.smi", smiles)):
        (tmp_path / name).write_text("".join(f"{text}\n" for text in some))
    (tmp_path / "pairs.csv").write_text("smiles_a,smiles_b\nc1ccccc1CCN,Fc1ccc(CCN)cc1\n")
    (tmp_path / "choices.csv").write_text(f"better,worse\n{smiles[1]},{smiles[0]}\n")
    (tmp_path / "mine.py").write_text("def score(smiles):\n    return [float(len(text)) for text in smiles]\n")
    measured = (tmp_path / "data" / "d3_ki.csv").read_text().splitlines()[1:]
    export = "".join(f"{line.split(',')[0]},{10 + 7 * i}\n" for i, line in enumerate(measured))
    (tmp_path / "export.csv").write_text(f"smiles,IC50 (nM)\n{export}")
    (tmp_path / "results.csv").write_text(f"smiles,IC50 (nM)\n{smiles[0]},120\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_commands_run_in_order(page: Path, folder: Path) -> None:
    text = page.read_text(encoding="utf-8")
    script = str(Path(sys.executable).parent / "molgen")
    for command in shell_commands(text):
        if any(words in command for words in TOO_LONG):
            continue
        words = shlex.split(command, comments=True)[1:]
        small = [SMALL.get(before, word) for before, word in pairwise(["", *words])]
        done = subprocess.run([script, *small], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.slow
def test_the_python_of_getting_started_runs() -> None:
    blocks = FENCE.findall((ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8"))
    (block,) = [block for language, block in blocks if language == "python"]
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["smiles"] == ["CCO", "Oc1ccccc1"]
    assert names["z"].shape == (2, 96)
    assert names["why"] == ("unknown token [Fe]",)
