"""All declared payloads: schema-valid, round trips, the same verdict as the official schema."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.payloads import common, event, opt, registration, report, stream, units
from gridiface.protocols.openadr.payloads.envelope import PAYLOADS, decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.namespaces import EI, OADR
from gridiface.protocols.xmlwire import spec_of

NAMES = [spec_of(cls).element for cls in PAYLOADS]


@pytest.mark.schema
@pytest.mark.parametrize("cls", PAYLOADS, ids=NAMES)
def test_what_we_write_is_valid_by_the_official_schema(cls, schema, maker):
    for seed in range(40):
        schema.assertValid(etree.fromstring(encode_payload(maker(seed).make(cls))))


@pytest.mark.parametrize("cls", PAYLOADS, ids=NAMES)
def test_what_we_write_reads_back_the_same(cls, maker):
    for seed in range(40):
        data = encode_payload(maker(seed).make(cls))
        assert encode_payload(decode_payload(data)[0]) == data


@pytest.mark.schema
@pytest.mark.parametrize("cls", PAYLOADS, ids=NAMES)
def test_a_document_without_one_of_its_elements_gets_the_verdict_of_the_schema(cls, schema, maker):
    for seed in range(6):
        root = etree.fromstring(encode_payload(maker(seed).make(cls)))
        for count in range(sum(1 for _ in root.iter())):
            copy = etree.fromstring(etree.tostring(root))
            victim = list(copy.iter())[count]
            if victim.getparent() is None:
                continue
            victim.getparent().remove(victim)
            try:
                decode_payload(etree.tostring(copy))
                accepted = True
            except RemoteProtocolError:
                accepted = False
            # An empty optional element may stand for an absent one (rule 46): there we take more than the schema.
            assert accepted or not schema.validate(copy), etree.tostring(copy)
            if not accepted:
                assert not schema.validate(copy)


def test_all_23_payloads_are_there_and_named_as_the_standard_does():
    assert len(PAYLOADS) == 23
    assert len(set(NAMES)) == 23
    assert all(name and name.startswith("oadr") for name in NAMES)


@pytest.mark.parametrize("cls", PAYLOADS, ids=NAMES)
def test_06_r45_r509_every_payload_carries_schema_version_2_0b_and_no_schema_location(cls, maker):
    made = maker(1).make(cls)
    made.schemaVersion = cls.__dataclass_fields__["schemaVersion"].default
    data = encode_payload(made)
    assert etree.fromstring(data)[-1][0].get(f"{{{EI}}}schemaVersion") == "2.0b"
    assert b"schemaLocation" not in data


def test_a_document_reads_with_any_prefixes_and_layout():
    data = f"""<?xml version="1.0" encoding="utf-8"?>
    <p xmlns="{OADR}" xmlns:e="{EI}">
      <oadrSignedObject>
        <oadrPoll e:schemaVersion="2.0b"><e:venID> ven &amp; 1</e:venID></oadrPoll>
      </oadrSignedObject>
    </p>""".replace("<p ", "<oadrPayload ").replace("</p>", "</oadrPayload>")
    payload, _ = decode_payload(data.encode())
    assert payload == event.OadrPoll(venID=" ven & 1")


def test_r46_an_empty_optional_element_is_an_absent_one():
    data = encode_payload(
        registration.OadrCreatedPartyRegistration(
            eiResponse=common.EiResponse(responseCode="200", requestID="r"),
            vtnID="VTN",
            oadrProfiles=registration.OadrProfiles(
                oadrProfile=[
                    registration.OadrProfile(
                        oadrProfileName="2.0b", oadrTransports=registration.OadrTransports(oadrTransport=["simpleHttp"])
                    )
                ]
            ),
        )
    )
    data = data.replace(b"<ei:vtnID>", b"<ei:registrationID/><ei:venID/><ei:vtnID>")
    payload, _ = decode_payload(data)
    assert payload.registrationID is None
    assert payload.venID is None


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"no xml",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        f'<oadrPayload xmlns="{OADR}"/>'.encode(),
        f'<oadrPayload xmlns="{OADR}"><oadrSignedObject/></oadrPayload>'.encode(),
        f'<oadrPayload xmlns="{OADR}"><oadrSignedObject><oadrPoll/></oadrSignedObject></oadrPayload>'.encode(),
    ],
)
def test_what_is_not_valid_is_refused(broken):
    with pytest.raises(RemoteProtocolError) as refused:
        decode_payload(broken)
    assert 400 <= refused.value.answer < 500


def test_two_payloads_in_one_envelope_are_refused():
    data = encode_payload(event.OadrPoll(venID="v"))
    poll = data[data.index(b"<oadr:oadrPoll") : data.index(b"</oadr:oadrSignedObject>")]
    with pytest.raises(RemoteProtocolError):
        decode_payload(data.replace(poll, poll + poll))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing_but_a_remote_protocol_error(data):
    with pytest.raises(RemoteProtocolError):
        decode_payload(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_document_raises_nothing_but_a_remote_protocol_error(data):
    body = bytearray(
        encode_payload(event.OadrRequestEvent(eiRequestEvent=event.EiRequestEvent(requestID="1", venID="v")))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        payload, _ = decode_payload(bytes(body))
    except RemoteProtocolError:
        return
    assert isinstance(payload, PAYLOADS)


def test_a_green_button_feed_is_kept_as_its_bytes():
    feed = b'<atom:feed xmlns:atom="http://www.w3.org/2005/Atom"><atom:id>1</atom:id></atom:feed>'
    span = stream.Interval(uid="0", duration=60, streamPayloadBase=[stream.OadrGBPayload(feed=feed)])
    made = report.OadrUpdateReport(
        requestID="1",
        oadrReport=[
            report.OadrReport(
                intervals=stream.Intervals(interval=[span]),
                reportRequestID="1",
                reportSpecifierID="s",
                reportName="HISTORY_GREENBUTTON",
                createdDateTime=0.0,
            )
        ],
        venID="v",
    )
    payload, _ = decode_payload(encode_payload(made))
    kept = payload.oadrReport[0].intervals.interval[0].streamPayloadBase[0].feed
    assert etree.fromstring(kept)[0].text == "1"


def test_an_invalid_object_of_ours_never_reaches_the_wire():
    with pytest.raises(LocalProtocolError):
        encode_payload(
            opt.OadrCancelOpt(requestID="1", optID="\x01", venID="v")  # XML has no such character
        )


def test_scales_of_units():
    assert units.scale_of(units.power_real("k")) == 1000.0
    assert units.scale_of(units.power_reactive("micro")) == 1e-6
    assert units.scale_of(units.energy_real()) == 1.0
    assert units.scale_of(units.price_per_kwh("EUR", "c")) == 0.01
    assert units.scale_of(units.PulseCount(itemDescription="pulse count", itemUnits="count", pulseFactor=2.0)) == 1.0
    assert units.scale_of(None) == 1.0


def test_an_empty_target_is_known_as_one():
    assert common.EiTarget().is_empty()
    assert not common.EiTarget(venID=["v"]).is_empty()
