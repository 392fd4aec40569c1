"""Runs the command line from a checkout: `python -m cli`."""

from .main import app

app(prog_name="molgen")
