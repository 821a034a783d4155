"""What a VEN makes of a VTN's answers that are none."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.clocks import StandingClock

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.openadr.settings import VenSettings
from gridiface.northbound.openadr.ven.upstream import NotAnswered, Upstream
from gridiface.northbound.openadr.wire.client import PayloadClient, Unreachable
from gridiface.protocols.openadr.exchange import HttpRefused
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.ven import Request, VenConfig


class Client:
    def __init__(self, *problems: Exception) -> None:
        self.problems = list(problems)

    async def post(self, *_: Any, **__: Any) -> None:
        raise self.problems.pop(0)


def request() -> Request:
    return Request(1, "update_report", "EiReport", OadrPoll(venID="v"))


async def statuses(*problems: Exception, same: bool = True) -> list[int]:
    settings = VenSettings(name="u", url="http://v", core=VenConfig(name="u"), programs={})
    upstream = Upstream(settings, cast(PayloadClient, Client(*problems)), StandingClock(0.0, 0.0))
    one, found = request(), []
    for _ in problems:
        with pytest.raises(NotAnswered) as problem:
            await upstream.ask(one if same else request())
        found.append(problem.value.status)
    return found


async def test_a_refusal_is_one_at_once() -> None:
    assert await statuses(HttpRefused("no", answer=406), HttpRefused("no", answer=413)) == [406, 413]


async def test_what_a_vtn_asks_for_is_told_on() -> None:
    settings = VenSettings(name="u", url="http://v", core=VenConfig(name="u"), programs={})
    busy = HttpRefused("busy", answer=503, pause_s=7.0)
    upstream = Upstream(settings, cast(PayloadClient, Client(busy)), StandingClock(0.0, 0.0))
    with pytest.raises(NotAnswered) as problem:
        await upstream.ask(request())
    assert (problem.value.status, problem.value.pause_s) == (503, 7.0)


async def test_an_answer_that_cannot_be_read_is_none_until_it_has_come_five_times() -> None:
    kinds = [RemoteProtocolError("no XML", answer=code) for code in (400, 406, 413, 400, 400, 400)]
    assert await statuses(*kinds) == [520, 520, 520, 520, 400, 520]


async def test_another_payload_is_counted_anew() -> None:
    assert await statuses(*[RemoteProtocolError("no XML", answer=400)] * 6, same=False) == [520] * 6


async def test_nobody_and_nobody_who_signs_as_he_must_are_waited_for_without_end() -> None:
    assert await statuses(*[Unreachable("no")] * 6) == [0] * 6
    assert await statuses(*[RemoteProtocolError("not signed", answer=403)] * 6) == [403] * 6
