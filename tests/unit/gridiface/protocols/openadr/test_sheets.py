"""What VENs share of an event is what each would get by itself, at every moment of the event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.protocols.openadr.events import Event, Signal, to_wire
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.event import OadrDistributeEvent, OadrEvent
from gridiface.protocols.openadr.sheets import Sheet
from gridiface.protocols.xmlwire import encode

START = 1_800_000_000.0
SIGNAL = Signal(name="SIMPLE", type="level", id="s", durations=(600, 600), values=(1.0, 2.0))
EVENT = Event(
    id="E",
    market_context="http://a.example",
    dtstart=START,
    duration=1200,
    signals=(SIGNAL,),
    ramp_up=300,
    startafter=60,
)


def document(one: OadrEvent) -> bytes:
    return encode(OadrDistributeEvent(requestID="r", vtnID="VTN", oadrEvent=[one]))


@pytest.mark.parametrize("target", [EiTarget(), EiTarget(groupID=["g"])], ids=["of the VEN", "of a group"])
def test_r115_the_shared_text_follows_the_clock_and_differs_by_ven_and_change_only(target: EiTarget) -> None:
    event = replace(EVENT, target=target)
    sheet = Sheet(event)
    # Forwards through far, near, both intervals and the end; then the clock is set back.
    for offset in (-1000.0, -999.0, -300.0, 0.0, 599.0, 600.0, 1199.0, 1200.0, 1230.0, 0.0):
        now = START + offset
        for ven_id, created in (("A", now - 5), ("B", now - 5), ("C", now - 3)):
            own = EiTarget(venID=[ven_id]) if target.is_empty() else target
            alone = to_wire(replace(event, target=own, created=created), now)
            assert document(sheet.to_wire(ven_id, created, now)) == document(alone)
