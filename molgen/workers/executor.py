"""Options that name an executor, whose workers run tasks on this machine or on others.

Workers import molgen. Tasks are pickled, and whoever reaches a scheduler can run code on its workers, so use both in a
trusted network only.
"""

from __future__ import annotations

import importlib.util
import re
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from molgen.errors import SpecError
from molgen.extras import require_package
from molgen.workers.local import LocalExecutor
from molgen.workers.tasks import Workers

MAX_WORKERS = 1024

_LOCAL = re.compile(r"local:(\d{1,4})", re.ASCII)
_DASK = re.compile(r"dask://([\w.-]+|\[[\da-fA-F:]+\]):(\d{1,5})", re.ASCII)
_CONNECT_S = 10.0


def read_executor(text: str) -> Workers:
    """The workers that an option names; none is started or reached.

    `local:N` is N processes of this machine; `dask://HOST:PORT` the workers of a scheduler of Dask; and
    `file.py:FUNCTION` those of the `concurrent.futures.Executor` that a function of the user makes, without arguments.

    Raises:
        SpecError: The text has another form, N is not from 1 to `MAX_WORKERS`, there is no such file, or the extra
            `dask` is not installed.
    """
    if (local := _LOCAL.fullmatch(text)) and 1 <= int(local[1]) <= MAX_WORKERS:
        n = int(local[1])
        return Workers(partial(LocalExecutor, n), n)
    if dask := _DASK.fullmatch(text):
        require_package("distributed", package="distributed", extra="dask", key="executor")
        return Workers(partial(_connect, f"tcp://{dask[1]}:{dask[2]}"))
    path, _, function = text.rpartition(":")
    if path.endswith(".py") and function.isidentifier():
        if not Path(path).is_file():
            raise SpecError("executor", f"{path} is not a file", remedy="Write it like file.py:make_executor.")
        return Workers(partial(_make, Path(path), function))
    remedy = f"Write local:N (N from 1 to {MAX_WORKERS}), dask://HOST:PORT or file.py:make_executor."
    raise SpecError("executor", f"{text!r} is no executor", remedy=remedy)


def _connect(address: str) -> Executor:
    """The executor of a scheduler of Dask.

    Raises:
        SpecError: The scheduler does not answer.
    """
    from distributed import Client
    from distributed.cfexecutor import ClientExecutor

    class ConnectedExecutor(ClientExecutor):
        """An executor that closes its connection when it is shut down."""

        def shutdown(self, wait: bool = True, **_: object) -> None:
            super().shutdown(wait=wait)  # type: ignore[no-untyped-call]
            self._client.close()

    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except OSError as error:
        remedy = "Start one: `dask scheduler`, and workers: `dask worker HOST:PORT --nthreads 1`."
        raise SpecError("executor", f"no scheduler of Dask answers at {address}: {error}", remedy=remedy) from None
    executor: Executor = ConnectedExecutor(  # type: ignore[no-untyped-call]
        client,
        pure=False,  # pure, it would answer from its cache
    )
    return executor


def _make(path: Path, function: str) -> Executor:
    """The executor that a function of the user makes.

    Raises:
        SpecError: The file or the function fails, or gives something else.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SpecError("executor", f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        executor: Any = getattr(module, function)()
    except Exception as error:
        raise SpecError("executor", f"{path}:{function} raised {type(error).__name__}: {error}") from error
    if not isinstance(executor, Executor):
        what = f"{path}:{function} gave {type(executor).__name__}, not a concurrent.futures.Executor"
        raise SpecError("executor", what)
    return executor
