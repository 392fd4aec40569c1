"""Writes the page of commands, reference/cli.md, from the help of the app: a hook of MkDocs.

Generators of such pages (mkdocs-click, mkdocs-typer) expect the package click, which Typer no longer builds on.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

PAGE = "reference/cli.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site, with the page of commands."""
    files.append(File.generated(config, PAGE, content="\n\n".join(_page())))
    return files


def _page() -> Iterator[str]:
    (script,) = entry_points(group="console_scripts", name="molgen")
    yield "# Commands"
    yield "What `molgen COMMAND --help` prints, of every command."
    yield from _sections(get_command(script.load()), "molgen", None)


def _sections(command: Any, name: str, parent: Any) -> Iterator[str]:
    """The help of a command, and that of its sub-commands; `parent` is the context of the group it belongs to."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    if parent is not None:
        yield f"## {context.command_path}"
    yield f"```text\n{context.get_help()}\n```"
    for sub_name, sub in sorted(getattr(command, "commands", {}).items()):
        yield from _sections(sub, sub_name, context)
