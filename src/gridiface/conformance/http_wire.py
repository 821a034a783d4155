"""HTTP as octets over TLS or plain: sends exactly what it is told, also what no client library would. Blocking."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: A larger answer is not read.
MOST_OCTETS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Requests to one server over one connection that is kept while the server keeps it.

    Args:
        host, port: the server.
        context: makes the TLS context; None for plain HTTP.
        timeout_s: of each read.
    """

    def __init__(
        self, host: str, port: int, context: Callable[[], ssl.SSLContext] | None, timeout_s: float = 10.0
    ) -> None:
        self.host, self.port = host, port
        self._context = context
        self._timeout = timeout_s
        self._socket: socket.socket | None = None

    @property
    def authority(self) -> str:
        """What belongs into the Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def connect(self, context: ssl.SSLContext | None = None) -> socket.socket:
        """A new connection, not kept; the handshake is over.

        Raises:
            OSError: no connection, or the server refused the handshake (ssl.SSLError).
        """
        plain = socket.create_connection((self.host, self.port), self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = context or (self._context() if self._context is not None else None)
        if made is None:
            return plain
        try:
            return made.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise

    def exchange(self, octets: bytes, method: str) -> Answer:
        """Send a request as it stands and read its answer.

        Raises:
            OSError: the connection failed.
            EOFError: it was closed without an answer.
        """
        kept = self._socket is not None
        try:
            return self._exchange(octets, method)
        except (EOFError, ConnectionError, ssl.SSLEOFError):
            if not kept:
                raise
            # A kept connection may have been closed since; a new one is not.
            self.close()
            return self._exchange(octets, method)

    def close(self) -> None:
        """Close the kept connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, octets: bytes, method: str) -> Answer:
        if self._socket is None:
            self._socket = self.connect()
        try:
            self._socket.sendall(octets)
            answer, keep = read_answer(self._socket, method)
        except (OSError, EOFError):
            self.close()
            raise
        if not keep:
            self.close()
        return answer


def read_answer(connection: socket.socket, method: str) -> tuple[Answer, bool]:
    """One answer from a connection, and whether more may be asked on it.

    Raises:
        OSError, EOFError: as Wire.exchange.
    """
    reader = http.client.HTTPResponse(connection, method=method)
    try:
        reader.begin()
        body = reader.read(MOST_OCTETS)
        keep = not reader.will_close
    except http.client.HTTPException as problem:
        raise EOFError(f"no HTTP answer: {type(problem).__name__} {problem}") from problem
    finally:
        reader.close()
    headers = {name.lower(): value for name, value in reader.getheaders()}
    return Answer(reader.status, headers, body), keep


def request_octets(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request in HTTP/1.1; the headers as given and no other."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
