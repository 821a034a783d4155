"""The fuzzer finds what it looks for, and finds nothing in the core; GRIDIFACE_FUZZ sets how many inputs."""

from __future__ import annotations

import os
import random
import socket
import threading
from typing import Any

import pytest

from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.outstation.association import Association
from gridiface.simulation.dnp3 import fuzz

INPUTS = int(os.environ.get("GRIDIFACE_FUZZ", "3000"))


def test_59_no_input_raises_stops_the_link_or_stays_in_memory() -> None:
    report = fuzz.run(INPUTS)
    assert report.failures == []
    assert report.passed
    assert (report.inputs, report.exceptions, report.unanswered) == (INPUTS, 0, 0)
    assert report.as_dict()["passed"] is True


def test_the_same_seed_gives_the_same_inputs() -> None:
    one, other = random.Random(5), random.Random(5)
    assert [fuzz.fragment(one, b"\xc0\x01") for _ in range(200)] == [
        fuzz.fragment(other, b"\xc0\x01") for _ in range(200)
    ]
    assert any(fuzz.spoilt(one, bytes(8)) != bytes(8) for _ in range(20))


def test_an_exception_and_a_dead_link_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: Any, **__: Any) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr(Association, "receive", burst)
    report = fuzz.run(400)
    assert report.exceptions > 10
    assert "KeyError" in report.failures[0]
    assert not report.passed
    monkeypatch.undo()
    monkeypatch.setattr(fuzz, "_LINK_STATUS", b"never")
    assert fuzz.run(40).unanswered == 30


@pytest.fixture
def peer() -> Any:
    """A listener that answers link status requests, or closes after so many frames."""
    listener = socket.create_server(("127.0.0.1", 0))
    closing = {"after": 10**9}

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            reader, seen = FrameReader(), 0
            with connection:
                while data := connection.recv(65_536):
                    for frame in reader.feed(data):
                        if frame.control == 0xC9:
                            seen += 1
                            connection.sendall(encode(Frame(0x0B, frame.source, frame.destination)))
                    if seen >= closing["after"]:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], closing
    listener.close()
    thread.join(5)


def test_59_over_tcp_each_frame_is_followed_by_a_health_check(peer: Any) -> None:
    port, closing = peer
    report = fuzz.TcpFuzz("127.0.0.1", port).run(40)
    assert (report.inputs, report.unanswered, report.passed) == (40, 0, True)
    closing["after"] = 5
    report = fuzz.TcpFuzz("127.0.0.1", port, timeout_s=5).run(20)
    assert report.unanswered >= 2
    assert report.failures
