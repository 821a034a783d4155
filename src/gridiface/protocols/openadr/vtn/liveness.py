"""Whether a VEN is there: judged by what it sent, as a registration of 2.0b has no lifetime of its own. Pure.

A VEN that is pushed to need not say anything of itself: it is missed where a push does not reach it.
"""

from __future__ import annotations

from enum import StrEnum

from gridiface.protocols.openadr.vtn.entities import Ven

#: Poll intervals without a word after which a VEN is late, and lost.
LATE_AFTER, LOST_AFTER = 3, 10


class Liveness(StrEnum):
    """How long a VEN has been silent."""

    UNREGISTERED = "unregistered"
    PRESENT = "present"
    LATE = "late"
    LOST = "lost"


def liveness_of(ven: Ven, now: float, *, since: float, poll_frequency: int, unreached: bool = False) -> Liveness:
    """Whether a VEN is present, late or lost.

    Args:
        ven: the VEN.
        now: the time.
        since: when this VTN began to listen; nobody is late for the time before.
        poll_frequency: seconds, as asked of pull VENs.
        unreached: the last push to it failed; of VENs that poll it does not matter.
    """
    if not ven.registered:
        return Liveness.UNREGISTERED
    if not ven.pull and not unreached:
        return Liveness.PRESENT
    silent = now - max(ven.last_seen or 0.0, ven.registered_at or 0.0, since)
    if silent > LOST_AFTER * poll_frequency:
        return Liveness.LOST
    return Liveness.LATE if silent > LATE_AFTER * poll_frequency else Liveness.PRESENT
