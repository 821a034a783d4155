"""The clients of a fleet against connections that the test plays; certificates of a real test PKI."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gridiface.pki.folder import TestPki
from gridiface.simulation.load.client import LoadFailed
from gridiface.simulation.load.fleet import Client, Fleet, make_clients


class Played:
    """Answers as told, in turn; an exception is raised where the answer would come."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self.sent = self.answered = 0.0
        self.location = ""
        self.closed = False

    def send(self, wire: bytes) -> None:
        self.requests.append(wire)

    def receive(self) -> tuple[int, int]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, self.location = answer
        return status, 0

    def close(self) -> None:
        self.closed = True


def fleet(*connections: Any) -> tuple[Fleet, list[Client]]:
    given = list(connections)
    clients = [Client(f"c{n}", f"{n:040X}", lambda: given.pop(0)) for n in range(len(connections))]
    return Fleet("h", 1, clients), clients


def test_register_makes_a_place_and_a_mirror_for_each() -> None:
    played = [Played((201, "/edev/7"), (201, "/mup/8")), Played((403, ""))]
    made, clients = fleet(*played)
    found = made.register()
    assert (clients[0].own, clients[0].mirror) == ("/edev/7", "/mup/8")
    assert found["failures"] == {"GridifaceError: POST answered 403": 1}
    assert b"<EndDevice" in played[0].requests[0]


def test_rounds_are_counted_and_failures_named() -> None:
    played = Played((200, ""), (200, ""), (200, ""), (201, ""), (200, ""), ConnectionResetError("gone"))
    made, clients = fleet(played)
    found = made.poll(0.15, 0.1)
    assert found["rounds"] == 2
    assert sum(found["failures"].values()) == 1
    assert played.closed
    assert clients[0].connection is None


def test_a_burst_gives_each_response_once() -> None:
    played = Played((201, ""))
    made, clients = fleet(played)
    lfdi = clients[0].lfdi
    assert made.burst(12, {lfdi: [("/rsps/1/rsp", "AA")]})["exchanges"] == 12
    answers = [wire for wire in played.requests if b"/rsps/1/rsp" in wire]
    assert [b"<status>%d</status>" % n in answers[n - 1] for n in (1, 2, 3)] == [True] * 3
    with pytest.raises(LoadFailed, match="too few"):
        made.burst(16, {lfdi: [("/rsps/1/rsp", "AA")]})


def test_everybody_comes_back_though_it_was_refused_first() -> None:
    made, _ = fleet(Played((200, "")))
    tries = [ConnectionRefusedError("not yet"), None]

    def connect() -> Any:
        problem = tries.pop(0)
        if problem is not None:
            raise problem
        return Played((200, ""))

    made._clients = [Client("c", "00", connect)]
    found = made.come_back()
    assert (found["tries_refused"], found["failures"], found["exchanges"]) == (1, {}, 1)


def test_each_client_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    TestPki.create(depth=3, now=time.time()).save(tmp_path / "pki")
    config = {"pki": str(tmp_path / "pki"), "scratch": str(tmp_path / "s"), "host": "h", "port": 1}
    clients = make_clients({**config, "first": 3, "count": 3})
    assert [client.name for client in clients] == ["client3", "client4", "client5"]
    assert len({client.lfdi for client in clients}) == 3
    assert list((tmp_path / "s").iterdir()) == []


def test_what_was_acknowledged_before_the_end_is_told() -> None:
    played = Played((201, "/mr/1"), (201, "/mr/1"), (201, "/mr/1"), ConnectionResetError("killed"))
    made, clients = fleet(played)
    clients[0].mirror = "/mup/1"
    newcomer = Client("n", "F" * 40, lambda: Played((201, "/edev/9")))
    made._newcomers = lambda first, count: [newcomer]
    found = made.record((5, 1), 700)
    assert found == {"marks": [700, 701, 702], "registered": ["F" * 40]}
    assert len(set(played.requests)) == 4
    assert newcomer.connection is None
