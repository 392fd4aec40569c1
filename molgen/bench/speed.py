"""Speed of training, encoding and decoding, beside the VAE of MOSES on the same threads and molecules.

Rounds of both alternate, so that a busy machine slows both; the result is the median over rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from statistics import median

import numpy as np
import torch

from molgen.arrays import Floats
from molgen.bench.moses_vae import BATCH_SIZE, LEARNING_RATE, MAX_GRADIENT, Characters, MosesVae
from molgen.evaluate.reconstruction import make_token_set
from molgen.latent.space import LatentSpace
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.tokenisation import FOLDED_BITS
from molgen.train.loop import make_model
from molgen.train.step import TrainingConfig, TrainingStep

N_ROUNDS = 3
N_WARM_UP = 2
"""Steps before the clock starts: first calls allocate memory."""

Step = Callable[[], int]
"""Does some work and returns its number of molecules."""


@dataclass(frozen=True)
class Speed:
    """Molecules per second of one task.

    Attributes:
        task: Name of the task.
        molgen: Speed of molgen.
        moses: Speed of the VAE of MOSES, or None if it has no such task.
    """

    task: str
    molgen: float
    moses: float | None

    @property
    def ratio(self) -> float | None:
        """Speed of molgen divided by that of MOSES, or None."""
        return self.molgen / self.moses if self.moses else None


def measure_speeds(
    space: LatentSpace, smiles: Sequence[str], seconds: float, on_done: Callable[[float, str], object] = lambda *_: None
) -> list[Speed]:
    """The speed of each task on the molecules that can be encoded, preferably a thousand or more.

    Args:
        space: Encodes and decodes. Training is timed on a new model of default size with the same vocabulary.
        smiles: Canonical SMILES.
        seconds: Length of a round.
        on_done: Called with the share done, in [0, 1], and the current task.
    """
    points = space.encode(smiles)
    kept = [text for text, z in zip(smiles, points, strict=True) if np.isfinite(z).all()]
    points = points[np.isfinite(points).all(axis=1)]
    torch.manual_seed(0)
    characters = Characters(kept)
    moses = MosesVae(len(characters))
    tasks: list[tuple[str, Step, Step | None]] = [
        ("training", _time_training(space, kept), _time_moses_training(moses, characters, kept)),
        ("points to SMILES", _time_decoding(space, points), _time_moses_decoding(moses, characters)),
        ("points to canonical SMILES", _chunks(len(points), lambda rows: space.decode(points[rows])), None),
        ("SMILES to points", _chunks(len(kept), lambda rows: space.encode(kept[rows])), None),
    ]
    speeds = []
    for i, (name, own, other) in enumerate(tasks):
        on_done(i / len(tasks), name)
        speeds.append(Speed(name, *_compare(own, other, seconds)))
    return speeds


def _compare(own: Step, other: Step | None, seconds: float) -> tuple[float, float | None]:
    steps = [step for step in (own, other) if step]
    for step in steps:
        for _ in range(N_WARM_UP):
            step()
    rounds = [[_rate(step, seconds) for step in steps] for _ in range(N_ROUNDS)]
    rates = [median(column) for column in zip(*rounds, strict=True)]
    return rates[0], rates[1] if other else None


def _rate(step: Step, seconds: float) -> float:
    n, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        n += step()
    return n / spent


def _time_training(space: LatentSpace, smiles: Sequence[str]) -> Step:
    bits = np.random.default_rng(0).integers(0, 256, (len(smiles), FOLDED_BITS // 8), dtype=np.uint8)
    data = replace(make_token_set(space, smiles), fingerprints=bits)
    model = make_model(space.model.vocabulary, Vae(VaeConfig(len(space.model.vocabulary))), space.model.max_tokens)
    learner = TrainingStep(TrainingConfig(epochs=1), data, model)
    steps = cycle(range(learner.schedule.steps_per_epoch))
    return lambda: learner.learn(next(steps), 0.5)[1]


def _time_moses_training(model: MosesVae, characters: Characters, smiles: Sequence[str]) -> Step:
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    endless: Iterator[str] = cycle(smiles)

    def step() -> int:
        batch = sorted(islice(endless, BATCH_SIZE), key=len, reverse=True)
        loss = model([characters.ids(text) for text in batch])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT)
        optimiser.step()
        return len(batch)

    return step


def _time_decoding(space: LatentSpace, points: Floats) -> Step:
    """Points to SMILES of the vocabulary, not canonical, as for MOSES."""
    vae, vocabulary = space.model.vae, space.model.vocabulary

    def write(rows: slice) -> None:
        ids = vae.decoder.generate(torch.from_numpy(points[rows]), space.model.max_tokens)
        for row in ids.tolist():
            vocabulary.to_smiles(row)

    return _chunks(len(points), write)


def _time_moses_decoding(model: MosesVae, characters: Characters) -> Step:
    def step() -> int:
        ids = model.sample(BATCH_SIZE)
        for row in ids:
            characters.text(row)
        return len(ids)

    return step


def _chunks(n: int, work: Callable[[slice], object]) -> Step:
    starts = cycle(range(0, n, BATCH_SIZE))

    def step() -> int:
        start = next(starts)
        work(slice(start, start + BATCH_SIZE))
        return min(BATCH_SIZE, n - start)

    return step
