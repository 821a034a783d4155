"""The metadata of the VTN itself: told once, told again and again, not any more."""

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


def test_r324_periodic_metadata_come_at_once_and_with_every_report_back_duration(kit, ven):
    answer = ask(kit, ven, request(back=60, start=kit.now))
    assert answer.oadrPendingReports.reportRequestID == ["m"]
    assert told(kit, ven) == ["m"]
    assert ask(kit, ven, request("n")).oadrPendingReports.reportRequestID == ["m", "n"]
    assert told(kit, ven) == ["n"]
    for _ in range(3):
        assert kit.vtn.next_timer(kit.now) - kit.now == 60
        kit.now += 59
        assert told(kit, ven) == []
        kit.now += 1
        kit.restart()
        assert told(kit, ven) == ["m"]


def test_r324_periodic_metadata_begin_and_end_with_their_interval(kit, ven):
    ask(kit, ven, request(back=60, start=kit.now + 100, duration=130))
    assert told(kit, ven) == []
    times = []
    begin = kit.now
    for _ in range(60):
        kit.now += 10
        times += [kit.now - begin for _ in told(kit, ven)]
    assert times == [100, 160, 220]
    assert ask(kit, ven, request("n")).oadrPendingReports.reportRequestID == ["n"]


def test_what_came_due_while_the_ven_was_away_is_told_once(kit, ven):
    ask(kit, ven, request(back=60, start=kit.now))
    assert told(kit, ven) == ["m"]
    kit.now += 1000
    assert told(kit, ven) == ["m"]
    assert told(kit, ven) == []


def test_r336_a_ven_cancels_what_it_asked_for(kit, ven):
    ask(kit, ven, request(back=60, start=kit.now), request("n", back=90, start=kit.now))
    answer = cancel(kit, ven, "m", "unknown")
    assert answer.eiResponse.responseCode == "452"
    assert answer.oadrPendingReports.reportRequestID == ["n"]
    assert told(kit, ven) == ["n"]
    answer = cancel(kit, ven, "n")
    assert answer.eiResponse.responseCode == "200"
    assert answer.oadrPendingReports.reportRequestID == []
    kit.now += 1000
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


def test_a_ven_that_is_away_for_long_is_told_once_a_push_gets_through(kit):
    ven = kit.register("p", oadrHttpPullModel=False, oadrTransportAddress="http://ven.example")
    (first,), result = kit.vtn.next_pushes(kit.now)
    kit.commit(result)
    kit.handle(report.OadrRegisteredReport(eiResponse=ok(first.payload.requestID), venID=ven))
    ask(kit, ven, request(back=60, start=kit.now))
    for _ in range(10):
        kit.now += 60
        kit.do(kit.vtn.handle_timer(kit.now))
    assert kit.vtn.waiting(ven) == ["register_report"]


def test_a_clock_that_is_set_back_keeps_nobody_waiting_and_the_beat(kit, ven):
    begin = kit.now
    ask(kit, ven, request(back=60, start=begin), request("n", back=60, start=begin + 5000))
    assert told(kit, ven) == ["m"]
    kit.now = begin + 610
    assert told(kit, ven) == ["m"]
    kit.now = begin + 30  # set back by ten minutes
    assert told(kit, ven) == ["m"]
    assert told(kit, ven) == []
    kit.now = begin + 60
    assert told(kit, ven) == ["m"]
    kit.now = begin + 5000
    assert told(kit, ven) == ["m", "n"]
