"""Signals set a flag inside the block, and mean what they meant before outside of it."""

import os
import signal
import subprocess
import sys
import threading
from textwrap import dedent

import pytest

from molgen.interrupt import SIGNALS, stop_requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_is_remembered_not_obeyed(number: signal.Signals) -> None:
    with stop_requested() as is_stop_requested:
        assert not is_stop_requested()
        os.kill(os.getpid(), number)
        assert is_stop_requested()
        assert is_stop_requested()


def test_each_block_begins_without_a_request() -> None:
    with stop_requested():
        os.kill(os.getpid(), signal.SIGUSR1)
    with stop_requested() as is_stop_requested:
        assert not is_stop_requested()


def fail_inside() -> None:
    with stop_requested():
        raise KeyError


def test_handlers_are_put_back_even_after_an_exception() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyError):
        fail_inside()
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_is_never_asked_to_stop() -> None:
    answers: list[bool] = []

    def work() -> None:
        with stop_requested() as is_stop_requested:
            answers.append(is_stop_requested())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requested() as is_stop_requested:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not is_stop_requested()
    finally:
        signal.signal(signal.SIGHUP, before)


def python(code: str, terminal: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", dedent(code)],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        start_new_session=True,
    )


def test_a_second_interrupt_ends_the_process_at_once() -> None:
    code = """
        import time
        from molgen.interrupt import stop_requested
        with stop_requested() as is_stop_requested:
            print("begun", flush=True)
            while not is_stop_requested(): time.sleep(0.01)
            print("asked", flush=True)
            time.sleep(60)
    """
    with python(code) as process:
        assert process.stdout is not None
        for line in ("begun\n", "asked\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_a_closed_terminal_does_not_hide_that_the_run_was_stopped() -> None:
    code = """
        import fcntl, sys, termios, time
        from molgen.interrupt import stop_requested
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        with stop_requested() as is_stop_requested:
            print("begun", flush=True)
            while not is_stop_requested(): time.sleep(0.01)
        print("a last word", file=sys.stderr, flush=True)
        sys.exit(130)
    """
    outer, inner = os.openpty()
    with python(code, inner) as process:
        os.close(inner)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        os.close(outer)
        assert process.wait() == 130
