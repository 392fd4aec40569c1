"""A training run in a folder: started from files, resumed from its state, finished with a checkpoint.

The folder holds, besides the files of every run, `vocabulary.json`, `data.npz` (the prepared molecules) and the files
of `Training`. Preparation is complete once `data.npz` exists and the manifest has `inputs`. Molecules that an earlier
run prepared in the same way come from the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from molgen.chem.table import Tally, write_rejections
from molgen.device import has_fast_bf16, use_threads
from molgen.errors import FileError, InterruptedRunError, RunError, SpecError
from molgen.interrupt import stop_requested
from molgen.model import checkpoint
from molgen.model.applicability import MIN_MOLECULES
from molgen.model.checkpoint import MolecularModel
from molgen.model.prior import PRIOR_KINDS
from molgen.paths import require_no_input
from molgen.run import SPEC, RunFolder, describe_input, file_digest, now, versions
from molgen.tokens.selfies_vocabulary import Vocabulary
from molgen.train import log, state
from molgen.train.data import cache as prepared
from molgen.train.data.batches import Schedule
from molgen.train.data.cache import DATA, VOCABULARY
from molgen.train.data.dataset import TokenSet, prepare
from molgen.train.fit.applicability import calibrate_trust
from molgen.train.fit.familiarity import gather_familiarity
from molgen.train.fit.predictor import fit_predictor
from molgen.train.fit.prior import fit_prior
from molgen.train.fit.regions import RegionConfig, count_region_steps, fit_regions
from molgen.train.initial_model import describe_files, load_initial_model, make_initial_model, with_data
from molgen.train.loop import BEST, LAST, SAVE_EVERY_S, Training, TrainingConfig, TrainingStatus
from molgen.train.spec import TrainingSpec

MODEL = "model.safetensors"
_SUFFIXES = (".safetensors", ".json", ".familiarity.safetensors")
CHECKPOINTS = tuple(f"{name}{suffix}" for name in (BEST, LAST, "model") for suffix in _SUFFIXES)
FILES = (VOCABULARY, DATA, state.NAME, log.NAME, *CHECKPOINTS, "report.json")
"""The files of a training, besides those of every run."""

MAX_UNVALIDATED_STEPS = 1000


class TrainingRun:
    """A training run; call `prepare`, then `train`. It can be resumed after a kill at any time."""

    def __init__(self, run: RunFolder, spec: TrainingSpec, init: MolecularModel | None) -> None:
        """Opens a run whose folder exists and is held by this process; see `start` and `resume`.

        Args:
            run: Its folder.
            spec: The resolved options.
            init: The initial checkpoint; its weights are changed in place.
        """
        self.run = run
        self.spec = spec
        self._init = init
        self._prepared: tuple[Vocabulary, TokenSet] | None = None
        use_threads(spec.threads)

    @classmethod
    @contextmanager
    def start(cls, folder: Path, spec: TrainingSpec, *, is_forced: bool = False) -> Iterator[TrainingRun]:
        """A new run in `folder`, for the duration of a block.

        If the block fails before the first step, no run is left; if it is interrupted, the run can be resumed.

        Args:
            folder: A folder that does not exist or is empty.
            spec: The options.
            is_forced: Replace an earlier training in `folder`, once the first step is done.

        Raises:
            SpecError: `spec` lacks something, or contradicts its `init`.
            FileError: A training file does not exist, or `init` cannot be used.
            RunError: `folder` is not empty, or another process works in it.
        """
        init = load_initial_model(spec)
        spec = spec.resolve(init)
        for path in spec.data:
            if not Path(path).is_file():
                raise FileError(path, "is not a file", remedy="Check the path.")
        entries = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(spec).items()}
        facts = {**_collect_facts(spec, init), "device": spec.device, "threads": spec.threads, "seed": spec.seed}
        inputs = [Path(path) for path in (*spec.data, spec.init, spec.leave_out) if path]
        with RunFolder.begin(folder, entries, FILES, facts=facts, inputs=inputs, is_forced=is_forced) as run:
            yield cls(run, spec, init)

    @classmethod
    @contextmanager
    def resume(cls, folder: Path, options: Mapping[str, Any] | None = None) -> Iterator[TrainingRun]:
        """The run in `folder`, to be resumed, for the duration of a block.

        Args:
            folder: The folder of `start`.
            options: Repeated options by name; they must not have changed.

        Raises:
            RunError: There is no run, or its options, inputs, checkpoint or versions changed, or another process
                works in it.
        """
        with RunFolder.resume(folder, FILES) as run:
            spec = _read_spec(run)
            _require_same_options(run, spec, options or {})
            init = load_initial_model(spec)
            experiment = cls(run, spec.resolve(init), init)
            if experiment._is_prepared():
                run.require_same(**_collect_facts(spec, init), inputs=_digested_anew(run.manifest()["inputs"]))
            else:
                run.update(versions=versions(), **_collect_facts(spec, init))
            run.log("resumed")
            yield experiment

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the prepared molecules."""
        return self._require_prepared()[0]

    @property
    def data(self) -> TokenSet:
        """The prepared molecules."""
        return self._require_prepared()[1]

    @property
    def model_path(self) -> Path:
        """The checkpoint of the finished training: the best on the validation molecules, with what is fitted to it."""
        return self.run.path / MODEL

    def prepare(self, on_row: Callable[[], object] = lambda: None) -> None:
        """Reads the files into the run, unless done before.

        Args:
            on_row: Called for each row read.

        Raises:
            FileError: A file cannot be used, or no row of it can.
            SpecError: No file has one of the properties.
            InterruptedRunError: A signal came; a resumed run reads from the beginning.
        """
        if self._is_prepared():
            self._prepared = prepared.read_vocabulary(self.run.path), TokenSet.load(self.run.path / DATA)
            return
        key = prepared.make_key(self._content())
        inputs = None if self.spec.rejects else prepared.fetch(key, self.run.path)
        if inputs is not None:
            self.run.update(inputs=inputs)
            self.run.log(f"took prepared molecules from the cache: {key}")
            self.prepare()
            return
        source = self.spec.source()
        tallies = {path: Tally() for path in source.paths}
        with ExitStack() as stack:
            if self.spec.rejects:
                others = filter(None, (self.spec.init, self.spec.leave_out))
                require_no_input(Path(self.spec.rejects), [*source.paths, *map(Path, others)])
                listing = stack.enter_context(write_rejections(Path(self.spec.rejects)))
                for tally in tallies.values():
                    tally.on_rejection = listing
            is_stop_requested = stack.enter_context(stop_requested())
            vocabulary, data = prepare(
                source,
                tallies,
                vocabulary=self._init.vocabulary if self._init else None,
                split_by=self.spec.split,
                on_row=_reading(on_row, is_stop_requested),
            )
        self._keep(vocabulary, data, tallies)
        prepared.keep(key, self.run.path, self.run.manifest()["inputs"])

    def train(
        self,
        on_status: Callable[[TrainingStatus], object] = lambda _status: None,
        on_prior: Callable[[str, float], object] = lambda _kind, _share: None,
        *,
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        """Trains to the end, then fits what `spec` requests, and calibrates trust. A finished run is left as it is.

        Args:
            on_status: Called after each step.
            on_prior: Called with what is being fitted (a kind of prior, `regions`, `familiarity` or `trust`) and the
                share done.
            save_every_s: Seconds between two savings of the state, the most that a crash can lose.

        Raises:
            InterruptedRunError: A signal came; the state is saved.
            RunError: The saved state is damaged.
            MolgenError: The training diverged.
            SpecError: Regions cannot be fitted; or only a calibration was requested, on fewer than 20 molecules that
                `init` was not trained on.
        """
        if "end" in self.run.manifest():
            return
        inputs = self.run.manifest()["inputs"]
        if self._init and self.spec.only_calibrates():
            card = {**self._init.card, "applicability": {"data": describe_files(inputs)}}
            self._finish(self._calibrated(replace(self._init, card=card), on_prior))
            return
        model = make_initial_model(self.spec, self.vocabulary, self._init, inputs)
        if self.spec.epochs == 0:
            model = with_data(model, self.data)
        else:
            self._train(model, on_status, save_every_s)
            model = checkpoint.load(self.run.path / f"{BEST}.safetensors", self.spec.device)
        if self.spec.regions:
            model = self._with_regions(model, on_prior)
        if self.spec.property:
            model = fit_predictor(model, self.data, self.spec.seed)
        for kind in PRIOR_KINDS:
            if kind in self.spec.prior and not (kind == "language" and self.spec.regions):
                model = fit_prior(model, kind, self.data, self.spec.seed, partial(on_prior, kind))
        is_new = self._init is None
        model = gather_familiarity(model, self.data, is_new=is_new, watch=partial(on_prior, "familiarity"))
        self._finish(model if model.applicability else self._calibrated(model, on_prior))

    def _with_regions(self, model: MolecularModel, watch: Callable[[str, float], object]) -> MolecularModel:
        """The model with regions, and before that with a language model if requested."""
        if "language" in self.spec.prior:
            model = fit_prior(model, "language", self.data, self.spec.seed, partial(watch, "language"))
        config = RegionConfig(count_region_steps(self.data), seed=self.spec.seed)
        return fit_regions(model, self.data, config, partial(watch, "regions"))

    def _calibrated(self, model: MolecularModel, watch: Callable[[str, float], object]) -> MolecularModel:
        """The model with trust calibrated on held-out molecules, or on all if only that was requested."""
        rows = np.arange(len(self.data)) if self.spec.only_calibrates() else np.flatnonzero(self.data.is_validation)
        model = calibrate_trust(model, self.data, rows, self.spec.seed, partial(watch, "trust"))
        if model.applicability is None and self.spec.only_calibrates():
            message = f"must hold {MIN_MOLECULES} molecules or more that the checkpoint was not trained on"
            raise SpecError("data", message, remedy="Give molecules that were held out of its training.")
        return model

    def _finish(self, model: MolecularModel) -> None:
        self.run.keep()
        model.save(self.model_path)  # in a file of its own: a resumed run begins from BEST
        self.run.update(end=now())
        self.run.log(f"finished: {MODEL} has SHA-256 {model.digest}")
        for suffix in _SUFFIXES:
            (self.run.path / f"{BEST}{suffix}").unlink(missing_ok=True)

    def _train(self, model: MolecularModel, on_status: Callable[[TrainingStatus], object], save_every_s: float) -> None:
        def on_step(status: TrainingStatus) -> None:
            self.run.keep()
            on_status(status)

        with stop_requested() as is_stop_requested:
            training = Training(
                self.run.path,
                self._config(),
                self.data,
                model,
                device=self.spec.device,
                bf16=self.run.manifest()["precision"] == "bfloat16",
                save_every_s=save_every_s,
            )
            training.restore_state()
            training.run(on_step, is_stop_requested)

    def _is_prepared(self) -> bool:
        """Whether the molecules and the manifest entries of their files exist."""
        return (self.run.path / DATA).exists() and "inputs" in self.run.manifest()

    def _content(self) -> dict[str, Any]:
        """Everything that determines the result of `prepare`."""
        source = self.spec.source()
        vocabulary = asdict(self._init.vocabulary) if self._init else None
        return {
            "source": {**asdict(source), "paths": [(str(p), file_digest(p)) for p in source.paths], "workers": None},
            "vocabulary": vocabulary,
            "split": self.spec.split,
            "versions": versions(),
        }

    def _keep(self, vocabulary: Vocabulary, data: TokenSet, tallies: Mapping[Path, Tally]) -> None:
        prepared.write_vocabulary(vocabulary, self.run.path)
        self.run.update(inputs=[describe_input(path, tally) for path, tally in tallies.items()])
        data.save(self.run.path / DATA)
        self.run.log(f"prepared {len(data)} molecules, {int(data.is_validation.sum())} of them for validation")
        self._prepared = vocabulary, data

    def _require_prepared(self) -> tuple[Vocabulary, TokenSet]:
        if self._prepared is None:
            raise RuntimeError("call prepare() first")
        return self._prepared

    def _config(self) -> TrainingConfig:
        spec = self.spec
        schedule = Schedule(self.data, spec.batch_size, spec.seed)
        return TrainingConfig(
            epochs=spec.epochs,
            minutes=spec.minutes,
            batch_size=spec.batch_size,
            learning_rate=spec.learning_rate or 0.0,
            kl_weight=spec.kl_weight,
            kl_warmup=0.0 if self._init else TrainingConfig.kl_warmup,
            property_weight=spec.property_weight,
            geometry_weight=spec.geometry_weight,
            patience=spec.patience,
            validate_every=spec.validate_every or min(MAX_UNVALIDATED_STEPS, schedule.steps_per_epoch),
            seed=spec.seed,
        )


def _collect_facts(spec: TrainingSpec, init: MolecularModel | None) -> dict[str, Any]:
    """What must not change for a run to be resumed, besides versions, specification and inputs."""
    return {
        "init_sha256": init.digest if init else None,
        "leave_out_sha256": file_digest(Path(spec.leave_out)) if spec.leave_out else None,
        "precision": "bfloat16" if has_fast_bf16(spec.device) else "float32",
    }


def _reading(on_row: Callable[[], object], is_stop_requested: Callable[[], bool]) -> Callable[[], None]:
    def on_row_unless_stopped() -> None:
        if is_stop_requested():
            raise InterruptedRunError("stopped while reading", remedy="Go on with --resume.")
        on_row()

    return on_row_unless_stopped


def _read_spec(run: RunFolder) -> TrainingSpec:
    try:
        return TrainingSpec.of(run.spec())
    except (TypeError, SpecError) as error:
        raise RunError(run.path / SPEC, f"is not that of a training run: {error}", remedy="Start a new run.") from None


def _require_same_options(run: RunFolder, spec: TrainingSpec, options: Mapping[str, Any]) -> None:
    asked = TrainingSpec.of(options)
    for name in options:
        if getattr(asked, name) != getattr(spec, name):
            raise RunError(
                run.path,
                f"{name} was {getattr(spec, name)!r} when this run began, but now is {getattr(asked, name)!r}",
                remedy="Give --resume and --out alone, or start a new run in another folder.",
            )


def _digested_anew(inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry | {"sha256": file_digest(Path(entry["path"]))} for entry in inputs]
