"""Batches are functions of seed and step; every training molecule comes once an epoch, labelled ones more often."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molgen.train.data.batches import LABELLED_SHARE, MAX_REPEATS, Schedule, bootstrap, collate
from molgen.train.data.dataset import TokenSet


def token_set(n: int, n_labelled: int = 0, n_out: int = 0, seed: int = 0) -> TokenSet:
    """n molecules of random lengths; the first ones are labelled, the last ones kept out."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, n)
    labels = np.full((n, 2), np.nan, dtype=np.float32)
    labels[:n_labelled, 0] = 1.0
    return TokenSet(
        tokens=rng.integers(3, 20, lengths.sum()).astype(np.uint16),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        labels=labels,
        keys=np.arange(n, dtype=np.uint64),
        fingerprints=np.zeros((n, 0), dtype=np.uint8),
        is_validation=np.arange(n) >= n - n_out,
    )


def epoch(schedule: Schedule, number: int = 0) -> Counter[int]:
    steps = range(number * schedule.steps_per_epoch, (number + 1) * schedule.steps_per_epoch)
    return Counter(int(row) for step in steps for row in schedule.batch(step).rows)


@given(st.integers(1, 200), st.integers(0, 50), st.integers(1, 9), st.integers(0, 3))
@settings(max_examples=40)
def test_an_epoch_shows_every_unlabelled_training_molecule_once(n: int, n_out: int, batch_size: int, seed: int) -> None:
    schedule = Schedule(token_set(n + n_out, n_out=n_out), batch_size, seed)
    assert epoch(schedule) == Counter(range(n))
    assert epoch(schedule, 1) == Counter(range(n))


def test_labelled_molecules_are_repeated_to_their_share() -> None:
    seen = epoch(Schedule(token_set(330, n_labelled=30, n_out=0), 8, 0))
    labelled = sum(seen[i] for i in range(30))
    assert len({seen[i] for i in range(30)}) == 1
    assert labelled / seen.total() == pytest.approx(LABELLED_SHARE, abs=0.03)
    few = epoch(Schedule(token_set(1000, n_labelled=1), 8, 0))
    assert few[0] == MAX_REPEATS


def test_only_labelled_molecules_are_not_repeated() -> None:
    assert set(epoch(Schedule(token_set(20, n_labelled=20), 8, 0)).values()) == {1}


def test_a_step_is_the_same_whenever_it_is_asked_for() -> None:
    data = token_set(300)
    forwards, jumping = Schedule(data, 16, 3), Schedule(data, 16, 3)
    steps = range(2 * forwards.steps_per_epoch)
    expected = [forwards.batch(step) for step in steps]
    for step in reversed(steps):
        assert np.array_equal(jumping.batch(step).rows, expected[step].rows)
        assert torch.equal(jumping.batch(step).tokens, expected[step].tokens)
        ours, theirs = (torch.rand(9, generator=s.generator(step)) for s in (jumping, forwards))
        assert torch.equal(ours, theirs)


def test_seeds_epochs_and_steps_differ() -> None:
    data = token_set(300)
    one, other = Schedule(data, 300, 0), Schedule(data, 300, 1)
    assert one.steps_per_epoch == 1
    rows = [schedule.batch(step).rows for schedule in (one, other) for step in (0, 1)]
    assert len({tuple(row) for row in np.argsort(rows, axis=1)}) > 1 or one.seed != other.seed
    small = [Schedule(data, 7, seed).batch(step).rows for seed in (0, 1) for step in (0, 43)]
    assert len({tuple(row) for row in small}) == 4
    noise = [tuple(one.generator(step).get_state().tolist()) for step in range(50)]
    assert len(set(noise)) == 50
    assert tuple(other.generator(0).get_state().tolist()) not in noise


def test_batches_hold_molecules_of_like_length() -> None:
    data = token_set(2000)
    schedule = Schedule(data, 20, 0)
    spreads = [np.ptp(data.lengths[schedule.batch(step).rows]) for step in range(schedule.steps_per_epoch)]
    assert np.mean(spreads) < 3


def test_a_batch_holds_its_molecules() -> None:
    data = token_set(10, n_labelled=3)
    batch = collate(data, np.array([7, 2]))
    for row, length, i in zip(batch.tokens, batch.lengths.tolist(), (7, 2), strict=True):
        assert row[:length].tolist() == data[i].tolist()
        assert not row[length:].any()
    assert torch.isnan(batch.labels).tolist() == [[True, True], [False, True]]


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match="held out"):
        Schedule(token_set(5, n_out=5), 4, 0)


def test_bootstrap_counts_are_poisson_of_mean_one() -> None:
    counts = bootstrap(4, 50_000, seed=0).double()
    assert counts.mean().item() == pytest.approx(1.0, abs=0.02)
    assert counts.var().item() == pytest.approx(1.0, abs=0.02)
    assert (counts == 0).double().mean().item() == pytest.approx(np.exp(-1), abs=0.01)
    assert torch.equal(bootstrap(4, 50_000, seed=0).double(), counts)
    assert not torch.equal(counts[0], counts[1])
