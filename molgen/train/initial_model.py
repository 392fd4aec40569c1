"""The initial model of a training, and the origin in its card."""

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

HIDDEN_SIZE = 256
N_MEMBERS = 10
"""Number of members of the predictor. On the dopamine D3 assay with scaffolds held out, 90 % intervals of ten members
are an eighth narrower than those of five, at equal coverage."""


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
    """The model before the first step: `init`, or a new model, with a new predictor if `spec` names properties.

    New weights are drawn with the seed. If `spec` trains the autoencoder, the learned priors, the regions and the
    calibration of `init` are dropped, since they belong to its encoder.

    Args:
        spec: The resolved options.
        vocabulary: Vocabulary of the prepared molecules.
        init: Result of `load_initial_model`.
        inputs: Manifest entries of the files.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(spec.seed)
        model = init or _new(spec, vocabulary)
        predictor = None
        if spec.property:
            size = model.vae.config.latent_size
            predictor = Predictor(PredictorConfig(spec.property, size, HIDDEN_SIZE, N_MEMBERS))
    max_tokens = spec.max_tokens or model.max_tokens
    priors = model.priors if spec.epochs == 0 else {}
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
    """`model` after zero training steps on `data`, whose training molecules are added to its known ones."""
    keys = (data.keys[~data.is_validation] >> np.uint64(32)).astype(np.uint32)
    card = {**model.card, "steps": 0, "molecules_seen": 0, "minutes": 0.0}
    return replace(model, known=np.union1d(model.known, keys), card=card)


def describe_files(inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The files as a card lists them, from their manifest entries: without folders, whose names may be private."""
    return [{"file": Path(e["path"]).name, "sha256": e["sha256"], "rows": e["rows_kept"]} for e in inputs]


def _new(spec: TrainingSpec, vocabulary: Vocabulary) -> MolecularModel:
    sizes = {name: getattr(spec, name) for name in SIZES}
    return make_model(vocabulary, Vae(VaeConfig(len(vocabulary), **sizes)), spec.max_tokens or 0)


def _card(spec: TrainingSpec, init: MolecularModel | None, inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The card of a model before training: its origin."""
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
