"""Many VENs from one process: raw HTTP over kept connections, just enough XML to answer. Owns no measure of its own."""

from __future__ import annotations

import asyncio
import itertools
import re
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gridiface.errors import GridifaceError
from gridiface.protocols.openadr.payloads.common import EiResponse, QualifiedEventID
from gridiface.protocols.openadr.payloads.envelope import encode_payload
from gridiface.protocols.openadr.payloads.event import (
    EiCreatedEvent,
    EventResponse,
    EventResponses,
    OadrCreatedEvent,
    OadrPoll,
)

_EVENT_ID = re.compile(rb"eventID>([^<]+)<")


class Requests:
    """Requests as bytes."""

    @staticmethod
    def whole(port: int, service: str, body: bytes) -> bytes:
        """One POST."""
        head = (
            f"POST /OpenADR2/Simple/2.0b/{service} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    @classmethod
    def same(cls, port: int, service: str, body: bytes) -> Iterator[bytes]:
        """The same POST for ever."""
        return itertools.repeat(cls.whole(port, service, body))


@dataclass(slots=True)
class Answers:
    """What came back in a run."""

    count: int
    seconds: float
    samples: list[bytes]

    def check(self, part: bytes) -> None:
        """Every sample holds `part`.

        Raises:
            GridifaceError: one does not.
        """
        for sample in self.samples:
            if part not in sample or b" 200 " not in sample[:20]:
                raise GridifaceError(f"the VTN answered {sample[:600]!r}")


class Line:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext | None = None) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context))

    async def ask(self, request: bytes) -> bytes:
        """The whole answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        place = head.lower().find(b"content-length:")
        length = int(head[place + 15 : head.index(b"\r", place)]) if place >= 0 else 0
        return head + (await self._reader.readexactly(length) if length else b"")

    def close(self) -> None:
        """At once."""
        self._writer.transport.abort()


async def exchange_all(
    port: int, requests: Sequence[Iterator[bytes]], *, seconds: float, context: ssl.SSLContext | None = None
) -> Answers:
    """Every source of requests on a connection of its own, one after the other, for so long."""
    lines = [await Line.open(port, context) for _ in requests]
    samples: list[bytes] = []
    count = 0
    begin = time.perf_counter()

    async def go(line: Line, source: Iterator[bytes]) -> None:
        nonlocal count
        answer = b""
        while time.perf_counter() - begin < seconds:
            answer = await line.ask(next(source))
            count += 1
        samples.append(answer)

    try:
        await asyncio.gather(*(go(line, source) for line, source in zip(lines, requests, strict=True)))
        return Answers(count, time.perf_counter() - begin, samples)
    finally:
        for line in lines:
            line.close()


class Vens:
    """VENs that poll over shared connections and opt in to whatever comes. An async context manager."""

    def __init__(self, port: int, names: Sequence[str], connections: int) -> None:
        self._port, self._names = port, list(names)
        self._count = connections
        self._lines: list[Line] = []
        self._polls = {
            name: Requests.whole(port, "OadrPoll", encode_payload(OadrPoll(venID=name))) for name in self._names
        }
        # The answer is made once; what differs between VENs is put in by place.
        self._answer = encode_payload(_created("@ven@", "@event@"))

    async def __aenter__(self) -> Self:
        """Connect."""
        self._lines = [await Line.open(self._port) for _ in range(self._count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        for line in self._lines:
            line.close()

    async def poll_once(self) -> None:
        """Every VEN polls once, and there is nothing.

        Raises:
            GridifaceError: there is something.
        """

        async def go(line: Line, names: Sequence[str]) -> None:
            for name in names:
                answer = await line.ask(self._polls[name])
                if b"oadrResponse" not in answer:
                    raise GridifaceError(f"an empty poll was answered with {answer[:600]!r}")

        await asyncio.gather(*(go(line, self._share(n)) for n, line in enumerate(self._lines)))

    async def until_acknowledged(self, timeout_s: float) -> None:
        """Poll, until every VEN has got an event and its answer was taken.

        Raises:
            GridifaceError: an answer was not taken, or it took too long.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(self._work(line, self._share(n)) for n, line in enumerate(self._lines)))
        except TimeoutError:
            raise GridifaceError(f"not all had answered after {timeout_s} s") from None

    async def _work(self, line: Line, names: Sequence[str]) -> None:
        waiting = list(names)
        while waiting:
            left = []
            for name in waiting:
                answer = await line.ask(self._polls[name])
                found = _EVENT_ID.search(answer)
                if found is None:
                    left.append(name)
                    continue
                body = self._answer.replace(b"@ven@", name.encode()).replace(b"@event@", found[1])
                taken = await line.ask(Requests.whole(self._port, "EiEvent", body))
                if b"responseCode>200<" not in taken:
                    raise GridifaceError(f"an acknowledgement was answered with {taken[:600]!r}")
            waiting = left

    def _share(self, number: int) -> list[str]:
        return self._names[number :: self._count]


def _created(ven: str, event_id: str) -> OadrCreatedEvent:
    qualified = QualifiedEventID(eventID=event_id, modificationNumber=0)
    one = EventResponse(responseCode="200", requestID="r", qualifiedEventID=qualified, optType="optIn")
    body = EiCreatedEvent(
        eiResponse=EiResponse(responseCode="200", requestID=""),
        eventResponses=EventResponses(eventResponse=[one]),
        venID=ven,
    )
    return OadrCreatedEvent(eiCreatedEvent=body)
