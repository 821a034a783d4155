"""Deadlines of a plain connection, on a loop whose clock the test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gridiface.northbound import http_deadlines
from gridiface.northbound.http_deadlines import Timed


class Handle:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """The part of a loop that keeps the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.handle: Handle | None = None

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Handle:
        self.handle = Handle(at, call)
        return self.handle

    def go(self, to: float) -> None:
        """Let the time pass."""
        while self.handle is not None and not self.handle.cancelled and self.handle.at <= to:
            due, self.handle = self.handle, None
            self.now = max(self.now, due.at)
            due.call()
        self.now = to


class Wire(asyncio.Transport):
    aborted = False

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(http_deadlines.asyncio, "get_running_loop", lambda: made)
    return made


def timed(**limits: Any) -> tuple[Timed, Wire]:
    wire = Wire()
    return Timed(wire, **limits), wire


def test_an_idle_connection_is_dropped_and_each_answer_gives_it_its_time_anew(clock: Clock) -> None:
    watched, wire = timed(idle_s=75.0, body_s=12.0)
    clock.go(170.0)
    watched.request_begins(body_complete=True)
    clock.go(1000.0)
    watched.request_ends()
    clock.go(1074.0)
    assert not wire.aborted
    clock.go(1076.0)
    assert wire.aborted


def test_a_body_that_does_not_come_is_not_waited_for(clock: Clock) -> None:
    watched, wire = timed(idle_s=75.0, body_s=12.0)
    watched.request_begins(body_complete=False)
    clock.go(111.0)
    watched.body_complete()
    clock.go(300.0)
    assert not wire.aborted
    watched.request_ends(more=True)
    watched.request_begins(body_complete=False)
    clock.go(340.0)
    assert wire.aborted


def test_a_connection_of_one_answer_ends_whatever_is_under_way(clock: Clock) -> None:
    watched, wire = timed(idle_s=10.0, life_s=10.0)
    watched.request_begins(body_complete=True)
    clock.go(109.0)
    assert not wire.aborted
    clock.go(111.0)
    assert wire.aborted


def test_who_was_refused_has_a_moment_to_take_it(clock: Clock) -> None:
    watched, wire = timed(idle_s=75.0, body_s=12.0)
    watched.request_begins(body_complete=False)
    watched.lingers()
    clock.go(101.0)
    assert not wire.aborted
    clock.go(103.0)
    assert wire.aborted


def test_who_is_gone_is_watched_no_more(clock: Clock) -> None:
    watched, wire = timed(idle_s=10.0)
    watched.cancel()
    watched.cancel()
    clock.go(200.0)
    assert not wire.aborted
