"""What XML costs: a list of 100 DERControls and an OpenADR event, decoded and encoded, by time per control or event.

"kept" is what a page costs of which one control has changed: the bytes of the other 99 are at hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gridiface.protocols.openadr.payloads.common import EiTarget, Properties
from gridiface.protocols.openadr.payloads.event import (
    Components,
    EiActivePeriod,
    EiEvent,
    EiEventSignal,
    EiEventSignals,
    EventDescriptor,
    OadrDistributeEvent,
    OadrEvent,
)
from gridiface.protocols.openadr.payloads.stream import Interval, Intervals, PayloadFloat, SignalPayload
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    EventStatus,
)
from gridiface.protocols.xmlwire import decode, encode, encode_list, encode_member
from gridiface.simulation.load.figures import report, spread

_MEMBERS = 100
_REPEATS = 20


def measure(runs: int) -> dict[str, Any]:
    """See `gridiface bench codec`."""
    members = [_control(number) for number in range(_MEMBERS)]
    page = DERControlList(href="/derp/1/derc", all=_MEMBERS, results=_MEMBERS, members=members)
    head = DERControlList(href="/derp/1/derc", all=_MEMBERS, results=_MEMBERS)
    kept = [encode_member(member, owner=DERControlList) for member in members]

    def one_changed() -> None:
        kept[_MEMBERS // 2] = encode_member(members[_MEMBERS // 2], owner=DERControlList)
        encode_list(head, kept)

    wire = encode(page)
    event = _event()
    event_wire = encode(event)
    figures = {
        "DERControlList": {
            "bytes": len(wire),
            "encode, ms per control": _timed(lambda: encode(page), runs, _MEMBERS),
            "decode, ms per control": _timed(lambda: decode(wire, DERControlList), runs, _MEMBERS),
            "encode with 99 kept, ms per control": _timed(one_changed, runs, _MEMBERS),
        },
        "oadrDistributeEvent": {
            "bytes": len(event_wire),
            "encode, ms": _timed(lambda: encode(event), runs, 1),
            "decode, ms": _timed(lambda: decode(event_wire, OadrDistributeEvent), runs, 1),
        },
    }
    return report("codec", {"runs": runs, "controls": _MEMBERS, "repeats": _REPEATS}, figures)


def _control(number: int) -> DERControl:
    start = 1_800_000_000 + 60 * number
    return DERControl(
        href=f"/derp/1/derc/{number}",
        replyTo="/rsps/1/rsp",
        responseRequired=0x03,
        mRID=f"{number:024X}0000B4F3",
        description=f"control {number}",
        creationTime=start,
        eventStatus=EventStatus(currentStatus=0, dateTime=start, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=60, start=start),
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=number)),
    )


def _event() -> OadrDistributeEvent:
    """One event of four quarter hours."""
    intervals = [
        Interval(duration=900, uid=str(n), streamPayloadBase=[SignalPayload(payloadBase=PayloadFloat(value=n + 0.5))])
        for n in range(4)
    ]
    signal = EiEventSignal(
        intervals=Intervals(interval=intervals), signalName="SIMPLE", signalType="level", signalID="signal"
    )
    descriptor = EventDescriptor(
        eventID="event",
        modificationNumber=0,
        eiMarketContext="http://context",
        createdDateTime=1.8e9,
        eventStatus="far",
    )
    period = EiActivePeriod(properties=Properties(dtstart=1.8e9, duration=3600), components=Components())
    event = EiEvent(
        eventDescriptor=descriptor,
        eiActivePeriod=period,
        eiEventSignals=EiEventSignals(eiEventSignal=[signal]),
        eiTarget=EiTarget(venID=["ven"]),
    )
    return OadrDistributeEvent(
        requestID="request", vtnID="vtn", oadrEvent=[OadrEvent(eiEvent=event, oadrResponseRequired="always")]
    )


def _timed(work: Callable[[], object], runs: int, parts: int) -> dict[str, float]:
    """Milliseconds per part; each run is the mean of some repeats after a warm-up."""
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        for _ in range(_REPEATS):
            work()
        times.append(1000 * (time.perf_counter() - began) / (_REPEATS * parts))
    return spread(times)
