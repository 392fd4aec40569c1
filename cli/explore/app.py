"""The commands `molgen explore ...`, the instruments of the latent space."""

from __future__ import annotations

import typer

from ..console.renamed import keep_old_name
from .analogy import analogy
from .direction import direction
from .map import map_
from .neighbours import neighbours
from .outliers import outliers
from .path import path
from .probe_layers import probe_layers
from .recommend import recommend
from .steer import steer
from .units import units

app = typer.Typer(no_args_is_help=True, help="Explore the latent space: paths, neighbours, outliers, maps and more.")

app.command("map")(map_)
app.command()(outliers)
app.command()(neighbours)
app.command()(recommend)
app.command()(path)
app.command()(analogy)
app.command()(units)
app.command()(direction)
app.command()(probe_layers)
app.command()(steer)

keep_old_name(app, "dims", units)
keep_old_name(app, "layers", probe_layers)
