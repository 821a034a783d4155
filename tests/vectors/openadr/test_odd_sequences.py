"""What comparable systems do wrong is not done here; and sequences that are odd and legal go through.

The defects are numbered in docs/conformance/openadr.md, which maps each to its test, here or elsewhere.
"""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from tests.unit.gridiface.protocols.openadr.conftest import conversation, kit, maker, talk, vtn_kit

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.answers import ok, response
from gridiface.protocols.openadr.events import from_wire, to_wire
from gridiface.protocols.openadr.exchange import HttpMessage, HttpServer, Security
from gridiface.protocols.openadr.payloads import event, opt, registration, report
from gridiface.protocols.openadr.payloads.common import EiResponse, QualifiedEventID
from gridiface.protocols.openadr.payloads.envelope import decode_payload, encode_payload
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.signature import Verifier
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, VenConfig
from gridiface.protocols.openadr.vtn import Peer

__all__ = ["conversation", "kit", "maker", "talk", "vtn_kit"]  # Fixtures of the cores' tests.

USAGE = ReportOffer(
    specifier="usage",
    name="TELEMETRY_USAGE",
    points=tuple(DataPoint(rid=rid, unit=power_real(), min_period=1, max_period=600) for rid in ("p", "q")),
)
OTHER = dataclasses.replace(USAGE, specifier="other")


# -- what others do wrong ------------------------------------------------------------------------------------------


def test_26_notification_ramp_and_recovery_are_sent_and_read(kit):
    ven = kit.register()
    kit.send([ven], notification=1800, ramp_up=300, recovery=-60)
    (one,) = kit.request(ven).oadrEvent
    times = one.eiEvent.eiActivePeriod.properties
    assert (times.x_eiNotification, times.x_eiRampUp, times.x_eiRecovery) == (1800, 300, -60)
    found = from_wire(one)
    assert (found.notification, found.ramp_up, found.recovery) == (1800, 300, -60)


def test_04_no_document_holds_a_word_for_nothing_or_an_empty_id(talk, kit, monkeypatch):
    """Neither "None" nor an empty venID, registrationID, reportRequestID or eiReportID in a whole conversation."""
    documents = []
    whole = talk(offers=(USAGE,))

    def noting(payload, **more):
        documents.append(encode_payload(payload))
        reply = handle(payload, **more)
        if reply is not None:
            documents.append(encode_payload(reply))
        return reply

    handle = kit.handle
    monkeypatch.setattr(kit, "handle", noting)
    kit.handle(registration.OadrQueryRegistration(requestID="q"))
    whole.run()
    ven = whole.ven.registration.venID
    kit.send([ven])
    kit.do(kit.vtn.request_reports(ven, [ReportRequest(id="", specifier="usage", rids=("p",), granularity=0, back=0)]))
    whole.run(30)
    kit.handle(event.OadrPoll(venID="nobody"))
    assert len(documents) > 20
    for document in documents:
        assert b">None<" not in document
        for name in (b"ei:venID", b"ei:registrationID", b"ei:vtnID", b"ei:reportRequestID", b"ei:eiReportID"):
            assert b"<%s></%s>" % (name, name) not in document
            assert b"<%s/>" % name not in document


@pytest.mark.parametrize("vtn_id", ["myvtn", "MYVTN", "My Vtn 1"])
def test_55_r512_a_vtn_id_may_be_written_in_any_case_of_letters(vtn_kit, conversation, vtn_id):
    kit = vtn_kit(vtn_id=vtn_id)
    whole = conversation(kit, VenConfig(name="ven"))
    whole.run()
    kit.send([whole.ven.registration.venID])
    whole.run(20)
    (answer,) = whole.payloads(event.OadrCreatedEvent)
    body = answer.eiCreatedEvent
    assert body.eiResponse.responseCode == "200"
    assert [one.optType for one in body.eventResponses.eventResponse] == ["optIn"]


