"""What peers send beside the schema and can mean one thing only: it is read as if it were written right.

The list of these is docs/conformance/openadr.md; what is not on it is refused (406), as the profile has it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.exchange import HttpClient, HttpMessage
from gridiface.protocols.openadr.payloads import event, registration
from gridiface.protocols.openadr.payloads.common import EiTarget, Properties
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.reports import METADATA_RID, request_from_wire
from gridiface.protocols.openadr.signals import unsupported

OURS = Path(__file__).parent / "ours"

#: What it is, the document of ours, what is written instead of what.
SAME = {
    "attribute without its prefix": ("oadrCreateOpt", 'ei:schemaVersion="2.0b"', 'schemaVersion="2.0b"'),
    "schemaVersion on the envelope too": (
        "oadrCreateOpt",
        "<oadr:oadrPayload ",
        '<oadr:oadrPayload ei:schemaVersion="2.0b" ',
    ),
    "schemaVersion on the signed object too": (
        "oadrCreateOpt",
        "<oadr:oadrSignedObject ",
        '<oadr:oadrSignedObject ei:schemaVersion="2.0b" ',
    ),
    "schemaLocation": (
        "oadrCreateOpt",
        "<oadr:oadrPayload ",
        '<oadr:oadrPayload xsi:schemaLocation="http://openadr.org/oadr-2.0b/2012/07 oadr_20b.xsd" ',
    ),
    "time with seven digits of a second": ("oadrCreateOpt", "00Z</ei:created", "00.0000000Z</ei:created"),
    "time with an offset of nothing": ("oadrCreateOpt", "00Z</ei:created", "00+00:00</ei:created"),
    "time without Z": ("oadrCreateOpt", "00Z</ei:created", "00</ei:created"),
    "duration in units of every kind": ("oadrCreateOpt", "PT2H", "P0Y0M0DT2H0M0S"),
    "duration in seconds": ("oadrCreateOpt", "PT2H", "PT7200S"),
    "duration with a fraction of nothing": ("oadrCreateOpt", "PT2H", "P0Y0M0DT2H0M0.000S"),
    "duration in small letters": ("oadrCreateOpt", "PT2H", "pt2h"),
    "white space around an enumeration": ("oadrCreateOpt", ">optOut<", ">\n optOut\t<"),
    "its own type named, and nil denied": (
        "oadrCreateOpt",
        "<ei:optID>",
        '<ei:optID xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:string" xsi:nil="false">',
    ),
    "its own type named, of several": (
        "oadrDistributeEvent",
        "<ei:payloadFloat>",
        '<ei:payloadFloat xsi:type="ei:PayloadFloatType">',
    ),
    "an empty name in a target": (
        "oadrCreateOpt",
        "<ei:eiTarget>",
        "<ei:eiTarget><ei:groupID/><ei:resourceID> </ei:resourceID>",
    ),
    "elements in another order": (
        "oadrCreateOpt",
        "<ei:optID>opt-1</ei:optID><ei:optType>optOut</ei:optType>",
        "<ei:optType>optOut</ei:optType><ei:optID>opt-1</ei:optID>",
    ),
    "elements of an inner type in another order": (
        "oadrCreateOpt",
        "<xcal:dtstart><xcal:date-time>2027-01-15T08:00:00Z</xcal:date-time></xcal:dtstart>"
        "<xcal:duration><xcal:duration>PT2H</xcal:duration></xcal:duration>",
        "<xcal:duration><xcal:duration>PT2H</xcal:duration></xcal:duration>"
        "<xcal:dtstart><xcal:date-time>2027-01-15T08:00:00Z</xcal:date-time></xcal:dtstart>",
    ),
    "an element of another namespace of the profile": ("oadrCreateOpt", "ei:createdDateTime", "oadr:createdDateTime"),
    "an element of no namespace": ("oadrCreateOpt", "ei:createdDateTime", "createdDateTime"),
    "a wrapping and what it wraps in another namespace": (
        "oadrCreateOpt",
        "<xcal:duration><xcal:duration>PT2H</xcal:duration></xcal:duration>",
        "<oadr:duration><oadr:duration>PT2H</oadr:duration></oadr:duration>",
    ),
    "other words of another namespace": (
        "oadrCreateOpt",
        "</oadr:oadrCreateOpt>",
        '<own:note xmlns:own="urn:example:own">x</own:note></oadr:oadrCreateOpt>',
    ),
}


def document(name):
    return (OURS / f"{name}.xml").read_text().strip()


def read(text):
    return decode_payload(text.encode())[0]


@pytest.mark.parametrize("name", SAME)
def test_it_means_the_same(name):
    origin, old, new = SAME[name]
    assert old in document(origin)
    assert read(document(origin).replace(old, new)) == read(document(origin))


def test_a_payload_without_its_envelope_is_the_payload():
    whole = document("oadrCreateOpt")
    start, end = whole.index("<oadr:oadrCreateOpt"), whole.index("</oadr:oadrSignedObject>")
    spaces = whole[whole.index(" xmlns") : whole.index(">", whole.index(" xmlns"))]
    bare = whole[start:end].replace("<oadr:oadrCreateOpt", f"<oadr:oadrCreateOpt{spaces}", 1)
    assert read(bare) == read(whole)
    with pytest.raises(RemoteProtocolError):
        read(f"<ei:eiTarget{spaces}/>")  # A part of a payload is none.


def unit_of(payload):
    signals = payload.oadrEvent[0].eiEvent.eiEventSignals.eiEventSignal
    return next(signal.itemBase for signal in signals if signal.itemBase is not None)


@pytest.mark.parametrize(
    ("origin", "element", "assumed"),
    [
        ("oadrCreateOpt", "ei:eiTarget", lambda p: p.eiTarget == EiTarget()),
        ("oadrCreateOpt", "pyld:requestID", lambda p: p.requestID == ""),
        ("oadrDistributeEvent", "xcal:components", lambda p: len(p.oadrEvent) == 1),
        ("oadrDistributeEvent", "pyld:requestID", lambda p: p.eiResponse.requestID == "" == p.requestID),
        ("oadrCreatedPartyRegistration", "pyld:requestID", lambda p: p.eiResponse.requestID == ""),
        ("oadrUpdateReport", "pyld:requestID", lambda p: p.requestID == ""),
        ("oadrRegisterReport", "ei:reportRequestID", lambda p: p.oadrReport[0].reportRequestID == "0"),
        ("oadrDistributeEvent", "scale:siScaleCode", lambda p: unit_of(p).siScaleCode == "none"),
        ("oadrDistributeEvent", "power:powerAttributes", lambda p: unit_of(p).powerAttributes.ac),
    ],
)
def test_what_is_left_out_and_can_only_be_nothing_is_nothing(origin, element, assumed):
    text = document(origin)
    while f"<{element}" in text:
        start = text.index(f"<{element}")
        close = text.find(f"</{element}>", start)
        end = close + len(f"</{element}>") if close > 0 else text.index("/>", start) + 2
        text = text[:start] + text[end:]
    assert assumed(read(text))


def test_an_event_without_a_target_is_for_who_receives_it():
    text = document("oadrDistributeEvent")
    start, end = text.rindex("<ei:eiTarget>"), text.rindex("</ei:eiTarget>") + len("</ei:eiTarget>")
    assert read(text[:start] + text[end:]).oadrEvent[0].eiEvent.eiTarget == EiTarget()


@pytest.mark.parametrize(
    "empty",
    [
        "<xcal:tolerance/>",
        "<xcal:tolerance>\n</xcal:tolerance>",
        "<ei:x-eiNotification/>",
        "<ei:x-eiNotification><xcal:duration/></ei:x-eiNotification>",
        '<ei:x-eiNotification xsi:nil="true"/>',
    ],
)
def test_r46_an_empty_optional_element_is_absent_whatever_it_would_hold(empty):
    body = event_with(empty)
    times: Properties = read(body).oadrEvent[0].eiEvent.eiActivePeriod.properties
    assert (times.tolerance, times.x_eiNotification) == (None, None)


def event_with(properties):
    """The recorded event with these elements for everything behind its duration."""
    text = document("oadrDistributeEvent")
    start = text.index("<xcal:tolerance>")
    return text[:start] + properties + text[text.index("</xcal:properties>", start) :]


def test_a_registration_that_does_not_say_it_only_reports_or_signs_does_neither():
    asked = registration.OadrCreatePartyRegistration(
        requestID="q",
        oadrProfileName="2.0b",
        oadrTransportName="simpleHttp",
        oadrReportOnly=False,
        oadrXmlSignature=False,
    )
    text = encode_payload(asked).decode()
    for name in ("oadrReportOnly", "oadrXmlSignature"):
        text = text.replace(f"<oadr:{name}>false</oadr:{name}>", "")
    assert read(text) == asked


def test_a_request_for_metadata_without_a_data_point_means_the_only_one():
    text = document("oadrCreateReport")
    start, end = (
        text.index("<ei:specifierPayload>"),
        text.rindex("</ei:specifierPayload>") + len("</ei:specifierPayload>"),
    )
    bare = read(text[:start] + text[end:])
    with pytest.raises(RemoteProtocolError) as refused:
        request_from_wire(bare.oadrReportRequest[0])
    assert refused.value.answer == 459
    metadata = read((text[:start] + text[end:]).replace(">spec-1<", ">METADATA<"))
    assert request_from_wire(metadata.oadrReportRequest[0]).rids == (METADATA_RID,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"2.0b"', '"2.0b" unknown="1"'),  # an attribute that nobody knows
        ("<ei:optID>opt-1</ei:optID>", ""),  # what tells which opt is meant
        ("<ei:optID>", "<ei:optID><b/>"),
        ("PT2H", "PT1.5H"),
        ("PT2H", "PT7200.5S"),
        ("00Z</ei:created", "00+02:00</ei:created"),  # not UTC (rule 1)
        (">optOut<", ">OPTOUT<"),
        ("<ei:optType>optOut</ei:optType>", ""),
        ("<ei:optID>opt-1</ei:optID>", "<ei:optID>opt-1</ei:optID><ei:optID>opt-2</ei:optID>"),
        ("<ei:optID>opt-1</ei:optID>", "<ei:optID>opt-1</ei:optID><optID>opt-2</optID>"),  # in no namespace, and twice
        ("2012/07", "2012/08"),
    ],
)
def test_04_what_loses_a_meaning_or_breaks_the_schema_otherwise_is_refused(old, new):
    text = document("oadrCreateOpt")
    assert old in text
    with pytest.raises(RemoteProtocolError):
        read(text.replace(old, new))


def test_what_we_leave_out_ourselves_is_never_written():
    """What is taken from others is not sent: the encoder still wants every required element."""
    made = read(document("oadrCreateOpt"))
    assert b"<ei:eiTarget>" in encode_payload(made)
    made.eiTarget = EiTarget()
    assert b"<ei:eiTarget/>" in encode_payload(made)
    poll = event.OadrPoll(venID="v")
    assert b'ei:schemaVersion="2.0b"' in encode_payload(poll)


def signal_of(body):
    return read(body).oadrEvent[0].eiEvent.eiEventSignals.eiEventSignal[-1]


@pytest.mark.parametrize("word", ["x-own", "own"])
def test_r19_r109_a_signal_that_nobody_knows_is_read_so_that_its_event_alone_is_refused(word):
    text = document("oadrDistributeEvent")
    for known in (">setpoint<", ">LOAD_DISPATCH<"):
        found = signal_of(text.replace(known, f">\n {word}<"))
        assert word in {found.signalType, found.signalName}
        assert word in unsupported(found.signalName, found.signalType, found.itemBase)
    with pytest.raises(LocalProtocolError):  # We write what the schema lists.
        encode_payload(read(text.replace(">LOAD_DISPATCH<", ">own<")))


@pytest.mark.parametrize("unit", ['<own:unit xmlns:own="urn:example:own"><own:a/></own:unit>', "<power:unit/>"])
def test_r109_a_unit_that_nobody_knows_is_not_taken_for_one_that_is_missing(unit):
    text = document("oadrDistributeEvent")
    start, end = text.index("<power:powerReal>"), text.index("</power:powerReal>") + len("</power:powerReal>")
    assert signal_of(text[:start] + text[end:]).itemBase is None
    found = signal_of(text[:start] + unit + text[end:])
    assert found.itemBase.itemUnits == "unit"
    assert "CustomUnit" in unsupported(found.signalName, found.signalType, found.itemBase)
    # A word of somebody else in another place says nothing of the unit.
    elsewhere = text.replace("<ei:signalName>", '<own:note xmlns:own="urn:example:own">x</own:note><ei:signalName>')
    assert signal_of(elsewhere) == signal_of(text)


def test_r50_a_set_of_events_may_hold_days_of_prices():
    text = document("oadrDistributeEvent")
    start, end = text.index("<oadr:oadrEvent>"), text.rindex("</oadr:oadrEvent>") + len("</oadr:oadrEvent>")
    one = text[start:end]
    long = text[:start] + one * (500_000 // len(one)) + text[end:]
    answer = HttpMessage(200, {"Content-Type": "application/xml"}, long.encode())
    assert len(HttpClient().response(answer, 0.0).oadrEvent) == long.count("<oadr:oadrEvent>")
