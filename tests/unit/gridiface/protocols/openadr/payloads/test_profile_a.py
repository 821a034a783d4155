"""The A profile: what is left out, and what comes in."""

from __future__ import annotations

import pytest
from lxml import etree

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.events import Baseline, Signal, to_wire
from gridiface.protocols.openadr.payloads import event
from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget
from gridiface.protocols.openadr.payloads.namespaces import EI, OADR_A
from gridiface.protocols.openadr.payloads.profile_a import OadrCreatedEventA, decode_a, encode_a
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.xmlwire import encode

POWER = Signal(name="LOAD_DISPATCH", type="setpoint", id="d", durations=(600,), values=(5.0,), unit=power_real())


def distribute(*events, now):
    return event.OadrDistributeEvent(
        eiResponse=ok("q"), requestID="d", vtnID="VTN", oadrEvent=[to_wire(one, now) for one in events]
    )


def test_45_r7_r113_an_a_event_has_one_simple_signal_with_a_current_value_and_nothing_of_b(kit):
    simple = kit.event().signals[0]
    base = Baseline(id="b", name="b", dtstart=kit.now, durations=(5,), values=(1.0,), unit=power_real())
    made = kit.event(
        signals=(POWER, simple),
        baseline=base,
        modified=kit.now,
        modification_reason="x",
        target=EiTarget(resourceID=["r"], meterAsset=["m"]),
    )
    data = encode_a(distribute(made, now=kit.now))
    root = etree.fromstring(data)
    assert root.tag == f"{{{OADR_A}}}oadrDistributeEvent"
    text = data.decode()
    for absent in ("modificationDateTime>", "modificationReason>", "eiEventBaseline", "itemBase", "meterAsset", "W<"):
        assert absent not in text
    assert f"{{{EI}}}schemaVersion" not in root.attrib
    (signal,) = root.iter(f"{{{EI}}}eiEventSignal")
    assert signal.findtext(f"{{{EI}}}signalName") == "simple"
    assert signal.findtext(f"{{{EI}}}currentValue/{{{EI}}}payloadFloat/{{{EI}}}value") == "0.0"
    back, _ = decode_a(data)
    assert back.oadrEvent[0].eiEvent.eventDescriptor.eventID == "E"


def test_45_events_that_an_a_ven_cannot_have_are_left_out(kit):
    without_simple = kit.event("A", signals=(POWER,))
    other_target = kit.event("B", target=EiTarget(meterAsset=["m"]))
    payload, _ = decode_a(encode_a(distribute(without_simple, other_target, kit.event("C"), now=kit.now)))
    assert [one.eiEvent.eventDescriptor.eventID for one in payload.oadrEvent] == ["C"]


def test_a_payloads_mean_the_same_as_b_payloads(kit):
    created = event.EiCreatedEvent(eiResponse=EiResponse(responseCode="200", requestID=""), venID="a")
    payload, _ = decode_a(encode(OadrCreatedEventA(eiCreatedEvent=created)))
    assert payload == event.OadrCreatedEvent(eiCreatedEvent=created)
    for made in (
        payload,
        event.OadrRequestEvent(eiRequestEvent=event.EiRequestEvent(requestID="q", venID="a", replyLimit=3)),
        event.OadrResponse(eiResponse=ok("r")),
    ):
        assert decode_a(encode_a(made))[0] == made


def test_the_a_profile_has_no_poll():
    with pytest.raises(LocalProtocolError):
        encode_a(event.OadrPoll(venID="v"))


@pytest.mark.parametrize("data", [b"", b"<a/>", f'<oadrPoll xmlns="{OADR_A}"/>'.encode()])
def test_what_is_no_a_payload_is_refused(data):
    with pytest.raises(RemoteProtocolError):
        decode_a(data)
