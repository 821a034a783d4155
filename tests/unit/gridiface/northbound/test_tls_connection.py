"""A connection against an ssl client in memory: no socket, and a clock that stands still until told."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from gridiface.northbound.tls_connection import TlsConnection
from gridiface.northbound.tls_limits import Deadlines
from gridiface.northbound.tls_transport import CONNECTION, PEER, Phase
from gridiface.pki.alerts import Alert
from gridiface.pki.contexts import KeyPair, client_context, server_context
from gridiface.pki.credentials import ChainPolicy, load_roots
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.rules import Verdict, sep2_rules

NOW = float(int(time.time()))


class App(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""
        self.lost: list[Exception | None] = []
        self.paused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)

    def pause_writing(self) -> None:
        self.paused += 1

    def resume_writing(self) -> None:
        self.paused -= 1


class Owner:
    def __init__(self, policy: ChainPolicy) -> None:
        self.deadlines = Deadlines()
        self.policy = policy
        self.app = App()
        self.time = 100.0
        self.answer: Alert | None = None
        self.refusals: list[tuple[str, Verdict | None]] = []
        self.late: list[str] = []
        self.gone = 0

    def clock(self) -> float:
        return self.time

    def judge(self, chain: list[bytes]) -> Verdict | None:
        return self.policy.check(chain, now=NOW)

    def admit(self, connection: TlsConnection) -> Alert | None:
        return self.answer

    def application(self) -> asyncio.Protocol:
        return self.app

    def refused(self, connection: TlsConnection, reason: str, verdict: Verdict | None) -> None:
        self.refusals.append((reason, verdict))

    def expired(self, connection: TlsConnection, phase: str) -> None:
        self.late.append(phase)

    def closed(self, connection: TlsConnection) -> None:
        self.gone += 1


class Tcp(asyncio.Transport):
    """The socket's transport: keeps what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4000)})
        self.sent = b""
        self.buffered = 0
        self.state = "open"
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.state = "eof"

    def abort(self) -> None:
        self.state = "aborted"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.buffered


