"""Training: reproducible to the last bit, resumable from anywhere, honest about what it measured."""

import csv
import json
import math
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from molgen.chem.table import Tally
from molgen.errors import InterruptedRunError, MolgenError, RunError
from molgen.model import checkpoint
from molgen.model.checkpoint import MolecularModel
from molgen.model.predictor import Predictor, PredictorConfig
from molgen.model.vae import Vae, VaeConfig
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train.data.dataset import Source, TokenSet, prepare
from molgen.train.log import TrainingLog
from molgen.train.loop import Training, TrainingConfig, TrainingStatus, make_model

MOLECULES = [f"{'C' * a}{b}{'C' * c}O" for a in range(1, 5) for b in ("N", "O", "S", "C(=O)") for c in (1, 2, 3)]
CONFIG = TrainingConfig(epochs=4, batch_size=8, learning_rate=1e-2, validate_every=5, seed=1)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Vocabulary, TokenSet]:
    path = tmp_path_factory.mktemp("data") / "a.csv"
    lines = [f"{s},{len(s) if i % 3 else ''},{i if i % 2 else ''}" for i, s in enumerate(MOLECULES)]
    path.write_text("smiles,size,rank\n" + "\n".join(lines), encoding="utf-8")
    source = Source((path,), properties=("size", "rank"))
    return prepare(source, {path: Tally()}, min_count=1)


def model(vocabulary: Vocabulary, properties: tuple[str, ...] = ("size", "rank")) -> MolecularModel:
    torch.manual_seed(0)
    vae = Vae(VaeConfig(len(vocabulary), latent_size=4, encoder_size=6, decoder_size=8))
    predictor = Predictor(PredictorConfig(properties, 4, hidden_size=8)) if properties else None
    return make_model(vocabulary, vae, 40, predictor)


Make = Callable[..., Training]


@pytest.fixture
def make(prepared: tuple[Vocabulary, TokenSet], tmp_path: Path) -> Make:
    """A training in a folder of its own; another `name` is another folder."""

    def create(name: str = "a", config: TrainingConfig = CONFIG, **options: object) -> Training:
        vocabulary, data = prepared
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        arguments = {"data": data, "model": model(vocabulary)} | options
        return Training(folder, config, **arguments)  # type: ignore[arg-type]

    return create


def ignore(_status: TrainingStatus) -> None:
    pass


def never() -> bool:
    return False


def after(steps: int) -> Callable[[], bool]:
    """Asks for a stop at the given number of steps from now."""
    asked: Iterator[bool] = iter([False] * (steps - 1))
    return lambda: next(asked, True)


def finish(training: Training) -> Training:
    training.run(ignore, never)
    return training


