"""A command that goes step by step without anybody waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gridiface.errors import DeviceTimeout
from gridiface_southbound.modbus.begun import Begun, may_hurry
from gridiface_southbound.modbus.loading import load_table
from gridiface_southbound.modbus_pdu import ExceptionReply, Request, read_request

ONE, TWO, THREE = read_request(1, 1), read_request(2, 1), read_request(3, 1)
NO = ExceptionReply(16, 3)


class Way:
    """Takes steps and answers when it is told to."""

    def __init__(self) -> None:
        self.free = True
        self.sent: list[Sequence[Request]] = []
        self.told: list[Any] = []
        self._done: Callable[[Any], None] = lambda _: None

    def send(self, requests: Sequence[Request], done: Callable[[Any], None], /) -> bool:
        if self.free:
            self.sent.append(requests)
            self._done = done
        return self.free

    def answer(self, result: Any) -> None:
        self._done(result)


def begun(way: Way) -> Begun:
    return Begun([[ONE], [TWO, THREE]], way.send, way.told.append)


def test_each_step_waits_for_the_one_before() -> None:
    way = Way()
    assert begun(way).go()
    assert way.sent == [[ONE]]
    way.answer([b"1"])
    assert way.sent == [[ONE], [TWO, THREE]]
    assert not way.told
    way.answer([b"2", b"3"])
    assert way.told == [[b"1", b"2", b"3"]]


def test_nothing_is_sent_after_a_refusal_or_an_error() -> None:
    for result, told in (([NO], [NO]), (error := DeviceTimeout("gone"), error)):
        way = Way()
        begun(way).go()
        way.answer(result)
        assert way.sent == [[ONE]]
        assert way.told == [told]


def test_who_finds_the_link_in_use_says_so() -> None:
    way = Way()
    way.free = False
    assert not begun(way).go()
    assert not way.told
    way.free = True
    begun(way).go()
    way.free = False
    way.answer([b"1"])
    assert way.told == [None]


@pytest.mark.parametrize(
    ("name", "hurries"), [("example-battery-little", True), ("example-pv-flash", False), ("huawei-sun2000", True)]
)
def test_what_needs_time_or_rest_does_not_hurry(name: str, hurries: bool) -> None:
    assert may_hurry(load_table(name)) is hurries
