"""Present, late, lost: by what a VEN sent last."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.payloads.report import OadrRegisteredReport
from gridiface.protocols.openadr.vtn.entities import Ven
from gridiface.protocols.openadr.vtn.liveness import Liveness, liveness_of


@pytest.mark.parametrize(
    ("seen", "since", "expected"),
    [
        (1000.0, 0.0, Liveness.PRESENT),
        (969.0, 0.0, Liveness.LATE),
        (899.0, 0.0, Liveness.LOST),
        (None, 0.0, Liveness.LOST),
        (899.0, 990.0, Liveness.PRESENT),
    ],
)
def test_silence_is_counted_in_poll_intervals(seen: float | None, since: float, expected: Liveness) -> None:
    ven = Ven(venID="A", registrationID="R", last_seen=seen)
    assert liveness_of(ven, 1000.0, since=since, poll_frequency=10) is expected


@pytest.mark.parametrize(
    ("seen", "unreached", "expected"),
    [
        (0.0, False, Liveness.PRESENT),
        (1000.0, True, Liveness.PRESENT),
        (969.0, True, Liveness.LATE),
        (899.0, True, Liveness.LOST),
    ],
)
def test_who_is_pushed_to_may_be_silent_as_long_as_pushes_reach_it(
    seen: float, unreached: bool, expected: Liveness
) -> None:
    ven = Ven(venID="A", registrationID="R", last_seen=seen, pull=False)
    assert liveness_of(ven, 1000.0, since=0.0, poll_frequency=10, unreached=unreached) is expected


def test_44_a_push_ven_is_missed_when_a_push_fails_until_one_is_taken(kit: Any) -> None:
    ven = kit.register("p", oadrHttpPullModel=False, oadrTransportAddress="http://ven.example")
    (first,) = pushes(kit)
    kit.commit(kit.vtn.push_done(ven, kit.now))
    kit.handle(OadrRegisteredReport(eiResponse=ok(first.payload.requestID), venID=ven))
    kit.now += 100_000
    assert kit.vtn.liveness(ven, kit.now, since=0.0) is Liveness.PRESENT
    kit.send([ven])
    for _ in range(4):
        assert pushes(kit)
        kit.commit(kit.vtn.push_failed(ven, kit.now))
        assert kit.vtn.liveness(ven, kit.now, since=0.0) is Liveness.LOST
        kit.now += 1000
        # While it is tried again nobody knows better.
        kit.restart()
    assert pushes(kit)
    assert kit.vtn.liveness(ven, kit.now, since=0.0) is Liveness.LOST
    kit.commit(kit.vtn.push_done(ven, kit.now + 1))
    assert kit.vtn.liveness(ven, kit.now + 1, since=0.0) is Liveness.PRESENT


def pushes(kit: Any) -> Any:
    """What is pushed now, counted as sent."""
    found, result = kit.vtn.next_pushes(kit.now)
    kit.commit(result)
    return found


def test_who_is_not_registered_is_neither_late_nor_lost() -> None:
    assert liveness_of(Ven(venID="A"), 1000.0, since=0.0, poll_frequency=10) is Liveness.UNREGISTERED
