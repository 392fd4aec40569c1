"""The commands `molgen explore ...`: the instruments of the latent space, one file each."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Explore the latent space: paths, neighbours, outliers, maps and more.")
