"""Recorded documents: those of openleadr 0.5.36 are read, and what we write is, octet for octet, what it was.

openleadr/*.xml were written by that program with made-up IDs; signed-*.xml are polls that it signed with keys that
were thrown away. ours/*.xml were written by this project and checked against the official schema; a difference there
is a change of what peers see, and must be meant.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.events import Baseline, Event, Signal, from_wire, to_wire
from gridiface.protocols.openadr.payloads import common, event, opt, registration, report, stream, units
from gridiface.protocols.openadr.payloads.envelope import PAYLOADS, decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.profile_a import encode_a
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.reports import ReportRequest, ReportValue, intervals_of, request_to_wire, values_of
from gridiface.protocols.openadr.signature import Verifier
from gridiface.protocols.openadr.times import parse_date_time
from gridiface.protocols.xmlwire import spec_of

HERE = Path(__file__).parent
SCHEMA = HERE.parents[2] / ".cache" / "schemas" / "openadr" / "oadr_20b.xsd"
FOREIGN = sorted(path for path in (HERE / "openleadr").glob("*.xml") if not path.stem.startswith("signed"))
NOW = 1_800_000_000.0
OK = common.EiResponse(responseCode="200", responseDescription="OK", requestID="r1")
RATE = report.OadrSamplingRate(oadrMinPeriod=10, oadrMaxPeriod=3600, oadrOnChange=False)


def an_event():
    half_hours = {"durations": (1800, 1800)}
    return Event(
        id="event-1",
        modification=2,
        market_context="http://program.example/dr",
        dtstart=NOW,
        duration=3600,
        startafter=300,
        notification=3600,
        ramp_up=600,
        recovery=-300,
        priority=1,
        test="false",
        comment="a <warm> day & night",
        created=NOW - 7200,
        modified=NOW - 7200,
        modification_reason="forecast",
        target=common.EiTarget(groupID=["north"], resourceID=["r-1", "r-2"]),
        signals=(
            Signal(name="SIMPLE", type="level", id="s-1", values=(1.0, 2.0), **half_hours),
            Signal(
                name="LOAD_DISPATCH",
                type="setpoint",
                id="s-2",
                values=(-12.5, 0.0),
                unit=units.power_real("k"),
                devices=("Storage",),
                **half_hours,
            ),
        ),
        baseline=Baseline(
            id="b-1", name="10 of 10", dtstart=NOW, durations=(3600,), values=(40.0,), unit=units.power_real("k")
        ),
    )


def distribute():
    return event.OadrDistributeEvent(
        eiResponse=OK, requestID="r2", vtnID="VTN-1", oadrEvent=[to_wire(an_event(), NOW + 60)]
    )


def register_report():
    status = report.OadrReportDescription(
        rID="status",
        reportDataSource=common.EiTarget(resourceID=["r-1"]),
        reportType="x-resourceStatus",
        readingType="x-notApplicable",
        oadrSamplingRate=RATE,
    )
    offered = report.OadrReport(
        duration=7200,
        oadrReportDescription=[status],
        reportRequestID="0",
        reportSpecifierID="spec-1",
        reportName="METADATA_TELEMETRY_STATUS",
        createdDateTime=NOW,
    )
    return report.OadrRegisterReport(requestID="r1", oadrReport=[offered], venID="ven-1")


def update_report():
    level = stream.LoadControlValue(oadrMin=0.0, oadrMax=1.0, oadrCurrent=0.25, oadrNormal=1.0)
    state = stream.OadrPayloadResourceStatus(
        oadrOnline=True,
        oadrManualOverride=False,
        oadrLoadControlState=stream.OadrLoadControlState(oadrCapacity=level),
    )
    values = [
        ReportValue(rid="power", start=NOW, value=1.5, quality=stream.QUALITY_GOOD, confidence=95, accuracy=0.1),
        ReportValue(rid="status", start=NOW, status=state),
        ReportValue(rid="power", start=NOW + 60, value=0.0, quality=stream.QUALITY_BAD),
    ]
    made = report.OadrReport(
        dtstart=NOW,
        intervals=stream.Intervals(interval=intervals_of(values)),
        reportRequestID="req-1",
        reportSpecifierID="spec-1",
        reportName="TELEMETRY_USAGE",
        createdDateTime=NOW + 60,
    )
    return report.OadrUpdateReport(requestID="r1", oadrReport=[made], venID="ven-1")


def create_report():
    request = ReportRequest(
        id="req-1", specifier="spec-1", rids=("power", "status"), granularity=60, back=900, start=NOW, duration=86_400
    )
    return report.OadrCreateReport(requestID="r1", oadrReportRequest=[request_to_wire(request)], venID="ven-1")


def create_opt():
    span = opt.Available(properties=common.Properties(dtstart=NOW, duration=7200))
    return opt.OadrCreateOpt(
        optID="opt-1",
        optType="optOut",
        optReason="x-schedule",
        marketContext="http://program.example/dr",
        venID="ven-1",
        vavailability=opt.Vavailability(components=opt.AvailableList(available=[span])),
        createdDateTime=NOW,
        requestID="r1",
        eiTarget=common.EiTarget(venID=["ven-1"]),
    )


def created_registration():
    profile = registration.OadrProfile(
        oadrProfileName="2.0b", oadrTransports=registration.OadrTransports(oadrTransport=["simpleHttp"])
    )
    return registration.OadrCreatedPartyRegistration(
        eiResponse=OK,
        registrationID="reg-1",
        venID="ven-1",
        vtnID="VTN-1",
        oadrProfiles=registration.OadrProfiles(oadrProfile=[profile]),
        oadrRequestedOadrPollFreq=10,
    )


OURS = {
    "oadrDistributeEvent": lambda: encode_payload(distribute()),
    "oadrRegisterReport": lambda: encode_payload(register_report()),
    "oadrUpdateReport": lambda: encode_payload(update_report()),
    "oadrCreateReport": lambda: encode_payload(create_report()),
    "oadrCreateOpt": lambda: encode_payload(create_opt()),
    "oadrCreatedPartyRegistration": lambda: encode_payload(created_registration()),
    "a-oadrDistributeEvent": lambda: encode_a(distribute()),
}


def test_there_is_a_foreign_document_of_every_payload():
    assert {path.stem for path in FOREIGN} == {spec_of(cls).element for cls in PAYLOADS}


@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.stem)
def test_foreign_documents_are_read_and_mean_the_same_when_written_again(path):
    payload, _ = decode_payload(path.read_bytes())
    assert spec_of(type(payload)).element == path.stem
    again = encode_payload(payload)
    assert encode_payload(decode_payload(again)[0]) == again


def test_a_foreign_event_and_report_mean_what_they_say():
    found = decode_payload((HERE / "openleadr" / "oadrDistributeEvent.xml").read_bytes())[0]
    made = from_wire(found.oadrEvent[0])
    assert (made.id, made.modification, made.dtstart, made.duration) == ("event-1", 1, NOW, 1200)
    assert [(s.name, s.durations, s.values) for s in made.signals] == [
        ("SIMPLE", (600, 600), (1.0, 2.0)),
        ("LOAD_DISPATCH", (1200,), (12.5,)),
    ]
    data = decode_payload((HERE / "openleadr" / "oadrUpdateReport.xml").read_bytes())[0]
    assert [(v.rid, v.start - NOW, v.value) for v in values_of(data.oadrReport[0])] == [
        ("point-1", 0, 0.0),
        ("point-1", 10, 1.5),
        ("point-1", 20, 3.0),
    ]


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_foreign_signatures_verify_at_their_time_and_not_later(kind):
    _, root = decode_payload((HERE / "openleadr" / f"signed-{kind}.xml").read_bytes())
    stamp = root.findtext(".//{http://openadr.org/oadr-2.0b/2012/07/xmldsig-properties}timestamp")
    now = parse_date_time(stamp)
    assert Verifier(NonceMemory()).verify(root, lambda _: True, now)
    with pytest.raises(RemoteProtocolError, match="too long ago"):
        Verifier(NonceMemory()).verify(root, lambda _: True, now + 60)


@pytest.mark.parametrize("name", OURS)
def test_what_we_write_is_what_it_was(name):
    assert OURS[name]() + b"\n" == (HERE / "ours" / f"{name}.xml").read_bytes()


@pytest.mark.schema
@pytest.mark.parametrize("path", sorted(HERE.glob("*/[!a]*.xml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recorded_document_is_valid_by_the_official_schema(path):
    if not SCHEMA.exists():
        pytest.skip("the official OpenADR 2.0b schemas are not in .cache/schemas/openadr")
    etree.XMLSchema(etree.parse(str(SCHEMA))).assertValid(etree.parse(str(path)))
