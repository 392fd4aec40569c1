"""Options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Same seed, same result."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, max=1024, help="CPU threads; by default as many as this process may use."),
]
Device = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps."),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        envvar="MOLGEN_CHECKPOINT",
        help="The model, a .safetensors file with its .json beside it; by default the one molgen ships.",
    ),
]
Prior = Annotated[
    str | None,
    typer.Option(
        "--prior",
        help="What to draw from: gaussian, or what was learned: language, flow, gan. By default language, if "
        "it was learned.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]

Core = Annotated[
    str | None,
    typer.Option(
        "--core",
        help="What stays, as SMILES or SMARTS with [*:1], [*:2] at the open positions, which alone change. Two parts "
        "leave open what links them.",
    ),
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", help="Number of an open position that changes, once for each; by default all. The others stay."
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", help="A substructure, SMILES or SMARTS, that every molecule holds; once for each."),
]

SmilesColumn = Annotated[
    str | None,
    typer.Option(
        "--smiles-column",
        help="The column that holds SMILES; by default found by its name (smiles, canonical_smiles, ...).",
    ),
]
Rejects = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        writable=True,
        dir_okay=False,
        help="List the rows that were left out in this CSV file: line, text, reason.",
    ),
]
Fragment = Annotated[
    Literal["largest", "keep", "reject"],
    typer.Option(
        "--fragment",
        help="A row of several fragments (a salt): keep the largest one, keep all, or reject the row.",
    ),
]
Charge = Annotated[
    Literal["keep", "neutralise"],
    typer.Option("--charge", help="Charges: keep them, or neutralise what a proton more or less can."),
]
Stereo = Annotated[
    Literal["keep", "drop"],
    typer.Option("--stereo", help="Stereo centres and double bonds: keep or drop."),
]