def test_r512_ids_in_another_case_of_letters_are_other_ids(kit):
    ven = kit.register()
    assert ven.lower() == ven
    assert kit.handle(event.OadrPoll(venID=ven.upper())).eiResponse.responseCode == "452"
    assert isinstance(kit.poll(ven), report.OadrRegisterReport)


def test_24_r115_a_cancellation_renews_both_times(kit):
    ven = kit.register()
    kit.send([ven], "A")
    before = kit.request(ven).oadrEvent[0].eiEvent.eventDescriptor
    kit.now += 60
    kit.do(kit.vtn.cancel_event("A", kit.now))
    after = kit.request(ven).oadrEvent[0].eiEvent.eventDescriptor
    assert (after.eventStatus, after.modificationNumber) == ("cancelled", before.modificationNumber + 1)
    assert after.createdDateTime == before.createdDateTime + 60 == after.modificationDateTime


def test_67_requests_that_share_a_data_point_are_reported_each_by_itself(talk, kit):
    """Two requests for the same rID of one specifier, and one of another specifier that has the same rID, too."""
    whole = talk(offers=(USAGE, OTHER))
    whole.run()
    ven, start = whole.ven.registration.venID, kit.now
    for second in range(60):
        for specifier, base in (("usage", 0), ("other", 1000)):
            for rid in ("p", "q"):
                whole.samples.record(specifier, rid, Sample(at=start + second, value=base + second))
    ask = {"granularity": 2, "back": 4, "start": start}
    wanted = [
        ReportRequest(id="", specifier="usage", rids=("p",), **ask),
        ReportRequest(id="", specifier="usage", rids=("p", "q"), **{**ask, "back": 8}),
        ReportRequest(id="", specifier="other", rids=("p",), **ask),
    ]
    ids = kit.do(kit.vtn.request_reports(ven, wanted))
    whole.run(24)
    found = {}
    for payload in whole.payloads(report.OadrUpdateReport):
        for one in payload.oadrReport:
            found.setdefault(one.reportRequestID, []).append(one)
    assert set(found) == set(ids)
    for request_id, want in zip(ids, wanted, strict=True):
        for one in found[request_id]:
            rows = one.intervals.interval
            assert len(rows) == want.back // want.granularity
            assert one.reportSpecifierID == want.specifier
            for row in rows:
                assert [point.rID for point in row.streamPayloadBase] == list(want.rids)
                values = {point.payloadBase.value for point in row.streamPayloadBase}
                assert values == {row.dtstart - start + (1000 if want.specifier == "other" else 0)}
        times = [one.createdDateTime for one in found[request_id]]
        gaps = {after - before for before, after in itertools.pairwise(times)}
        assert gaps <= {want.back}
    assert not kit.told("Undelivered")


def test_two_servers_in_one_process_share_nothing():
    """Neither what they verify with, nor nonces, nor VENs."""
    first, second = NonceMemory(), NonceMemory()
    first.use("A", "n", 0.0, 0.0)
    second.use("A", "n", 0.0, 0.0)
    signed, plain = HttpServer("vtn", security=Security(verifier=Verifier(first))), HttpServer("vtn")
    poll = encode_payload(event.OadrPoll(venID="v"))
    request = HttpMessage(0, {"Content-Type": "application/xml"}, poll, "POST", "/OpenADR2/Simple/2.0b/OadrPoll")
    assert plain.receive(request, 0.0).payload == event.OadrPoll(venID="v")
    with pytest.raises(RemoteProtocolError) as refused:
        signed.receive(request, 0.0, signed=True, trust=lambda _: True)
    assert refused.value.answer == 403


def test_r509_the_version_is_always_in_what_we_send_and_what_left_it_out_can_be_told():
    poll = encode_payload(event.OadrPoll(venID="v"))
    assert b'ei:schemaVersion="2.0b"' in poll
    found = decode_payload(poll.replace(b' ei:schemaVersion="2.0b"', b""))[0]
    assert (found.venID, found.schemaVersion) == ("v", None)


# -- odd and legal: towards our VTN --------------------------------------------------------------------------------