def results(folder: Path) -> tuple[bytes, bytes, list[dict[str, str]]]:
    """Weights of both checkpoints, and all that was measured but the time."""
    rows = list(csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    kept = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    weights = [(folder / f"{name}.safetensors").read_bytes() for name in ("best", "last")]
    return weights[0], weights[1], kept


def test_the_same_seed_gives_the_same_weights(make: Make) -> None:
    one, same = finish(make("one")), finish(make("same"))
    other = finish(make("other", replace(CONFIG, seed=2)))
    assert results(one.folder) == results(same.folder)
    assert results(one.folder)[1] != results(other.folder)[1]


@pytest.mark.parametrize("seed", range(3))
def test_stopped_and_resumed_equals_uninterrupted(make: Make, seed: int) -> None:
    whole = finish(make("whole"))
    rng = random.Random(seed)
    while True:
        training = make("parts")
        training.restore_state()
        try:
            training.run(ignore, after(rng.randint(1, 9)))
        except InterruptedRunError:
            continue
        break
    assert results(training.folder) == results(whole.folder)


def test_metrics_after_the_last_saved_state_are_written_anew(make: Make) -> None:
    whole = finish(make("whole"))
    with pytest.raises(InterruptedRunError):
        make("crash").run(ignore, after(6))
    folder = make("crash").folder
    shutil.copy(folder / "state.safetensors", folder / "early")
    late = make("crash")
    late.restore_state()
    with pytest.raises(InterruptedRunError):
        late.run(ignore, after(10))
    with (folder / "metrics.csv").open("a", encoding="utf-8") as handle:
        handle.write("20,2.5,16")  # cut off by the crash
    (folder / "early").replace(folder / "state.safetensors")
    resumed = make("crash")
    resumed.restore_state()
    assert results(finish(resumed).folder) == results(whole.folder)


def test_a_crash_before_the_first_saved_state_leaves_no_trace(make: Make) -> None:
    whole = finish(make("whole"))
    with pytest.raises(InterruptedRunError):
        make("crash").run(ignore, after(12))
    (make("crash").folder / "state.safetensors").unlink()
    resumed = make("crash")
    resumed.restore_state()
    assert results(finish(resumed).folder) == results(whole.folder)


def test_a_crash_at_the_very_end_is_made_good(make: Make) -> None:
    done = finish(make())
    expected = results(done.folder)
    card = json.loads((done.folder / "last.json").read_text("utf-8"))
    for name in ("last.safetensors", "last.json"):
        (done.folder / name).unlink()
    again = make()
    again.restore_state()
    assert results(finish(again).folder) == expected
    assert json.loads((done.folder / "last.json").read_text("utf-8")) == card


SCRIPT = """
import sys
from pathlib import Path
from molgen.model import checkpoint
from molgen.train.data.dataset import TokenSet
from molgen.train.loop import Training, TrainingConfig

folder = Path(sys.argv[1])
config = TrainingConfig(epochs=10, batch_size=8, learning_rate=1e-2, validate_every=5, seed=1)
data, start = TokenSet.load(folder / "data.npz"), checkpoint.load(folder / "start.safetensors")
training = Training(folder, config, data, start, save_every_s=0.02)
training.restore_state()
training.run(lambda status: print(status.step, flush=True), lambda: False)
"""


def train_until(folder: Path, lines: float) -> int:
    """Trains in another process, killed without warning after so many steps; returns its exit status."""
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, _ in enumerate(process.stdout, 1):
            if number >= lines:
                process.kill()
        return process.wait()


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_equals_uninterrupted(
    prepared: tuple[Vocabulary, TokenSet], tmp_path: Path
) -> None:
    vocabulary, data = prepared
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        data.save(tmp_path / name / "data.npz")
        model(vocabulary).save(tmp_path / name / "start.safetensors")
    assert train_until(tmp_path / "whole", math.inf) == 0
    rng = random.Random(0)
    for _ in range(10):
        train_until(tmp_path / "killed", rng.randint(1, 15))
    assert train_until(tmp_path / "killed", math.inf) == 0
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


def test_it_learns(make: Make) -> None:
    training = finish(make(config=replace(CONFIG, epochs=30, validate_every=30, geometry_weight=0.0)))
    losses = [float(row["validation_loss"]) for row in results(training.folder)[2]]
    assert min(losses) < 0.75 * losses[0]
    assert training.progress.best == pytest.approx(min(losses), rel=1e-3)


def test_the_best_model_is_kept_when_later_ones_are_worse(make: Make) -> None:
    training = finish(make(config=replace(CONFIG, epochs=1000, learning_rate=1.0, patience=1)))
    rows = results(training.folder)[2]
    best = min(rows, key=lambda row: float(row["validation_loss"]))
    assert best is rows[-2]
    card = checkpoint.load(training.folder / "best.safetensors").card
    assert card["steps"] == int(best["step"])
    assert checkpoint.load(training.folder / "last.safetensors").card["steps"] == int(rows[-1]["step"])


def test_training_stops_when_nothing_improves(make: Make) -> None:
    config = replace(CONFIG, epochs=1000, learning_rate=1e-30, patience=3)
    training = finish(make(config=config))
    assert len(results(training.folder)[2]) == 4
    assert training.progress.step == 4 * CONFIG.validate_every


def test_training_by_the_clock_ends(make: Make) -> None:
    config = replace(CONFIG, epochs=None, minutes=0.005)
    training = finish(make(config=config))
    assert training.fraction() == 1.0
    assert 0.3 <= training.progress.seconds < 30
    assert (training.folder / "last.safetensors").exists()


def test_a_part_of_an_epoch_is_a_training_too(make: Make) -> None:
    assert finish(make(config=replace(CONFIG, epochs=0.01))).progress.step == 1


def test_status_tells_where_training_stands(make: Make) -> None:
    seen: list[TrainingStatus] = []
    training = make()
    training.run(seen.append, never)
    assert [status.step for status in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].fraction == 1.0
    assert all(math.isfinite(status.loss) for status in seen)
    assert seen[0].reconstruction is None
    assert seen[-1].reconstruction is not None


def without_validation(data: TokenSet) -> TokenSet:
    return replace(data, is_validation=np.zeros(len(data), dtype=bool))


def test_few_molecules_are_validated_on_and_the_card_says_so(make: Make, prepared: tuple[Vocabulary, TokenSet]) -> None:
    training = make(data=without_validation(prepared[1]))
    assert training.is_validated_on_training
    card = checkpoint.load(finish(training).folder / "last.safetensors").card
    assert card["validated_on"] == "training molecules"
    assert card["validation_fits"] == []
    held_out = finish(make("other"))
    assert not held_out.is_validated_on_training
    assert checkpoint.load(held_out.folder / "last.safetensors").card["validated_on"] == "molecules kept out"


def test_one_molecule_can_be_trained_on(make: Make) -> None:
    vocabulary = Vocabulary(("[C]",))
    data = TokenSet(
        tokens=np.array([3], dtype=np.uint16),
        offsets=np.array([0, 1]),
        labels=np.zeros((1, 0), dtype=np.float32),
        keys=np.array([1], dtype=np.uint64),
        fingerprints=np.zeros((1, 0), dtype=np.uint8),
        is_validation=np.array([False]),
    )
    training = finish(make(data=data, model=model(vocabulary, ())))
    assert checkpoint.load(training.folder / "last.safetensors").properties == ()


def test_labels_that_are_all_missing_are_no_error(make: Make, prepared: tuple[Vocabulary, TokenSet]) -> None:
    data = replace(prepared[1], labels=np.full_like(prepared[1].labels, np.nan))
    training = make(data=data)
    predictor = training.model.predictor
    assert isinstance(predictor, Predictor)
    before = predictor.hidden.detach().clone()
    finish(training)
    assert torch.equal(predictor.hidden, before)
    assert training.predictor_scores() == []


def test_the_validation_loss_does_not_depend_on_the_unit_of_a_property(
    make: Make, prepared: tuple[Vocabulary, TokenSet]
) -> None:
    data = prepared[1]
    in_other_unit = replace(data, labels=data.labels * np.float32(1024))
    one, other = finish(make("one")), finish(make("other", data=in_other_unit))
    pairs = zip(results(one.folder)[2], results(other.folder)[2], strict=True)
    for row, same in pairs:
        assert float(row["validation_loss"]) == pytest.approx(float(same["validation_loss"]), rel=1e-3)


def test_what_the_start_knew_is_still_known(make: Make, prepared: tuple[Vocabulary, TokenSet]) -> None:
    start = replace(model(prepared[0]), known=np.array([7], dtype=np.uint32))
    training = finish(make(model=start))
    known = checkpoint.load(training.folder / "last.safetensors").known
    trained = prepared[1].keys[~prepared[1].is_validation] >> np.uint64(32)
    assert set(known.tolist()) == {7, *trained.tolist()}


def refuse_constant(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")


def test_the_card_is_strict_json(make: Make, prepared: tuple[Vocabulary, TokenSet]) -> None:
    data = replace(prepared[1], labels=np.ones_like(prepared[1].labels))
    training = finish(make(data=data))
    text = (training.folder / "last.json").read_text("utf-8")
    fits = json.loads(text, parse_constant=refuse_constant)["card"]["validation_fits"]
    assert [fit["r2"] for fit in fits] == [None, None]


def test_bfloat16_stays_near_float32(make: Make) -> None:
    coarse, fine = finish(make("coarse", bf16=True)), finish(make("fine"))
    assert results(coarse.folder)[1] != results(fine.folder)[1], "autocast had no effect"
    assert coarse.progress.best == pytest.approx(fine.progress.best, rel=0.02)
    assert {p.dtype for p in coarse.model.vae.parameters()} == {torch.float32}


def test_a_loss_that_is_not_finite_stops_training(make: Make) -> None:
    training = make()
    with torch.no_grad():
        training.model.vae.decoder.logits.bias.fill_(torch.nan)
    with pytest.raises(MolgenError, match="no longer finite at step 0"):
        finish(training)


def test_a_state_of_another_training_is_refused(make: Make, prepared: tuple[Vocabulary, TokenSet]) -> None:
    with pytest.raises(InterruptedRunError):
        make().run(ignore, after(3))
    with pytest.raises(RunError, match="another configuration"):
        make(config=replace(CONFIG, seed=5)).restore_state()
    with pytest.raises(RunError, match="does not fit"):
        make(
            model=model(prepared[0], ()),
            data=replace(prepared[1], labels=np.zeros((len(prepared[1]), 0), dtype=np.float32)),
        ).restore_state()


def test_a_damaged_state_is_refused(make: Make) -> None:
    training = make()
    with pytest.raises(InterruptedRunError):
        training.run(ignore, after(3))
    path = training.folder / "state.safetensors"
    content = path.read_bytes()
    for place in range(0, len(content), 997):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(RunError, match=r"state\.safetensors"):
            make().restore_state()
    for end in (0, 7, 100, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(RunError, match=r"state\.safetensors"):
            make().restore_state()


def test_data_that_do_not_fit_the_model_are_refused(make: Make, prepared: tuple[Vocabulary, TokenSet]) -> None:
    with pytest.raises(RunError, match="tokens that the model does not know"):
        make(model=model(Vocabulary(("[C]",))))
    with pytest.raises(RunError, match="properties"):
        make(model=model(prepared[0], ("size",)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": None},
        {"epochs": 1.0, "minutes": 1.0},
        {"epochs": 0.0},
        {"epochs": math.inf},
        {"batch_size": 0},
        {"learning_rate": math.nan},
        {"seed": -1},
        {"token_dropout": -0.1},
        {"kl_weight": math.nan},
    ],
)
def test_impossible_configurations_are_refused(wrong: dict[str, float | None]) -> None:
    with pytest.raises(ValueError, match=list(wrong)[-1]):
        TrainingConfig(**{"epochs": 1.0} | wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["", "step", "step,loss\n", "step,loss\n5", "step,loss\njunk\n", "\n\n\n"])
def test_metrics_cut_off_anywhere_begin_anew(tmp_path: Path, content: str) -> None:
    metrics = TrainingLog(tmp_path / "metrics.csv")
    metrics.path.write_text(content, encoding="utf-8")
    metrics.cut_after(10)
    metrics.append({"step": 5, "loss": 1.5})
    assert metrics.path.read_text("utf-8") == "step,loss\n5,1.5\n"
