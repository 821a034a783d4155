"""The event stream: outcomes and deliveries as Server-Sent Events, with resume from a bounded buffer.

Each event has an id RUN-NUMBER; a reader that comes back with its last id gets what it missed, or an event `gap`
that says so when that is no longer kept (or the server was started again). A slow reader delays nobody.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gridiface.domain.controls import Delivery, DeliveryOutcome, Outcome
from gridiface.operator.problems import Refused
from gridiface.operator.rows.status import delivery_row, outcome_row

#: Rows kept for readers that come back, rows in one event, readers at once.
KEPT_ROWS, ROWS_PER_EVENT, READERS = 20_000, 100, 256

_HEARTBEAT_S, _STUCK_S, _EVENTS_AT_ONCE = 15.0, 30.0, 200


@dataclass(slots=True)
class Event:
    """One event; its rows become text when somebody reads them, once for all readers."""

    number: int
    rows: tuple[Outcome, ...] | tuple[Delivery, ...] | tuple[dict[str, Any]]
    _told: str = ""

    def text(self, run: str) -> str:
        """As it goes over the wire."""
        if not self._told:
            self._told = self._text(run)
        return self._told

    def _text(self, run: str) -> str:
        first = self.rows[0]
        if isinstance(first, dict):
            return f"id: {run}-{self.number}\nevent: alarm\ndata: {json.dumps(first)}\n\n"
        kind, data = ("outcome", _outcome(first)) if isinstance(first, Outcome) else ("deliveries", self._deliveries())
        return f"id: {run}-{self.number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"

    def _deliveries(self) -> dict[str, Any]:
        rows = [one for one in self.rows if isinstance(one, Delivery)]
        return {"deliveries": [{"device": one.device_id, **(delivery_row(one) or {})} for one in rows]}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return dict(outcome_row(outcome))


class EventBuffer:
    """What happened lately, numbered from 1. `run` names this start of the server."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.closed = False
        self._events: deque[Event] = deque()
        self._rows = 0
        self._next = 1
        self._readers: set[asyncio.Event] = set()

    def on_outcome(self, outcome: Outcome) -> None:
        """Take one durable step of a control in."""
        self._add((outcome,))

    def on_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Take what became of set-points in; those that sent nothing are left out."""
        told = [one for one in deliveries if one.outcome is not DeliveryOutcome.UNCHANGED]
        for first in range(0, len(told), ROWS_PER_EVENT):
            self._add(tuple(told[first : first + ROWS_PER_EVENT]))

    def on_alarm(self, row: dict[str, Any]) -> None:
        """Take an alarm in that was raised, acknowledged or cleared."""
        self._add((row,))

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self._wake()

    def _add(self, rows: tuple[Outcome, ...] | tuple[Delivery, ...] | tuple[dict[str, Any]]) -> None:
        self._events.append(Event(self._next, rows))
        self._next += 1
        self._rows += len(rows)
        while self._rows > KEPT_ROWS:
            self._rows -= len(self._events.popleft().rows)
        self._wake()

    def _wake(self) -> None:
        for reader in self._readers:
            reader.set()

    def place(self, last_id: str) -> tuple[int, bool]:
        """(number of the next event for a reader who saw `last_id` last, whether some are lost). Empty: from now."""
        if not last_id:
            return self._next, False
        run, _, number = last_id.rpartition("-")
        first = self._events[0].number if self._events else self._next
        wanted = int(number) + 1 if number.isascii() and number.isdigit() and len(number) < 19 else 0
        if run != self.run or not first <= wanted <= self._next:
            return first, True
        return wanted, False

    def read(self, place: int) -> tuple[Sequence[Event], int, bool]:
        """(some events from `place` on, the place after them, whether some before them are lost)."""
        first = self._events[0].number if self._events else self._next
        begin = max(place, first)
        found = list(itertools.islice(self._events, begin - first, begin - first + _EVENTS_AT_ONCE))
        return found, begin + len(found), place < first

    async def serve(self, request: web.Request, last_id: str, valid: Callable[[], bool]) -> web.StreamResponse:
        """Stream until the reader leaves, its right ends or the server stops.

        Raises:
            Refused: 503, too many readers.
        """
        if len(self._readers) >= READERS:
            raise Refused(503, f"{READERS} streams are open", "close one or wait", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        wake = asyncio.Event()
        self._readers.add(wake)
        try:
            await response.prepare(request)
            place, lost = self.place(last_id)
            await _send(response, "retry: 2000\n\n" + (self._gap() if lost else ""))
            while not self.closed and valid():
                wake.clear()
                events, place, lost = self.read(place)
                text = (self._gap() if lost else "") + "".join(event.text(self.run) for event in events)
                if text:
                    await _send(response, text)
                elif not await _woken(wake):
                    await _send(response, ": still here\n\n")
        except (ConnectionError, TimeoutError):
            return response
        finally:
            self._readers.discard(wake)
        return response

    def _gap(self) -> str:
        detail = "some events are lost; read /api/v1/status and /api/v1/controls again"
        return f"event: gap\ndata: {json.dumps({'detail': detail})}\n\n"


async def _woken(wake: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(_HEARTBEAT_S):
            await wake.wait()
    except TimeoutError:
        return False
    return True


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_STUCK_S):
        await response.write(text.encode())
