import csv
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molgen.errors import FileError, RunError, SpecError
from molgen.model import checkpoint
from molgen.paths import find_shipped
from molgen.train.loop import TrainingStatus
from molgen.train.run import TrainingRun
from molgen.train.spec import FINE_TUNING_EPOCHS, FINE_TUNING_RATE, TrainingSpec

TINY = {"latent_size": 8, "encoder_size": 16, "decoder_size": 16, "batch_size": 32, "threads": 1, "device": "cpu"}


def write_assay(path: Path, n: int) -> Path:
    """Some shipped molecules, with their length as a property, every third one unknown."""
    with (find_shipped("data") / "moses_sample.csv").open() as handle:
        smiles = [row["SMILES"] for _, row in zip(range(n), csv.DictReader(handle), strict=False)]
    rows = [f"{text},{len(text) if i % 3 else ''}" for i, text in enumerate(smiles)]
    path.write_text("\n".join(["smiles,size", *rows]) + "\n")
    return path


@pytest.fixture
def assay(tmp_path: Path) -> Path:
    return write_assay(tmp_path / "assay.csv", 120)


def spec_of(assay: Path, **options: Any) -> TrainingSpec:
    return TrainingSpec.of({"data": [assay], "epochs": 1.0, **TINY, **options})


def finished(folder: Path, spec: TrainingSpec) -> TrainingRun:
    with TrainingRun.start(folder, spec) as experiment:
        experiment.prepare()
        experiment.train()
    return experiment


