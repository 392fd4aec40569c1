"""Runs a program, and ends all its descendants, however the program or the caller ends.

Started as `python -I -S supervisor.py FD PROGRAM ARGUMENTS...` in a session of its own. FD is the read end of a pipe
whose write end only the caller holds. The caller closes it to end the program; the kernel closes it if the caller is
killed. The supervisor ends as the program did: with its exit code, or by its signal.

On Linux it adopts every descendant whose parent ended (PR_SET_CHILD_SUBREAPER), so that processes that left the
session of the program are found too, and the program is killed with the supervisor (PR_SET_PDEATHSIG). Elsewhere it
ends the process group of the program. It imports only the standard library.

Source: prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

_CANNOT_RUN = 127
_KILL_S = 5.0
"""Time for killed processes to disappear; a process that hangs in the kernel is given up after it."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_IS_LINUX = sys.platform == "linux"


def supervise(lifeline: int, arguments: list[str]) -> None:
    """Runs a program until it ends or the pipe `lifeline` is closed."""
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ended = _wakeup()
    program = os.fork()
    if program == 0:
        os.close(lifeline)
        _become(arguments)
    _leave_pipes()
    status = _waited(program, lifeline, ended)
    _end_descendants(program)
    _end_like(status)


def _wakeup() -> int:
    """A descriptor that becomes readable when a child ends."""
    ended, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return ended


def _become(arguments: list[str]) -> None:
    """Replaces this process by the program, in its own session, so that it cannot signal the supervisor."""
    os.setsid()
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(arguments[0], arguments)
    except OSError as error:
        os.write(2, f"{arguments[0]} cannot be run: {error.strerror}\n".encode())
        os._exit(_CANNOT_RUN)


def _leave_pipes() -> None:
    """Redirects the standard streams to /dev/null, so that the pipes end with the program."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _waited(program: int, lifeline: int, ended: int) -> int | None:
    """The wait status of the program; None if the lifeline was closed before it ended."""
    while True:
        ready, _, _ = select.select([lifeline, ended], [], [])
        if lifeline in ready:
            return None
        os.read(ended, select.PIPE_BUF)
        statuses = _reaped()
        if program in statuses:
            return statuses[program]


def _reaped() -> dict[int, int]:
    """The wait status of every child that ended."""
    statuses = {}
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            statuses[ended[0]] = ended[1]
    return statuses


def _end_descendants(program: int) -> None:
    deadline = time.monotonic() + _KILL_S
    while time.monotonic() < deadline:
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only a zombie is left
            os.killpg(program, signal.SIGKILL)
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.001)


def _children() -> list[int]:
    """Own children, adopted orphans included; none if the system does not list them."""
    with suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as listing:
        return [int(pid) for pid in listing.read().split()]
    return []


def _end_like(status: int | None) -> None:
    if status is None:
        return
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left one already
    with suppress(OSError):  # SIGKILL needs no handler
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)


if __name__ == "__main__":
    supervise(int(sys.argv[1]), sys.argv[2:])
