"""Octets out, answers in, over a real socket whose other end is a few lines."""

from __future__ import annotations

import socket
import threading

import pytest

from gridiface.conformance.http_wire import Wire, request_octets

KEPT = b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"
CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.fixture
def serving():
    """Serves a list of connections, each a list of answers."""
    servers = []

    def serve(*connections):
        server = socket.create_server(("127.0.0.1", 0))

        def run():
            for answers in connections:
                connection, _ = server.accept()
                with connection:
                    for answer in answers:
                        connection.recv(4096)
                        connection.sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        servers.append((server, thread))
        return Wire("127.0.0.1", server.getsockname()[1], None, 5.0)

    yield serve
    for server, thread in servers:
        thread.join(5)
        server.close()


GET = request_octets("GET", "/", {"Host": "h"})


def test_a_connection_is_kept_while_the_server_keeps_it(serving):
    wire = serving([KEPT, CLOSED], [KEPT])
    assert wire.exchange(GET, "GET").headers == {"x-a": "b"}
    assert wire.exchange(GET, "GET").body == b"ok"
    assert wire.exchange(GET, "GET").status == 204
    wire.close()


def test_a_kept_connection_that_was_closed_since_is_made_anew(serving):
    wire = serving([KEPT], [KEPT])
    assert [wire.exchange(GET, "GET").status for _ in range(2)] == [204, 204]
    wire.close()


def test_a_server_that_says_nothing_is_no_answer(serving):
    with pytest.raises((EOFError, ConnectionError)):
        serving([b""]).exchange(GET, "GET")


def test_what_is_no_http_is_no_answer(serving):
    with pytest.raises(EOFError, match="no HTTP answer"):
        serving([b"SSH-2.0-x\r\n\r\n"]).exchange(GET, "GET")


def test_an_ipv6_host_is_bracketed():
    assert Wire("::1", 8443, None).authority == "[::1]:8443"
