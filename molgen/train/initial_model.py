"""Where a training begins: with which model, and what its card says of where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from molgen.model import checkpoint
from molgen.model.checkpoint import MolecularModel
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.paths import find_shipped
from molgen.run import file_digest
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import TokenSet
from molgen.train.loop import make_model
from molgen.train.spec import SIZES, TrainingSpec

HIDDEN_SIZE, N_MEMBERS = 256, 10
"""Of the predictor. Measured on the dopamine D3 assay with scaffolds held out: where 90 % of molecules lie in the 90 %
interval, ten members' intervals are an eighth narrower than five members'."""


def load_initial_model(spec: TrainingSpec) -> MolecularModel | None:
    """The checkpoint that `spec` starts from, if it names one; `default` is the shipped one.

    Raises:
        CheckpointError: It cannot be used.
    """
    if spec.init is None:
        return None
    default = find_shipped("checkpoints") / "default.safetensors"
    return checkpoint.load(default if spec.init == "default" else Path(spec.init))


def make_initial_model(
    spec: TrainingSpec, vocabulary: Vocabulary, init: MolecularModel | None, inputs: Sequence[Mapping[str, Any]]
) -> MolecularModel:
    """The model before the first step: that of `init` with a fresh predictor, or a new one; the seed decides.

    Args:
        spec: What is asked, resolved.
        vocabulary: Of the prepared molecules.
        init: What `load_initial_model` gave.
        inputs: The manifest's entries on the files.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(spec.seed)
        model = init or _new(spec, vocabulary)
        predictor = None
        if spec.property:
            size = model.vae.config.latent_size
            predictor = Predictor(PredictorConfig(spec.property, size, HIDDEN_SIZE, N_MEMBERS))
    max_tokens = spec.max_tokens or model.max_tokens
    priors = model.priors if spec.epochs == 0 else {}  # another encoder has other points
    applicability = model.applicability if spec.epochs == 0 else None
    return replace(
        model,
        max_tokens=max_tokens,
        predictor=predictor,
        priors=priors,
        region=model.region if spec.epochs == 0 else None,
        applicability=applicability,
        card=_card(spec, init, inputs),
    )


def with_data(model: MolecularModel, data: TokenSet) -> MolecularModel:
    """`model` as the result of a training of no steps on `data`, which it knows from then on."""
    keys = (data.keys[~data.is_validation] >> np.uint64(32)).astype(np.uint32)
    card = {**model.card, "steps": 0, "molecules_seen": 0, "minutes": 0.0}
    return replace(model, known=np.union1d(model.known, keys), card=card)


def describe_files(inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a card says of files by their manifest entries: names without folders, which are nobody's business."""
    return [{"file": Path(e["path"]).name, "sha256": e["sha256"], "rows": e["rows_kept"]} for e in inputs]


def _new(spec: TrainingSpec, vocabulary: Vocabulary) -> MolecularModel:
    sizes = {name: getattr(spec, name) for name in SIZES}
    return make_model(vocabulary, Vae(VaeConfig(len(vocabulary), **sizes)), spec.max_tokens or 0)


def _card(spec: TrainingSpec, init: MolecularModel | None, inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The origin of a model."""
    card: dict[str, Any] = {
        "data": describe_files(inputs),
        "split": spec.split,
        "licence": spec.licence,
    }
    if spec.leave_out:
        path = Path(spec.leave_out)
        card["left_out"] = {
            "file": path.name,
            "sha256": file_digest(path),
            "rule": f"Tanimoto similarity (ECFP4, 2048 bits) above {spec.leave_out_similarity} to a molecule of it",
        }
    if init:
        card["init"] = {"sha256": init.digest, **{key: init.card.get(key) for key in ("data", "licence", "init")}}
    return card
