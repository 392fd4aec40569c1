"""A child process with limits on time and output, which ends together with all processes that it started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from molgen.interrupt import raise_if_stop_requested
from molgen.score.external import supervisor

_TAIL_BYTES = 8192
_TAIL_LINES = 10
_CHUNK_BYTES = 65536
_STOP_S = 1.0
"""Time for the supervisor to end all descendants of the process."""
_DRAIN_S = 0.5
"""Time for the last of stderr to arrive after that."""
_POLL_S = 0.1
"""Interval between checks for a requested stop."""


class Child:
    """A program with pipes, under a supervisor that ends it with all its descendants (`supervisor.py`)."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Starts the program `arguments[0]`; if it cannot be run, the exit code is 127 and stderr has the reason.

        Raises:
            OSError: No process can be started.
        """
        watched, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, str(watched), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=(watched,),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(watched)
        self._is_stopped = False
        self._stdin, self._stdout = _opened(self._process.stdin), _opened(self._process.stdout)
        os.set_blocking(self._stdin.fileno(), False)
        self._tail = b""
        self._stderr = _opened(self._process.stderr)
        self._drain = threading.Thread(target=self._keep_tail, daemon=True)
        self._drain.start()

    def line(self, request: bytes, limit_s: float) -> bytes:
        """The line that answers a request; without a final line break if stdout ended before.

        Raises:
            TimeoutError: It took longer than `limit_s`.
            InterruptedRunError: A stop was requested.
        """
        return self._exchanged(request, time.monotonic() + limit_s, lambda answer: answer.endswith(b"\n"))

    def output(self, text: bytes, limit_s: float, limit_bytes: int) -> tuple[bytes, int | None]:
        """The output of the program for `text` as its whole stdin, and its exit code as in `wait`.

        Reading stops after `limit_bytes`; the exit code is then None.

        Raises:
            TimeoutError: It took longer than `limit_s`.
            InterruptedRunError: A stop was requested.
        """
        deadline = time.monotonic() + limit_s
        output = self._exchanged(text, deadline, lambda answer: len(answer) > limit_bytes, is_last=True)
        return output, None if len(output) > limit_bytes else self.wait(deadline - time.monotonic())

    def wait(self, limit_s: float) -> int:
        """Waits for the exit code; for a process that died by a signal, minus the number of the signal.

        Raises:
            TimeoutError: It took longer than `limit_s`.
            InterruptedRunError: A stop was requested.
        """
        deadline = time.monotonic() + limit_s
        while True:
            raise_if_stop_requested()
            left = deadline - time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(max(0.0, min(left, _POLL_S)))
            if left <= 0:
                raise TimeoutError

    def finish(self, limit_s: float) -> None:
        """Closes stdin, and kills the process with its descendants if it has not ended after `limit_s`."""
        with suppress(OSError):
            self._stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_s)
        self.stop()

    def stop(self) -> None:
        """Kills the process and its descendants; a second call does nothing."""
        if self._is_stopped:
            return
        self._is_stopped = True
        os.close(self._lifeline)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._drain.join(_DRAIN_S)
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()

    def tail(self) -> str:
        """The last lines of stderr of a stopped process."""
        lines = self._tail.decode(errors="replace").splitlines()
        return "\n".join(line.rstrip() for line in lines[-_TAIL_LINES:])

    def _exchanged(
        self, request: bytes, deadline: float, is_whole: Callable[[bytearray], bool], *, is_last: bool = False
    ) -> bytes:
        """Writes a request while reading the answer, until that is complete or stdout ends."""
        answer, rest = bytearray(), memoryview(request)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stdin, selectors.EVENT_WRITE)
            while not is_whole(answer):
                ready = _ready(selector, deadline)
                if self._stdin in ready and not (rest := self._written(rest)):
                    selector.unregister(self._stdin)
                    if is_last:
                        self._stdin.close()
                if self._stdout in ready:
                    chunk = os.read(self._stdout.fileno(), _CHUNK_BYTES)
                    if not chunk:
                        break
                    answer += chunk
        return bytes(answer)

    def _written(self, data: memoryview) -> memoryview:
        """The rest to write; nothing if the process no longer reads."""
        try:
            return data[os.write(self._stdin.fileno(), data) :]
        except BlockingIOError:
            return data
        except BrokenPipeError:
            return data[:0]

    def _keep_tail(self) -> None:
        with self._stderr:
            while chunk := os.read(self._stderr.fileno(), _TAIL_BYTES):
                self._tail = (self._tail + chunk)[-_TAIL_BYTES:]


def how_it_ended(exit_code: int) -> str:
    """An exit code in words; one below 0 is that of a signal.

    >>> how_it_ended(3), how_it_ended(-11)
    ('ended with exit code 3', 'was ended by the signal SIGSEGV')
    """
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by the signal {names.get(-exit_code, -exit_code)}"


def _ready(selector: selectors.BaseSelector, deadline: float) -> list[object]:
    """Pipes that can be read or written now; none after `_POLL_S` without an event."""
    raise_if_stop_requested()
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return [key.fileobj for key, _ in selector.select(min(left, _POLL_S))]


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise OSError("a pipe to the process could not be opened")
    return pipe
