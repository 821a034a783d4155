"""The metadata of the VTN itself: told once, whatever a VEN asks, or not any more."""

from __future__ import annotations

import pytest

from gridiface.protocols.openadr.answers import ok
from gridiface.protocols.openadr.payloads import event, report
from gridiface.protocols.openadr.payloads.common import Properties


@pytest.fixture
def ven(kit):
    made = kit.register()
    kit.quiet(made)
    return made


def request(name="m", *, specifier="METADATA", rid="0", back=0, start=None, duration=0):
    interval = None
    if start is not None:
        interval = report.ReportInterval(properties=Properties(dtstart=start, duration=duration))
    return report.OadrReportRequest(
        reportRequestID=name,
        reportSpecifier=report.ReportSpecifier(
            reportSpecifierID=specifier,
            granularity=0,
            reportBackDuration=back,
            reportInterval=interval,
            specifierPayload=[report.SpecifierPayload(rID=rid, readingType="x-notApplicable")],
        ),
    )


def ask(kit, ven, *requests):
    return kit.handle(report.OadrCreateReport(requestID="c", oadrReportRequest=list(requests), venID=ven))


def told(kit, ven):
    """Which requests the VTN answers now; each is acknowledged."""
    kit.do(kit.vtn.handle_timer(kit.now))
    found = []
    while not isinstance(answer := kit.poll(ven), event.OadrResponse):
        assert isinstance(answer, report.OadrRegisterReport)
        assert answer.oadrReport == []
        found.append(answer.reportRequestID)
        kit.handle(report.OadrRegisteredReport(eiResponse=ok(answer.requestID), venID=ven))
    return found


def cancel(kit, ven, *names):
    payload = report.OadrCancelReport(requestID="x", reportRequestID=list(names), reportToFollow=False, venID=ven)
    return kit.handle(payload)


def test_r327_r329_metadata_is_told_once_and_pending_until_then(kit, ven):
    answer = ask(kit, ven, request())
    assert (answer.eiResponse.responseCode, answer.eiResponse.requestID) == ("200", "c")
    assert answer.oadrPendingReports.reportRequestID == ["m"]
    assert told(kit, ven) == ["m"]
    kit.now += 10_000
    assert told(kit, ven) == []


@pytest.mark.parametrize("ahead", [0, 100])
def test_r510_periodic_metadata_are_told_once_where_there_is_nothing_to_report(kit, ven, ahead):
    answer = ask(kit, ven, request(back=60, start=kit.now + ahead))
    assert (answer.eiResponse.responseCode, answer.oadrPendingReports.reportRequestID) == ("200", ["m"])
    assert ask(kit, ven, request("n")).oadrPendingReports.reportRequestID == ["m", "n"]
    kit.restart()
    assert told(kit, ven) == ["m", "n"]
    kit.now += 10_000
    assert told(kit, ven) == []


def test_r336_a_ven_cancels_what_it_asked_for(kit, ven):
    ask(kit, ven, request(), request("n"))
    answer = cancel(kit, ven, "m", "unknown")
    assert answer.eiResponse.responseCode == "452"
    assert answer.oadrPendingReports.reportRequestID == ["n"]
    answer = cancel(kit, ven, "n")
    assert answer.eiResponse.responseCode == "200"
    assert answer.oadrPendingReports.reportRequestID == []
    assert told(kit, ven) == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"specifier": "usage"}, "452"),
        ({"back": -60}, "454"),
        ({"name": "x" * 3000}, "452"),
    ],
)
def test_r304_other_reports_there_are_none(kit, ven, bad, code):
    answer = ask(kit, ven, request("good", back=60, start=kit.now), request(**bad))
    assert answer.eiResponse.responseCode == code
    assert answer.oadrPendingReports.reportRequestID == []
    assert told(kit, ven) == []


def test_r406_a_new_registration_has_asked_for_nothing(kit, ven):
    ask(kit, ven, request(back=60, start=kit.now))
    assert kit.register() == ven
    kit.quiet(ven)
    kit.now += 1000
    assert told(kit, ven) == []
