"""The speed benchmark: it runs what it says it runs, and its opponent is the model of MOSES."""

import json
from collections.abc import Callable

import pytest
import torch
from typer.testing import Result

from molgen.bench.moses_vae import EOS, MAX_LENGTH, Characters, MosesVae

RunMolgen = Callable[..., Result]


def test_every_task_has_a_speed(run_molgen: RunMolgen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molgen.bench.speed.BATCH_SIZE", 8)
    monkeypatch.setattr("molgen.bench.speed.N_WARM_UP", 0)
    threads = torch.get_num_threads()
    result = run_molgen("benchmark", "speed", "--seconds", 0.01, "--limit", 100, "--threads", threads, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["machine"]["threads"] == threads
    assert [row["task"] for row in report["speeds"]] == [
        "training",
        "points to SMILES",
        "points to canonical SMILES",
        "SMILES to points",
    ]
    assert all(row["molgen"] > 0 for row in report["speeds"])
    assert [row["moses"] is not None for row in report["speeds"]] == [True, True, False, False]
    assert all(row["ratio"] == row["molgen"] / row["moses"] for row in report["speeds"] if row["moses"])


def test_the_opponent_has_the_weights_of_moses() -> None:
    """As many as `moses.vae.VAE` of molsets 0.3.1 has by default with 30 characters."""
    assert sum(p.numel() for p in MosesVae(30).parameters()) == 4_553_378


def test_the_opponent_can_learn() -> None:
    torch.manual_seed(0)
    smiles = ["CCO", "CC", "C"]
    characters = Characters(smiles)
    model = MosesVae(len(characters))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        loss = model([characters.ids(text) for text in smiles])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    ids = model.sample(3)
    assert [len(row) for row in ids] == [MAX_LENGTH - 1] * 3
    assert characters.text([*characters.ids("CCO").tolist(), EOS, 3]) == "CCO"
