"""Options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Molecules = Annotated[Path, typer.Argument(help="File of molecules: CSV, TSV, SMI or SDF, plain or .gz.")]
MoleculeFiles = Annotated[list[Path], typer.Argument(help="Files of molecules: CSV, TSV, SMI or SDF, plain or .gz.")]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Random seed; equal seeds give equal results."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, max=1024, help="CPU threads; by default all that this process may use."),
]
Device = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps."),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        help="Workers that compute on chunks of molecules, each with one thread unless --threads is given: local:N (N "
        "processes), dask://HOST:PORT, file.py:make_executor; by default this process.",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        envvar="MOLGEN_CHECKPOINT",
        help="The model, a .safetensors file with its .json beside it; by default the shipped one.",
    ),
]
Prior = Annotated[
    str | None,
    typer.Option(
        "--prior",
        help="Prior to sample: gaussian, or a learned one: language, flow, gan; by default language, if learned.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing outputs.")]

Core = Annotated[
    str | None,
    typer.Option(
        "--core",
        help="Core to keep, as SMILES or SMARTS with [*:1], [*:2] at its open positions; only these change. Of a core "
        "of two parts, the linker changes.",
    ),
]
Vary = Annotated[
    list[str] | None,
    typer.Option("--vary", help="Number of an open position that changes; repeatable; by default all."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", help="Substructure, SMILES or SMARTS, that every molecule must contain; repeatable."),
]

SmilesColumn = Annotated[
    str | None,
    typer.Option(
        "--smiles-column",
        help="Column of SMILES; by default found by its name (smiles, canonical_smiles, ...).",
    ),
]
Rejects = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        writable=True,
        dir_okay=False,
        help="CSV file for the rejected rows: line, text, reason.",
    ),
]
Fragment = Annotated[
    Literal["largest", "keep", "reject"],
    typer.Option(
        "--fragment",
        help="For a row of several fragments, such as a salt: keep the largest one, keep all, or reject the row.",
    ),
]
Charge = Annotated[
    Literal["keep", "neutralise"],
    typer.Option("--charge", help="Keep charges, or neutralise them by adding or removing protons."),
]
Stereo = Annotated[
    Literal["keep", "drop"],
    typer.Option("--stereo", help="Keep or drop stereochemistry."),
]
