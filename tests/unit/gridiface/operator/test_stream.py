"""The event buffer: order, resume, gaps; and the stream over real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from gridiface.domain.controls import Delivery, DeliveryOutcome, Outcome, OutcomeKind, Setpoint
from gridiface.operator import stream
from gridiface.operator.stream import EventBuffer


def outcome(number: int) -> Outcome:
    return Outcome(control_id=f"c{number}", kind=OutcomeKind.STARTED, at=float(number))


def delivery(name: str, kind: DeliveryOutcome = DeliveryOutcome.ACKNOWLEDGED) -> Delivery:
    return Delivery(device_id=name, outcome=kind, at=1.0, setpoint=Setpoint(device_id=name, issued=1.0))


def numbers(buffer: EventBuffer, place: int) -> list[int]:
    return [event.number for event in buffer.read(place)[0]]


def test_reader_resumes_after_its_last_event() -> None:
    buffer = EventBuffer("run")
    for number in range(5):
        buffer.on_outcome(outcome(number))
    assert buffer.place("") == (6, False)
    assert buffer.place("run-3") == (4, False)
    assert numbers(buffer, 4) == [4, 5]
    assert buffer.read(6) == ([], 6, False)


@pytest.mark.parametrize("last", ["other-3", "run-", "run-99", "3", "run-\u0663", "run-" + "9" * 30])
def test_reader_of_another_run_is_told_that_events_are_lost(last: str) -> None:
    buffer = EventBuffer("run")
    buffer.on_outcome(outcome(1))
    assert buffer.place(last) == (1, True)


def test_buffer_is_bounded_and_says_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEPT_ROWS", 10)
    buffer = EventBuffer("run")
    for number in range(25):
        buffer.on_outcome(outcome(number))
    events, place, lost = buffer.read(1)
    assert ([event.number for event in events], place, lost) == (list(range(16, 26)), 26, True)
    assert buffer.place("run-3") == (16, True)


def test_deliveries_come_in_batches_without_those_that_sent_nothing() -> None:
    buffer = EventBuffer("run")
    buffer.on_deliveries([delivery(f"d{n}") for n in range(150)] + [delivery("same", DeliveryOutcome.UNCHANGED)])
    texts = [event.text("run") for event in buffer.read(1)[0]]
    sizes = [len(json.loads(text.split("data: ")[1])["deliveries"]) for text in texts]
    assert sizes == [100, 50]
    assert texts[0].startswith("id: run-1\nevent: deliveries\n")
    buffer.on_deliveries([delivery("same", DeliveryOutcome.UNCHANGED)])
    assert len(buffer.read(1)[0]) == 2


async def test_stream_resumes_over_http(house: Any) -> None:
    url, events = f"http://127.0.0.1:{house.pages.port}/api/v1/events", house.desk.events
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            await answer.content.readuntil(b"\n\n")
            house.desk.on_outcome(outcome(1))
            first = await answer.content.readuntil(b"\n\n")
        assert b'"control": "c1"' in first
        last = first.split(b"\n")[0].removeprefix(b"id: ").decode()
        for number in (2, 3):
            house.desk.on_outcome(outcome(number))
        async with session.get(url, headers={"Last-Event-ID": last}) as answer:
            await answer.content.readuntil(b"\n\n")
            missed = [await answer.content.readuntil(b"\n\n") for _ in range(2)]
        assert [b'"c2"' in missed[0], b'"c3"' in missed[1]] == [True, True]
        async with session.get(url, headers={"Last-Event-ID": "elder-7"}) as answer:
            assert b"event: gap" in await answer.content.readuntil(b"lost") + b""
            events.close()
            await answer.content.read()
            assert answer.content.at_eof()


async def test_stream_ends_with_its_token(house: Any) -> None:
    url = f"http://127.0.0.1:{house.pages.port}/api/v1/events"
    headers = {"Authorization": f"Bearer {house.tokens['read']}"}
    async with asyncio.timeout(20), aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        await answer.content.readuntil(b"\n\n")
        await house.desk.tokens.revoke("reader", 100.0, by="test")
        house.desk.on_outcome(outcome(1))
        rest = await answer.content.read()
    assert rest.count(b"event: outcome") <= 1


async def test_readers_are_bounded(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "READERS", 0)
    status, body, headers = await house.ask("GET", "/api/v1/events")
    assert (status, headers["Retry-After"]) == (503, "10")
    assert body["fix"]