class Wire:
    """A client in memory at the other end of a connection."""

    def __init__(self, owner: Owner, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.owner = owner
        self.tcp = Tcp()
        self.connection = TlsConnection(owner, server, ("192.0.2.1", 4000))
        self.connection.connection_made(self.tcp)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def feed(self, data: bytes) -> None:
        self.connection.get_buffer(len(data))[: len(data)] = data
        self.connection.buffer_updated(len(data))

    def exchange(self) -> None:
        """Carry what either end has written to the other."""
        self.feed_all(self.outgoing.read())
        self.incoming.write(self.tcp.sent)
        self.tcp.sent = b""

    def feed_all(self, data: bytes) -> None:
        for place in range(0, len(data), 1000):
            self.feed(data[place : place + 1000])

    def shake_hands(self) -> None:
        for _ in range(6):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                self.exchange()
            else:
                self.exchange()
                return
        raise AssertionError("the handshake does not end")

    def send(self, data: bytes) -> None:
        self.client.write(data)
        self.exchange()

    def read(self) -> bytes:
        self.exchange()
        parts = []
        try:
            while part := self.client.read(65536):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        return b"".join(parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls")
    pki = TestPki.create(depth=3, now=NOW)
    pki.save(path)
    write_credential(path, "server", pki.issue("server", "s", now=NOW, hosts=["localhost"]))
    write_credential(path, "inv1", pki.issue("device", "inv1", now=NOW))
    stranger = TestPki.create(depth=2, now=NOW)
    write_credential(path, "stranger", stranger.issue("device", "x", now=NOW))
    return path


@pytest.fixture
def owner(folder: Path) -> Owner:
    return Owner(ChainPolicy(sep2_rules(), load_roots([folder / "serca.pem"])))


def pair(folder: Path, name: str) -> KeyPair:
    return KeyPair(folder / f"{name}.pem", folder / f"{name}.key")


@pytest.fixture
def wire(owner: Owner, folder: Path) -> Callable[..., Wire]:
    def make(name: str = "inv1", profile: str = "strict") -> Wire:
        server = server_context(profile, key_pairs=[pair(folder, "server")], roots=[folder / "serca.pem"])
        client = client_context(profile, key_pairs=[pair(folder, name)], roots=[folder / "serca.pem"])
        return Wire(owner, server, client)

    return make


async def test_data_flows_both_ways_and_the_peer_is_known(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    line.shake_hands()
    line.send(b"GET")
    assert owner.app.received == b"GET"
    peer = owner.app.transport.get_extra_info(PEER)
    assert len(peer.lfdi) == 40
    assert len(peer.chain) == 3
    assert owner.app.transport.get_extra_info(CONNECTION) is line.connection
    assert owner.app.transport.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES128-CCM8"
    assert owner.app.transport.get_extra_info("peername") == ("192.0.2.1", 4000)
    owner.app.transport.writelines([b"a" * 40_000, b"b"])
    assert line.read() == b"a" * 40_000 + b"b"


async def test_a_stranger_is_told_why(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire("stranger")
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        line.shake_hands()
    assert owner.app.transport is None
    ((reason, verdict),) = owner.refusals
    assert "verif" in reason
    assert verdict is not None
    assert verdict.refusal is not None
    assert verdict.refusal.name == "trust-anchor"
    assert line.connection.refusal_alert is Alert.UNKNOWN_CA
    assert line.tcp.state == "eof"


async def test_a_peer_whom_only_our_policy_refuses_is_told_in_the_handshake(
    wire: Callable[..., Wire], owner: Owner, folder: Path
) -> None:
    owner.policy = ChainPolicy(replace(sep2_rules(), policies=frozenset({"1.2.3"})), load_roots([folder / "serca.pem"]))
    line = wire()
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_UNKNOWN"):
        line.shake_hands()
    assert owner.app.transport is None
    assert owner.refusals[0][0] == "the certificate chain is not accepted"


async def test_a_peer_with_too_many_connections_is_told_so(wire: Callable[..., Wire], owner: Owner) -> None:
    owner.answer = Alert.ACCESS_DENIED
    line = wire()
    with pytest.raises(ssl.SSLError, match="ACCESS_DENIED"):
        line.shake_hands()
    assert line.connection.peer is None


async def test_with_tls_1_3_a_refusal_is_a_close(wire: Callable[..., Wire], owner: Owner) -> None:
    owner.answer = Alert.ACCESS_DENIED
    line = wire(profile="modern")
    line.shake_hands()
    assert line.client.version() == "TLSv1.3"
    assert line.read() == b""
    assert line.tcp.state == "eof"
    assert owner.app.transport is None


async def test_bytes_that_are_not_tls_end_the_connection(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    line.feed(b"GET / HTTP/1.1\r\n\r\n")
    assert owner.refusals[0][0] == "http request"
    assert line.tcp.sent == b""
    assert line.tcp.state == "eof"
    line.feed(b"more")
    assert len(owner.refusals) == 1


async def test_closing_says_goodbye_and_ends_in_time(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    line.shake_hands()
    owner.app.transport.write(b"last words")
    owner.app.transport.close()
    assert line.read() == b"last words"
    assert line.tcp.state == "eof"
    assert owner.app.transport.is_closing()
    await asyncio.sleep(0)
    assert owner.app.lost == [None]
    owner.time = line.connection.deadline
    line.tcp.buffered = 10
    line.connection.expire(owner.time)
    assert line.tcp.state == "eof"
    line.tcp.buffered = 0
    line.connection.expire(owner.time + 3)
    assert line.tcp.state == "aborted"
    line.connection.connection_lost(None)
    assert owner.gone == 1
    assert owner.app.lost == [None]


async def test_closing_a_connection_that_the_peer_has_reset(
    wire: Callable[..., Wire], owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = wire()
    line.shake_hands()

    def not_connected() -> None:
        raise OSError(107, "not connected")

    monkeypatch.setattr(line.tcp, "write_eof", not_connected)
    owner.app.transport.close()
    await asyncio.sleep(0)
    assert line.tcp.state == "aborted"
    assert owner.app.lost == [None]


async def test_a_goodbye_of_the_client_is_answered(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    line.shake_hands()
    with pytest.raises(ssl.SSLError):
        line.client.unwrap()
    line.exchange()
    assert line.connection.phase is Phase.CLOSING


async def test_a_damaged_record_ends_the_connection(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    line.shake_hands()
    line.feed(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    await asyncio.sleep(0)
    assert owner.app.lost == [None]
    assert line.connection.phase is Phase.CLOSING


async def test_each_phase_has_its_deadline(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    connection, limits, start = line.connection, owner.deadlines, owner.time
    assert (connection.phase, connection.deadline) == (Phase.HANDSHAKE, start + limits.handshake)
    line.shake_hands()
    owner.time += 1
    assert (connection.phase, connection.deadline) == (Phase.HEADER, start + limits.header)
    connection.request_begins(body_complete=False)
    assert (connection.phase, connection.deadline) == (Phase.BODY, start + 1 + limits.body)
    connection.body_complete()
    assert (connection.phase, connection.deadline) == (Phase.HANDLING, inf)
    connection.body_complete()
    connection.request_ends()
    assert (connection.phase, connection.deadline) == (Phase.IDLE, start + 1 + limits.idle)
    owner.time += 5
    line.send(b"G")
    assert (connection.phase, connection.deadline) == (Phase.HEADER, start + 6 + limits.header)
    owner.time += 1
    line.send(b"E")
    assert connection.deadline == start + 6 + limits.header
    connection.request_begins(body_complete=True)
    line.send(b"next request")
    connection.request_ends()
    assert connection.phase is Phase.HEADER


@pytest.mark.parametrize(
    ("phase", "state"), [("handshake", "aborted"), ("header", "aborted"), ("body", "aborted"), ("idle", "eof")]
)
async def test_who_is_late_is_dropped(phase: str, state: str, wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    if phase != "handshake":
        line.shake_hands()
    if phase in ("body", "idle"):
        line.connection.request_begins(body_complete=False)
    if phase == "idle":
        line.connection.request_ends()
    owner.time = line.connection.deadline
    line.connection.expire(owner.time)
    assert owner.late == [phase]
    assert line.tcp.state == state


async def test_a_peer_that_does_not_read_is_dropped(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    line.shake_hands()
    line.connection.request_begins(body_complete=True)
    line.connection.pause_writing()
    assert owner.app.paused == 1
    assert line.connection.deadline == owner.time + owner.deadlines.write
    line.connection.resume_writing()
    assert owner.app.paused == 0
    assert line.connection.deadline == inf
    line.connection.pause_writing()
    owner.time += owner.deadlines.write
    line.connection.expire(owner.time)
    assert owner.late == ["write"]
    assert line.tcp.state == "aborted"
    owner.app.transport.write(b"nobody reads this")
    assert not line.tcp.sent


async def test_a_peer_that_takes_a_long_answer_slowly_has_the_time_that_it_takes(
    wire: Callable[..., Wire], owner: Owner
) -> None:
    """A file over a slow line; who takes next to nothing of it is dropped as who takes nothing."""
    line, took = wire(), int(owner.deadlines.write * owner.deadlines.slowest)
    line.shake_hands()
    line.connection.request_begins(body_complete=True)
    line.tcp.buffered = 5 * took
    line.connection.pause_writing()
    for _ in range(3):
        owner.time += owner.deadlines.write
        line.tcp.buffered -= took
        line.connection.expire(owner.time)
        assert (owner.late, line.tcp.state) == ([], "open")
        assert line.connection.deadline == owner.time + owner.deadlines.write
    owner.time += owner.deadlines.write
    line.tcp.buffered -= took - 1
    line.connection.expire(owner.time)
    assert (owner.late, line.tcp.state) == (["write"], "aborted")


async def test_a_long_last_answer_has_the_time_that_it_takes(wire: Callable[..., Wire], owner: Owner) -> None:
    """As any other, though nothing follows it on the connection: `Connection: close`, or a server that stops."""
    line, took = wire(), int(owner.deadlines.write * owner.deadlines.slowest)
    line.shake_hands()
    line.connection.request_begins(body_complete=True)
    line.tcp.buffered = 5 * took
    line.connection.pause_writing()
    owner.app.transport.close()
    for _ in range(3):
        begun = owner.time
        while owner.time < begun + owner.deadlines.write:
            owner.time += 1
            line.tcp.buffered -= took // int(owner.deadlines.write)
            if owner.time >= line.connection.deadline:
                line.connection.expire(owner.time)
            assert line.tcp.state == "eof"
    line.connection.resume_writing()
    for _ in range(int(owner.deadlines.write) + 4):
        owner.time += 1
        if owner.time >= line.connection.deadline:
            line.connection.expire(owner.time)
    assert line.tcp.state == "aborted"


async def test_reading_can_be_paused(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    line.shake_hands()
    owner.app.transport.pause_reading()
    line.send(b"later")
    assert owner.app.received == b""
    assert not line.tcp.reading
    owner.app.transport.resume_reading()
    await asyncio.sleep(0)
    assert owner.app.received == b"later"
    assert line.tcp.reading


async def test_hanging_up_in_the_handshake_is_told(wire: Callable[..., Wire], owner: Owner) -> None:
    line = wire()
    assert line.connection.eof_received() is False
    line.connection.connection_lost(None)
    assert owner.refusals == [("the client hung up in the handshake", None)]
    assert owner.gone == 1


async def test_a_connection_given_up_before_its_socket_came_is_dropped_then(owner: Owner, folder: Path) -> None:
    context = server_context(key_pairs=[pair(folder, "server")], roots=[folder / "serca.pem"])
    connection = TlsConnection(owner, context, ("192.0.2.1", 1))
    connection.abort()
    tcp = Tcp()
    connection.connection_made(tcp)
    assert tcp.state == "aborted"
