"""One connection's order, back-pressure and refusals, on a transport that the test holds in its hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.northbound.http1 import Head
from gridiface.northbound.http_connection import HttpConnection
from gridiface.northbound.sep2.wire.http_server import Sep2Http
from gridiface.northbound.tls_transport import CONNECTION
from gridiface.protocols.sep2.exchange import Reply, changed, found


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and the connection behind it that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closed = self.aborted = self.paused = False
        self.told: list[str] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {CONNECTION: self, "peername": ("192.0.2.1", 5)}.get(name, default)

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def request_begins(self, *, body_complete: bool) -> None:
        self.told.append("begins whole" if body_complete else "begins")

    def body_complete(self) -> None:
        self.told.append("body")

    def request_ends(self, *, more: bool = False) -> None:
        self.told.append("ends, more" if more else "ends")


class House:
    """Answers GET with the target and the rest after `gate` opens, and remembers what it was asked."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[tuple[str, str, bytes]] = []

    def read(self, head: Head, lfdi: str, address: str) -> Reply | None:
        if head.target == "/slow":
            return None
        self.asked.append((head.method, head.target, b""))
        reply = found(head.target.encode())
        return reply.for_head() if head.method == "HEAD" else reply

    async def write(self, head: Head, body: bytes, lfdi: str, address: str) -> Reply:
        await self.gate.wait()
        if head.target == "/broken":
            raise RuntimeError("ours")
        self.asked.append((head.method, head.target, body))
        return changed()


def connect(house: House, **changes: Any) -> tuple[Sep2Http, HttpConnection, Wire]:
    server = Sep2Http(house.read, house.write, most_octets=16, **changes)
    connection, wire = server(), Wire()
    assert isinstance(connection, HttpConnection)
    connection.connection_made(wire)
    return server, connection, wire


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def statuses(wire: Wire) -> list[int]:
    return [int(part[:3]) for part in bytes(wire.sent).split(b"HTTP/1.1 ")[1:]]


GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


async def test_a_poll_is_one_write_and_the_connection_goes_on() -> None:
    _, connection, wire = connect(House())
    connection.data_received(GET)
    head, body = bytes(wire.sent).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: gridiface\r\nDate: ")
    assert b"\r\nContent-Length: 2" in head
    assert b"Connection" not in head
    assert body == b"/a"
    assert wire.told == ["ends"]
    connection.data_received(GET.replace(b"GET", b"HEAD"))
    assert statuses(wire) == [200, 200]
    assert wire.sent.endswith(b"\r\n\r\n")
    assert not wire.closed


async def test_the_phases_of_a_request_with_a_body_are_told() -> None:
    house = House()
    _, connection, wire = connect(house)
    connection.data_received(POST[:-3])
    assert wire.told == ["begins"]
    connection.data_received(b"abcGET /c")
    await settle()
    assert wire.told == ["begins", "body", "begins whole", "ends, more"]
    assert house.asked == [("POST", "/b", b"abc")]
    connection.data_received(b" HTTP/1.1\r\n\r\n")
    assert house.asked[1:] == [("GET", "/c", b"")]
    assert statuses(wire) == [204, 200]


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    house = House()
    house.gate.clear()
    _, connection, wire = connect(house)
    connection.data_received(GET + POST + GET.replace(b"/a", b"/c"))
    connection.data_received(GET.replace(b"/a", b"/d"))
    await settle()
    assert statuses(wire) == [200]
    house.gate.set()
    await settle()
    assert [target for _, target, _ in house.asked] == ["/a", "/b", "/c", "/d"]
    assert statuses(wire) == [200, 204, 200, 200]


STREAM = (
    b"\r\n"
    + GET
    + POST
    + (b"PUT /e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n" + GET.replace(b"/a", b"/f"))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=12))
def test_however_the_bytes_are_cut_the_requests_are_the_same(cuts: list[int]) -> None:
    async def run() -> None:
        house = House()
        _, connection, wire = connect(house)
        at = 0
        for cut in [*sorted(cuts), len(STREAM)]:
            if cut > at:
                connection.data_received(STREAM[at:cut])
                await settle()
            at = cut
        await settle()
        assert house.asked == [("GET", "/a", b""), ("POST", "/b", b"abc"), ("PUT", "/e", b"de"), ("GET", "/f", b"")]
        assert statuses(wire) == [200, 204, 204, 200]

    asyncio.run(run())


async def test_a_peer_that_does_not_take_its_answers_gets_no_more() -> None:
    house = House()
    _, connection, wire = connect(house)
    connection.pause_writing()
    connection.data_received(GET * 2)
    assert house.asked == []
    connection.data_received(GET * 3_000)
    assert wire.paused
    connection.resume_writing()
    assert len(house.asked) == 3_002
    assert not wire.paused


