from __future__ import annotations

import asyncio

import pytest

from gridiface.northbound.tls_transport import PEER, TALKING, Phase, TlsTransport


class FakeTcp(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5)})
        self.limits: tuple[int | None, int | None] = (None, None)

    def get_write_buffer_size(self) -> int:
        return 7

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 1, 2

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)


class FakeStream:
    def __init__(self) -> None:
        self.app: asyncio.Protocol | None = asyncio.Protocol()
        self.tcp: asyncio.Transport | None = FakeTcp()
        self.phase = Phase.IDLE
        self.reading_paused = False
        self.calls: list[object] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False


def test_parts_are_written_as_one() -> None:
    stream = FakeStream()
    transport = TlsTransport(stream, {})
    transport.write(b"one")
    transport.writelines([b"head", memoryview(b"body")])
    transport.close()
    transport.abort()
    assert stream.calls == [b"one", b"headbody", "close", "abort"]


def test_own_names_come_before_those_of_the_socket() -> None:
    stream = FakeStream()
    transport = TlsTransport(stream, {PEER: None, "cipher": "x"})
    assert transport.get_extra_info(PEER, "default") is None
    assert transport.get_extra_info("cipher") == "x"
    assert transport.get_extra_info("peername") == ("192.0.2.1", 5)
    stream.tcp = None
    assert transport.get_extra_info("peername", "gone") == "gone"


def test_flow_control_is_that_of_the_socket() -> None:
    stream = FakeStream()
    transport = TlsTransport(stream, {})
    assert (transport.get_write_buffer_size(), transport.get_write_buffer_limits()) == (7, (1, 2))
    transport.set_write_buffer_limits(10, 5)
    assert isinstance(stream.tcp, FakeTcp)
    assert stream.tcp.limits == (10, 5)
    transport.pause_reading()
    assert not transport.is_reading()
    transport.resume_reading()
    assert transport.is_reading()
    stream.tcp = None
    transport.set_write_buffer_limits(1, 1)
    assert (transport.get_write_buffer_size(), transport.get_write_buffer_limits()) == (0, (0, 0))


@pytest.mark.parametrize("phase", list(Phase))
def test_it_is_closing_when_no_data_flows(phase: Phase) -> None:
    stream = FakeStream()
    stream.phase = phase
    assert TlsTransport(stream, {}).is_closing() == (phase not in TALKING)


def test_the_protocol_can_be_exchanged() -> None:
    stream = FakeStream()
    transport = TlsTransport(stream, {})
    other = asyncio.Protocol()
    transport.set_protocol(other)
    assert transport.get_protocol() is other
    with pytest.raises(TypeError):
        transport.set_protocol(asyncio.BufferedProtocol())
    stream.app = None
    with pytest.raises(RuntimeError):
        transport.get_protocol()


def test_tls_has_no_half_closed_connection() -> None:
    transport = TlsTransport(FakeStream(), {})
    assert not transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        transport.write_eof()
