"""Objects from texts, and what counts as an answer, against an outstation of a few lines."""

from __future__ import annotations

import socket
import threading

import pytest

from gridiface.conformance.dnp3 import Dnp3Session, Dnp3Target, objects_of
from gridiface.conformance.runner import Failed, Inconclusive
from gridiface.errors import ConfigError
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode


def test_objects_from_texts():
    assert objects_of(["60:2", "30:5:0-9", "hex: 50 01"]).hex() == "3c0206" + "1e05000009" + "5001"
    with pytest.raises(Inconclusive):
        objects_of(["sixty"])


class Outstation:
    """Answers each request with what `answer` makes of its fragment."""

    def __init__(self, answer):
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        connection, _ = self._server.accept()
        reader = FrameReader()
        with connection:
            while data := connection.recv(4096):
                for frame in reader.feed(data):
                    for payload in self._answer(frame):
                        connection.sendall(encode(Frame(0x44, frame.source, frame.destination, payload)))

    def close(self):
        self._server.close()
        self._thread.join(5)


def exchange(answer, step):
    outstation = Outstation(answer)
    session = Dnp3Session(Dnp3Target(host="127.0.0.1", port=outstation.port, timeout_s=0.4))
    try:
        session.ask(step)
    finally:
        session.close()
        outstation.close()


def replying(iin, objects=b"", sequence=None):
    def answer(frame):
        number = frame.payload[1] & 0x0F if sequence is None else sequence
        return [bytes((0xC0, 0xC0 | number, 129)) + iin.to_bytes(2, "little") + objects]

    return answer


READ = {"function": "READ", "objects": ["60:2"]}
ANALOGS = bytes.fromhex("1e05000001") + b"\x01\x00\x00\x00\x00" * 2


@pytest.mark.parametrize(
    ("answer", "expect", "reason"),
    [
        (replying(0), {"no_iin": ["DEVICE_RESTART"]}, None),
        (replying(0x80), {"iin": ["DEVICE_RESTART"]}, None),
        (replying(0x80), {"no_iin": ["DEVICE_RESTART"]}, "DEVICE_RESTART is set"),
        (replying(0), {"iin": ["OBJECT_UNKNOWN"]}, "is not set"),
        (replying(0, ANALOGS), {"groups": [30], "variations": ["30:5"], "indices": [0, 1]}, None),
        (replying(0, ANALOGS), {"indices": [0]}, "points"),
        (replying(0, ANALOGS), {"groups": [1]}, "no object 1"),
        (replying(0, ANALOGS), {"no_groups": [30]}, "are in the answer"),
        (replying(0, ANALOGS), {"empty": True}, "should have none"),
        (replying(0, sequence=9), {}, "sequence 9"),
        (lambda _: [], {}, "no answer"),
        (lambda _: [], {"silence": True}, None),
        (replying(0), {"silence": True}, "must be none"),
        (replying(0, b"\xff"), {}, "does not parse"),
    ],
)
def test_what_is_expected_of_an_answer(answer, expect, reason):
    if reason is None:
        exchange(answer, {**READ, "expect": expect})
        return
    with pytest.raises(Failed, match=reason):
        exchange(answer, {**READ, "expect": expect})


def test_a_function_that_is_not_there_decides_nothing():
    with pytest.raises(Inconclusive):
        exchange(replying(0x0100), {**READ, "expect": {"where_supported": True}})


def test_what_asks_for_a_confirm_gets_one():
    seen = []

    def answer(frame):
        seen.append(frame.payload[2])
        return [bytes((0xC0, 0xE0 | frame.payload[1] & 0x0F, 129, 0, 0))] if frame.payload[2] == 1 else []

    exchange(answer, {**READ, "expect": {}})
    assert seen == [1, 0]


def test_tls_needs_all_of_it(tmp_path):
    with pytest.raises(ConfigError, match="--cert, --key and --ca"):
        Dnp3Target(host="127.0.0.1", port=1, certificate=tmp_path).connect()
