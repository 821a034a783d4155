"""EiRegisterParty of the VTN."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.payloads import event, opt, registration, report
from gridiface.protocols.openadr.payloads.common import EiTarget, Properties
from gridiface.protocols.openadr.reports import metadata_request, request_to_wire
from gridiface.protocols.openadr.vtn import Peer, Ven
from gridiface.protocols.openadr.vtn.notices import CertificateDropped

A, B = Peer("AA:AA"), Peer("BB:BB")


def create(**fields):
    base = {
        "requestID": "r1",
        "oadrProfileName": "2.0b",
        "oadrTransportName": "simpleHttp",
        "oadrReportOnly": False,
        "oadrXmlSignature": False,
        "oadrHttpPullModel": True,
    }
    return registration.OadrCreatePartyRegistration(**{**base, **fields})


def test_08_r404_query_tells_all_profiles_and_transports_and_no_ids_when_unregistered(kit):
    answer = kit.handle(registration.OadrQueryRegistration(requestID="q1"))
    assert answer.eiResponse.requestID == "q1"
    assert answer.registrationID is None
    assert answer.venID is None
    assert [p.oadrProfileName for p in answer.oadrProfiles.oadrProfile] == ["2.0a", "2.0b"]
    assert answer.oadrProfiles.oadrProfile[0].oadrTransports.oadrTransport == ["simpleHttp"]


def test_08_query_of_a_registered_certificate_tells_its_ids(kit):
    ven = kit.register(peer=A)
    answer = kit.handle(registration.OadrQueryRegistration(requestID="q1"), peer=A)
    assert answer.venID == ven
    assert answer.registrationID == kit.vtn.vens[ven].registrationID


def test_09_r403_create_gives_ids_profiles_and_the_poll_frequency(kit):
    answer = kit.handle(create())
    assert answer.registrationID
    assert answer.venID
    assert answer.vtnID == "VTN"
    assert answer.oadrRequestedOadrPollFreq == 10
    assert len(answer.oadrProfiles.oadrProfile) == 2
    assert kit.told("VenRegistered")[0].venID == answer.venID


def test_09_a_push_ven_gets_no_poll_frequency(kit):
    answer = kit.handle(create(oadrHttpPullModel=False, oadrTransportAddress="http://127.0.0.1:1/x"))
    assert answer.oadrRequestedOadrPollFreq is None
    assert not kit.vtn.vens[answer.venID].pull


@pytest.mark.parametrize("address", [None, "None"])
def test_49_push_without_address_is_refused(kit, address):
    answer = kit.handle(create(oadrHttpPullModel=False, oadrTransportAddress=address))
    assert answer.eiResponse.responseCode == "459"
    assert not kit.vtn.vens


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "file:///etc/passwd",
        "http://",
        "https://x:port",
        "http://[::1",
        "x:1",
        "http://x/?y=1",
        "http://x/#y",
    ],
)
def test_an_address_that_nothing_can_be_pushed_to_is_refused(kit, address):
    answer = kit.handle(create(oadrHttpPullModel=False, oadrTransportAddress=address))
    assert answer.eiResponse.responseCode == "454"
    assert not kit.vtn.vens


@pytest.mark.parametrize(
    "address", ["http://ven.example", "HTTPS://10.0.0.1:8443/a/b/", "http://[::1]:80", "\n http://ven.example/ "]
)
def test_44_an_address_of_any_form_of_http_is_taken(kit, address):
    answer = kit.handle(create(oadrHttpPullModel=False, oadrTransportAddress=address))
    assert answer.eiResponse.responseCode == "200"
    assert kit.vtn.vens[answer.venID].address == address.strip()


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://ven.example/", "454"),
        ("HTTP://10.0.0.1:8080", "454"),
        ("http://[2001:db8::1]/", "454"),
        ("https://ven.example/", "200"),
        ("http://127.0.0.1:8080/", "200"),
        ("http://localhost", "200"),
        ("http://[::1]:8080/", "200"),
    ],
)
def test_44_r67_who_registers_over_tls_is_not_pushed_to_without_it(kit, address, code):
    fields = {"oadrHttpPullModel": False, "oadrTransportAddress": address}
    assert kit.handle(create(**fields), peer=A).eiResponse.responseCode == code
    assert bool(kit.vtn.vens) is (code == "200")
    # An address that is not used is of no account.
    assert kit.handle(create(oadrTransportAddress=address), peer=A).eiResponse.responseCode == "200"


@pytest.mark.parametrize("fields", [{"oadrTransportName": "xmpp"}])
def test_a_transport_that_is_not_offered_is_refused(kit, fields):
    assert kit.handle(create(**fields)).eiResponse.responseCode == "454"
    assert not kit.vtn.vens


def test_10_request_ids_are_echoed(kit):
    assert kit.handle(create(requestID="a b")).eiResponse.requestID == "a b"


def test_11_r406_a_create_without_ids_from_a_registered_ven_starts_over(kit):
    ven = kit.register(peer=A)
    first = kit.vtn.vens[ven].registrationID
    kit.handle(report.OadrRegisterReport(requestID="m", venID=ven), peer=A)
    kit.do(kit.vtn.request_reregistration(ven))
    assert kit.register(peer=A) == ven
    assert kit.vtn.vens[ven].registrationID != first
    assert kit.vtn.reports(ven).metadata == []
    assert kit.vtn.waiting(ven) == ["register_report"]


def test_12_r401_reregistration_keeps_the_ids_and_everything_else(kit):
    ven = kit.register(peer=A)
    kept = kit.vtn.vens[ven].registrationID
    kit.do(kit.vtn.request_metadata(ven))
    before = kit.vtn.waiting(ven)
    answer = kit.handle(create(registrationID=kept, venID=ven), peer=A)
    assert (answer.registrationID, answer.venID) == (kept, ven)
    assert kit.vtn.waiting(ven) == before
    assert kit.told("VenRegistered")[-1].again


@pytest.mark.parametrize(
    ("registration_id", "ven_id"), [("wrong", "right"), ("right", "wrong"), ("right", None), ("wrong", "wrong")]
)
@pytest.mark.parametrize("peer", [A, Peer()])
def test_12_r400_wrong_ids_in_a_reregistration_get_452(kit, registration_id, ven_id, peer):
    ven = kit.register(peer=peer)
    ids = {"right": kit.vtn.vens[ven].registrationID, "wrong": "nobody's"}
    answer = kit.handle(
        create(registrationID=ids[registration_id], venID={"right": ven, "wrong": "x", None: None}[ven_id]), peer=peer
    )
    assert answer.eiResponse.responseCode == "452"
    assert kit.vtn.vens[ven].registrationID == ids["right"]


def test_13_reregistration_is_asked_for_by_poll_and_its_answer_is_taken(kit):
    ven = kit.register()
    kit.quiet(ven)
    kit.do(kit.vtn.request_reregistration(ven))
    asked = kit.poll(ven)
    assert asked == registration.OadrRequestReregistration(venID=ven)
    assert kit.handle(event.OadrResponse(eiResponse=ok(""), venID=ven)) is None
    assert kit.vtn.waiting(ven) == []


def test_13_cancellation_is_asked_for_by_poll_and_ends_with_the_answer(kit):
    ven = kit.register()
    kit.quiet(ven)
    registration_id = kit.vtn.vens[ven].registrationID
    kit.do(kit.vtn.cancel_registration(ven))
    asked = kit.poll(ven)
    assert (asked.registrationID, asked.venID) == (registration_id, ven)
    assert kit.vtn.vens[ven].registered
    answer = registration.OadrCanceledPartyRegistration(
        eiResponse=ok(asked.requestID), registrationID=registration_id, venID=ven
    )
    assert kit.handle(answer).eiResponse.responseCode == "200"
    assert not kit.vtn.vens[ven].registered
    assert kit.told("VenCancelled")[0].by == "vtn"


def test_13_a_cancellation_that_is_never_answered_ends_the_registration_all_the_same(kit):
    ven = kit.register()
    kit.quiet(ven)
    kit.do(kit.vtn.cancel_registration(ven))
    for _ in range(3):
        assert isinstance(kit.poll(ven), registration.OadrCancelPartyRegistration)
        kit.now += 31
    kit.poll(ven)
    assert not kit.vtn.vens[ven].registered
    assert kit.told("Undelivered")[0].kind == "cancel_registration"


def test_14_r407_a_ven_cancels_and_everything_is_erased(kit):
    ven = kit.register()
    kit.send([ven])
    kit.request(ven)
    kit.handle(report.OadrRegisterReport(requestID="m", venID=ven))
    kit.handle(opt_schedule(ven))
    kit.do(kit.vtn.request_metadata(ven))
    assert kit.vtn.opts(ven).schedules
    assert kit.vtn.reports(ven).running
    own = kit.vtn.vens[ven].registrationID
    answer = kit.handle(registration.OadrCancelPartyRegistration(requestID="c", registrationID=own, venID=ven))
    assert (answer.eiResponse.responseCode, answer.registrationID, answer.venID) == ("200", own, ven)
    assert kit.vtn.waiting(ven) == []
    assert kit.vtn.delivery(ven, "E") is None
    assert kit.poll(ven).eiResponse.responseCode == "463"
    assert not kit.vtn.opts(ven).schedules
    assert not kit.vtn.reports(ven).running
    # Who comes back begins with nothing, and is told of the event anew.
    again = kit.register(peer=Peer()) if ven not in kit.vtn.vens else kit.handle(create(venID=ven)).venID
    assert again == ven
    assert not kit.vtn.opts(ven).schedules
    assert [one.eiEvent.eventDescriptor.eventID for one in kit.request(ven).oadrEvent] == ["E"]


def test_14_a_cancellation_with_another_registration_id_gets_452(kit):
    ven = kit.register()
    answer = kit.handle(registration.OadrCancelPartyRegistration(requestID="c", registrationID="x", venID=ven))
    assert answer.eiResponse.responseCode == "452"
    assert kit.vtn.vens[ven].registered


def requests_of(ven):
    """One of each payload a VEN may send, and the payload that has to answer it."""
    wanted, pending = request_to_wire(metadata_request("m")), report.OadrPendingReports()
    return [
        (event.OadrPoll(venID=ven), event.OadrResponse),
        (
            event.OadrRequestEvent(eiRequestEvent=event.EiRequestEvent(requestID="q", venID=ven)),
            event.OadrDistributeEvent,
        ),
        (report.OadrRegisterReport(requestID="q", venID=ven), report.OadrRegisteredReport),
        (report.OadrUpdateReport(requestID="q", venID=ven), report.OadrUpdatedReport),
        (
            report.OadrCancelReport(requestID="q", reportRequestID=["x"], reportToFollow=False, venID=ven),
            report.OadrCanceledReport,
        ),
        (
            registration.OadrCancelPartyRegistration(requestID="q", registrationID="x", venID=ven),
            registration.OadrCanceledPartyRegistration,
        ),
        (
            event.OadrCreatedEvent(eiCreatedEvent=event.EiCreatedEvent(eiResponse=ok("q"), venID=ven)),
            event.OadrResponse,
        ),
        (event.OadrResponse(eiResponse=ok("q"), venID=ven), event.OadrResponse),
        (opt_schedule(ven), opt.OadrCreatedOpt),
        (opt.OadrCancelOpt(requestID="q", optID="o", venID=ven), opt.OadrCanceledOpt),
        (report.OadrRegisteredReport(eiResponse=ok("q"), venID=ven), event.OadrResponse),
        (report.OadrCreateReport(requestID="q", venID=ven, oadrReportRequest=[wanted]), report.OadrCreatedReport),
        (report.OadrCreatedReport(eiResponse=ok("q"), oadrPendingReports=pending, venID=ven), event.OadrResponse),
        (report.OadrCanceledReport(eiResponse=ok("q"), oadrPendingReports=pending, venID=ven), event.OadrResponse),
        (registration.OadrCanceledPartyRegistration(eiResponse=ok("q"), venID=ven), event.OadrResponse),
    ]


def opt_schedule(ven):
    span = Properties(dtstart=1_800_000_000.0, duration=60)
    return opt.OadrCreateOpt(
        optID="o",
        optType="optOut",
        optReason="x-schedule",
        venID=ven,
        vavailability=opt.Vavailability(components=opt.AvailableList(available=[opt.Available(properties=span)])),
        createdDateTime=1_800_000_000.0,
        requestID="q",
        eiTarget=EiTarget(venID=[ven]),
    )


@pytest.mark.parametrize("number", range(15))
def test_15_r517_an_unregistered_certificate_gets_463_in_the_answer_that_fits(kit, number):
    kit.register(peer=A)
    payload, answer = requests_of("whoever")[number]
    reply = kit.handle(payload, peer=B)
    assert isinstance(reply, answer)
    assert reply.eiResponse.responseCode == "463"


@pytest.mark.parametrize("number", range(15))
def test_15_the_certificate_of_another_ven_gets_463(kit, number):
    ven = kit.register("a", peer=A)
    kit.register("b", peer=B)
    payload, answer = requests_of(ven)[number]
    reply = kit.handle(payload, peer=B)
    assert isinstance(reply, answer)
    assert reply.eiResponse.responseCode == "463"


@pytest.mark.parametrize("number", range(15))
@pytest.mark.parametrize("peer", [A, Peer()])
def test_16_r517_a_wrong_ven_id_gets_452(kit, number, peer):
    kit.register(peer=peer)
    payload, answer = requests_of("nobody")[number]
    reply = kit.handle(payload, peer=peer)
    assert isinstance(reply, answer)
    assert reply.eiResponse.responseCode == "452"


def test_15_registration_is_closed_to_strangers_when_so_configured(vtn_kit):
    kit = vtn_kit(open_registration=False)
    assert kit.handle(create(), peer=A).eiResponse.responseCode == "463"
    kit.do(kit.vtn.put_ven(Ven(venID="V1", fingerprint="AA:AA")))
    assert kit.handle(create(venID="V1"), peer=A).venID == "V1"
    assert kit.handle(create(venID="V1"), peer=B).eiResponse.responseCode == "463"
    assert kit.handle(create(venID="V2"), peer=A).eiResponse.responseCode == "452"
    assert kit.handle(create(venID="V1")).eiResponse.responseCode == "463"
    kit.check()


def test_one_certificate_belongs_to_one_ven(kit):
    kit.do(kit.vtn.put_ven(Ven(venID="V1", fingerprint="AA:AA")))
    with pytest.raises(RefusedControl):
        kit.vtn.put_ven(Ven(venID="V2", fingerprint="AA:AA"))
    kit.do(kit.vtn.drop_ven("V1"))
    kit.do(kit.vtn.put_ven(Ven(venID="V2", fingerprint="AA:AA")))


def test_an_event_goes_on_without_a_ven_that_was_removed(kit):
    kit.do(kit.vtn.put_ven(Ven(venID="V1", fingerprint="AA:AA")))
    kit.do(kit.vtn.put_ven(Ven(venID="V2", fingerprint="BB:BB")))
    kit.do(kit.vtn.create_event(kit.event("E1"), ["V1", "V2"], kit.now))
    kit.do(kit.vtn.drop_ven("V1"))
    assert kit.told("CertificateDropped") == [CertificateDropped(venID="V1")]
    assert kit.vtn.events["E1"].recipients == ["V2"]
    kit.do(kit.vtn.cancel_event("E1", kit.now))
    assert kit.vtn.events["E1"].event.status == "cancelled"
    kit.check()


def test_a_certificate_that_was_replaced_is_told_of(kit):
    kit.do(kit.vtn.put_ven(Ven(venID="V1", fingerprint="AA:AA")))
    kit.do(kit.vtn.put_ven(Ven(venID="V1", fingerprint="AA:AA", groups=["g"])))
    assert kit.told("CertificateDropped") == []
    kit.do(kit.vtn.put_ven(Ven(venID="V1", fingerprint="BB:BB")))
    assert kit.told("CertificateDropped") == [CertificateDropped(venID="V1")]


def test_an_operator_cannot_ask_a_ven_that_is_not_registered(kit):
    with pytest.raises(RefusedControl):
        kit.vtn.request_reregistration("nobody")
    kit.do(kit.vtn.put_ven(Ven(venID="V1")))
    with pytest.raises(RefusedControl):
        kit.vtn.cancel_registration("V1")


def test_without_certificates_a_ven_that_starts_anew_is_known_by_its_name(kit):
    assert kit.register("same") == kit.register("same")
    assert kit.register("other") != kit.register("same")


def test_the_number_of_vens_is_capped(vtn_kit):
    kit = vtn_kit(most_vens=1)
    kit.register("a", peer=A)
    assert kit.handle(create(), peer=B).eiResponse.responseCode == "463"


def test_newcomers_that_left_make_room_the_longest_gone_first(vtn_kit):
    kit = vtn_kit(most_vens=3)
    gone = [kit.register(peer=Peer(f"{number}:00")) for number in range(3)]
    for number in (1, 0, 2):
        own = kit.vtn.vens[gone[number]].registrationID
        kit.now += 10.0
        cancel = registration.OadrCancelPartyRegistration(requestID="c", registrationID=own, venID=gone[number])
        kit.handle(cancel, peer=Peer(f"{number}:00"))
    entered = kit.vtn.vens[gone[0]]
    kit.do(kit.vtn.put_ven(replace(entered, groups=["north"])))  # Whom somebody entered stays.
    first = kit.register(peer=Peer("3:00"))
    assert set(kit.vtn.vens) == {gone[0], gone[2], first}
    assert [told.venID for told in kit.told("CertificateDropped")] == [gone[1]]
    second = kit.register(peer=Peer("4:00"))
    assert set(kit.vtn.vens) == {gone[0], first, second}
    assert kit.handle(create(), peer=Peer("5:00")).eiResponse.responseCode == "463"  # All are there.
