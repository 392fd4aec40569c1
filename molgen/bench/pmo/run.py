"""Runs of PMO: one oracle, one seed, one sampler.

Each run appends its calls to a file of its own, `TASK-SEED.csv`. A stopped run is resumed by replaying the search with
the values of that file instead of calls of the oracle.
"""

from __future__ import annotations

import csv
import io
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import dataclass
from difflib import get_close_matches
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import torch

from molgen.bench.pmo.tasks import make_oracles
from molgen.bench.proposer import Proposer, choose_batch_size, make_proposer
from molgen.device import describe_machine
from molgen.errors import FileError, SpecError
from molgen.latent.space import LatentSpace
from molgen.lock import hold
from molgen.paths import write_text
from molgen.run import SPEC, RunFolder
from molgen.search.campaign import MAX_IDLE_BATCHES
from molgen.search.ledger import require_reproduced

COLUMNS = ("call", "smiles", "value")
POLL_S = 0.5

if TYPE_CHECKING:
    from ctypes import Array, c_longlong

Call = tuple[str, float]


@dataclass(frozen=True)
class PmoRun:
    """One run.

    Attributes:
        task: Name of the oracle.
        seed: Seed of all randomness.
        budget: Number of unique valid molecules to score.
        sampler: A name that `molgen.bench.proposer.require_sampler` accepts.
        checkpoint: The model, or None for the shipped one.
        folder: Folder of its file.
        is_filtered: Whether only familiar, stable and neutral molecules without a BRENK alert are scored.
    """

    task: str
    seed: int
    budget: int
    sampler: str
    checkpoint: Path | None
    folder: Path
    is_filtered: bool = False

    @property
    def path(self) -> Path:
        """The file of its calls."""
        return self.folder / f"{self.task}-{self.seed}.csv"

    def calls(self) -> list[Call]:
        """The calls so far, in order; an incomplete last line is left out.

        Raises:
            FileError: The file is damaged.
        """
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8")
        lines = text[: text.rfind("\n") + 1]
        rows = list(csv.reader(io.StringIO(lines)))
        try:
            calls = [(smiles, float(value)) for _, smiles, value in rows[1:]]
        except ValueError:
            raise FileError(self.path, "is not a file of calls", remedy="Remove it.") from None
        if rows and tuple(rows[0]) != COLUMNS:
            raise FileError(self.path, f"must have the columns {', '.join(COLUMNS)}", remedy="Remove it.")
        return calls


def require_tasks(names: Sequence[str]) -> list[str]:
    """The names of oracles, each once; `all` stands for all oracles.

    Raises:
        SpecError: A name is unknown.
    """
    known = list(make_oracles())
    if list(names) == ["all"]:
        return known
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3) or known
            raise SpecError("tasks", f"there is no oracle {name!r}", remedy=f"Did you mean {', '.join(near)}?")
    return list(dict.fromkeys(names))


def open_folder(path: Path, digest: str, **options: str | int) -> RunFolder:
    """The folder of runs with these options, new or existing.

    Args:
        path: The folder.
        digest: SHA-256 of the checkpoint.
        options: Sampler and budget.

    Raises:
        RunError: The folder holds other files, or runs with other options, versions or another checkpoint.
    """
    if (path / SPEC).is_file():
        folder = RunFolder.open(path)
        folder.require_same(checkpoint_sha256=digest, **options)
        return folder
    facts = {"checkpoint_sha256": digest, "machine": describe_machine(), **options}
    with RunFolder.begin(path, options, (), facts=facts) as folder:
        return folder


def execute(run: PmoRun, on_calls: Callable[[int], object] = lambda n: None) -> None:
    """Starts or resumes a run, until the budget is spent or no new molecules come.

    Args:
        run: The run.
        on_calls: Called with the number of calls so far, after each batch.

    Raises:
        FileError: The file of the run is damaged.
        RunError: The replay does not reproduce the file, or another process works on the run.
    """
    with hold(run.folder, f".{run.path.name}.lock"):
        recorded = run.calls()
        on_calls(len(recorded))
        if len(recorded) >= run.budget:
            return
        write_text(run.path, _lines(0, recorded, is_head=True))
        space = LatentSpace.load(run.checkpoint)
        reference = space.model.familiarity if run.is_filtered else None
        proposer = make_proposer(space, run.sampler, run.seed, run.budget, reference=reference)
        for n, fresh in enumerate_new(run, proposer, recorded):
            if fresh:
                _append(run.path, n - len(fresh), fresh)
            on_calls(max(n, len(recorded)))


def enumerate_new(run: PmoRun, proposer: Proposer, recorded: Sequence[Call]) -> Iterator[tuple[int, list[Call]]]:
    """Calls the oracle on new molecules, batch by batch; yields the number of calls, and those not in `recorded`."""
    oracle = make_oracles()[run.task]
    known: dict[str, float] = {}
    idle = 0
    while len(known) < run.budget and idle < MAX_IDLE_BATCHES:
        n_before = len(known)
        molecules = proposer.ask(min(choose_batch_size(n_before), run.budget - n_before))
        for molecule in molecules:
            if molecule is None or molecule.smiles in known or len(known) == run.budget:
                continue
            if len(known) < len(recorded):
                expected, value = recorded[len(known)]
                line = len(known) + 2  # of the file: after a header, counted from 1
                require_reproduced(run.path, line, expected, molecule.smiles, "Use another folder.")
            else:
                value = float(oracle(molecule.mol))
            known[molecule.smiles] = value
        proposer.tell([known.get(molecule.smiles) if molecule else None for molecule in molecules])
        idle = 0 if len(known) > n_before else idle + 1
        yield len(known), list(known.items())[max(n_before, len(recorded)) :]


def _append(path: Path, n_before: int, calls: Sequence[Call]) -> None:
    with path.open("a", encoding="utf-8", newline="") as handle:
        handle.write(_lines(n_before, calls))


def _lines(n_before: int, calls: Sequence[Call], *, is_head: bool = False) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if is_head:
        writer.writerow(COLUMNS)
    writer.writerows((n_before + i, smiles, repr(value)) for i, (smiles, value) in enumerate(calls, 1))
    return text.getvalue()


def execute_all(runs: Sequence[PmoRun], workers: int, on_calls: Callable[[int], object]) -> None:
    """Executes all runs, `workers` at a time, each on one thread.

    Args:
        runs: The runs.
        workers: Number of processes.
        on_calls: Called repeatedly with the total number of calls.

    Raises:
        FileError: See `execute`.
        RunError: See `execute`.
    """
    context = get_context("spawn")
    counts = context.Array("q", len(runs), lock=False)
    with ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=(counts,)) as pool:
        waiting = {pool.submit(_execute_one, i, run) for i, run in enumerate(runs)}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                on_calls(sum(counts))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin_worker(counts: Array[c_longlong]) -> None:
    """Sets the shared counters, leaves Ctrl-C to the parent, and ends when the parent is killed."""
    global _counts
    _counts = counts
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _execute_one(index: int, run: PmoRun) -> None:
    def count(n: int) -> None:
        _counts[index] = n

    execute(run, count)


_counts: Array[c_longlong]
