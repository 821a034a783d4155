"""A load client over mutual TLS in its own process: `python -m gridiface.simulation.load.client`.

Reads one JSON line per job on standard input and prints one JSON line per answer, so that nothing of the measuring
runs in the measured process. Blocking sockets, several connections in flight: the client must cost less than the
server. Ends when standard input closes.

Jobs: {"job": "get", "paths": [...], "connections": n, "seconds": s}, {"job": "connect", "path": p, "seconds": s},
{"job": "send", "requests": [[method, path, body], ...], "connections": n}.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridiface.errors import GridifaceError
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.simulation.lines import answer_jobs
from gridiface.simulation.load.figures import percentile, pin

_MEDIA = "application/sep+xml"
_TIMEOUT_S = 30.0


class LoadFailed(GridifaceError):
    """The server answered otherwise than the benchmark needs, or not at all."""


class Connection:
    """One keep-alive connection; `send` and `receive` come in turn.

    Attributes:
        sent, answered: when the newest request left and its whole answer was here, s.
        location: path that the newest answer names, "" where it names none.
    """

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        raw = socket.create_connection(address, timeout=_TIMEOUT_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(raw, server_hostname=address[0])
        self._waiting = b""
        self.sent = self.answered = 0.0
        self.location = ""

    def send(self, request: bytes) -> None:
        """Send one whole request."""
        self.sent = time.perf_counter()
        self._socket.sendall(request)

    def receive(self) -> tuple[int, int]:
        """Status and body length of the next answer, which is read to its end.

        Raises:
            LoadFailed: the connection closed, or the answer has no Content-Length.
        """
        data = self._waiting
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end].lower()
        place = head.find(b"\r\nlocation:")
        self.location = data[place + 11 : end].split(b"\r\n", 1)[0].decode("latin-1").strip() if place >= 0 else ""
        at = head.find(b"content-length:")
        if at < 0 and not head.startswith((b"http/1.1 204", b"http/1.1 304")):
            raise LoadFailed(f"an answer without Content-Length: {head[:60]!r}")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        missing = end + 4 + length - len(data)
        parts = [data]
        while missing > 0:
            part = self._more()
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts)
        self._waiting = data[end + 4 + length :]
        self.answered = time.perf_counter()
        return int(head[9:12]), length

    def _more(self) -> bytes:
        part = self._socket.recv(262_144)
        if not part:
            raise LoadFailed("the server closed the connection")
        return part

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def request(method: str, path: str, host: str, body: bytes = b"") -> bytes:
    """One HTTP/1.1 request as bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {_MEDIA}\r\n"
    if body:
        head += f"Content-Type: {_MEDIA}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class LoadClient:
    """Runs jobs against one server with one certificate."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._address = (host, port)
        self._host = f"{host}:{port}"
        self._context = context

    def get(self, path: str, connections: int, seconds: float) -> dict[str, Any]:
        """Keep-alive GETs of one path over `connections` connections, one in flight on each.

        Raises:
            LoadFailed: one was answered with anything but 200.
        """
        wire = request("GET", path, self._host)
        opened = [Connection(self._address, self._context) for _ in range(connections)]
        times: list[float] = []
        length = 0
        began = time.perf_counter()
        until = began + seconds
        try:
            for connection in opened:
                connection.send(wire)
            waiting = deque(opened)
            while waiting:
                connection = waiting.popleft()
                status, length = connection.receive()
                if status != 200:
                    raise LoadFailed(f"GET {path} was answered with {status}")
                times.append(connection.answered - connection.sent)
                if connection.answered < until:
                    connection.send(wire)
                    waiting.append(connection)
        finally:
            for connection in opened:
                connection.close()
        spent = time.perf_counter() - began
        return {
            "path": path,
            "bytes": length,
            "requests": len(times),
            "per_second": len(times) / spent,
            "p50_ms": 1000 * percentile(times, 0.5),
            "p99_ms": 1000 * percentile(times, 0.99),
        }

    def connect(self, path: str, seconds: float) -> dict[str, Any]:
        """New connections, each with one GET, one after the other.

        Raises:
            LoadFailed: one was answered with anything but 200.
        """
        wire = request("GET", path, self._host)
        times: list[float] = []
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            connection = Connection(self._address, self._context)
            connection.send(wire)
            status, _ = connection.receive()
            connection.close()
            if status != 200:
                raise LoadFailed(f"GET {path} was answered with {status}")
            times.append(time.perf_counter() - now)
        spent = time.perf_counter() - began
        return {
            "connections": len(times),
            "per_second": len(times) / spent,
            "p50_ms": 1000 * percentile(times, 0.5),
            "p99_ms": 1000 * percentile(times, 0.99),
        }

    def send(self, requests: Sequence[tuple[str, str, str]], connections: int) -> dict[str, Any]:
        """Each request once, spread over `connections` connections with one in flight on each.

        Raises:
            LoadFailed: one was answered with anything but 201 and 204.
        """
        wires = deque(request(method, path, self._host, body.encode()) for method, path, body in requests)
        opened = [Connection(self._address, self._context) for _ in range(min(connections, len(wires)))]
        statuses: dict[str, int] = {}
        times: list[float] = []
        began = time.perf_counter()
        try:
            for connection in opened:
                connection.send(wires.popleft())
            waiting = deque(opened)
            while waiting:
                connection = waiting.popleft()
                status, _ = connection.receive()
                statuses[str(status)] = statuses.get(str(status), 0) + 1
                times.append(connection.answered - connection.sent)
                if wires:
                    connection.send(wires.popleft())
                    waiting.append(connection)
        finally:
            for connection in opened:
                connection.close()
        spent = time.perf_counter() - began
        if set(statuses) - {"201", "204"}:
            raise LoadFailed(f"not every write was taken: {statuses}")
        return {
            "requests": len(requests),
            "per_second": len(requests) / spent,
            "statuses": statuses,
            "p50_ms": 1000 * percentile(times, 0.5),
            "p99_ms": 1000 * percentile(times, 0.99),
        }

    def hold(self, connections: int) -> list[Connection]:
        """Open connections that stay idle."""
        return [Connection(self._address, self._context) for _ in range(connections)]


def _run(client: LoadClient, job: Mapping[str, Any], held: list[Connection]) -> dict[str, Any]:
    match job["job"]:
        case "get":
            return {"paths": [client.get(path, job["connections"], job["seconds"]) for path in job["paths"]]}
        case "connect":
            return client.connect(job["path"], job["seconds"])
        case "send":
            return client.send(job["requests"], job["connections"])
        case "hold":
            held += client.hold(job["connections"])
            return {"held": len(held)}
        case other:
            raise LoadFailed(f"no job is called {other!r}")


def main() -> None:
    """Take the configuration, then jobs, until standard input closes."""
    config = json.loads(sys.stdin.readline())
    if config.get("core") is not None:
        pin(config["core"])
    context = client_context(
        config.get("profile", "strict"),
        key_pairs=[KeyPair(Path(config["certificate"]), Path(config["key"]))],
        roots=[Path(config["roots"])],
    )
    client = LoadClient(config["host"], config["port"], context)
    held: list[Connection] = []
    answer_jobs(lambda job: _run(client, job, held))


if __name__ == "__main__":
    main()
