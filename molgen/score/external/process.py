"""A child process that cannot hang its parent, flood its memory, or outlive its use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

_TAIL_BYTES = 8192
_TAIL_LINES = 10
_DRAIN_S = 1.0
"""Time for the last of stderr to arrive after the process is gone."""


class Child:
    """A process with pipes, in a process group of its own so that killing it kills what it has started.

    Attributes:
        stdin: Bytes to the process.
        stdout: Bytes from the process.
        is_late: Whether a time limit has ended it.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Starts the program `arguments[0]`.

        Raises:
            OSError: There is no such program, or it cannot be run.
        """
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.stdin, self.stdout = _opened(self._process.stdin), _opened(self._process.stdout)
        self.is_late = False
        self._tail = b""
        self._stderr = _opened(self._process.stderr)
        self._drain = threading.Thread(target=self._keep_tail, daemon=True)
        self._drain.start()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Kills the process when the block takes longer; reads from it then end, writes to it fail."""
        timer = threading.Timer(seconds, self._kill_late)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def wait(self) -> int:
        """The exit code, once the process has ended."""
        return self._process.wait()

    def finish(self, seconds: float) -> None:
        """Closes stdin, and kills the process if it has not ended `seconds` later."""
        with suppress(OSError):
            self.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.stop()

    def stop(self) -> None:
        """Kills the process and all it has started; does nothing to one that was waited for."""
        self._kill()
        self._process.wait()
        self._drain.join(_DRAIN_S)
        for pipe in (self.stdin, self.stdout):
            with suppress(OSError):
                pipe.close()

    def tail(self) -> str:
        """The last lines of stderr, of a process that was stopped."""
        lines = self._tail.decode(errors="replace").splitlines()
        return "\n".join(line.rstrip() for line in lines[-_TAIL_LINES:])

    def _kill(self) -> None:
        if self._process.returncode is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
        else:  # PermissionError: how macOS says that only a zombie is left
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _kill_late(self) -> None:
        self.is_late = True
        self._kill()

    def _keep_tail(self) -> None:
        with self._stderr:
            while chunk := os.read(self._stderr.fileno(), _TAIL_BYTES):
                self._tail = (self._tail + chunk)[-_TAIL_BYTES:]


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise OSError("a pipe to the process could not be opened")
    return pipe
