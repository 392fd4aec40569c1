"""Functions of a latent space and a chunk of items, on workers that each load the checkpoint once and keep it.

Results are those of this process, byte for byte, if it has the same kind of processor and as many threads as a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from molgen.device import use_threads
from molgen.errors import CheckpointError, TaskError
from molgen.latent.space import LatentSpace, default_checkpoint
from molgen.workers.executor import read_executor
from molgen.workers.tasks import Workers

MAX_KEPT = 2
"""Maximum number of checkpoints that a worker keeps; the least recently used one is dropped."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class SpaceWorkers:
    """Workers, and how they load a checkpoint.

    Attributes:
        workers: The workers.
        checkpoint: Absolute path of the checkpoint on every worker; None for the one that molgen ships.
        threads: CPU threads of each worker.
    """

    workers: Workers
    checkpoint: Path | None
    threads: int


@contextmanager
def open_workers(executor: str | None, checkpoint: Path | None, threads: int | None) -> Iterator[SpaceWorkers | None]:
    """The workers that an option names, until the block ends; None without the option.

    Args:
        executor: The option, as in `read_executor`.
        checkpoint: Path of the checkpoint; None for the one that molgen ships.
        threads: CPU threads of each worker; by default 1, since there may be a worker for each core.

    Raises:
        SpecError: The option names no workers.
    """
    if executor is None:
        yield None
        return
    with read_executor(executor) as workers:
        yield SpaceWorkers(workers, checkpoint and checkpoint.resolve(), threads or 1)


def map_chunks(
    space: LatentSpace,
    function: Callable[[LatentSpace, _Item], _Result],
    chunks: Iterable[_Item],
    workers: SpaceWorkers | None = None,
) -> Iterator[_Result]:
    """Results of a function of the space and each chunk, in the order of the chunks.

    Args:
        space: The latent space.
        function: Called in this process, or by workers if given; then it is pickled.
        chunks: Read as results are taken, with workers some of them in advance.
        workers: Where to call the function.

    Raises:
        TaskError: The workers of a task were lost too often, or it cannot be run.
        CheckpointError: A worker has no such checkpoint, or another one.
        MolgenError: The function raised it, or the workers cannot be reached.
    """
    if workers is None:
        yield from map(partial(function, space), chunks)
        return
    task = SpaceTask(function, workers.checkpoint, space.model.digest, str(space.device), workers.threads)
    for result in workers.workers.run(task, chunks):
        if isinstance(result, TaskError):
            raise result
        yield result


@dataclass(frozen=True)
class SpaceTask(Generic[_Item, _Result]):
    """What a worker does with a chunk; it is pickled.

    Attributes:
        function: A function of the space and a chunk.
        checkpoint: Path of the checkpoint; None for the one that molgen ships.
        digest: Its SHA-256.
        device: Torch device.
        threads: CPU threads.
    """

    function: Callable[[LatentSpace, _Item], _Result]
    checkpoint: Path | None
    digest: str
    device: str
    threads: int

    def __call__(self, chunk: _Item) -> _Result:
        """The result for a chunk."""
        use_threads(self.threads)  # torch counts them for each thread of a worker
        with _loading:
            space = _load(self.checkpoint or default_checkpoint(), self.digest, self.device)
        return self.function(space, chunk)


_loading = Lock()


@lru_cache(MAX_KEPT)
def _load(path: Path, digest: str, device: str) -> LatentSpace:
    space = LatentSpace.load(path, device=device)
    if space.model.digest != digest:
        what = f"has the SHA-256 {space.model.digest:.12}... on a worker, and {digest:.12}... here"
        raise CheckpointError(path, what, remedy="Give workers the same file under the same path.")
    return space