def test_a_run_leaves_a_model_that_knows_where_it_comes_from(tmp_path: Path, assay: Path) -> None:
    experiment = finished(tmp_path / "run", spec_of(assay, property=["size"], licence="CC0"))
    model = checkpoint.load(experiment.model_path)
    manifest = experiment.run.manifest()
    assert model.properties == ("size",)
    assert model.card["licence"] == "CC0"
    assert model.card["data"] == [
        {"file": "assay.csv", "sha256": manifest["inputs"][0]["sha256"], "rows": manifest["inputs"][0]["rows_kept"]}
    ]
    assert manifest["threads"] == 1
    assert manifest["end"] >= manifest["start"]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path: Path, assay: Path) -> None:
    digests = [
        checkpoint.load(finished(tmp_path / name, spec_of(assay, seed=seed)).model_path).digest
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_training_stopped_anywhere_ends_as_if_it_had_not_been(tmp_path: Path, assay: Path) -> None:
    whole = finished(tmp_path / "whole", spec_of(assay, property=["size"], epochs=2.0))
    with TrainingRun.start(tmp_path / "stopped", spec_of(assay, property=["size"], epochs=2.0)) as stopped:
        stopped.prepare()

    def crash(status: TrainingStatus) -> None:
        if status.step in (2, 3, 6):
            raise KeyboardInterrupt

    for _ in range(3):
        with TrainingRun.resume(tmp_path / "stopped") as stopped:
            stopped.prepare()
            with pytest.raises(KeyboardInterrupt):
                stopped.train(crash, save_every_s=0.0)
    with TrainingRun.resume(tmp_path / "stopped") as stopped:
        stopped.prepare()
        stopped.train()
    for name in ("model.safetensors", "last.safetensors"):
        assert (whole.run.path / name).read_bytes() == (stopped.run.path / name).read_bytes()


def test_a_training_killed_while_it_writes_its_model_ends_as_if_it_had_not_been(
    tmp_path: Path, kill_after: Callable[[int], AbstractContextManager[Any]]
) -> None:
    spec = spec_of(write_assay(tmp_path / "assay.csv", 60), property=["size"])

    def train(folder: Path) -> None:
        opened = TrainingRun.resume(folder) if folder.exists() else TrainingRun.start(folder, spec)
        with opened as experiment:
            experiment.prepare()
            experiment.train()

    train(tmp_path / "first")  # leaves the molecules in the cache
    with kill_after(1000) as kill:
        train(tmp_path / "whole")
        n_changes = 1000 - kill.left
    for n in range(n_changes - 20, n_changes, 2):
        cut = tmp_path / f"cut {n}"
        with kill_after(n) as kill:
            train(cut)
        assert kill.happened
        train(cut)
        for name in ("model.safetensors", "last.safetensors"):
            assert (cut / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert checkpoint.load(cut / "model.safetensors").properties == ("size",)
        shutil.rmtree(cut)


def test_a_checkpoint_to_start_from_brings_its_sizes_its_tokens_and_its_memory(tmp_path: Path, assay: Path) -> None:
    first = finished(tmp_path / "first", spec_of(assay))
    extra = tmp_path / "extra.csv"
    extra.write_text("smiles,y\nOB(O)c1ccccc1,1\n" + "".join(f"{'C' * n}O,{n}\n" for n in range(1, 40)))
    spec = TrainingSpec.of({"data": [extra], "init": first.model_path, "property": ["y"], "epochs": 1.0, "threads": 1})
    second = finished(tmp_path / "second", spec)
    a, b = checkpoint.load(first.model_path), checkpoint.load(second.model_path)
    assert (b.vae.config, b.vocabulary, b.max_tokens) == (a.vae.config, a.vocabulary, a.max_tokens)
    assert set(a.known) < set(b.known)
    assert b.card["init"]["sha256"] == a.digest
    assert second.run.manifest()["inputs"][0]["rows_rejected"] == {"unknown token [B]": 1}


def test_no_epoch_fits_the_predictor_and_leaves_the_rest_alone(tmp_path: Path, assay: Path) -> None:
    first = finished(tmp_path / "first", spec_of(assay))
    spec = TrainingSpec.of(
        {"data": [assay], "init": first.model_path, "property": ["size"], "epochs": 0.0, "threads": 1, "device": "cpu"}
    )
    second = finished(tmp_path / "second", spec)
    a, b = checkpoint.load(first.model_path), checkpoint.load(second.model_path)
    assert all(torch.equal(value, b.vae.state_dict()[name]) for name, value in a.vae.state_dict().items())
    assert torch.equal(a.prior_factor, b.prior_factor)
    assert b.card["validation_fits"][0]["name"] == "size"
    once = second.model_path.read_bytes()
    with TrainingRun.resume(tmp_path / "second") as again:
        again.prepare()
        again.train()
    assert again.model_path.read_bytes() == once


def test_a_finished_model_knows_what_is_usual_among_molecules_kept_out(tmp_path: Path) -> None:
    assay = write_assay(tmp_path / "assay.csv", 600)
    experiment = finished(tmp_path / "run", spec_of(assay, epochs=0.1))
    scale = checkpoint.load(experiment.model_path).applicability
    assert scale is not None
    assert scale.n == int(experiment.data.is_validation.sum())
    few = finished(tmp_path / "few", spec_of(write_assay(tmp_path / "few.csv", 60), epochs=1.0))
    assert checkpoint.load(few.model_path).applicability is None


def test_no_epoch_and_nothing_to_fit_only_calibrates_trust(tmp_path: Path, assay: Path) -> None:
    first = finished(tmp_path / "first", spec_of(assay, property=["size"]))
    others = tmp_path / "others.smi"
    lines = write_assay(tmp_path / "all.csv", 300).read_text().splitlines()[101:]
    others.write_text("".join(line.split(",")[0] + "\n" for line in lines))
    options = {"init": first.model_path, "epochs": 0.0, "threads": 1, "device": "cpu"}
    second = finished(tmp_path / "second", TrainingSpec.of({"data": [others], **options}))
    assert second.model_path.read_bytes() == first.model_path.read_bytes()
    a, b = checkpoint.load(first.model_path), checkpoint.load(second.model_path)
    assert (a.applicability, b.properties) == (None, ("size",))
    is_known = np.isin((second.data.keys >> np.uint64(32)).astype(np.uint32), a.known)
    assert b.applicability is not None
    assert b.applicability.n == int((~is_known).sum()) < len(second.data)
    assert b.card["applicability"]["data"][0]["file"] == "others.smi"
    assert {**b.card, "applicability": None} == {**a.card, "applicability": None}
    options |= {"data": [assay], "property": ["size"], "init": second.model_path}
    third = finished(tmp_path / "third", TrainingSpec.of(options))
    assert checkpoint.load(third.model_path).applicability == b.applicability


def test_molecules_it_was_trained_on_do_not_tell_what_is_usual(tmp_path: Path) -> None:
    assay = write_assay(tmp_path / "assay.csv", 60)
    first = finished(tmp_path / "first", spec_of(assay))
    spec = TrainingSpec.of({"data": [assay], "init": first.model_path, "epochs": 0.0, "threads": 1, "device": "cpu"})
    with pytest.raises(SpecError, match="20 molecules or more that the checkpoint was not trained on"):
        finished(tmp_path / "second", spec)


def test_what_is_not_said_is_decided_and_written_down(tmp_path: Path, assay: Path) -> None:
    init = checkpoint.load(finished(tmp_path / "run", spec_of(assay)).model_path)
    spec = TrainingSpec.of({"data": [assay], "init": tmp_path / "x", "property": ["size"]}).resolve(init)
    assert (spec.epochs, spec.learning_rate) == (FINE_TUNING_EPOCHS, FINE_TUNING_RATE)
    assert (spec.latent_size, spec.max_tokens) == (8, init.max_tokens)
    assert spec.threads
    assert spec.device in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": None}, "epochs: the length of training"),
        ({"epochs": 1.0, "minutes": 1.0}, "not both"),
        ({"learning_rate": float("nan")}, "learning_rate: must be from"),
        ({"kl_weight": -1.0}, "kl_weight: must be from 0"),
        ({"split": "sideways"}, "split: is of the wrong type"),
        ({"batch_size": True}, "batch_size: is of the wrong type"),
        ({"property": ["size", "size"]}, "property: the same"),
        ({"epochs": 0.0}, "epochs: 0 trains no autoencoder, and needs one: give --init"),
        ({"data": []}, "data: name at least one"),
        ({"threads": 1025}, "threads: must be from 1 to 1024"),
        ({"device": "abacus"}, "device: must be"),
        ({"device": "cuda:99"}, "device: this machine has no"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_folder_is_made(
    tmp_path: Path, assay: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message), TrainingRun.start(tmp_path / "run", spec_of(assay, **options)):
        pass
    assert not (tmp_path / "run").exists()


def test_a_size_that_is_not_that_of_the_checkpoint_is_refused(tmp_path: Path, assay: Path) -> None:
    first = finished(tmp_path / "run", spec_of(assay))
    spec = spec_of(assay, init=first.model_path, latent_size=9)
    with pytest.raises(SpecError, match="latent_size: must be 8"), TrainingRun.start(tmp_path / "other", spec):
        pass


def test_a_missing_file_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "absent.csv")
    with pytest.raises(FileError, match=r"absent\.csv"), TrainingRun.start(tmp_path / "run", spec):
        pass
    assert not (tmp_path / "run").exists()


def test_preparation_that_was_cut_short_is_done_again(tmp_path: Path, assay: Path) -> None:
    whole = finished(tmp_path / "whole", spec_of(assay))
    with TrainingRun.start(tmp_path / "cut", spec_of(assay)):
        pass
    with TrainingRun.resume(tmp_path / "cut") as cut:
        cut.prepare()
        cut.train()
    assert cut.model_path.read_bytes() == whole.model_path.read_bytes()


@pytest.mark.parametrize("what", ["spec", "input", "version", "init"])
def test_a_run_is_not_resumed_as_something_else(tmp_path: Path, assay: Path, what: str) -> None:
    first = finished(tmp_path / "first", spec_of(assay))
    run = finished(tmp_path / "run", spec_of(assay, init=first.model_path)).run
    if what == "spec":
        text = (run.path / "spec.toml").read_text()
        (run.path / "spec.toml").write_text(text.replace("seed = 0", "seed = 1"))
    elif what == "input":
        write_assay(assay, 119)
    elif what == "version":
        manifest = json.loads((run.path / "manifest.json").read_text())
        manifest["versions"]["torch"] = "1.0"
        (run.path / "manifest.json").write_text(json.dumps(manifest))
    else:
        finished(tmp_path / "other", spec_of(assay, seed=7)).model_path.replace(first.model_path)
        (tmp_path / "other" / "model.json").replace(tmp_path / "first" / "model.json")
    with pytest.raises(RunError, match="changed since this run began"), TrainingRun.resume(run.path):
        pass


def test_options_said_again_must_say_the_same(tmp_path: Path, assay: Path) -> None:
    finished(tmp_path / "run", spec_of(assay))
    with TrainingRun.resume(tmp_path / "run", {"epochs": 1.0, "data": [assay]}):
        pass
    other = TrainingRun.resume(tmp_path / "run", {"epochs": 2.0})
    with pytest.raises(RunError, match=r"epochs was 1\.0 when this run began, but now is 2\.0"), other:
        pass


@pytest.mark.parametrize("text", ["not = toml = 1", "budget = 3", "data = 4", "epochs = 'x'", "property = [[1]]"])
def test_a_specification_that_is_not_one_is_refused(tmp_path: Path, assay: Path, text: str) -> None:
    with TrainingRun.start(tmp_path / "run", spec_of(assay)):
        (tmp_path / "run" / "spec.toml").write_text(text)
    with pytest.raises(RunError, match=r"spec\.toml"), TrainingRun.resume(tmp_path / "run"):
        pass
