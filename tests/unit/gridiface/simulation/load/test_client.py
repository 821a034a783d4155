"""The load client's framing, without a server."""

from __future__ import annotations

import pytest

from gridiface.simulation.load import client


class Pieces:
    """A socket that hands out prepared pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def recv(self, _: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def connection(*pieces: bytes) -> client.Connection:
    made = client.Connection.__new__(client.Connection)
    made._socket = Pieces(*pieces)
    made._waiting = b""
    return made


def test_answers_are_told_apart_however_they_are_cut() -> None:
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204 No Content\r\n\r\n"
    for cut in range(1, len(wire)):
        found = connection(wire[:cut], wire[cut:])
        assert found.receive() == (200, 3)
        assert found.receive() == (204, 0)


def test_answer_without_length_is_an_error() -> None:
    with pytest.raises(client.LoadFailed, match="Content-Length"):
        connection(b"HTTP/1.1 200 OK\r\n\r\n").receive()


def test_closed_connection_is_an_error() -> None:
    with pytest.raises(client.LoadFailed, match="closed"):
        connection(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na").receive()


def test_request_with_body_tells_its_length() -> None:
    wire = client.request("POST", "/x", "h:1", b"abc")
    assert b"Content-Length: 3\r\n" in wire
    assert wire.endswith(b"\r\n\r\nabc")
