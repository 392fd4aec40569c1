"""Signals set a flag inside the block, and mean what they meant before outside of it."""

import os
import signal
import threading

import pytest

from molgen.interrupt import SIGNALS, stop_requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
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
