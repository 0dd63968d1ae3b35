"""Specifies how a signal waits for a call of the store."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from textmill.tracking.database.interruption import delayed_interrupts, interrupt


def stop() -> None:
    raise KeyboardInterrupt


def test_outside_of_a_call_it_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(stop)


def test_within_a_call_it_waits_for_the_end_of_the_outermost() -> None:
    done = []

    def call() -> None:
        with delayed_interrupts():
            with delayed_interrupts():
                interrupt(stop)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        call()
    assert done == ["inner", "outer"]


def test_a_second_signal_interrupts_immediately() -> None:
    done = []

    def call() -> None:
        with delayed_interrupts():
            interrupt(stop)
            interrupt(stop)
            done.append("more")

    with pytest.raises(KeyboardInterrupt):
        call()
    with delayed_interrupts():
        done.append("next")
    assert done == ["next"]


def test_a_call_that_fails_gives_way_to_the_signal() -> None:
    def call() -> None:
        with delayed_interrupts():
            interrupt(stop)
            raise ValueError

    with pytest.raises(KeyboardInterrupt):
        call()


def test_other_threads_do_not_delay_signals() -> None:
    inside, over = threading.Event(), threading.Event()

    def work() -> None:
        with delayed_interrupts():
            inside.set()
            over.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt(stop)
    finally:
        over.set()
        thread.join()


def test_a_transaction_ends_before_the_signal_is_obeyed(tmp_path: Path) -> None:
    def write(value: int) -> None:
        with sqlite3.connect(tmp_path / "db", timeout=0) as connection:
            connection.execute("create table if not exists t (x)")
            if value == 1:
                interrupt(stop)
            connection.execute("insert into t values (?)", [value])

    with pytest.raises(KeyboardInterrupt) as caught, delayed_interrupts():
        write(1)
    write(2)  # while the exception, and with it the frames of the call, are still held
    assert caught.traceback
    with sqlite3.connect(tmp_path / "db") as connection:
        assert connection.execute("select x from t order by x").fetchall() == [(1,), (2,)]
