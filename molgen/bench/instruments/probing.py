"""Benchmark of probes of layers and of latent units, with a figure."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molgen.chem.molecule import AS_IT_IS, Molecule, parse
from molgen.explore.probe import FINGERPRINT, SHUFFLED, Layer, probe_layers
from molgen.explore.units import Dci, describe_units
from molgen.latent.space import LatentSpace
from molgen.output.chart import write_figure
from molgen.output.listing import format_value
from molgen.paths import replace_file
from molgen.quoting import csv_cell

N_PROBED = 2000


@dataclass(frozen=True)
class Probing:
    """The scores of the probes of each layer.

    Attributes:
        n: Number of molecules.
        layers: The layers from input to output, then the fingerprint and the shuffled labels.
    """

    n: int
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class UnitScore:
    """How far single latent units stand for single descriptors (disentanglement).

    Attributes:
        n: Number of molecules.
        active: Number of active units.
        score: Score of the units.
        rotated: Mean score after random rotations of the space; no lower if units have no meaning of their own.
    """

    n: int
    active: int
    score: Dci
    rotated: Dci


def select_encodable(space: LatentSpace, smiles: Sequence[str], limit: int | None = N_PROBED) -> list[Molecule]:
    """The molecules of canonical SMILES that can be encoded, the first `limit` of them."""
    reasons = space.explain(smiles, AS_IT_IS, is_refined=False).reasons
    kept = [text for text, reason in zip(smiles, reasons, strict=True) if not reason]
    return [parse(text, AS_IT_IS) for text in kept[:limit]]


def score_probing(
    space: LatentSpace, smiles: Sequence[str], seed: int, on_done: Callable[[float], object] = lambda _: None
) -> Probing:
    """Scores of probes of each layer, on the first 2,000 molecules that can be encoded.

    Args:
        space: The latent space.
        smiles: Canonical SMILES, at least 50 of which can be encoded.
        seed: Seed of the folds and of the shuffled labels.
        on_done: Called with the share done, in [0, 1].

    Raises:
        SpecError: Fewer than 50 molecules can be encoded.
    """
    molecules = select_encodable(space, smiles)
    return Probing(len(molecules), probe_layers(space, molecules, {}, seed, on_done))


def score_units(
    space: LatentSpace, smiles: Sequence[str], seed: int, on_done: Callable[[float], object] = lambda _: None
) -> UnitScore:
    """Disentanglement of units, on the first 2,000 molecules that can be encoded.

    Args:
        space: The latent space.
        smiles: Canonical SMILES, at least 50 of which can be encoded.
        seed: Seed of the folds and of the rotations.
        on_done: Called with the share done, in [0, 1].

    Raises:
        SpecError: Fewer than 50 molecules can be encoded.
    """
    units = describe_units(space, select_encodable(space, smiles), seed)
    on_done(1.0)
    return UnitScore(units.n, units.n_active, units.score, units.rotated)


def draw_layers(layers: Sequence[Layer], path: Path) -> None:
    """Draws scores by layer; the fingerprint and the shuffled labels stand to the right of the layers.

    Raises:
        OSError: The file cannot be written.
    """
    inner = [i for i, layer in enumerate(layers) if layer.name not in (FINGERPRINT, SHUFFLED)]
    outer = [i for i in range(len(layers)) if i not in inner]
    with write_figure(path, (9, 4.5)) as figure:
        axes = figure.subplots()
        for number, target in enumerate(layers[0].scores):
            scores = np.clip([layer.scores[target] for layer in layers], -0.1, 1.0)
            (line,) = axes.plot(inner, scores[inner], marker="o", markersize=4, label=target, color=f"C{number}")
            axes.plot(outer, scores[outer], linestyle="", marker="D", markersize=5, color=line.get_color())
        axes.axvline(len(inner) - 0.5, color="0.8", linewidth=1)
        axes.set_xticks(range(len(layers)), [layer.name.replace(" ", "\n") for layer in layers], fontsize=8)
        axes.set(title="Probes of layers", ylabel="R2, or AUROC for tokens and groups", ylim=(-0.12, 1.02))
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def write_layers(layers: Sequence[Layer], path: Path) -> None:
    """Writes one row per layer as CSV: its name, its size and its scores, empty if missing.

    Raises:
        OSError: The file cannot be written.
    """
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["depth", "size", *map(csv_cell, layers[0].scores)])
        for layer in layers:
            writer.writerow([layer.name, layer.size, *map(format_value, layer.scores.values())])
