"""The commands `molgen explore ...`: the instruments of the latent space, one file each."""

from __future__ import annotations

import typer

from .analogy import analogy
from .dims import dims
from .direction import direction
from .layers import layers
from .map import map_
from .neighbours import neighbours
from .outliers import outliers
from .path import path
from .recommend import recommend
from .steer import steer

app = typer.Typer(no_args_is_help=True, help="Explore the latent space: paths, neighbours, outliers, maps and more.")

app.command("map")(map_)
app.command()(outliers)
app.command()(neighbours)
app.command()(recommend)
app.command()(path)
app.command()(analogy)
app.command()(dims)
app.command()(direction)
app.command()(layers)
app.command()(steer)
