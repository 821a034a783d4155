"""A message that comes again is answered the same, and nothing changes."""

from __future__ import annotations

import dataclasses

import pytest

from gridiface.protocols.openadr.answers import ok, response
from gridiface.protocols.openadr.payloads import event, opt, registration, report
from gridiface.protocols.openadr.payloads.common import EiTarget, Properties
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.vtn import Peer, ReportWish

CARD = Peer(fingerprint="AA")
CREATE = registration.OadrCreatePartyRegistration(
    requestID="c1",
    oadrProfileName="2.0b",
    oadrTransportName="simpleHttp",
    oadrReportOnly=False,
    oadrXmlSignature=False,
    oadrHttpPullModel=True,
)


def metadata(kit, ven, request_id="m1"):
    point = report.OadrReportDescription(
        rID="p",
        reportType="usage",
        itemBase=power_real(),
        readingType="Direct Read",
        oadrSamplingRate=report.OadrSamplingRate(oadrMinPeriod=1, oadrMaxPeriod=60, oadrOnChange=False),
    )
    offered = report.OadrReport(
        duration=3600,
        oadrReportDescription=[point],
        reportRequestID="0",
        reportSpecifierID="usage",
        reportName="METADATA_TELEMETRY_USAGE",
        createdDateTime=kit.now,
    )
    return report.OadrRegisterReport(requestID=request_id, oadrReport=[offered], venID=ven)


def schedule(kit, ven):
    """An opt schedule of a minute from now on."""
    span = opt.Available(properties=Properties(dtstart=kit.now, duration=60))
    return opt.OadrCreateOpt(
        optID="o",
        optType="optOut",
        optReason="economic",
        venID=ven,
        vavailability=opt.Vavailability(components=opt.AvailableList(available=[span])),
        createdDateTime=kit.now,
        requestID="q",
        eiTarget=EiTarget(),
    )


@pytest.fixture
def wishing(vtn_kit):
    return vtn_kit(wishes=(ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1),))


def test_a_registration_that_comes_twice_is_one(kit):
    first, second = (kit.handle(CREATE, peer=CARD) for _ in range(2))
    assert second == first
    assert kit.vtn.vens[first.venID].registrationID == first.registrationID
    assert len(kit.told("VenRegistered")) == 1


def test_11_r406_a_create_without_ids_starts_over_once_something_else_was_said(kit):
    first = kit.handle(CREATE, peer=CARD)
    kit.handle(event.OadrPoll(venID=first.venID), peer=CARD)
    second = kit.handle(CREATE, peer=CARD)
    assert second.registrationID != first.registrationID
    other = kit.handle(dataclasses.replace(CREATE, requestID="c2"), peer=CARD)
    assert other.registrationID != second.registrationID


def test_metadata_that_come_twice_make_one_set_of_requests(wishing):
    kit = wishing
    ven = kit.register()
    asked = metadata(kit, ven)
    first, second = kit.handle(asked), kit.handle(asked)
    assert [one.reportRequestID for one in second.oadrReportRequest] == [
        one.reportRequestID for one in first.oadrReportRequest
    ]
    assert set(kit.vtn.reports(ven).running) == {one.reportRequestID for one in first.oadrReportRequest}
    kit.now += 1
    third = kit.handle(metadata(kit, ven))  # the same requestID, another time: new metadata
    assert third.oadrReportRequest[0].reportRequestID != first.oadrReportRequest[0].reportRequestID


def test_an_opt_schedule_that_comes_twice_is_one(kit):
    ven = kit.register()
    created = schedule(kit, ven)
    assert kit.handle(created) == kit.handle(created)
    assert len(kit.told("OptChanged")) == 1


def test_38_a_cancelled_opt_whose_answer_was_lost_is_no_error_until_it_is_made_again(kit):
    ven = kit.register()
    created = schedule(kit, ven)
    cancelled = opt.OadrCancelOpt(requestID="q", optID="o", venID=ven)
    for _ in range(2):  # Some peers say the very same in each round.
        for _ in range(2):
            kit.handle(created)
            assert [one.optID for one in kit.vtn.opts(ven).schedules] == ["o"]
            kit.restart()
        for _ in range(2):
            assert kit.handle(cancelled).eiResponse.responseCode == "200"
            assert not kit.vtn.opts(ven).schedules
            kit.restart()
    assert kit.handle(dataclasses.replace(cancelled, requestID="other")).eiResponse.responseCode == "452"


