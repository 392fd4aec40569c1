"""The state of a training in one file: weights, moments of Adam, and counters.

Random numbers and the order of molecules are functions of seed and step, so they are not part of the state.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer

from molgen.errors import RunError
from molgen.model.checkpoint import flatten, select_tensors
from molgen.paths import replace_file
from molgen.train.validation import ReconstructionScores

NAME = "state.safetensors"


@dataclass
class Progress:
    """The counters of a training.

    Attributes:
        step: Steps done.
        molecules: Molecules seen.
        seconds: Training time, summed over resumed parts.
        loss_sum: Sum of the training losses since the last validation.
        loss_steps: Number of these losses.
        best: The best validation loss.
        stale: Number of validations since the best one.
        is_finished: Whether the training is finished.
        reconstruction: Scores of the last validation, or None before the first.
    """

    step: int = 0
    molecules: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_steps: int = 0
    best: float = math.inf
    stale: int = 0
    is_finished: bool = False
    reconstruction: ReconstructionScores | None = None


def save(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimiser: Optimizer,
    progress: Progress,
    config: Mapping[str, Any],
) -> None:
    """Writes the state of a training, atomically.

    Args:
        path: The file.
        modules: The trained modules by name.
        optimiser: Optimiser of their parameters.
        progress: The counters.
        config: JSON values that must not change on resumption.
    """
    tensors = flatten(modules)
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": value.detach().cpu().contiguous() for name, value in moments.items()}
    metadata = {"progress": json.dumps(asdict(progress)), "config": json.dumps(config)}
    metadata["sha256"] = _digest(tensors, metadata)
    with replace_file(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, metadata)


def restore(path: Path, modules: Mapping[str, nn.Module], optimiser: Optimizer, config: Mapping[str, Any]) -> Progress:
    """Restores the state at `path` into `modules` and `optimiser`, and returns the counters.

    Raises:
        RunError: The state is damaged, or belongs to another training.
    """
    tensors, metadata = _read(path)
    if metadata["config"] != json.dumps(config):
        remedy = "Resume with the options it began with."
        raise RunError(path, "was written under another configuration", remedy=remedy)
    try:
        for name, module in modules.items():
            module.load_state_dict(select_tensors(tensors, f"{name}."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in select_tensors(tensors, "adam.").items():
            i, key = name.split(".")
            moments.setdefault(int(i), {})[key] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
        if unknown := {name.partition(".")[0] for name in tensors} - {*modules, "adam"}:
            raise ValueError(f"it holds {', '.join(sorted(unknown))}")
        progress = json.loads(metadata["progress"])
        last = progress.pop("reconstruction")
        return Progress(**progress, reconstruction=ReconstructionScores(**last) if last else None)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = f"does not fit this training ({str(error).splitlines()[0]})"
        raise RunError(path, reason, remedy="Start the training again.") from None


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safetensors.safe_open(path, "pt") as handle:
            metadata = dict(handle.metadata() or {})
            tensors = {name: handle.get_tensor(name) for name in sorted(handle.keys())}
        if metadata.pop("sha256") != _digest(tensors, metadata):
            raise ValueError("its SHA-256 differs")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(path, f"is damaged ({error})", remedy="Start the training again.") from None
    return tensors, metadata


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {list(value.shape)} ".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