def test_everything_may_come_in_another_order_than_the_usual(kit):
    """Events first, then polls, metadata last; and each of it twice."""
    ven = kit.register()
    kit.send([ven])
    for _ in range(2):
        assert len(kit.request(ven).oadrEvent) == 1
        assert kit.answer(ven, "E", 0).eiResponse.responseCode == "200"
        polled = kit.poll(ven)
        assert isinstance(polled, report.OadrRegisterReport | event.OadrResponse)
        taken = kit.handle(report.OadrRegisterReport(requestID="r", venID=ven))
        assert (type(taken), taken.eiResponse.responseCode) == (report.OadrRegisteredReport, "200")
    late = kit.handle(report.OadrRegisteredReport(eiResponse=ok("long ago"), venID=ven))
    assert late.eiResponse.responseCode == "200"
    kit.quiet(ven)


def test_each_event_of_a_set_may_be_answered_by_itself_and_again(kit):
    ven = kit.register()
    for name in "AB":
        kit.send([ven], name)
    assert len(kit.request(ven).oadrEvent) == 2
    for name, word in (("B", "optOut"), ("A", "optIn"), ("B", "optIn"), ("A", "optIn")):
        assert kit.answer(ven, name, 0, word).eiResponse.responseCode == "200"
    assert [kit.vtn.delivery(ven, name).opt for name in "AB"] == ["optIn", "optIn"]


@pytest.mark.parametrize("code", ["200", "201", "299"])
def test_any_code_of_the_first_class_is_success(kit, code):
    ven = kit.register()
    kit.send([ven])
    kit.request(ven)
    assert kit.answer(ven, "E", 0, code=code).eiResponse.responseCode == "200"
    assert kit.vtn.delivery(ven, "E").opt == "optIn"


@pytest.mark.parametrize("code", ["100", "300", "404", "500", "999", "000"])
def test_a_code_that_nobody_knows_is_a_failure_and_no_more(kit, code):
    """Of a whole answer; the VTN goes on."""
    ven = kit.register()
    kit.send([ven])
    kit.request(ven)
    body = event.EiCreatedEvent(eiResponse=EiResponse(responseCode=code, requestID="x"), venID=ven)
    assert kit.handle(event.OadrCreatedEvent(eiCreatedEvent=body)).eiResponse.responseCode == "200"
    kit.handle(event.OadrResponse(eiResponse=response(int(code), "", ""), venID=ven))
    assert len(kit.request(ven).oadrEvent) == 1


def test_a_ven_that_registers_again_in_the_middle_of_an_event_keeps_its_word(kit):
    ven = kit.register()
    kit.send([ven])
    kit.request(ven)
    kit.answer(ven, "E", 0)
    known = kit.vtn.vens[ven]
    kit.register(venID=ven, registrationID=known.registrationID)
    assert kit.vtn.delivery(ven, "E").opt == "optIn"
    assert len(kit.request(ven).oadrEvent) == 1


def test_a_ven_that_starts_over_in_the_middle_of_an_event_is_told_of_it_again(kit):
    """With its venID and no registrationID, as after its storage was lost (rule 406)."""
    ven = kit.register()
    kit.send([ven])
    kit.request(ven)
    kit.answer(ven, "E", 0)
    assert kit.register(venID=ven) == ven
    assert kit.vtn.delivery(ven, "E") is None
    seen = [kit.poll(ven) for _ in range(3)]
    assert any(isinstance(one, event.OadrDistributeEvent) and len(one.oadrEvent) == 1 for one in seen)


def test_an_end_of_a_registration_that_comes_twice_is_told_so(kit):
    ven = kit.register()
    end = registration.OadrCancelPartyRegistration(
        requestID="c", registrationID=kit.vtn.vens[ven].registrationID, venID=ven
    )
    answers = [kit.handle(end) for _ in range(2)]
    assert {type(one) for one in answers} == {registration.OadrCanceledPartyRegistration}
    assert [one.eiResponse.responseCode for one in answers] == ["200", "463"]