def test_a_cancellation_that_rode_on_a_lost_answer_rides_again(wishing):
    kit = wishing
    ven = kit.register()
    (request,) = kit.handle(metadata(kit, ven)).oadrReportRequest
    kit.handle(report.OadrCreatedReport(eiResponse=ok("m1"), oadrPendingReports=report.OadrPendingReports(), venID=ven))
    kit.do(kit.vtn.cancel_reports(ven, [request.reportRequestID], piggyback=True))
    told = report.OadrReport(
        reportRequestID=request.reportRequestID, reportSpecifierID="usage", createdDateTime=kit.now
    )
    data = report.OadrUpdateReport(requestID="u", oadrReport=[told], venID=ven)
    first, second = kit.handle(data), kit.handle(data)
    assert first.oadrCancelReport.reportRequestID == [request.reportRequestID]
    assert second == first
    assert kit.handle(dataclasses.replace(data, requestID="u2")).oadrCancelReport is None


def test_what_was_taken_back_is_carried_out_anew(kit):
    first = kit.vtn.handle(CREATE, CARD, kit.now)
    again = kit.vtn.handle(CREATE, CARD, kit.now)
    assert again.reply == first.reply
    assert again.changes == ()
    kit.vtn.revert(first.changes)
    third = kit.vtn.handle(CREATE, CARD, kit.now)
    assert third.reply.registrationID != first.reply.registrationID
    kit.commit(third)


def test_an_answer_that_comes_twice_says_nothing_of_another_request(kit):
    ven = kit.register()
    kit.handle(metadata(kit, ven))
    kit.quiet(ven)
    ask = {"specifier": "usage", "rids": ("p",), "granularity": 1, "back": 10, "start": kit.now}
    for name in ("r1", "r2"):
        kit.do(kit.vtn.request_reports(ven, [ReportRequest(id=name, **ask)]))
    sent = [kit.poll(ven) for _ in range(2)]
    assert all(isinstance(one, report.OadrCreateReport) for one in sent)
    answer = report.OadrCreatedReport(
        eiResponse=ok(sent[0].requestID),
        oadrPendingReports=report.OadrPendingReports(reportRequestID=["r1"]),
        venID=ven,
    )
    for _ in range(3):
        assert kit.handle(answer).eiResponse.responseCode == "200"
    running = kit.vtn.reports(ven).running
    assert [running[name].state for name in ("r1", "r2")] == ["running", "asked"]


def test_43_a_cancellation_whose_first_answer_was_lost_ends_all_the_same(kit):
    """The VEN stopped, its answer was lost, and to the second cancellation it says that it knows no such report."""
    ven = kit.register()
    kit.handle(metadata(kit, ven))
    kit.quiet(ven)
    ask = {"specifier": "usage", "rids": ("p",), "granularity": 1, "back": 10, "start": kit.now}
    kit.do(kit.vtn.request_reports(ven, [ReportRequest(id=name, **ask) for name in ("r1", "r2")]))
    kit.poll(ven)
    kit.do(kit.vtn.cancel_reports(ven, ["r1", "r2"]))
    asked = kit.poll(ven)
    answer = report.OadrCanceledReport(
        eiResponse=response(452, "not known", asked.requestID),
        oadrPendingReports=report.OadrPendingReports(reportRequestID=["r2"]),
        venID=ven,
    )
    for _ in range(2):
        assert kit.handle(answer).eiResponse.responseCode == "200"
    running = kit.vtn.reports(ven).running
    assert running["r1"].state == "done"
    assert running["r2"].state != "done"  # It still runs there, so it says.


def test_13_a_ven_that_is_not_registered_any_more_has_answered_our_cancellation(kit):
    ven = kit.register()
    kit.quiet(ven)
    kit.do(kit.vtn.cancel_registration(ven))
    asked = kit.poll(ven)
    gone = registration.OadrCanceledPartyRegistration(eiResponse=response(463, "", asked.requestID), venID=ven)
    kit.handle(gone)
    assert kit.vtn.vens[ven].registrationID is None