async def test_what_cannot_be_read_is_refused_and_ends_the_connection() -> None:
    for sent, status in (
        (b"nonsense\r\n\r\n" + GET, 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(101)) + b"\r\n", 431),
        (b"GET /" + b"y" * 20_000, 414),
        (POST.replace(b": 3", b": 17"), 413),
        (b"PUT /e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"PUT /e HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ):
        house = House()
        _, connection, wire = connect(house)
        connection.data_received(sent)
        await settle()
        assert (statuses(wire), wire.closed, house.asked) == ([status], True, [])
        assert b"Connection: close\r\n" in wire.sent
        assert b"<Error" in wire.sent
        connection.data_received(GET)
        assert statuses(wire) == [status]


async def test_who_waits_for_100_gets_it_and_only_then() -> None:
    head = b"POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    _, connection, wire = connect(House())
    connection.data_received(head)
    assert wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"abc")
    await settle()
    assert statuses(wire) == [100, 204]
    _, connection, wire = connect(House())
    connection.data_received(head + b"abc")
    await settle()
    assert statuses(wire) == [204]
    _, connection, wire = connect(House())
    connection.data_received(head.replace(b": 3", b": 99"))
    assert statuses(wire) == [413]


@pytest.mark.parametrize(
    ("version", "said", "line", "closed"),
    [
        (b"1.1", b"", None, False),
        (b"1.1", b"Connection: close\r\n", b"Connection: close\r\n", True),
        (b"1.0", b"", b"Connection: close\r\n", True),
        (b"1.0", b"Connection: keep-alive\r\n", b"Connection: keep-alive\r\n", False),
    ],
)
async def test_the_connection_lives_as_long_as_was_agreed(
    version: bytes, said: bytes, line: bytes | None, closed: bool
) -> None:
    _, connection, wire = connect(House())
    connection.data_received(b"GET /a HTTP/" + version + b"\r\nHost: x\r\n" + said + b"\r\n")
    assert wire.closed == closed
    assert (line in wire.sent) if line else (b"Connection:" not in wire.sent)


async def test_a_get_that_takes_time_is_answered_in_its_turn() -> None:
    house = House()
    house.gate.clear()
    _, connection, wire = connect(house)
    connection.data_received(GET.replace(b"/a", b"/slow") + GET)
    await settle()
    assert statuses(wire) == []
    house.gate.set()
    await settle()
    assert [target for _, target, _ in house.asked] == ["/slow", "/a"]
    assert statuses(wire) == [204, 200]


async def test_a_fault_of_ours_is_500_and_the_connection_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    _, connection, wire = connect(House())
    connection.data_received(POST.replace(b"/b", b"/broken"))
    await settle()
    connection.data_received(GET)
    assert statuses(wire) == [500, 200]
    assert "ours" in caplog.text
    assert b"ours" not in wire.sent


async def test_a_request_is_carried_out_though_its_sender_left() -> None:
    house = House()
    house.gate.clear()
    server, connection, wire = connect(house)
    connection.data_received(POST)
    await settle()
    connection.connection_lost(None)
    house.gate.set()
    await settle()
    assert house.asked == [("POST", "/b", b"abc")]
    assert wire.sent == b""
    assert not server.connections


async def test_shutting_down_closes_the_idle_and_waits_for_the_busy() -> None:
    house = House()
    house.gate.clear()
    server, idle, idle_wire = connect(house)
    assert isinstance(server(), HttpConnection)
    busy, busy_wire = server(), Wire()
    busy.connection_made(busy_wire)
    busy.data_received(POST + GET)
    await settle()
    ending = asyncio.create_task(server.shutdown(5.0))
    await settle()
    assert idle_wire.closed
    assert not busy_wire.closed
    house.gate.set()
    await ending
    assert statuses(busy_wire) == [204]
    assert b"Connection: close\r\n" in busy_wire.sent
    assert busy_wire.closed
    late, late_wire = server(), Wire()
    late.connection_made(late_wire)
    assert late_wire.closed
    assert not idle._idle()


async def test_what_does_not_end_in_time_is_cut_off() -> None:
    house = House()
    house.gate.clear()
    server, connection, wire = connect(house)
    connection.data_received(POST)
    await settle()
    await server.shutdown(0.01)
    assert wire.closed
    assert statuses(wire) == []


async def test_a_plain_connection_gets_one_answer() -> None:
    server, connection, wire = connect(House(), plain=True)
    connection.data_received(GET + GET)
    assert statuses(wire) == [200]
    assert wire.closed
    for _ in range(256):
        server().connection_made(Wire())
    many = Wire()
    server().connection_made(many)
    assert many.closed
    for each in list(server.connections):
        each.connection_lost(None)


async def test_a_plain_peer_that_is_refused_while_it_sends_can_still_read_why() -> None:
    class Halves(Wire):
        ended = False

        def can_write_eof(self) -> bool:
            return True

        def write_eof(self) -> None:
            self.ended = True

    house = House()
    server, wire = Sep2Http(house.read, house.write, most_octets=16, plain=True), Halves()
    connection = server()
    connection.connection_made(wire)
    assert isinstance(connection, HttpConnection)
    connection.data_received(POST.replace(b": 3", b": 99999"))
    assert (statuses(wire), wire.ended, wire.closed) == ([413], True, False)
    connection.data_received(GET * 10)
    assert statuses(wire) == [413]
    connection.connection_lost(None)
    assert not server.connections