def test_data_without_a_report_is_acknowledged(kit):
    ven = kit.register()
    answer = kit.handle(report.OadrUpdateReport(requestID="u", venID=ven))
    assert (type(answer), answer.eiResponse.responseCode, answer.eiResponse.requestID) == (
        report.OadrUpdatedReport,
        "200",
        "u",
    )


def test_an_opt_of_the_whole_ven_to_an_event_that_has_no_target_is_taken(kit):
    ven = kit.register()
    kit.send([ven])
    kit.request(ven)
    created = opt.OadrCreateOpt(
        optID="o",
        optType="optOut",
        optReason="x-because",
        venID=ven,
        createdDateTime=kit.now,
        requestID="",
        qualifiedEventID=QualifiedEventID(eventID="E", modificationNumber=0),
        eiTarget=opt.EiTarget(),
    )
    assert kit.handle(created).eiResponse.responseCode == "200"
    assert kit.vtn.delivery(ven, "E").event_opt == "optOut"


# -- odd and legal: towards our VEN --------------------------------------------------------------------------------


def test_a_vtn_that_does_not_repeat_the_ven_id_it_was_told_is_understood(talk):
    made = talk(ven_id="VEN-7")
    (first,) = made.ven.next_requests(made.now)
    while not isinstance(first.payload, registration.OadrCreatePartyRegistration):
        made.ven.receive(first.id, None, made.now)
        (first,) = made.ven.next_requests(made.now)
    profile = registration.OadrProfile(
        oadrProfileName="2.0b", oadrTransports=registration.OadrTransports(oadrTransport=["simpleHttp"])
    )
    answer = registration.OadrCreatedPartyRegistration(
        eiResponse=ok(""),
        registrationID="R",
        vtnID="V",
        oadrProfiles=registration.OadrProfiles(oadrProfile=[profile]),
    )
    made.ven.receive(first.id, answer, made.now)
    (second,) = made.ven.next_requests(made.now)
    assert second.payload.venID == "VEN-7"
    assert made.ven.registration.venID == "VEN-7"


def test_an_only_interval_without_a_duration_is_the_whole_event(kit):
    wire = to_wire(kit.event(), kit.now)
    wire.eiEvent.eiEventSignals.eiEventSignal[0].intervals.interval[0].duration = None
    assert from_wire(wire).signals[0].durations == (600,)
    two = to_wire(kit.event(values=(1.0, 2.0)), kit.now)
    two.eiEvent.eiEventSignals.eiEventSignal[0].intervals.interval[1].duration = None
    with pytest.raises(RemoteProtocolError) as refused:
        from_wire(two)
    assert refused.value.answer == 459


def test_52_a_poll_that_is_answered_by_anything_is_answered_and_polls_go_on(talk, kit, maker):
    """A payload that no VTN sends gets 459, one for another VEN 452; the next poll comes all the same."""
    made = talk()
    made.run()
    strange = [
        registration.OadrQueryRegistration(requestID="q"),
        event.OadrPoll(venID=made.ven.registration.venID),
        opt.OadrCreatedOpt(eiResponse=ok(""), optID="o"),
        registration.OadrRequestReregistration(venID="another"),
    ]
    for payload in strange:
        kit.now += 60
        made.sent.clear()
        poll = next(one for one in made.ven.next_requests(made.now) if isinstance(one.payload, event.OadrPoll))
        made.ven.receive(poll.id, payload, made.now)
        (answer,) = made.ven.next_requests(made.now)
        code = answer.payload.eiResponse.responseCode
        assert code == ("452" if isinstance(payload, registration.OadrRequestReregistration) else "459")
        made.ven.receive(answer.id, None, made.now)
    assert made.ven.registration.registrationID
    made.commit()


def test_peers_are_told_apart_by_their_certificates_whatever_they_say(kit):
    first = kit.register("a", peer=Peer(fingerprint="AA"))
    second = kit.register("b", peer=Peer(fingerprint="BB"))
    assert first != second
    answer = kit.handle(event.OadrPoll(venID=second), peer=Peer(fingerprint="AA"))
    assert answer.eiResponse.responseCode == "463"
