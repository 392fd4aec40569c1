"""Linear probes on each layer of the encoder, from tokens to activity.

Probes are fitted to the activations of each layer: a good score shows that the concept is linearly decodable there.
The controls are a Morgan fingerprint, which needs no model, and shuffled labels, which no probe should predict.

Notation: N molecules, F features, T targets.
Sources: probes of layers, Alain & Bengio 2016 (arXiv:1610.01644); control labels, Hewitt & Liang 2019
(arXiv:1909.03368).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from rdkit import Chem

from molgen.arrays import Doubles
from molgen.chem.molecule import Molecule, fingerprint
from molgen.chem.properties import DESCRIPTORS
from molgen.errors import SpecError
from molgen.explore.linear_probe import cross_predict
from molgen.latent.space import LatentSpace
from molgen.metrics import score_predictions
from molgen.tokens.batches import batch_by_length

POINT, FINGERPRINT, SHUFFLED = "posterior mean", "Morgan fingerprint", "shuffled labels"
DESCRIBED = ("rings", "heavy_atoms", "logp", "qed")
MIN_MOLECULES = 50
RARE = 0.02
"""Minimum share of molecules that must have, and lack, a token or a group for it to be probed."""
N_TOKENS = 20
"""Number of tokens probed: those whose frequency among molecules is nearest to one half."""

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "carboxylic acid": "[CX3](=O)[OX2H1]",
        "amide": "[NX3][CX3](=[OX1])[#6]",
        "sulfonamide": "[SX4](=[OX1])(=[OX1])([#6])[NX3]",
        "ester": "[#6][CX3](=O)[OX2H0][#6]",
        "nitrile": "[NX1]#[CX2]",
        "alcohol": "[OX2H][CX4]",
        "ether": "[OD2]([#6;!$(C=O)])[#6;!$(C=O)]",
        "primary or secondary amine": "[NX3;H2,H1;!$(NC=O);!$(NS=O);!$(Nc)][CX4]",
        "aryl halide": "[c][F,Cl,Br,I]",
        "pyridine": "n1ccccc1",
    }
)
"""SMARTS of functional groups, in the manner of the Daylight SMARTS examples
(https://www.daylight.com/dayhtml_tutorials/languages/smarts/smarts_examples.html)."""


@dataclass(frozen=True)
class Target:
    """A target of probes.

    Attributes:
        name: Its name.
        labels: (N, T) numbers, NaN if unknown; the score is the mean over the T.
    """

    name: str
    labels: Doubles


@dataclass(frozen=True)
class Layer:
    """The scores of one layer.

    Attributes:
        name: Name of the layer.
        size: F.
        scores: For each target the R2, or AUROC for labels 0 and 1, of held-out molecules (5 folds), averaged over its
            labels.
    """

    name: str
    size: int
    scores: dict[str, float]


def probe_layers(
    space: LatentSpace,
    molecules: Sequence[Molecule],
    labels: Mapping[str, Sequence[float]],
    seed: int = 0,
    on_done: Callable[[float], object] = lambda _: None,
) -> tuple[Layer, ...]:
    """The scores of each layer, from input to output, and of the fingerprint and the shuffled labels.

    Args:
        space: The space of the encoder.
        molecules: N that can be encoded.
        labels: Measured values or labels 0 and 1 of the molecules by name, NaN if unknown.
        seed: Seed of folds and shuffles.
        on_done: Called with the share done, in [0, 1].

    Raises:
        SpecError: There are fewer than 50 molecules.
    """
    if len(molecules) < MIN_MOLECULES:
        message = f"{len(molecules)} molecules can be encoded, but probes need {MIN_MOLECULES}"
        raise SpecError("data", message, remedy="Give a file with more molecules.")
    targets = make_targets(space, molecules, labels)
    features = encode_layers(space, [molecule.smiles for molecule in molecules])
    point = features[POINT]
    features[FINGERPRINT] = np.stack([_bits(molecule) for molecule in molecules])
    found = []
    for place, (name, x) in enumerate(features.items(), 1):
        found.append(Layer(name, x.shape[1], {t.name: _score(x, t.labels, seed) for t in targets}))
        on_done(place / (len(features) + 1))
    order = np.random.default_rng(seed).permutation(len(molecules))
    shuffled = {target.name: _score(point, target.labels[order], seed) for target in targets}
    return (*found, Layer(SHUFFLED, point.shape[1], shuffled))


@torch.no_grad()
def encode_layers(space: LatentSpace, smiles: Sequence[str]) -> dict[str, Doubles]:
    """Activations (N, F) of canonical SMILES at each layer of the encoder (see `Encoder.layers`).

    Raises:
        MoleculeError: One cannot be encoded.
    """
    sequences = [space.model.vocabulary.tokenise(text) for text in smiles]
    features: dict[str, Doubles] = {}
    for rows, tokens, lengths in batch_by_length(sequences, space.device):
        for name, values in space.model.vae.encoder.layers(tokens, lengths).items():
            features.setdefault(name, np.empty((len(smiles), values.shape[1])))[rows] = values.cpu().double().numpy()
    return features


def make_targets(
    space: LatentSpace, molecules: Sequence[Molecule], labels: Mapping[str, Sequence[float]]
) -> tuple[Target, ...]:
    """The targets, from tokens to labels, without those that too few molecules have or lack."""
    held = [set(space.model.vocabulary.tokenise(molecule.smiles).tolist()) for molecule in molecules]
    counts = Counter(token for tokens in held for token in tokens)
    tokens = sorted(counts, key=lambda token: (abs(counts[token] - len(held) / 2), token))[:N_TOKENS]
    groups = np.array([[molecule.mol.HasSubstructMatch(p) for p in _patterns()] for molecule in molecules])
    described = {
        name: [float(DESCRIPTORS[name].function(molecule.mol)) for molecule in molecules] for name in DESCRIBED
    }
    asked = [
        Target("tokens", _frequent(np.array([[token in own for token in tokens] for own in held]))),
        Target("functional groups", _frequent(groups)),
        *(Target(name, _column(values)) for name, values in {**described, **labels}.items()),
    ]
    return tuple(target for target in asked if target.labels.shape[1])


def _frequent(has: NDArray[np.bool_]) -> Doubles:
    """The columns that enough molecules have and lack."""
    share = has.mean(axis=0)
    return has[:, (share >= RARE) & (share <= 1.0 - RARE)].astype(np.float64)


def _column(values: Sequence[float]) -> Doubles:
    return np.asarray(values, dtype=np.float64)[:, None]


def _score(x: Doubles, labels: Doubles, seed: int) -> float:
    """Mean score of probes over the columns of labels (N, T); NaN if too few are known."""
    rows = np.isfinite(labels).all(axis=1)
    if rows.sum() < MIN_MOLECULES:
        return float("nan")
    read = cross_predict(x[rows], labels[rows], seed)
    return float(np.mean([score_predictions(y, p) for y, p in zip(labels[rows].T, read.T, strict=True)]))


def _bits(molecule: Molecule) -> Doubles:
    return np.array(fingerprint(molecule.mol), dtype=np.float64)


@cache
def _patterns() -> tuple[Chem.Mol, ...]:
    return tuple(Chem.MolFromSmarts(smarts) for smarts in GROUPS.values())
