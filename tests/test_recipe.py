"""The conda recipe states what `pyproject.toml` states."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import molgen

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch"}


def test_the_recipe_has_the_requirements_of_the_package() -> None:
    yaml = pytest.importorskip("yaml")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = yaml.safe_load((ROOT / "recipe.yaml").read_text())
    wanted = {f"python {project['requires-python']}"}
    for text in project["dependencies"]:
        name, sign, bound = text.partition(">=")
        wanted.add(f"{CONDA_NAMES.get(name, name)} {sign}{bound}")
    assert set(recipe["requirements"]["run"]) == wanted
    assert recipe["context"]["version"] == molgen.__version__
    assert recipe["package"]["name"] == project["name"]
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry == f"molgen = {project['scripts']['molgen']}"
    assert recipe["about"]["license_file"] == project["license-files"]
