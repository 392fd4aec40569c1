"""A language model fitted to the molecules of a token set.

Notation: N molecules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from molgen.chem.molecule import parse
from molgen.errors import MoleculeError
from molgen.model.language_model import MAX_LENGTH, SmilesLanguageModel, SmilesLanguageModelConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.tokens.smiles_vocabulary import SmilesVocabulary
from molgen.train.data.batches import Schedule
from molgen.train.data.dataset import TokenSet

N_MOLECULES = 600_000
"""Maximum number of molecules of a fit."""
N_BPE_TOKENS = 512
BATCH_SIZE = 128
EPOCHS = 6
MIN_STEPS, MAX_STEPS = 2_000, 27_000
RATE = 3e-3
WARMUP_STEPS, COOLDOWN_SHARE = 200, 0.8
MAX_GRADIENT = 5.0

Watch = Callable[[float], object]
"""Called with the share of a fit that is done, in [0, 1]."""


def draw_training_smiles(vocabulary: Vocabulary, data: TokenSet, seed: int) -> list[str]:
    """Canonical SMILES of the training molecules of `data`, or of a random 600,000 if there are more."""
    rows = np.flatnonzero(~data.is_validation)
    rows = np.random.default_rng(seed).permutation(rows)[:N_MOLECULES]
    texts = []
    for row in rows.tolist():
        try:
            texts.append(parse(vocabulary.to_smiles(data[row].tolist())).smiles)
        except MoleculeError:
            continue
    return texts


def fit_language_model(
    smiles: Sequence[str],
    seed: int,
    watch: Watch = lambda _: None,
    *,
    hidden_size: int = SmilesLanguageModelConfig.hidden_size,
    n_steps: int | None = None,
) -> SmilesLanguageModel:
    """A language model of canonical SMILES, on the CPU; a deterministic function of the arguments.

    By default, each molecule is read six times, but in at least 2,000 and at most 27,000 steps of 128 molecules:
    45 minutes for 600,000 molecules on one core.

    Raises:
        ValueError: There are no molecules, or all have too many tokens.
    """
    tokens = SmilesVocabulary.from_smiles(smiles, N_BPE_TOKENS)
    data = _token_set(tokens, smiles)
    n_steps = n_steps or int(np.clip(EPOCHS * len(data) // BATCH_SIZE, MIN_STEPS, MAX_STEPS))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        language = SmilesLanguageModel(SmilesLanguageModelConfig(tokens.tokens, hidden_size))
    schedule = Schedule(data, BATCH_SIZE, seed)
    optimiser = torch.optim.Adam(language.parameters(), betas=(0.9, 0.98))
    for step in range(n_steps):
        share = min(1.0, (step + 1) / WARMUP_STEPS, (1.0 - step / n_steps) / COOLDOWN_SHARE)
        for group in optimiser.param_groups:
            group["lr"] = RATE * share
        batch = schedule.batch(step)
        optimiser.zero_grad()
        language.loss(batch.tokens, batch.lengths).mean().backward()
        torch.nn.utils.clip_grad_norm_(language.parameters(), MAX_GRADIENT)
        optimiser.step()
        watch((step + 1) / n_steps)
    return language.eval()


def _token_set(tokens: SmilesVocabulary, smiles: Sequence[str]) -> TokenSet:
    """Molecules as tokens; those with an unknown symbol or too many tokens are left out.

    Raises:
        ValueError: None is left.
    """
    sequences = []
    for text in smiles:
        try:
            ids = tokens.ids(text)
        except MoleculeError:
            continue
        if len(ids) < MAX_LENGTH:
            sequences.append(ids)
    if not sequences:
        raise ValueError(f"at least one molecule must have fewer than {MAX_LENGTH} tokens, none of them unknown")
    n = len(sequences)
    return TokenSet(
        tokens=np.concatenate(sequences),
        offsets=np.concatenate([[0], np.cumsum([len(ids) for ids in sequences])]),
        labels=np.zeros((n, 0), dtype=np.float32),
        keys=np.zeros(n, dtype=np.uint64),
        fingerprints=np.zeros((n, 0), dtype=np.uint8),
        is_validation=np.zeros(n, dtype=bool),
    )
