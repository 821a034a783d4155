"""Present, late, lost: by what a VEN sent last."""

from __future__ import annotations

import pytest

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


def test_who_is_not_registered_is_neither_late_nor_lost() -> None:
    assert liveness_of(Ven(venID="A"), 1000.0, since=0.0, poll_frequency=10) is Liveness.UNREGISTERED
